//! Who may know whom. The table below is the design; a new line in it is a decision.

use crate::tokens::{Named, paths};
use crate::{Breach, File, Tree};

/// The floors, lowest first: package and folder.
const FLOORS: [(&str, &str); 4] = [
    ("mainstay_base", "target/base/src/"),
    ("mainstay_proto", "target/proto/src/"),
    ("mainstay_edge", "target/edge/src/"),
    ("mainstay", "target/app/src/"),
];

/// On one floor, who may know whom. Absences are the design: iscsi does not know scsi (a CDB is opaque to it), scsi
/// does not know iscsi, nvme does not know nvmetcp, neither family knows the other, swap does not know the protocols, ctl does not know daemon.
const ARROWS: &[(&str, &str, &[&str])] = &[
    ("base", "arena", &[]),
    ("base", "metrics", &[]),
    ("base", "outgoing", &["arena"]),
    ("base", "path", &[]),
    ("base", "reach", &[]),
    ("base", "sam", &["wire"]),
    ("base", "snapshot", &["wire"]),
    ("base", "time", &[]),
    // A request to a store carries its payload; who waits for a range has a name.
    ("base", "unit", &["arena", "sam", "snapshot"]),
    ("base", "wire", &[]),
    ("proto", "auth", &[]),
    ("proto", "iscsi", &["auth"]),
    ("proto", "mdns", &[]),
    ("proto", "nexus", &["iscsi", "scsi"]),
    ("proto", "nvme", &[]),
    ("proto", "nvmetcp", &["nvme"]),
    ("proto", "queue", &["auth", "nvme", "nvmetcp"]),
    // The other side of both: an initiator for tests, benchmarks and remote volumes.
    ("proto", "host", &["auth", "nvme", "nvmetcp"]),
    ("proto", "scsi", &[]),
    ("edge", "clock", &[]),
    ("edge", "memory", &[]),
    ("edge", "portal", &["volume"]),
    ("edge", "state", &[]),
    ("edge", "supervisor", &[]),
    // It carries what others saved and never looks inside.
    ("edge", "swap", &["clock"]),
    // Memory volumes and the arena are made of the same regions; identities are remembered in the state directory.
    ("edge", "volume", &["memory", "state"]),
    ("app", "config", &[]),
    ("app", "control", &[]),
    ("app", "ctl", &["config", "control"]),
    ("app", "daemon", &["config", "control"]),
];

/// What belongs to the operating system: base and proto have no business with it.
const OUTSIDE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "getrandom",
    "libc",
    "rustix",
    "socket2",
    "tokio",
    "tracing",
];

/// Floor (by number) and room of a file; the root of a crate is no room.
fn place(file: &File) -> Option<(usize, &str)> {
    let floor = FLOORS.iter().position(|(_, folder)| file.path.starts_with(folder))?;
    let rest = &file.path[FLOORS[floor].1.len()..];
    Some((floor, rest.split('/').next()?.trim_end_matches(".rs")))
}

fn short(floor: usize) -> &'static str {
    FLOORS[floor].1.trim_start_matches("target/").trim_end_matches("/src/")
}

/// Tests may know more than what they test: they set the stage.
fn is_test(file: &File, named: &Named) -> bool {
    let tests = |part: &str| part == "tests" || part == "tests.rs";
    file.path.split('/').skip(2).any(tests) || named.inside.iter().any(|module| module == "tests")
}

/// The module path of a file: `target/edge/src/volume/sys/mod.rs` is `volume`, `sys`.
fn module(file: &File, floor: usize) -> Vec<String> {
    let rest = file.path[FLOORS[floor].1.len()..].trim_end_matches(".rs");
    let mut parts: Vec<String> = rest.split('/').map(String::from).collect();
    if parts.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        parts.pop();
    }
    parts
}

/// `named`, with `crate`, `self` and `super` resolved: floor and the parts from the root of that crate.
fn resolve(named: &Named, file: &File, floor: usize) -> Option<(usize, Vec<String>)> {
    let first = named.parts.first()?.as_str();
    if let Some(other) = FLOORS.iter().position(|(package, _)| *package == first) {
        return Some((other, named.parts[1..].to_vec()));
    }
    if first == "crate" {
        return Some((floor, named.parts[1..].to_vec()));
    }
    if first != "self" && first != "super" {
        return None;
    }
    let mut here = module(file, floor);
    here.extend(named.inside.iter().cloned());
    let mut rest = &named.parts[..];
    while let Some((step, after)) = rest.split_first() {
        match step.as_str() {
            "super" => drop(here.pop()),
            "self" => {}
            _ => break,
        }
        rest = after;
    }
    here.extend(rest.iter().cloned());
    Some((floor, here))
}

/// The `use` lines and paths of the four crates against the floors and [`ARROWS`].
pub fn rooms(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in tree.rust() {
        let Some((floor, room)) = place(file) else { continue };
        let root = ["lib", "main"].contains(&room);
        let arrows = ARROWS.iter().find(|(on, name, _)| *on == short(floor) && *name == room);
        if !root && arrows.is_none() {
            let what = format!("{room} is a new room of {}: say in the table of arrows whom it may know", short(floor));
            breaches.push(Breach { path: file.path.clone(), line: 0, what });
            continue;
        }
        for named in paths(&file.text) {
            let Some((other, parts)) = resolve(&named, file, floor) else { continue };
            let Some(target) = parts.first() else { continue };
            let breach = |what| Breach { path: file.path.clone(), line: named.line, what };
            if other > floor {
                breaches.push(breach(format!("{} may not know {}, a floor above it", short(floor), short(other))));
            } else if other == floor && !root && target != room && !is_test(file, &named) {
                let known = ARROWS.iter().any(|(on, name, _)| *on == short(floor) && name == target);
                let allowed = arrows.is_some_and(|(_, _, whom)| whom.contains(&target.as_str()));
                if known && !allowed {
                    breaches.push(breach(format!("{room} may not know {target}")));
                }
            }
        }
    }
    breaches
}

/// The manifests against the floors.
pub fn packages(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (floor, (_, folder)) in FLOORS.iter().enumerate() {
        let path = folder.replace("src/", "Cargo.toml");
        let Some(manifest) = tree.files.iter().find(|file| file.path == path) else { continue };
        for (at, line) in manifest.text.lines().enumerate() {
            // What only tests depend on comes last in a manifest.
            if line.starts_with("[dev-dependencies") {
                break;
            }
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default().replace('-', "_");
            let upper = FLOORS[floor..].iter().any(|(package, _)| *package == name);
            if upper || ["mainstay_testkit", "mainstay_tidy"].contains(&name.as_str()) {
                let what = format!("{} may not depend on {name}", short(floor));
                breaches.push(Breach { path: path.clone(), line: at + 1, what });
            }
        }
    }
    breaches
}

/// base and proto against [`OUTSIDE`].
pub fn outside(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for file in tree.rust() {
        let Some((floor @ 0..=1, _)) = place(file) else { continue };
        for named in paths(&file.text).iter().filter(|named| !is_test(file, named)) {
            let path = named.parts.join("::");
            if OUTSIDE.iter().any(|outside| path == *outside || path.starts_with(&format!("{outside}::"))) {
                let what = format!("{} has no business with {path}", short(floor));
                breaches.push(Breach { path: file.path.clone(), line: named.line, what });
            }
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(rule: fn(&Tree) -> Vec<Breach>, path: &str, text: &str) -> Vec<String> {
        rule(&Tree::of(&[(path, text)])).into_iter().map(|breach| breach.what).collect()
    }

    #[test]
    fn forbidden_arrows_are_found() {
        let iscsi = "target/proto/src/iscsi/login/mod.rs";
        for text in [
            "use crate::scsi::Task;",
            "use crate::{auth, scsi};",
            "fn f() { crate::scsi::f() }",
            "use super::super::scsi;",
            "mod m { use super::super::super::scsi::x; }",
        ] {
            assert_eq!(said(rooms, iscsi, text), ["iscsi may not know scsi"], "{text}");
        }
        for text in [
            "use crate::auth::Hash;",
            "use super::super::iscsi::x;",
            "// crate::scsi::x",
            "mod tests { use crate::scsi::x; }",
        ] {
            assert!(said(rooms, iscsi, text).is_empty(), "{text}");
        }
        assert_eq!(said(rooms, iscsi, "use mainstay_edge::portal;"), ["proto may not know edge, a floor above it"]);
        assert_eq!(said(rooms, "target/app/src/ctl/x.rs", "use crate::daemon;"), ["ctl may not know daemon"]);
        assert!(said(rooms, "target/app/src/main.rs", "use crate::daemon;").is_empty());
        assert_eq!(said(rooms, "target/app/src/new/x.rs", "").len(), 1);
    }

    #[test]
    fn forbidden_dependencies_are_found() {
        let text = "[dependencies]\nmainstay-base.workspace = true\nmainstay-edge = { path = \"x\" }\n[dev-dependencies]\nmainstay-testkit.workspace = true\n";
        assert_eq!(said(packages, "target/proto/Cargo.toml", text), ["proto may not depend on mainstay_edge"]);
    }

    #[test]
    fn the_system_is_found() {
        let proto = "target/proto/src/scsi/task.rs";
        assert_eq!(said(outside, proto, "use std::time::{Duration, Instant};").len(), 1);
        assert_eq!(said(outside, proto, "use tokio::net::TcpStream;\nfn f() { std::fs::read(x) }").len(), 2);
        assert!(
            said(outside, proto, "use std::io::IoSlice; use std::net::SocketAddr; use std::time::Duration;").is_empty()
        );
        assert!(said(outside, "target/edge/src/volume/x.rs", "use std::fs;").is_empty());
    }
}
