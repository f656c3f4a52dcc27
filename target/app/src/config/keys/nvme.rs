//! The keys of NVMe/TCP.

use super::{Table, key};
use crate::config::kind::Kind;

/// NVMe/TCP.
pub static NVME: Table = Table {
    header: "[nvme]",
    text: "The same volumes over NVMe/TCP. Without this table it is not served.",
    keys: &[
        key(
            "portal",
            Kind::Many(&PORTAL),
            "`127.0.0.1:4420`, and discovery on `127.0.0.1:8009`",
            "Where hosts connect. Each portal answers discovery, too.",
        ),
        key("subsystem", Kind::Many(&SUBSYSTEM), "", "What hosts connect to."),
        key("discovery", Kind::One(&DISCOVERY), "open to everyone, not announced", "Discovery."),
        key(
            "in_capsule",
            Kind::Size(4096),
            "\"16 KiB\"",
            "Data that hosts may send with a command, without being asked; at most 64 KiB, a multiple of 4 KiB.",
        ),
        key("io_queues", Kind::Integer(1, 1024), "64", "I/O queues of a controller, at most."),
        key("queue_size", Kind::Integer(16, 1024), "128", "Entries of a queue, at most."),
    ],
};

/// A portal.
pub static PORTAL: Table = Table {
    header: "[[nvme.portal]]",
    text: "An address on which hosts connect.",
    keys: &[
        key(
            "bind",
            Kind::Address(4420),
            "",
            "The address to listen on; port 4420 unless it says another. `0.0.0.0` and `[::]` are every address of this \
             machine; discovery then tells a host the one it has connected to.",
        ),
        key("name", Kind::Label, "the text of `bind`", "What subsystems and `mainstay path` call it."),
        key("advertise", Kind::HostPort, "what is bound", "What discovery tells hosts instead."),
        key("discovery_only", Kind::Bool, "false", "Only discovery is served here; hosts look for it on port 8009."),
    ],
};

/// A subsystem.
pub static SUBSYSTEM: Table = Table {
    header: "[[nvme.subsystem]]",
    text: "What hosts connect to. Everyone may, unless there is a `dhchap` or a `host`.",
    keys: &[
        key(
            "name",
            Kind::TargetName,
            "",
            "Its NVMe Qualified Name: in full, or only what follows `name_prefix` (with `nqn` for `iqn`) and a colon. Hosts \
             remember it.",
        ),
        key("serial", Kind::Text(20), "made from the name", "The serial number of its controllers."),
        key("model", Kind::Text(40), "`Mainstay`", "The model number of its controllers."),
        key("portals", Kind::Labels, "all that do more than discovery", "The portals on which it is reached."),
        key("namespace", Kind::Many(&NAMESPACE), "", "Its namespaces."),
        key("dhchap", Kind::One(&DHCHAP), "none", "What hosts must prove to know (DH-HMAC-CHAP)."),
        key(
            "host",
            Kind::Many(&HOST),
            "everyone",
            "With one or more of these, only these hosts may connect. A name is only a claim: use `dhchap` too where others \
             can reach the portal.",
        ),
        key(
            "static_controllers",
            Kind::Integer(1, 1024),
            "none: each host that connects gets a controller of its own",
            "So many controllers there are, which keep what a host has set when it leaves.",
        ),
    ],
};

/// A namespace.
pub static NAMESPACE: Table = Table {
    header: "[[nvme.subsystem.namespace]]",
    text: "A volume under a number.",
    keys: &[
        key("nsid", Kind::Integer(1, 1024), "", "The namespace identifier."),
        key("volume", Kind::Label, "", "The name of the volume."),
        key("read_only", Kind::Bool, "that of the volume", "Hosts of this subsystem cannot write."),
        key(
            "group",
            Kind::Integer(1, 128),
            "1",
            "The group of volumes whose ways change together (`mainstay path`, ANA group).",
        ),
        key("hosts", Kind::Nqns, "every host that may connect", "Only these hosts see it."),
    ],
};

/// DH-HMAC-CHAP.
pub static DHCHAP: Table = Table {
    header: "[nvme.subsystem.dhchap]",
    text: "What a host must prove to know; likewise `[nvme.subsystem.host.dhchap]` for one host alone and \
           `[nvme.discovery.dhchap]` for discovery.",
    keys: &[
        key(
            "key",
            Kind::Secret,
            "",
            "The key, as `nvme gen-dhchap-key` makes one (`DHHC-1:…`). This or `key_file`; a file with keys should be readable \
             only by the daemon.",
        ),
        key(
            "key_file",
            Kind::Path,
            "",
            "A file that holds the key on its only line. It must belong to the daemon's user or to root, with mode 0600 or \
             0400.",
        ),
        key(
            "controller_key",
            Kind::Secret,
            "none",
            "What we prove to know in turn, to hosts that ask; never the same as `key`.",
        ),
        key("controller_key_file", Kind::Path, "none", "A file that holds it, as above."),
        key("hashes", Kind::Words(&HASHES), "all", "The hash functions that are accepted."),
        key(
            "groups",
            Kind::Words(&GROUPS),
            "all",
            "The Diffie-Hellman groups that are accepted. Without one (`none`) whoever hears a login can try out weak keys.",
        ),
    ],
};

/// Hash functions of DH-HMAC-CHAP, in the order of their identifiers from 1 on.
pub static HASHES: [&str; 3] = ["SHA-256", "SHA-384", "SHA-512"];
/// Diffie-Hellman groups, in the order of their identifiers from 0 on.
pub static GROUPS: [&str; 6] = ["none", "ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192"];

/// A host on an access list.
pub static HOST: Table = Table {
    header: "[[nvme.subsystem.host]]",
    text: "A host that may connect.",
    keys: &[
        key("name", Kind::Nqn, "", "Its NVMe Qualified Name (on Linux in /etc/nvme/hostnqn)."),
        key(
            "dhchap",
            Kind::One(&DHCHAP),
            "that of the subsystem",
            "What this host must prove, instead of the subsystem's `dhchap`.",
        ),
    ],
};

/// Discovery.
pub static DISCOVERY: Table = Table {
    header: "[nvme.discovery]",
    text: "Discovery, in which hosts ask what there is. They see only subsystems that they may connect to.",
    keys: &[
        key(
            "name",
            Kind::Nqn,
            "none",
            "A name of our discovery service alone, beside the well-known one: hosts that know it keep several apart.",
        ),
        key("dhchap", Kind::One(&DHCHAP), "none", "What hosts must prove to ask."),
        key(
            "announce",
            Kind::Bool,
            "false",
            "Announce it (mDNS, `_nvme-disc._tcp`) in every network from which a portal is reached; on loopback only if one is \
             bound to it.",
        ),
        key("referral", Kind::Many(&REFERRAL), "none", "Other discovery services that hosts should ask as well."),
    ],
};

/// Another discovery service.
pub static REFERRAL: Table = Table {
    header: "[[nvme.discovery.referral]]",
    text: "Another discovery service.",
    keys: &[
        key("address", Kind::HostPort, "", "Where it is."),
        key("name", Kind::Nqn, "the well-known name", "Its name."),
    ],
};
