//! Start, stop, start again: what stays, what is private, what the terminal is told.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::{Duration, Instant};

use mainstay_testkit::daemon::{Daemon, program};
use mainstay_testkit::initiator::{Command, cdb};
use mainstay_testkit::process;
use rustix::process::Signal;

use super::{SOON, assert_ends, assert_works, bytes};

#[test]
fn terminate_drains_and_stops() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut daemon = Daemon::file(8 << 20);
        let mut session = daemon.session();
        let payload = bytes(65536, 4);
        session.write10(0, 0, &payload, 512).unwrap().good().unwrap();
        // A command whose data never comes must not keep it alive.
        let mut stuck = daemon.session_of(&daemon.login().session(2)).unwrap();
        stuck.answer_r2t = false;
        let mut command = Command::new(0, &cdb::write10(1000, 16, false)).writes(&bytes(8192, 1));
        (command.immediate_data, command.unsolicited) = (Some(0), Some(0));
        stuck.start(&command).unwrap();
        while stuck.r2ts.is_empty() {
            assert!(stuck.step(Instant::now() + SOON).unwrap().is_none());
        }
        // One that has everything must be answered before the end.
        let last = Command::new(0, &cdb::write10(200, 128, false)).writes(&payload);
        let itt = session.start(&last).unwrap();
        let answered = session.wait(itt).unwrap();
        answered.good().unwrap();
        daemon.signal(signal);
        let status = daemon.wait_exit(Duration::from_secs(12));
        assert!(status.success(), "{status}\n{}", daemon.words());
        assert_ends(&mut session, SOON);
        assert_ends(&mut stuck, SOON);
        let disk = std::fs::read(daemon.folder().path().join("disk.img")).unwrap();
        assert!(disk[..65536] == payload && disk[200 * 512..][..65536] == payload);
        assert!(!daemon.control().exists(), "the control socket is left behind");
    }
}

#[test]
fn commands_that_are_under_way_are_answered_when_it_stops() {
    let mut daemon = Daemon::file(64 << 20);
    let mut session = daemon.session();
    for _ in 0..60 {
        session.test_unit_ready(0).unwrap();
    }
    let payload = bytes(65536, 2);
    let tags: Vec<u32> = (0..session.window().min(24))
        .map(|n| session.start(&Command::new(0, &cdb::write10(n * 128, 128, true)).writes(&payload)).unwrap())
        .collect();
    // The first answer proves that the rest has been read, as it came in one stream.
    session.wait(tags[0]).unwrap().good().unwrap();
    let sent = tags.len();
    std::thread::sleep(Duration::from_millis(20));
    daemon.signal(Signal::TERM);
    let answered = tags[1..].iter().take_while(|tag| session.wait(**tag).is_ok_and(|o| o.good().is_ok())).count() + 1;
    assert_eq!(answered, sent, "commands were dropped at the end\n{}", daemon.words());
    assert!(daemon.wait_exit(Duration::from_secs(12)).success());
}

#[test]
fn a_crash_and_a_cold_start_keep_what_was_acknowledged_and_who_it_was() {
    let daemon = Daemon::file(8 << 20);
    let folder = daemon.folder().clone();
    let address = daemon.volume().portal.to_string();
    let mut session = daemon.session();
    let (serial, page) = (session.serial(0).unwrap(), session.inquiry(0, Some(0x83)).unwrap());
    let payload = bytes(4096, 8);
    session.write10(0, 16, &payload, 512).unwrap().good().unwrap();
    session.synchronize_cache(0).unwrap().good().unwrap();
    // Dropped: SIGKILL.
    drop(daemon);
    let again = Daemon::builder().folder(&folder).arg("disk.img").iscsi(&address).start();
    assert_eq!(again.volume().size, 8 << 20);
    let mut session = again.session();
    assert_eq!(session.serial(0).unwrap(), serial);
    assert_eq!(session.inquiry(0, Some(0x83)).unwrap(), page);
    assert_eq!(session.read10(0, 16, 8, 512).unwrap().good().unwrap(), payload);
    drop((session, again));
    // The identity goes with the file, wherever it is moved.
    std::fs::rename(folder.path().join("disk.img"), folder.path().join("moved.img")).unwrap();
    let moved = Daemon::builder().folder(&folder).arg("moved.img").iscsi(&address).start();
    assert_eq!(moved.session().serial(0).unwrap(), serial);
    drop(moved);
    // A memory volume has lost its bytes, but not its name.
    let memory = || Daemon::builder().folder(&folder).iscsi(&address).start();
    let serial = memory().session().serial(0).unwrap();
    assert_eq!(memory().session().serial(0).unwrap(), serial);
}

#[test]
fn nobody_has_to_read_what_it_says() {
    // The reader takes the first line, and no more for as long as the test lasts.
    let reader = "\"$0\" \"$@\" | { IFS= read -r line; printf '%s\\n' \"$line\"; exec sleep 20; }";
    let daemon = Daemon::builder().wrapper(&["sh", "-c", reader]).start();
    // Each login and each logout is a line of more than 200 bytes: a pipe holds some 64 KiB.
    for n in 0..300 {
        drop(daemon.session_of(&daemon.login().session(n)).unwrap());
    }
    assert_works(&mut daemon.session(), 0);
    // Our own child is the shell.
    let pid = daemon.status()["daemon"]["pid"].as_u64().unwrap() as u32;
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid as i32).unwrap(), Signal::TERM).unwrap();
    let deadline = Instant::now() + Duration::from_secs(12);
    while process::is_alive(pid) {
        assert!(Instant::now() < deadline, "it waits for its reader");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_is_private() {
    let daemon = Daemon::file(1 << 20);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(daemon.control()), 0o600, "control socket");
    let state = daemon.folder().path().join("state");
    assert_eq!(mode(&state) & 0o077, 0, "state directory {:o}", mode(&state));
    for entry in std::fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path) & 0o077, 0, "{} {:o}", path.display(), mode(&path));
    }
    assert_eq!(mode(&daemon.folder().path().join("disk.img")) & 0o007, 0, "the image is made private");
    // A new file is sparse.
    assert!(std::fs::metadata(daemon.folder().path().join("disk.img")).unwrap().blocks() < 64);
}

#[test]
fn the_control_socket_takes_nonsense() {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::UnixStream;
    let mut daemon = Daemon::memory();
    let mut session = daemon.session();
    for line in [
        &b"\n"[..],
        b"{}\n",
        b"[]\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"explode\"}\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"kick\",\"params\":{\"session\":\"x\"}}\n",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"resize\",\"params\":{\"volume\":\"\",\"size\":-1}}\n",
        &[0xff; 300],
    ] {
        let mut stream = UnixStream::connect(daemon.control()).unwrap();
        stream.write_all(line).unwrap();
        stream.write_all(b"\n{\"jsonrpc\":\"2.0\",\"id\":77,\"method\":\"status\"}\n").unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let answers = BufReader::new(stream).lines().map_while(Result::ok);
        let found = { answers }.take(5).find(|line| line.contains("\"id\":77"));
        assert!(found.is_some(), "no status after {:?}", String::from_utf8_lossy(line));
    }
    // A line without end does not grow for ever: it is cut off, or passed over.
    let mut stream = UnixStream::connect(daemon.control()).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let before = process::resident_bytes(daemon.pid());
    let mut sent = 0u64;
    while sent < 64 << 20 && stream.write_all(&[b'x'; 65536]).is_ok() {
        sent += 65536;
    }
    let after = process::resident_bytes(daemon.pid());
    assert!(after < before + (4 << 20), "{before} bytes became {after} by a line of {sent}");
    daemon.assert_alive();
    assert_works(&mut session, 0);
}

#[test]
fn events_are_one_object_a_line() {
    let daemon = Daemon::memory();
    daemon.session().logout().unwrap();
    daemon.wait_line(&["\"event\":\"login\"", mainstay_testkit::daemon::INITIATOR], SOON);
    daemon.wait_line(&["\"event\":\"logout\""], SOON);
    for line in daemon.said() {
        let value: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(value["event"].is_string(), "{line}");
    }
    assert_eq!(daemon.ready["pid"], daemon.pid());
    assert_eq!(daemon.ready["control"], daemon.control().to_str().unwrap());
    // Without --json people read it: the address, the name and what to type.
    let folder = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(program())
        .args(["serve", "--iscsi", "127.0.0.1:0", "--state-dir"])
        .arg(folder.path().join("state"))
        .arg("--control")
        .arg(folder.path().join("control"))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    use std::io::BufRead as _;
    let mut text = String::new();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(Ok(line)) = lines.next() {
        text += &line;
        text.push('\n');
        if ["iscsiadm", "iscsi://"].iter().all(|word| text.contains(word)) {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(text.contains("iscsiadm") && text.contains("iqn.2026-11.internal.mainstay:"), "{text}");
}
