use super::*;
use crate::control::bind;
use crate::control::client::Client;
use crate::control::machine::Machine;
use crate::control::words::{Carried, NotCarried, Pause, Program};
use crate::ctl::{Cli, Verb};
use clap::Parser;
use std::io::{Read, Write};
use std::path::Path;

fn program(version: &str, build: &str) -> Program {
    Program { version: version.into(), build: build.into(), path: "/usr/bin/mainstay".into() }
}

fn done() -> SwapReport {
    SwapReport {
        time_ms: 1_795_257_727_000,
        outcome: SwapOutcome::Done,
        step: None,
        why: None,
        from: program("0.1.0", "5f0c2a9d31be77e4"),
        to: Some(program("0.2.0", "a81f00c2d4e5f607")),
        carried: Some(Carried {
            sessions: 64,
            connections: 66,
            commands: 1,
            control_connections: 2,
            volumes: 4,
            snapshot_bytes: 96 << 10,
            payload_bytes: 8 << 20,
        }),
        pause: Some(Pause {
            total_us: 3_420,
            quiesce_us: 1_200,
            store_us: 900,
            save_us: 310,
            exec_us: 1_100,
            adopt_us: 810,
        }),
        rehearsal_ms: Some(412),
        remarks: vec!["/etc/mainstay.toml has changed and is not applied: limits.window: 64 to 128".into()],
        not_carried: Vec::new(),
    }
}

fn plain(report: &SwapReport) -> String {
    text(report, Paint(false))
}

#[test]
fn a_swap_reads_like_this() {
    let expected = "\
swapped 0.1.0 (5f0c2a9d31be77e4) to 0.2.0 (a81f00c2d4e5f607)
binary     /usr/bin/mainstay
rehearsal  412 ms, nothing paused
carried    64 sessions, 66 connections, 1 command, 4 volumes, 2 control connections, 96 KiB of state, 8 MiB of data in place
pause      3.4 ms
  quiesce   1.2 ms  ▒▒▒▒▒▒▒▒███ 900 us of it for stores
  save      310 us             ███
  exec      1.1 ms                ██████████
  adopt     810 us                          ████████
remark: /etc/mainstay.toml has changed and is not applied: limits.window: 64 to 128
";
    assert_eq!(plain(&done()), expected, "\n{}", plain(&done()));
}

#[test]
fn a_rehearsal_reads_like_this() {
    let not_carried = vec![NotCarried { what: "session 3 (iqn.a\x1b)".into(), why: "no".into() }];
    let report =
        SwapReport { outcome: SwapOutcome::Rehearsed, pause: None, remarks: Vec::new(), not_carried, ..done() };
    let expected = "\
rehearsed 0.2.0 (a81f00c2d4e5f607) can take over from 0.1.0 (5f0c2a9d31be77e4)
binary     /usr/bin/mainstay
rehearsal  412 ms, nothing paused
to carry   64 sessions, 66 connections, 1 command, 4 volumes, 2 control connections, 96 KiB of state, 8 MiB of data in place
not carried: session 3 (iqn.a\\u{1b}): no
";
    assert_eq!(plain(&report), expected, "\n{}", plain(&report));
}

#[test]
fn what_did_not_go_well_says_where_and_why_and_who_serves() {
    let bare = SwapReport { carried: None, pause: None, rehearsal_ms: None, remarks: Vec::new(), ..done() };
    let refused = SwapReport {
        outcome: SwapOutcome::Refused,
        step: Some("rehearse".into()),
        why: Some("killed by signal 11\nlast words:\n\x1b[2Joops\n".into()),
        ..bare.clone()
    };
    let expected = "\
refused 0.1.0 (5f0c2a9d31be77e4) to 0.2.0 (a81f00c2d4e5f607)
at rehearse: killed by signal 11
  last words:
  \\u{1b}[2Joops
0.1.0 (5f0c2a9d31be77e4) goes on serving; nothing was paused
binary     /usr/bin/mainstay
";
    assert_eq!(plain(&refused), expected, "\n{}", plain(&refused));
    let unreadable = SwapReport { step: Some("stage".into()), why: Some("no".into()), to: None, ..refused };
    assert!(plain(&unreadable).starts_with("refused 0.1.0 (5f0c2a9d31be77e4)\nat stage: no\n0.1.0 "));
    let back = SwapReport {
        outcome: SwapOutcome::RolledBack,
        step: Some("adopt".into()),
        why: Some("it hung".into()),
        pause: Some(Pause {
            total_us: 2_004_000,
            quiesce_us: 900,
            exec_us: 1_100,
            adopt_us: 2_002_000,
            ..Pause::default()
        }),
        ..bare.clone()
    };
    let said = plain(&back);
    assert!(
        said.contains("\nat adopt: it hung\n0.1.0 (5f0c2a9d31be77e4) goes on serving; no session was lost\n"),
        "{said}"
    );
    assert!(
        said.contains("  quiesce   900 us\n  save           -\n  exec      1.1 ms\n  adopt      2.0 s  ████"),
        "{said}"
    );
    let nothing = SwapReport { outcome: SwapOutcome::NothingToDo, to: Some(bare.from.clone()), ..bare.clone() };
    assert!(plain(&nothing).starts_with("nothing to do: 0.1.0 (5f0c2a9d31be77e4) is running\n"));
    let other = SwapReport { to: Some(program("0.1.0", "b0b0")), ..nothing };
    assert!(plain(&other).contains("b0b0 is another build of it (--allow-same)"), "{}", plain(&other));
    let unknown = SwapReport { outcome: SwapOutcome::Unknown, ..SwapReport::default() };
    assert!(plain(&unknown).contains("an unknown version: it ended in a way"), "{}", plain(&unknown));
}

#[test]
fn a_chart_is_as_wide_as_the_pause_is_long() {
    for total in [0, 1, 31, 1_000_003, u64::from(u32::MAX)] {
        let pause = Pause {
            total_us: total,
            quiesce_us: total / 3,
            store_us: total,
            save_us: 1,
            exec_us: total / 7,
            adopt_us: total / 2,
        };
        let said = plain(&SwapReport { pause: Some(pause), ..done() });
        assert_eq!(said.matches(['█', '▒']).count(), 32, "{said}");
    }
    let pause = Pause { store_us: u64::MAX, ..Pause::default() };
    assert!(plain(&SwapReport { pause: Some(pause), ..done() }).contains("\npause      -\n"));
}

#[test]
fn each_end_has_an_exit_status() {
    use SwapOutcome::{Done, NothingToDo, Refused, Rehearsed, RolledBack, Unknown};
    assert_eq!([Done, Rehearsed, NothingToDo, Refused, RolledBack, Unknown].map(status), [0, 0, 3, 4, 5, 1]);
    let report: SwapReport = serde_json::from_str(r#"{"outcome":"teleported","more":1}"#).unwrap();
    assert_eq!(report.outcome, Unknown);
    for report in [done(), SwapReport::default()] {
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(serde_json::from_value::<SwapReport>(json).unwrap(), report);
    }
}

#[test]
fn the_command_line_says_what_is_asked() {
    let swap = |line: &str| match Cli::try_parse_from(line.split(' ')).map(|cli| cli.verb) {
        Ok(Verb::Swap(swap)) => swap,
        other => panic!("{other:?}"),
    };
    let Ok(Call::Swap(asked)) = swap("mainstay swap").call() else { panic!() };
    assert_eq!(asked, words::Swap::default());
    let line = "mainstay swap ./next --allow-downgrade --allow-same --dry-run --deadline 500ms --json";
    let Ok(Call::Swap(asked)) = swap(line).call() else { panic!() };
    assert!(asked.allow_downgrade && asked.allow_same && asked.dry_run && asked.deadline_ms == Some(500));
    assert_eq!(asked.binary, Some(std::env::current_dir().unwrap().join("next")));
    for wrong in ["0", "0ms", "21s", "soon", "2h"] {
        assert!(Cli::try_parse_from(["mainstay", "swap", "--deadline", wrong]).is_err(), "{wrong}");
    }
}

/// A daemon that is asked for a swap and becomes another, which answers or does not.
fn daemon(path: &Path, answer: Option<SwapReport>) -> std::thread::JoinHandle<()> {
    let listener = bind(path).unwrap();
    listener.set_nonblocking(false).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut machine = Machine::new();
        let request = loop {
            let mut bytes = [0; 64];
            let count = stream.read(&mut bytes).unwrap();
            machine.receive(&bytes[..count]);
            if let Some(request) = machine.poll_request() {
                break request;
            }
        };
        assert!(matches!(request.call, Call::Swap(_)));
        let mut successor = Machine::restore(machine.save()).unwrap();
        if let Some(report) = answer {
            std::thread::sleep(Duration::from_millis(100));
            successor.respond(request.ticket, Ok(report));
            stream.write_all(successor.output()).unwrap();
        }
    })
}

#[test]
fn the_successor_answers_over_the_same_connection() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("control.sock");
    let call = Call::Swap(words::Swap::default());
    let thread = daemon(&path, Some(done()));
    let mut client = Client::connect(&path).unwrap();
    let report = client.call_within(&call, Duration::from_secs(9)).unwrap();
    assert_eq!(serde_json::from_value::<SwapReport>(report).unwrap(), done());
    thread.join().unwrap();

    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("control.sock");
    let thread = daemon(&path, None);
    let mut client = Client::connect(&path).unwrap();
    let failed = client.call_within(&call, Duration::from_secs(9)).unwrap_err();
    thread.join().unwrap();
    let Failure::Problem(said) = explain(failed) else { panic!() };
    assert!(
        said.contains("before it answered") && said.contains("`mainstay status`") && said.contains("log"),
        "{said}"
    );
}

#[test]
fn an_answer_that_takes_too_long_is_not_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("control.sock");
    let _listener = bind(&path).unwrap();
    let mut client = Client::connect(&path).unwrap();
    let late = client.call_within(&Call::Swap(words::Swap::default()), Duration::from_millis(1_000)).unwrap_err();
    let Failure::Problem(said) = explain(late) else { panic!() };
    assert!(said.starts_with("mainstay did not answer within 1 s: how the swap ended is not known"), "{said}");
    let refused = ClientError::Refused(crate::control::error::Error::busy("a swap", "another one is under way"));
    let Failure::Problem(said) = explain(refused) else { panic!() };
    assert_eq!(said, "a swap has to wait: another one is under way");
}

#[test]
fn the_verb_ends_as_the_swap_did() {
    use SwapOutcome::{Done, NothingToDo, Refused, Rehearsed, RolledBack};
    for (outcome, json, expected) in [
        (Done, false, None),
        (Rehearsed, true, None),
        (NothingToDo, false, Some(3)),
        (Refused, false, Some(4)),
        (Refused, true, Some(4)),
        (RolledBack, true, Some(5)),
    ] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("control.sock");
        let thread = daemon(&path, Some(SwapReport { outcome, ..done() }));
        let mut line = vec!["mainstay", "swap", "--control", path.to_str().unwrap()];
        line.extend(json.then_some("--json"));
        let Verb::Swap(swap) = Cli::try_parse_from(line).unwrap().verb else { panic!() };
        match (swap.run(), expected) {
            (Ok(()), None) => {}
            (Err(Failure::Status(status)), Some(expected)) => assert_eq!(status, expected),
            (ended, _) => panic!("{outcome:?}: {ended:?}"),
        }
        thread.join().unwrap();
    }
}
