use super::*;
use crate::control::words;
use clap::CommandFactory;

#[test]
fn the_definitions_are_sound() {
    Cli::command().debug_assert();
}

#[test]
fn manual_pages_are_made_for_every_verb() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("man/man1");
    let directory_text = directory.to_str().unwrap();
    let cli = Cli::try_parse_from(["mainstay", "man", directory_text]).unwrap();
    let Verb::Man(man) = cli.verb else { panic!("not man") };
    man.run().unwrap();
    for verb in Cli::command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let page = std::fs::read_to_string(directory.join(format!("mainstay-{}.1", verb.get_name()))).unwrap();
        assert!(page.contains(".SH EXAMPLE") && !page.contains("EXTRA"), "{}", verb.get_name());
    }
    let page = std::fs::read_to_string(directory.join("mainstay.1")).unwrap();
    assert!(page.contains(".SH EXIT STATUS") && page.contains("MAINSTAY_CONTROL"));
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let mut script = Vec::new();
        let shell: clap_complete::Shell = shell.parse().unwrap();
        clap_complete::generate(shell, &mut generate::command(), "mainstay", &mut script);
        assert!(String::from_utf8(script).unwrap().contains("clear-poison"));
    }
}

#[test]
fn what_contradicts_is_refused() {
    let parse = |line: &str| Cli::try_parse_from(line.split(' ')).map(|_| ());
    for line in [
        "mainstay serve",
        "mainstay serve a b --size 1G --iscsi 0.0.0.0 --iscsi [::]:1 --block-size 4096 --read-only --log json -vv",
        "mainstay serve --config f --state-dir d --control c --json",
        "mainstay status --watch",
        "mainstay status --watch=5 -v --control c",
        "mainstay resize disk +1G",
        "mainstay events --follow",
        "mainstay swap",
        "mainstay swap ./mainstay --allow-downgrade --allow-same --dry-run --deadline 2s --json --control c",
        "mainstay snapshot show f",
        "mainstay snapshot take f --control c",
        "mainstay rehearse",
        "mainstay identify --new disk.img",
        "mainstay identify --keep --state-dir d disk.img",
    ] {
        parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
    for line in [
        "mainstay",
        "mainstay serve --config f a.img",
        "mainstay serve --config f --iscsi 0.0.0.0",
        "mainstay serve --block-size 1024",
        "mainstay serve --size big",
        "mainstay serve --json --quiet",
        "mainstay status --watch=0",
        "mainstay kick one",
        "mainstay identify disk.img",
        "mainstay identify --new --keep disk.img",
        "mainstay resize disk",
        "mainstay swap a b",
        "mainstay snapshot",
        "mainstay snapshot show",
    ] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn what_a_peer_sends_cannot_steer_the_terminal() {
    let what = words::What::Refused {
        peer: "192.0.2.1:1".parse().unwrap(),
        initiator: Some("iqn.\x1b[2Jx\u{202e}\n".into()),
        target: None,
        step: "login".into(),
        why: "\x07".into(),
    };
    let line = events::event_line(&words::Event { time_ms: 0, what }, paint::Paint(false));
    assert!(line.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{line:?}");
}

#[test]
fn events_are_told_in_lines() {
    let peer = "192.0.2.1:4000".parse().unwrap();
    let tell = |what| {
        let event = words::Event { time_ms: 3_661_000, what };
        let json: words::Event = serde_json::from_str(&events::event_json(&event)).unwrap();
        assert_eq!(json, event);
        events::event_line(&event, paint::Paint(false))
    };
    let target = Some("iqn.b:disk".to_owned());
    let login = words::What::Login { session: 3, initiator: "iqn.a".into(), target: target.clone(), peer, local: peer };
    assert_eq!(tell(login), "01:01:01Z  login     iqn.a from 192.0.2.1:4000 to iqn.b:disk (session 3)");
    let logout = words::What::Logout { session: 3, initiator: "iqn.a".into(), target, peer, why: "logged out".into() };
    assert_eq!(tell(logout), "01:01:01Z  logout    iqn.a from 192.0.2.1:4000, iqn.b:disk (session 3): logged out");
    let refused = words::What::Refused {
        peer,
        initiator: None,
        target: None,
        step: "first bytes".into(),
        why: "not iSCSI".into(),
    };
    assert_eq!(tell(refused), "01:01:01Z  refused   192.0.2.1:4000, at first bytes: not iSCSI");
    let error = words::What::Error { session: None, volume: Some("disk".into()), peer: None, message: "EIO".into() };
    assert_eq!(tell(error), "01:01:01Z  error     volume disk: EIO");
    let grown = words::Resized { volume: "disk".into(), size_old: 1 << 30, size: 2 << 30 };
    assert_eq!(tell(words::What::Resized(grown)), "01:01:01Z  resized   volume disk: 1 GiB to 2 GiB");
    let program = |version: &str, build: &str| words::Program {
        version: version.into(),
        build: build.into(),
        path: "/usr/bin/mainstay".into(),
    };
    let (from, to) = (program("0.1.0", "5f0c"), program("0.2.0", "a81f"));
    let by = Some("uid 0, pid 7".to_owned());
    let planned = words::What::SwapPlanned { from: from.clone(), to: to.clone(), by };
    assert_eq!(tell(planned), "01:01:01Z  swap      planned: 0.1.0 to 0.2.0, asked by uid 0, pid 7");
    let paused = words::What::Paused { from: from.clone(), to: program("0.1.0", "b0b0") };
    assert_eq!(tell(paused), "01:01:01Z  paused    swap of 0.1.0 (5f0c) to 0.1.0 (b0b0)");
    let pause =
        words::Pause { total_us: 3_420, quiesce_us: 1_200, save_us: 310, exec_us: 1_100, adopt_us: 810, store_us: 9 };
    let report = words::SwapReport { from, to: Some(to), pause: Some(pause), ..words::SwapReport::default() };
    assert_eq!(
        tell(words::What::Resumed { report: Box::new(report) }),
        "01:01:01Z  resumed   swapped 0.1.0 to 0.2.0, paused 3.4 ms (quiesce 1.2 ms, save 310 us, exec 1.1 ms, adopt 810 us)"
    );
    let back = words::What::RolledBack { step: "adopt".into(), why: "it hung\x1b".into() };
    assert_eq!(tell(back), "01:01:01Z  rollback  the swap ended at adopt: it hung\\u{1b}");
    let newer: words::Event = serde_json::from_str(r#"{"event":"reticulated","time_ms":5,"why":"splines"}"#).unwrap();
    assert_eq!(newer.what, words::What::Unknown);
}
