use super::*;
use crate::control::words::{
    Auth, Daemon, Latencies, Lun, Memory, Pause, Poison, Portal, Program, RefusedLogin, SwapReport, Target,
};

fn sample() -> Status {
    let latency = Latency { p50: 85, p99: 1_234, p999: 4_000, max: 20_000 };
    let peer = "192.0.2.7:51234".parse().unwrap();
    let local = "192.0.2.1:3260".parse().unwrap();
    let target = "iqn.2026-11.internal.mainstay:disk".to_owned();
    Status {
        daemon: Daemon {
            version: "0.1.0".into(),
            build: "5f0c2a9d31be77e4".into(),
            protocol: 1,
            pid: 4242,
            started_ms: 1_795_257_727_000,
            uptime_ms: 11_520_000,
            state_dir: "/var/lib/mainstay".into(),
            control: "/run/mainstay/control.sock".into(),
            config: None,
            memory: Memory { budget: 256 << 20, promised: 1 << 20, used: 0 },
        },
        portals: vec![Portal { address: local, advertise: None, tag: 1, targets: 1, sessions: 1 }],
        nvme: Default::default(),
        targets: vec![Target {
            name: target.clone(),
            alias: None,
            portals: vec![local],
            auth: Auth::Chap,
            luns: vec![Lun { lun: 0, volume: "disk".into() }, Lun { lun: 1, volume: "ram".into() }],
        }],
        sessions: vec![Session {
            id: 3,
            initiator: "iqn.1993-08.org.debian:01:5e1b".into(),
            target: Some(target),
            peer,
            local,
            isid: "00023d000001".into(),
            tsih: 1,
            state: SessionState::Active,
            since_ms: 1_795_269_127_000,
            negotiated: Negotiated { auth_method: "CHAP".into(), max_burst_length: 262_144, ..Negotiated::default() },
            commands: 123_456,
            commands_open: 3,
            read_bytes: 5 << 30,
            written_bytes: 0,
            window: 64,
        }],
        volumes: vec![Volume {
            name: "disk".into(),
            kind: VolumeKind::File,
            path: Some("/srv/disk.img".into()),
            size: 1 << 30,
            block_bytes: 512,
            physical_bytes: 4096,
            read_only: false,
            write_cache: true,
            thin: true,
            uuid: "5a2c1f9e-6a3f-4a5c-9d5e-3b2a1c0d9e8f".into(),
            serial: "5a2c1f9e".into(),
            naa: "35a2c1f9e6a3f4a5".into(),
            poisoned: false,
            poison: None,
            io: Io {
                reads: 1_234_567,
                read_bytes: 5 << 30,
                latency_us: Latencies { read: latency, ..Latencies::default() },
                ..Io::default()
            },
        }],
        refused_logins: Vec::new(),
        swaps: Vec::new(),
    }
}

#[test]
fn a_status_reads_like_this() {
    let expected = "\
mainstay 0.1.0 (5f0c2a9d31be77e4), process 4242, up 3 h 12 min (since 2026-11-21 10:42:07Z)
state    /var/lib/mainstay
control  /run/mainstay/control.sock
memory   0 B in use and 1 MiB promised, of 256 MiB

VOLUME  KIND   SIZE   READS   READ  WRITES  WRITTEN  ERRORS  READ P50/P99  WRITE P50/P99  FLAGS
disk    file  1 GiB  1.23 M  5 GiB       0      0 B       0  85us/1.2ms              -  cache, thin

TARGET                              LUN  VOLUME  CHAP  SESSIONS
iqn.2026-11.internal.mainstay:disk    0  disk    yes          1
                                      1  ram

PORTAL          TARGETS  SESSIONS  ADVERTISED AS
192.0.2.1:3260        1         1

SESSION  INITIATOR                       TARGET  FROM              FOR  COMMANDS   SENT  RECEIVED  STATE
      3  iqn.1993-08.org.debian:01:5e1b  ..:disk  192.0.2.7:51234  2 min     123 k  5 GiB      0 B  active
";
    let text = text(&sample(), None, false, Paint(false), None);
    let squeezed = |text: &str| text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    assert_eq!(squeezed(&text), squeezed(expected), "\n{text}");
}

#[test]
fn details_name_every_key_that_was_negotiated() {
    let text = text(&sample(), None, true, Paint(false), None);
    let serde_json::Value::Object(keys) = serde_json::json!(Negotiated::default()) else { panic!("no object") };
    for key in keys.keys().map(|key| key.trim_start_matches("Initiator").trim_start_matches("Target")) {
        assert!(text.contains(key), "{key} is not in\n{text}");
    }
    assert!(text.contains("5a2c1f9e-6a3f-4a5c-9d5e-3b2a1c0d9e8f") && text.contains("P99.9"));
}

#[test]
fn the_second_look_tells_traffic_per_second() {
    let before = sample();
    let mut after = sample();
    after.daemon.uptime_ms += 2_000;
    after.volumes[0].io.reads += 30_000;
    after.volumes[0].io.read_bytes += 30_000 * 4096;
    let text = text(&after, Some(&before), false, Paint(false), None);
    assert!(text.contains("READS/S") && text.contains("15.0 k") && text.contains("58.6 MiB"), "{text}");
}

#[test]
fn what_is_wrong_is_said() {
    let mut status = sample();
    status.volumes[0].poisoned = true;
    status.volumes[0].poison = Some(Poison { time_ms: 0, why: "sync: EIO".into() });
    status.refused_logins.push(RefusedLogin {
        time_ms: 1_795_257_727_000,
        peer: "192.0.2.9:4001".parse().unwrap(),
        initiator: None,
        target: None,
        step: "security negotiation".into(),
        why: "wrong secret\x1b[2J".into(),
    });
    let text = text(&status, None, false, Paint(false), None);
    assert!(text.contains("failed to flush (1970-01-01 00:00:00Z, sync: EIO)"));
    assert!(text.contains("mainstay clear-poison disk") && text.contains("POISONED"));
    assert!(text.contains("(unnamed) from 192.0.2.9:4001\n    security negotiation: wrong secret\\u{1b}[2J\n"));
}

#[test]
fn swaps_are_remembered() {
    let program = |version: &str| Program { version: version.into(), build: version.into(), path: "m".into() };
    let swap = |outcome, to: Option<&str>| SwapReport {
        time_ms: 1_795_257_727_000,
        outcome,
        from: program("0.1.0"),
        to: to.map(program),
        pause: Some(Pause { total_us: 3_420, ..Pause::default() }),
        step: Some("adopt".into()),
        why: Some("it hung\nlast words".into()),
        ..SwapReport::default()
    };
    let mut status = sample();
    status.swaps = vec![
        swap(SwapOutcome::Done, Some("0.0.9")),
        swap(SwapOutcome::Done, Some("0.2.0")),
        swap(SwapOutcome::RolledBack, Some("0.3.0")),
        swap(SwapOutcome::Refused, None),
    ];
    let expected = "
swaps
2026-11-21 10:42:07Z  0.1.0 to 0.0.9, paused 3.4 ms
2026-11-21 10:42:07Z  0.1.0 to 0.2.0, paused 3.4 ms
2026-11-21 10:42:07Z  0.1.0 to 0.3.0, rolled back
    adopt: it hung
2026-11-21 10:42:07Z  from 0.1.0, refused
    adopt: it hung
";
    let shown = text(&status, None, false, Paint(false), None);
    assert!(shown.ends_with(expected), "{shown}");
    status.swaps.extend([swap(SwapOutcome::NothingToDo, Some("0.1.0")), swap(SwapOutcome::Rehearsed, Some("0.1.1"))]);
    let shown = text(&status, None, false, Paint(false), None);
    assert!(shown.contains("\nswaps (1 more: --json)\n") && !shown.contains("0.0.9"), "{shown}");
    assert!(
        shown.ends_with(
            "0.1.0 (0.1.0) to 0.1.0 (0.1.0), nothing to do\n2026-11-21 10:42:07Z  0.1.0 to 0.1.1, rehearsed only\n"
        ),
        "{shown}"
    );
}

#[test]
fn an_empty_daemon_is_no_table_of_nothing() {
    let text = text(&Status::default(), None, true, Paint(false), None);
    assert!(text.contains("No volumes.") && text.contains("No targets.") && text.contains("Nobody is logged in"));
}
