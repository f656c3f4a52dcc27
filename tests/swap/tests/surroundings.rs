//! What a process has beside its work: nobody who looks at it from outside sees a swap.

use mainstay_swap_tests::order::{self, exit};
use mainstay_swap_tests::person::{self, Person};
use mainstay_swap_tests::rig::Rig;
use mainstay_swap_tests::{ground, program, series};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

const ANY: &[&str] = &["--allow-same", "--allow-downgrade"];

#[test]
fn affinity_limits_environment_and_all_that_stay() {
    // Each differs from what a shell has: the processor, the priority, limits, the mask, the score.
    let shell = "echo 321 >/proc/self/oom_score_adj; umask 027; exec \"$0\" \"$@\"";
    let wrapper = [
        "taskset",
        "-c",
        "0",
        "nice",
        "-n",
        "3",
        "prlimit",
        "--nofile=3000:5000",
        "--core=0",
        "--memlock=65536",
        "env",
        "-u",
        "HOME",
        "ODD_VARIABLE=odd value",
        "NO_COLOR=1",
        "sh",
        "-c",
        shell,
    ];
    let mut rig =
        Rig::with(&program::current(), |program| ground::builder(program, "sessions = 900").wrapper(&wrapper));
    let before = Person::of(rig.daemon.pid());
    assert!(before.facts["environ"].contains("ODD_VARIABLE=odd value\0"), "{before:?}");
    assert!(before.facts["Umask:"].ends_with("0027"), "{before:?}");
    assert!(before.facts["Cpus_allowed_list:"].ends_with("\t0"), "{before:?}");
    let (current, next) = (rig.program.clone(), rig.install(&program::next(), "mainstay-next"));
    for to in [&next, &next, &current, &current] {
        rig.swap_well(to, ANY);
        let difference = before.difference(&Person::of(rig.daemon.pid()));
        assert!(difference.is_empty(), "{difference:#?}");
    }
    // The command line tells of no descriptor.
    assert!(before.facts["cmdline"].contains("serve\0--json"), "{before:?}");
}

/// Numbers of the descriptors that a child would inherit.
fn open_on_exec(pid: u32) -> Vec<u32> {
    let is_open = |number: &u32| {
        let info = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or_default().trim().to_owned();
        // O_CLOEXEC.
        u32::from_str_radix(&flags, 8).is_ok_and(|flags| flags & 0o2_000_000 == 0)
    };
    person::descriptors(pid).into_keys().filter(is_open).collect()
}

#[test]
fn descriptors_are_closed_on_exec_and_none_are_left() {
    let mut rig = Rig::current();
    let next = rig.install(&program::next(), "mainstay-next");
    // What it was given by whoever started it is not its own to close.
    let given = open_on_exec(rig.daemon.pid());
    rig.swap_well(&next, ANY);
    let first = person::descriptors(rig.daemon.pid());
    for _ in 0..3 {
        rig.swap_well(&next, ANY);
    }
    let last = person::descriptors(rig.daemon.pid());
    assert_eq!(first.len(), last.len(), "{first:#?}\n{last:#?}");
    assert_eq!(given, open_on_exec(rig.daemon.pid()), "{last:#?}");
}

#[test]
fn control_connections_go_on() {
    let mut rig = Rig::current();
    let next = rig.install(&program::next(), "mainstay-next");
    let ask = b"{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"status\"}\n";
    let mut cut: Vec<(usize, UnixStream)> = Vec::new();
    for at in [0, 1, 20, ask.len() - 1] {
        let mut stream = UnixStream::connect(rig.daemon.control()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(&ask[..at]).unwrap();
        cut.push((at, stream));
    }
    std::thread::sleep(Duration::from_millis(100));
    rig.swap_well(&next, ANY);
    for (at, mut stream) in cut {
        stream.write_all(&ask[at..]).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        assert!(line.contains("\"id\":7") && line.contains("0.2.0-next"), "cut at {at}: {line:?}");
    }
}

#[test]
fn the_same_after_many_swaps() {
    series::fast(60).unwrap_or_else(|why| panic!("{why}"));
}

#[test]
fn who_asked_may_go_away() {
    let mut rig = Rig::next();
    let next = rig.program.clone();
    rig.order("rehearse wait");
    let mut asked = order::command(&rig.daemon, &rig.program, Some(&next), ANY).spawn().unwrap();
    rig.wait_fault();
    asked.kill().unwrap();
    asked.wait().unwrap();
    rig.go_on();
    assert!(rig.events.wait("resumed", 1, Duration::from_secs(20)), "{:?}", rig.events.heard());
    rig.assert_lives();
    rig.swap(&next, ANY).assert(exit::DONE, &rig.daemon);
}
