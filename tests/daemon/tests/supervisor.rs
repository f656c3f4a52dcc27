//! What a supervisor is told that wants to hear (sd_notify(3)).

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use mainstay_testkit::daemon::Daemon;
use rustix::process::Signal;

use super::SOON;

struct Supervisor {
    socket: UnixDatagram,
    folder: tempfile::TempDir,
}

impl Supervisor {
    fn new() -> Supervisor {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Supervisor { socket, folder }
    }

    fn place(&self) -> String {
        self.folder.path().join("notify").to_str().unwrap().to_owned()
    }

    #[track_caller]
    fn hears(&self) -> String {
        let mut words = [0; 512];
        let n = self.socket.recv(&mut words).expect("a word in time");
        String::from_utf8(words[..n].to_vec()).unwrap()
    }
}

#[test]
fn it_hears_of_the_start_of_life_and_of_the_end() {
    let supervisor = Supervisor::new();
    let period = Duration::from_millis(400);
    let daemon = Daemon::builder().env("NOTIFY_SOCKET", &supervisor.place()).env("WATCHDOG_USEC", "400000");
    let mut daemon = daemon.start();
    let status = supervisor.hears();
    assert!(status.starts_with("STATUS=Serving, version "), "{status:?}");
    assert_eq!(supervisor.hears(), "READY=1");
    let begun = Instant::now();
    for _ in 0..10 {
        let silence = Instant::now();
        assert_eq!(supervisor.hears(), "WATCHDOG=1");
        assert!(silence.elapsed() < period, "it was silent for {:?}", silence.elapsed());
    }
    assert!(begun.elapsed() > period * 4, "ten keep-alives in {:?}: more often than it wants", begun.elapsed());
    // After a swap another program says it, in the same process and without a pause too long for the supervisor.
    for _ in 0..4 {
        daemon.ctl_ok(&["swap", "--allow-same"]);
        let silence = Instant::now();
        while let word = supervisor.hears()
            && !word.starts_with("STATUS=Serving, version ")
        {
            assert_eq!(word, "WATCHDOG=1");
            assert!(silence.elapsed() < period, "it was silent for {:?}", silence.elapsed());
        }
        assert_eq!(supervisor.hears(), "WATCHDOG=1");
    }
    daemon.signal(Signal::TERM);
    while let word = supervisor.hears()
        && word != "STOPPING=1\nSTATUS=Stopping: terminated"
    {
        assert_eq!(word, "WATCHDOG=1");
    }
    assert!(daemon.wait_exit(SOON * 2).success());
}

#[test]
fn one_that_is_gone_or_wants_no_keep_alive_is_left_alone() {
    let supervisor = Supervisor::new();
    let mut daemon = Daemon::builder().env("NOTIFY_SOCKET", &supervisor.place()).start();
    assert!(supervisor.hears().starts_with("STATUS="));
    assert_eq!(supervisor.hears(), "READY=1");
    supervisor.socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    supervisor.socket.recv(&mut [0; 64]).expect_err("nobody asked for more");
    drop(supervisor);
    assert!(daemon.stop().success());
    let mut daemon = Daemon::builder().env("NOTIFY_SOCKET", "nonsense").start();
    assert!(daemon.stop().success());
}
