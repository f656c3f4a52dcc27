//! Every key of a configuration file. Reading checks against this table, and the reference is printed from it.

use super::kind::Kind;

pub mod nvme;

/// A table of the file.
pub struct Table {
    /// As it is written.
    pub header: &'static str,
    /// What it is.
    pub text: &'static str,
    /// What can be in it.
    pub keys: &'static [Key],
}

/// A key of a table.
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// What holds without it, in words; empty: it must be there.
    pub default: &'static str,
    /// What it does.
    pub text: &'static str,
}

const fn key(name: &'static str, kind: Kind, default: &'static str, text: &'static str) -> Key {
    Key { name, kind, default, text }
}

impl Table {
    /// The key called `name`.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// Whether secrets are written in it or in a table of it.
    pub fn may_hold_secrets(&self) -> bool {
        let inner = |key: &Key| match key.kind {
            Kind::One(table) | Kind::Many(table) => table.may_hold_secrets(),
            _ => false,
        };
        self.holds_secrets() || self.keys.iter().any(inner)
    }

    /// Whether secrets are written in it.
    pub fn holds_secrets(&self) -> bool {
        self.keys.iter().any(|key| matches!(key.kind, Kind::Secret))
    }
}

/// The whole file.
pub static FILE: Table = Table {
    header: "",
    text: "A file says which volumes there are, to which targets they belong and where the targets are reached; with \
           `[nvme]` the same over NVMe/TCP. One volume and one target with one LUN are enough. Paths are relative to the folder of the file. Sizes are bytes, \
           or text with a unit: KiB, MiB, GiB, TiB (1024), kB, MB, GB, TB (1000); times are seconds, or text with ms, s \
           or min.",
    keys: &[
        key(
            "name_prefix",
            Kind::NamePrefix,
            "`iqn.2026-11.internal.mainstay`",
            "What stands before the colon in the names of targets that are not written in full. The default is a \
             private-use domain.",
        ),
        key(
            "state_dir",
            Kind::Path,
            "`/var/lib/mainstay` as root, else in your own state folder",
            "The folder in which the daemon remembers the identities of volumes.",
        ),
        key(
            "control",
            Kind::Path,
            "`/run/mainstay/control.sock` as root, else in your own run-time folder",
            "The control socket.",
        ),
        key("portal", Kind::Many(&PORTAL), "one, `127.0.0.1:3260`; none without a target", "Where initiators connect."),
        key("volume", Kind::Many(&VOLUME), "", "The disks."),
        key("target", Kind::Many(&TARGET), "none, with `[nvme]`", "What initiators log in to."),
        key("discovery", Kind::One(&DISCOVERY), "open to everyone", "Discovery sessions."),
        key("nvme", Kind::One(&nvme::NVME), "not served", "The same volumes over NVMe/TCP."),
        key("limits", Kind::One(&LIMITS), "as below", "Bounds that protect this machine."),
        key("log", Kind::One(&LOG), "as below", "The log."),
    ],
};

/// A portal.
pub static PORTAL: Table = Table {
    header: "[[portal]]",
    text: "An address on which initiators connect.",
    keys: &[
        key(
            "bind",
            Kind::Address(3260),
            "",
            "The address to listen on; port 3260 unless it says another. `0.0.0.0` and `[::]` are every address of this \
             machine; discovery then tells an initiator the one it has connected to.",
        ),
        key("name", Kind::Label, "the text of `bind`", "What targets call it in `portals`."),
        key(
            "advertise",
            Kind::HostPort,
            "what is bound",
            "What discovery tells initiators instead, for example behind an address translation.",
        ),
        key(
            "tag",
            Kind::Integer(0, 65_535),
            "1",
            "The target portal group tag. Portals of one group lead to one target port, and initiators may keep it over a \
             change of address.",
        ),
    ],
};

/// A volume.
pub static VOLUME: Table = Table {
    header: "[[volume]]",
    text: "A disk: exactly one of `file`, `device` and `memory` says where its blocks are.",
    keys: &[
        key("name", Kind::Label, "", "What LUNs call it, and what `mainstay status` and `mainstay resize` call it."),
        key("file", Kind::Path, "", "A file of this machine. One that is there is served at its own size."),
        key(
            "device",
            Kind::Path,
            "",
            "A block device of this machine. It is opened exclusively: it must not be mounted.",
        ),
        key("memory", Kind::Size(512), "", "So much memory. It is empty at every start of the daemon."),
        key(
            "create",
            Kind::Size(512),
            "a missing file is an error",
            "With `file`: makes a missing file, sparse and of this size. It does not touch a file that is there.",
        ),
        key(
            "block_size",
            Kind::Integer(512, 4096),
            "the device's own, else 512",
            "Bytes of a logical block, 512 or 4096. A change on a disk in use makes its contents unreadable.",
        ),
        key(
            "physical_block_size",
            Kind::Integer(512, 1 << 20),
            "the device's own, else 4096",
            "Bytes that the medium writes as one, for initiators that align: a power of two, at least `block_size`.",
        ),
        key("read_only", Kind::Bool, "false", "Nobody can write. The file or device is opened for reading only."),
        key(
            "write_cache",
            Kind::Bool,
            "true",
            "Writes may be answered before they are on stable storage, until the initiator flushes (as file systems do) or \
             asks for more with FUA. Without it every write waits for stable storage.",
        ),
        key(
            "thin",
            Kind::Bool,
            "true unless `read_only`",
            "Initiators can give blocks back (UNMAP), which then read as zero and take no space, where the storage below can \
             do that.",
        ),
        key(
            "removable",
            Kind::Bool,
            "false",
            "Initiators see a medium that they can eject (START STOP UNIT), unless one of them prevents it.",
        ),
        key(
            "serial",
            Kind::Text(64),
            "made from the identity",
            "The unit serial number. The identity of a volume is random, made once and kept with the file and in \
             `state_dir`; this and the following keys override it, to continue a disk that initiators know from elsewhere.",
        ),
        key("uuid", Kind::Uuid, "made once, at random", "The UUID designator."),
        key("naa", Kind::Naa, "made from the identity", "The NAA designator."),
        key("vendor", Kind::Text(8), "`MAINSTAY`", "The T10 vendor identification in INQUIRY data."),
        key("product", Kind::Text(16), "`Volume`", "The product identification in INQUIRY data."),
    ],
};

/// A target.
pub static TARGET: Table = Table {
    header: "[[target]]",
    text: "What initiators log in to. Everyone may, unless there is a `chap` or an `initiator`.",
    keys: &[
        key(
            "name",
            Kind::TargetName,
            "",
            "Its iSCSI name: in full, or only what follows `name_prefix` and a colon. Initiators remember it.",
        ),
        key("alias", Kind::Alias(255), "none", "A name for people, which initiators show."),
        key("portals", Kind::Labels, "all", "The portals on which it is reached, by their names."),
        key("lun", Kind::Many(&LUN), "", "Its logical units."),
        key("chap", Kind::One(&CHAP), "none", "What initiators must know to log in."),
        key(
            "initiator",
            Kind::Many(&INITIATOR),
            "everyone",
            "With one or more of these, only these initiators may log in. A name is only a claim: use `chap` too where \
             others can reach the portal.",
        ),
    ],
};

/// A logical unit.
pub static LUN: Table = Table {
    header: "[[target.lun]]",
    text: "A volume under a number.",
    keys: &[
        key("number", Kind::Integer(0, 16_383), "", "The logical unit number. Initiators expect one with 0."),
        key("volume", Kind::Label, "", "The name of the volume."),
        key("read_only", Kind::Bool, "that of the volume", "Initiators of this target cannot write."),
    ],
};

/// One-way CHAP.
pub static CHAP: Table = Table {
    header: "[target.chap]",
    text: "What an initiator must prove to know; likewise `[target.initiator.chap]` for one initiator alone and \
           `[discovery.chap]` for discovery.",
    keys: &[
        key("user", Kind::Alias(255), "", "The name the initiator gives (CHAP_N)."),
        key(
            "secret",
            Kind::Secret,
            "",
            "The secret, 12 to 16 characters to suit every initiator. This or `secret_file`; a file with secrets should be \
             readable only by the daemon.",
        ),
        key(
            "secret_file",
            Kind::Path,
            "",
            "A file that holds the secret on its only line. It must belong to the daemon's user or to root, with mode 0600 \
             or 0400.",
        ),
        key(
            "algorithms",
            Kind::Hashes,
            "all",
            "The hash algorithms that are accepted; of these the initiator's first choice is taken. Many initiators only \
             know MD5.",
        ),
        key("mutual", Kind::One(&MUTUAL), "none", "What the target proves to know in turn, to initiators that ask."),
    ],
};

/// The way back.
pub static MUTUAL: Table = Table {
    header: "[target.chap.mutual]",
    text: "Mutual CHAP: the initiator makes sure of the target.",
    keys: &[
        key("user", Kind::Alias(255), "", "The name the target gives (CHAP_N)."),
        key("secret", Kind::Secret, "", "The secret; never the same as in the other direction."),
        key("secret_file", Kind::Path, "", "A file that holds the secret, as above."),
    ],
};

/// An initiator on an access list.
pub static INITIATOR: Table = Table {
    header: "[[target.initiator]]",
    text: "An initiator that may log in.",
    keys: &[
        key("name", Kind::IscsiName, "", "Its full iSCSI name."),
        key(
            "chap",
            Kind::One(&CHAP),
            "that of the target",
            "What this initiator must know, instead of the target's `chap`.",
        ),
    ],
};

/// Discovery.
pub static DISCOVERY: Table = Table {
    header: "[discovery]",
    text: "Discovery sessions, in which initiators ask what there is. They see only targets that they may log in to.",
    keys: &[key("chap", Kind::One(&CHAP), "none", "What initiators must know to ask.")],
};

/// Limits.
pub static LIMITS: Table = Table {
    header: "[limits]",
    text: "Bounds that protect this machine, whatever initiators do.",
    keys: &[
        key(
            "memory",
            Kind::Size(16 << 20),
            "\"256 MiB\"",
            "Memory for data on its way. Command windows shrink and reads wait when it gets scarce.",
        ),
        key(
            "sessions",
            Kind::Integer(1, 65_535),
            "1024",
            "Sessions and NVMe controllers at a time, and eight times as many I/O queues; more are told to come later.",
        ),
        key(
            "logins",
            Kind::Integer(1, 65_535),
            "128",
            "Connections at a time that have not logged in yet, and discovery sessions; the oldest make room for more.",
        ),
        key("login_timeout", Kind::Time(1_000, 600_000), "\"15 s\"", "For how long a login may take."),
        key(
            "ping_interval",
            Kind::Time(0, 3_600_000),
            "\"30 s\"",
            "After so much silence an initiator is asked whether it is still there; 0: never.",
        ),
        key("ping_timeout", Kind::Time(1_000, 3_600_000), "\"30 s\"", "For how long the answer may take."),
        key(
            "window",
            Kind::Integer(1, 1024),
            "128",
            "Commands of a session at a time, at most. A window starts small and grows with use.",
        ),
    ],
};

/// The log.
pub static LOG: Table = Table {
    header: "[log]",
    text: "The log.",
    keys: &[
        key(
            "level",
            Kind::Filter,
            "what the command line says",
            "`error`, `warn`, `info`, `debug` or `trace`; or by part, like `info,mainstay_proto=debug`.",
        ),
        key(
            "format",
            Kind::Choice(&["human", "json", "journald"]),
            "what the command line says",
            "Lines for people, an object a line (both on standard error), or systemd's journal with fields.",
        ),
    ],
};
