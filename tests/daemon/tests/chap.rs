//! Who may log in: CHAP one way and both ways, with every hash; wrong secrets; access lists; discovery.

use mainstay_testkit::daemon::{Daemon, INITIATOR};
use mainstay_testkit::initiator::{Chap, Error, Login, chap::algorithm};

use super::{assert_refused, assert_works, configured};

const ALL: [u8; 4] = [algorithm::MD5, algorithm::SHA1, algorithm::SHA256, algorithm::SHA3_256];
const SECRET: &str = "correct horse ba";
const OTHER: &str = "another secret 7";

fn one_way() -> Daemon {
    configured("", &format!("chap = {{ user = \"alice\", secret = \"{SECRET}\" }}"), "").start()
}

fn both_ways() -> Daemon {
    let mutual = format!("mutual = {{ user = \"the-target\", secret = \"{OTHER}\" }}");
    configured("", &format!("chap = {{ user = \"alice\", secret = \"{SECRET}\", {mutual} }}"), "").start()
}

#[test]
fn one_way_with_every_hash_and_both_encodings() {
    let daemon = one_way();
    for hash in ALL {
        for base64 in [false, true] {
            let mut chap = Chap::new("alice", SECRET).algorithms(&[hash]);
            chap.base64 = base64;
            let mut session = daemon.session_of(&daemon.login().chap(chap)).unwrap_or_else(|e| panic!("{hash}: {e}"));
            assert_eq!(session.keys["CHAP_A"], hash.to_string());
            assert_works(&mut session, 0);
        }
    }
    // The initiator's order counts (RFC 7143 §6.2.1); numbers that nobody knows are passed over.
    let chap = Chap::new("alice", SECRET).algorithms(&[200, algorithm::SHA256, algorithm::MD5]);
    assert_eq!(daemon.session_of(&daemon.login().chap(chap)).unwrap().keys["CHAP_A"], "7");
}

#[test]
fn both_ways_with_every_hash() {
    let daemon = both_ways();
    for hash in ALL {
        let chap = Chap::new("alice", SECRET).algorithms(&[hash]).mutual("the-target", OTHER);
        let mut session = daemon.session_of(&daemon.login().chap(chap)).unwrap_or_else(|e| panic!("{hash}: {e}"));
        assert_works(&mut session, 0);
    }
    // Whoever does not ask need not be told.
    assert_works(&mut daemon.session_of(&daemon.login().chap(Chap::new("alice", SECRET))).unwrap(), 0);
}

#[test]
fn a_target_that_cannot_prove_itself_says_so() {
    let daemon = one_way();
    let chap = Chap::new("alice", SECRET).mutual("the-target", OTHER);
    let result = daemon.login().chap(chap).connect(daemon.volume().portal);
    // Without a secret of its own it can only refuse: authentication failed (RFC 7143 §11.13.5).
    assert_refused(result, 2, Some(1));
}

#[test]
fn wrong_secrets_and_names_are_refused() {
    let mut daemon = both_ways();
    let portal = daemon.volume().portal;
    for chap in [
        Chap::new("alice", "correct horse bb"),
        Chap::new("alice", ""),
        Chap::new("bob", SECRET),
        Chap::new("", SECRET),
        Chap::new("the-target", OTHER),
    ] {
        for hash in ALL {
            let login = daemon.login().chap(chap.clone().algorithms(&[hash]));
            assert_refused(login.connect(portal), 2, Some(1));
        }
    }
    // A hash nobody has, and no hash at all.
    for list in [&[99][..], &[]] {
        let login = daemon.login().chap(Chap::new("alice", SECRET).algorithms(list));
        assert_refused(login.connect(portal), 2, None);
    }
    // Neither a word about security nor "None" gets around it.
    assert_refused(daemon.login().connect(portal), 2, Some(1));
    let mut login = daemon.login();
    login.skip_security = true;
    assert_refused(login.connect(portal), 2, Some(1));
    // The initiator may not make the target compute its own answer (RFC 7143 §9.2.1).
    let mut chap = Chap::new("alice", SECRET).mutual("the-target", OTHER);
    chap.reflect = true;
    let refused = daemon.login().chap(chap).connect(portal);
    assert!(matches!(refused, Err(Error::Login { class: 2, .. } | Error::Closed)), "{refused:?}");

    daemon.assert_alive();
    let log = daemon.words();
    assert!(!log.contains(SECRET) && !log.contains(OTHER), "a secret is in the log:\n{log}");
    let status = daemon.status();
    assert!(status["refused_logins"].as_array().is_some_and(|list| list.len() >= 20), "{status:#}");
    assert!(!status.to_string().contains(SECRET));
}

#[test]
fn secrets_come_from_files_too_and_those_must_be_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let target = format!("chap = {{ user = \"alice\", secret_file = \"{}\" }}", file.display());
    let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();

    mode(0o600);
    let daemon = configured("", &target, "").start();
    let login = daemon.login().chap(Chap::new("alice", SECRET));
    assert_works(&mut daemon.session_of(&login).unwrap(), 0);

    mode(0o644);
    let why = configured("", &target, "").try_start().expect_err("others can read the secret");
    assert!(why.contains("secret_file") && why.contains("chmod 600"), "{why}");
}

#[test]
fn access_lists_hide_targets_and_give_initiators_their_own_secrets() {
    let list = format!(
        r#"
        [[target.initiator]]
        name = "{INITIATOR}"
        [[target.initiator]]
        name = "iqn.2026-11.internal.mainstay.test:second"
        chap = {{ user = "second", secret = "{SECRET}" }}
        [[volume]]
        name = "private"
        memory = "1 MiB"
        [[target]]
        name = "private"
        lun = [{{ number = 0, volume = "private" }}]
        initiator = [{{ name = "iqn.2026-11.internal.mainstay.test:only" }}]
        "#
    );
    let daemon = configured("", "", &list).start();
    let volumes = daemon.volumes();
    let (open, private) = (&volumes[0], &volumes[1]);
    let at = |name: &str, target: &str| Login::new(name, target);
    assert_works(&mut daemon.session(), 0);
    let second = "iqn.2026-11.internal.mainstay.test:second";
    assert_refused(at(second, &open.target).connect(open.portal), 2, Some(1));
    at(second, &open.target).chap(Chap::new("second", SECRET)).connect(open.portal).unwrap();
    // Not on the list: authorization failure; no such target: not found (RFC 7143 §11.13.5).
    assert_refused(at(INITIATOR, &private.target).connect(open.portal), 2, Some(2));
    assert_refused(at(INITIATOR, "iqn.2026-11.internal.mainstay:nothing").connect(open.portal), 2, Some(3));
    at("iqn.2026-11.internal.mainstay.test:only", &private.target).connect(open.portal).unwrap();

    for (name, sees) in [
        (INITIATOR, vec![&open.target]),
        ("iqn.2026-11.internal.mainstay.test:only", vec![&private.target]),
        ("iqn.2026-11.internal.mainstay.test:nobody", vec![]),
    ] {
        let found = Login::discovery(name).connect(open.portal).unwrap().send_targets("All").unwrap();
        assert_eq!(found.iter().map(|(name, _)| name).collect::<Vec<_>>(), sees, "{name}");
    }
}

#[test]
fn discovery_has_a_secret_of_its_own() {
    let target = format!("chap = {{ user = \"alice\", secret = \"{SECRET}\" }}");
    let discovery = format!("[discovery]\nchap = {{ user = \"finder\", secret = \"{OTHER}\" }}");
    let daemon = configured("", &target, &discovery).start();
    let portal = daemon.volume().portal;
    assert_refused(Login::discovery(INITIATOR).connect(portal), 2, Some(1));
    assert_refused(Login::discovery(INITIATOR).chap(Chap::new("alice", SECRET)).connect(portal), 2, Some(1));
    let login = Login::discovery(INITIATOR).chap(Chap::new("finder", OTHER));
    let found = login.connect(portal).unwrap().send_targets("All").unwrap();
    assert_eq!(found[0].0, daemon.volume().target);
    assert_refused(daemon.login().chap(Chap::new("finder", OTHER)).connect(portal), 2, Some(1));
}
