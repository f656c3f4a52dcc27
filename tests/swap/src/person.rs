//! What `/proc` says of the daemon that a swap must not change, and what must not grow from swap to swap.

use mainstay_testkit::process;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Everything of a process that a supervisor, a shell or an admin can see and expects to stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// By name.
    pub facts: BTreeMap<String, String>,
}

/// Fields of `/proc/PID/status` that stay.
const STATUS: &[&str] = &[
    "Name:",
    "Umask:",
    "Tgid:",
    "Pid:",
    "PPid:",
    "Uid:",
    "Gid:",
    "Groups:",
    "NStgid:",
    "NSsid:",
    "CapInh:",
    "CapPrm:",
    "CapEff:",
    "CapBnd:",
    "CapAmb:",
    "NoNewPrivs:",
    "Seccomp:",
    "SigBlk:",
    "SigIgn:",
    "SigCgt:",
    "Cpus_allowed_list:",
    "Mems_allowed_list:",
    "CoreDumping:",
    "THP_enabled:",
];

impl Person {
    /// As `pid` is now.
    pub fn of(pid: u32) -> Person {
        let mut facts = BTreeMap::new();
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let text = |name: &str| String::from_utf8_lossy(&fs::read(folder.join(name)).unwrap_or_default()).into_owned();
        for line in text("status").lines() {
            if let Some(name) = STATUS.iter().find(|name| line.starts_with(**name)) {
                let mut line = line.to_owned();
                // Signals 32 and 33 are the C library's own, caught as soon as it has made a thread.
                if *name == "SigCgt:"
                    && let Some(mask) = line.split_whitespace().nth(1).and_then(|hex| u64::from_str_radix(hex, 16).ok())
                {
                    line = format!("{:016x}", mask & !(3 << 31));
                }
                facts.insert((*name).to_owned(), line);
            }
        }
        for name in ["cmdline", "environ", "comm", "limits", "oom_score_adj", "cgroup", "autogroup", "personality"] {
            facts.insert(name.to_owned(), text(name));
        }
        for name in ["cwd", "root"] {
            let to = fs::read_link(folder.join(name)).unwrap_or_default();
            facts.insert(name.to_owned(), to.display().to_string());
        }
        // After the name: state, parent, group, session, terminal, its group; then 17 and 18: priority and nice;
        // 21: start; 40 and 41: real-time priority and policy. Counted from the state.
        let stat = text("stat");
        let rest: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        for (name, at) in [("group", 2), ("session", 3), ("tty", 4), ("priority", 15), ("nice", 16), ("start", 19)] {
            facts.insert(name.to_owned(), rest.get(at).copied().unwrap_or_default().to_owned());
        }
        for (name, at) in [("rt priority", 37), ("policy", 38)] {
            facts.insert(name.to_owned(), rest.get(at).copied().unwrap_or_default().to_owned());
        }
        Person { facts }
    }

    /// In what `later` differs, a line for each.
    pub fn difference(&self, later: &Person) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, was) in &self.facts {
            let is = later.facts.get(name).cloned().unwrap_or_default();
            if *was != is {
                lines.push(format!("{name}: was {was:?}, is {is:?}"));
            }
        }
        lines
    }
}

/// What a process holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    /// Open descriptors.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// Children, zombies among them.
    pub children: usize,
    /// Resident bytes.
    pub resident: u64,
    /// Of them what it allocated itself.
    pub anonymous: u64,
    /// Mappings.
    pub mappings: usize,
}

impl Holds {
    /// By `pid` now.
    pub fn of(pid: u32) -> Holds {
        Holds {
            descriptors: process::descriptors(pid),
            threads: process::threads(pid),
            children: children(pid).len(),
            resident: process::resident_bytes(pid),
            anonymous: process::anonymous_bytes(pid),
            mappings: fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default().lines().count(),
        }
    }
}

/// Children of `pid`, zombies among them, that are not gone after a moment: who lets go of the memory of the program before
/// takes that long.
pub fn children(pid: u32) -> Vec<u32> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let found = children_now(pid);
        if found.is_empty() || Instant::now() >= deadline {
            return found;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn children_now(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().map_while(Result::ok);
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    processes
        .filter(|process| {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
            parent == Some(pid)
        })
        .collect()
}

/// Its open descriptors by number: what each leads to.
pub fn descriptors(pid: u32) -> BTreeMap<u32, String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().map_while(Result::ok);
    entries
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            Some((number, fs::read_link(entry.path()).ok()?.display().to_string()))
        })
        .collect()
}
