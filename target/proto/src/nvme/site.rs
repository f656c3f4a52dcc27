//! What may be connected to: subsystems, their namespaces, who may see them, and where. Plain data out of a configuration.

use mainstay_base::path::GroupId;
use mainstay_base::unit::VolumeId;
use std::net::SocketAddr;
use std::time::Duration;
use zeroize::Zeroizing;

/// An NVMe Qualified Name (base §4.5), at most 223 bytes.
pub type Nqn = String;

/// The name of every discovery subsystem (base §4.5).
pub const DISCOVERY_NQN: &str = "nqn.2014-08.org.nvmexpress.discovery";

/// Everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// Where hosts connect.
    pub portals: Vec<Portal>,
    /// What they connect to.
    pub subsystems: Vec<Subsystem>,
    /// Discovery.
    pub discovery: Discovery,
    /// Bounds.
    pub limits: Limits,
}

/// Where hosts connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portal {
    /// What people call it.
    pub name: String,
    /// What is bound.
    pub bind: SocketAddr,
    /// What discovery tells instead: host (a name or an address) and port.
    pub advertise: Option<String>,
    /// PORTID in discovery log entries.
    pub id: u16,
    /// Only discovery is served here (port 8009).
    pub discovery_only: bool,
    /// Where its address is taken by somebody else the rest is served all the same.
    pub optional: bool,
}

/// A subsystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subsystem {
    /// Its name.
    pub nqn: Nqn,
    /// SN: at most 20 printable ASCII bytes.
    pub serial: String,
    /// MN: at most 40 printable ASCII bytes.
    pub model: String,
    /// Indices of its portals.
    pub portals: Vec<usize>,
    /// By NSID, ascending.
    pub namespaces: Vec<Namespace>,
    /// Who may connect; none: everyone.
    pub hosts: Option<Vec<Host>>,
    /// What those must prove of whom no host says otherwise.
    pub keys: Option<Keys>,
    /// How its controllers come to be.
    pub controllers: Controllers,
}

/// A namespace of a subsystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its number, from 1.
    pub nsid: u32,
    /// What it shows.
    pub volume: VolumeId,
    /// Nobody of this subsystem may write to it.
    pub read_only: bool,
    /// Its ANA group.
    pub group: GroupId,
    /// Names of the hosts that see it; none: every host that may connect.
    pub hosts: Option<Vec<Nqn>>,
}

impl Namespace {
    /// Whether `host` sees it.
    pub fn shows_to(&self, host: &str) -> bool {
        self.hosts.as_ref().is_none_or(|hosts| hosts.iter().any(|nqn| nqn == host))
    }
}

/// A host that may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub nqn: Nqn,
    /// What it must prove, if not what the subsystem says.
    pub keys: Option<Keys>,
}

/// Keys of DH-HMAC-CHAP (base §8.13.5), in the form nvme-cli makes (`DHHC-1:…`).
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// What the host proves to know.
    pub host: Zeroizing<String>,
    /// What the controller proves to know, to hosts that ask.
    pub controller: Option<Zeroizing<String>>,
    /// Hashes that are accepted, by their identifiers in the protocol; empty: all.
    pub hashes: Vec<u8>,
    /// Diffie-Hellman groups that are accepted, by their identifiers; empty: all.
    pub groups: Vec<u8>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(not shown)")
    }
}

/// How controllers come to be (base §3.1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Controllers {
    /// One for each connection of a host, gone when it leaves.
    #[default]
    Dynamic,
    /// So many, with CNTLIDs from 1 on; what a host has set stays with them.
    Static(u16),
}

/// Discovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// The unique name of our discovery subsystem, beside the well-known one.
    pub nqn: Nqn,
    /// Others to ask.
    pub referrals: Vec<Referral>,
    /// What hosts must prove to ask.
    pub keys: Option<Keys>,
    /// It is announced in the local network (mDNS).
    pub announce: bool,
}

impl Default for Discovery {
    fn default() -> Discovery {
        Discovery { nqn: DISCOVERY_NQN.to_owned(), referrals: Vec::new(), keys: None, announce: false }
    }
}

/// Another discovery service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referral {
    /// Its name; usually the well-known one.
    pub nqn: Nqn,
    /// Where: a name or an address.
    pub address: String,
    /// Its port.
    pub port: u16,
}

/// Bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of data in a capsule, at most; a multiple of 16.
    pub in_capsule: u32,
    /// I/O queues of a controller.
    pub io_queues: u16,
    /// Entries of a queue, at most (CAP.MQES + 1).
    pub queue_size: u16,
    /// From the connection until Connect (and authentication) has succeeded.
    pub connect_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { in_capsule: 16 * 1024, io_queues: 64, queue_size: 128, connect_timeout: Duration::from_secs(15) }
    }
}

impl Site {
    /// The subsystem of this name.
    pub fn subsystem(&self, nqn: &str) -> Option<usize> {
        self.subsystems.iter().position(|subsystem| subsystem.nqn == nqn)
    }

    /// The portal with this index is not listened on: no subsystem is reached there.
    pub fn without_portal(&mut self, portal: usize) {
        for subsystem in &mut self.subsystems {
            subsystem.portals.retain(|at| *at != portal);
        }
    }

    /// It is one of our discovery subsystem's names.
    pub fn is_discovery(&self, nqn: &str) -> bool {
        nqn == DISCOVERY_NQN || nqn == self.discovery.nqn
    }
}

impl Subsystem {
    /// The host's entry on the access list. Outer none: it may not connect; inner none: everyone may.
    pub fn admits(&self, host: &str) -> Option<Option<&Host>> {
        match &self.hosts {
            None => Some(None),
            Some(hosts) => hosts.iter().find(|entry| entry.nqn == host).map(Some),
        }
    }

    /// What `host` must prove.
    pub fn keys_of(&self, host: &str) -> Option<&Keys> {
        self.admits(host).flatten().and_then(|entry| entry.keys.as_ref()).or(self.keys.as_ref())
    }

    /// The namespace with this number, if `host` sees it.
    pub fn namespace(&self, nsid: u32, host: &str) -> Option<&Namespace> {
        self.namespaces.iter().find(|namespace| namespace.nsid == nsid && namespace.shows_to(host))
    }
}
