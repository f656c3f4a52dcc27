//! Sockets as the kernel tells them to others: four-tuple, inode and cookie.

use super::person;
use std::collections::BTreeMap;
use std::process::Command;

/// A TCP socket of a process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Socket {
    /// Our side and theirs.
    pub addresses: (String, String),
    /// Its inode.
    pub inode: u64,
    /// What the kernel calls it for ever (`ss -e`), where `ss` is installed.
    pub cookie: Option<String>,
}

/// Established connections of `pid` on loopback, by the peer's address.
pub fn established(pid: u32) -> BTreeMap<String, Socket> {
    let own: Vec<String> = person::descriptors(pid).into_values().collect();
    let mut sockets = BTreeMap::new();
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    for line in table.lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, "01", _, _, _, _, _, inode, ..] = words[..] else { continue };
        if own.iter().any(|what| *what == format!("socket:[{inode}]")) {
            let (local, remote) = (address(local), address(remote));
            let socket = Socket {
                addresses: (local, remote.clone()),
                inode: inode.parse().expect("an inode is a number"),
                cookie: None,
            };
            sockets.insert(remote, socket);
        }
    }
    // Lines end in `… ino:123 sk:4 …`.
    let told = Command::new("ss").args(["-tenH", "state", "established"]).output();
    for line in told.map(|told| String::from_utf8_lossy(&told.stdout).into_owned()).unwrap_or_default().lines() {
        let field = |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name));
        let Some(inode) = field("ino:").and_then(|inode| inode.parse::<u64>().ok()) else { continue };
        if let Some(socket) = sockets.values_mut().find(|socket| socket.inode == inode) {
            socket.cookie = field("sk:").map(str::to_owned);
        }
    }
    sockets
}

/// `0100007F:0CBC` as the kernel writes it, for people.
fn address(text: &str) -> String {
    let parse = |hex: &str| u32::from_str_radix(hex, 16).ok();
    match text.split_once(':').and_then(|(ip, port)| Some((parse(ip)?, parse(port)?))) {
        Some((ip, port)) => format!("{}:{port}", std::net::Ipv4Addr::from(ip.to_le_bytes())),
        None => text.to_owned(),
    }
}
