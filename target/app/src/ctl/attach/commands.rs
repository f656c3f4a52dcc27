//! The commands themselves.

use super::reach::Reach;
use crate::control::words::{Auth, Lun, Subsystem, Target};
use crate::ctl::paint::{Paint, clean};

/// For one target and all its LUNs, grouped by initiator. Words in capitals stand for what only the reader knows.
pub(super) fn text(target: &Target, reach: &Reach, paint: Paint) -> String {
    let name = clean(&target.name);
    let urls: Vec<String> = target.luns.iter().map(|lun| url(&name, lun.lun, target.auth, reach)).collect();
    // QEMU knows no mutual CHAP: it proves itself, and does not ask who we are.
    let auth_qemu = if target.auth == Auth::None { Auth::None } else { Auth::Chap };
    let qemu = |lun: &Lun| {
        let url = url(&name, lun.lun, auth_qemu, reach);
        format!("qemu-system-x86_64 -drive file={url},format=raw,if=virtio ...")
    };
    let mut libiscsi = vec![format!("iscsi-ls -s {}", list_url(target.auth, reach))];
    libiscsi.extend(urls.iter().map(|url| format!("iscsi-inq {url}")));
    let groups = [
        ("Linux", "open-iscsi, as root; with --logout it is detached", linux(&name, target, reach)),
        ("Windows", "PowerShell, as administrator", windows(&name, target.auth, reach)),
        ("macOS", "has no initiator of its own", macos(&name, reach)),
        ("QEMU", "Debian: package qemu-block-extra", target.luns.iter().map(qemu).collect()),
        ("libiscsi", "Debian: package libiscsi-bin", libiscsi),
    ];
    let mut out = String::new();
    for (title, note, lines) in groups {
        out += &format!("{} {}\n", paint.bold(title), paint.dim(&format!("({note})")));
        for line in lines {
            out += &format!("  {line}\n");
        }
    }
    if target.auth != Auth::None {
        out += "USER, SECRET and the like stand for what the configuration file says.\n";
    }
    out
}

/// For one subsystem, over NVMe/TCP.
pub(super) fn nvme(subsystem: &Subsystem, reach: &Reach, paint: Paint) -> String {
    let keys = match subsystem.auth {
        Auth::None => "",
        Auth::Chap => " --dhchap-secret KEY",
        Auth::MutualChap => " --dhchap-secret KEY --dhchap-ctrl-secret CONTROLLER_KEY",
    };
    let nqn = clean(&subsystem.nqn);
    let note = format!("nvme-cli, as root; `nvme disconnect -n {nqn}` detaches it");
    let mut out = format!("{} {}\n", paint.bold("Linux, NVMe/TCP"), paint.dim(&format!("({note})")));
    out += "  modprobe nvme-tcp\n";
    out += &format!("  nvme connect -t tcp -a {} -s {} -n {nqn}{keys}\n", reach.host, reach.port);
    if subsystem.auth != Auth::None {
        out += "KEY and CONTROLLER_KEY stand for what the configuration file says.\n";
    }
    out
}

fn linux(name: &str, target: &Target, reach: &Reach) -> Vec<String> {
    let portal = reach.portal_quoted();
    let node = format!("iscsiadm -m node -T {name} -p {portal}");
    let mut lines = vec![format!("iscsiadm -m discovery -t sendtargets -p {portal}")];
    let mut set =
        |key: &str, value: &str| lines.push(format!("{node} -o update -n node.session.auth.{key} -v {value}"));
    if target.auth != Auth::None {
        set("authmethod", "CHAP");
        set("username", "USER");
        set("password", "SECRET");
    }
    if target.auth == Auth::MutualChap {
        set("username_in", "TARGET_USER");
        set("password_in", "TARGET_SECRET");
    }
    lines.push(format!("{node} --login"));
    // udev makes this name from the address; how it writes others is its own affair.
    if let Some(lun) = target.luns.first().filter(|_| reach.host.parse::<std::net::Ipv4Addr>().is_ok()) {
        lines.push(format!("ls -l /dev/disk/by-path/ip-{}-iscsi-{name}-lun-{}", reach.portal(), lun.lun));
    }
    lines
}

fn windows(name: &str, auth: Auth, reach: &Reach) -> Vec<String> {
    let Reach { host, port } = reach;
    let mut lines = vec!["Start-Service MSiSCSI".to_owned()];
    lines.push(format!("New-IscsiTargetPortal -TargetPortalAddress {host} -TargetPortalPortNumber {port}"));
    let chap = |kind: &str| format!(" -AuthenticationType {kind} -ChapUsername USER -ChapSecret SECRET");
    let credentials = match auth {
        Auth::None => String::new(),
        Auth::Chap => chap("ONEWAYCHAP"),
        Auth::MutualChap => {
            lines.push("Set-IscsiChapSecret -ChapSecret TARGET_SECRET".to_owned());
            chap("MUTUALCHAP")
        }
    };
    lines.push(format!("Connect-IscsiTarget -NodeAddress {name}{credentials}"));
    lines
}

fn macos(name: &str, reach: &Reach) -> Vec<String> {
    vec![
        "a third party's is needed for a disk in the Finder, e.g. ATTO Xtend SAN:".to_owned(),
        format!("  discovery portal {}, target {name}", reach.portal()),
        "without one: libiscsi, or a QEMU built with it (Homebrew's is not), as below".to_owned(),
    ]
}

/// As libiscsi and QEMU name a logical unit.
fn url(name: &str, lun: u16, auth: Auth, reach: &Reach) -> String {
    let url = reach.url(name, lun);
    let with = |query: &str| format!("'{}{query}'", url.replacen("iscsi://", "iscsi://USER%SECRET@", 1));
    match auth {
        Auth::None => quoted(url),
        Auth::Chap => with(""),
        Auth::MutualChap => with("?target_user=TARGET_USER&target_password=TARGET_SECRET"),
    }
}

/// As iscsi-ls names a portal: its `-s` logs in to each target to list the disks.
fn list_url(auth: Auth, reach: &Reach) -> String {
    match auth {
        Auth::None => quoted(format!("iscsi://{}", reach.portal())),
        Auth::Chap | Auth::MutualChap => format!("'iscsi://USER%SECRET@{}'", reach.portal()),
    }
}

/// `url` in quotes where a shell would read brackets as a pattern.
fn quoted(url: String) -> String {
    if url.contains('[') { format!("'{url}'") } else { url }
}
