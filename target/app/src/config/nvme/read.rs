//! NVMe/TCP out of a file.

use super::{DISCOVERY_PORT, MODEL, PORT, nqn_of, serial_of, usual};
use crate::config::keys::nvme::{GROUPS, HASHES};
use crate::config::view::{Findings, Value, View};
use crate::config::volume::Volumes;
use crate::config::{kind, name, portal, secret};
use mainstay_base::path::GroupId;
use mainstay_base::unit::VolumeId;
use mainstay_proto::auth::Secret;
use mainstay_proto::auth::dhchap::Key;
use mainstay_proto::nvme::site::{DISCOVERY_NQN, Discovery, Limits, Portal, Referral};
use mainstay_proto::nvme::{Controllers, Host, Keys, Namespace, Site, Subsystem};
use std::net::SocketAddr;
use std::path::Path;
use zeroize::Zeroizing;

/// Bytes in a capsule, at most.
const IN_CAPSULE_MAX: u64 = 64 << 10;

/// What reading needs to know of the rest.
pub struct Rest<'a> {
    pub folder: &'a Path,
    pub prefix: &'a str,
    /// Where iSCSI listens.
    pub taken: Vec<SocketAddr>,
    pub volumes: &'a Volumes,
}

/// What is served; nothing without the table.
pub fn read(root: &View<'_>, rest: &Rest<'_>, findings: &mut Findings) -> Site {
    let Some(view) = root.one("nvme") else { return Site::default() };
    let portals = portals(&view, rest, findings);
    let subsystems = subsystems(&view, &portals, rest, findings);
    if subsystems.is_empty() && !view.has("subsystem") {
        let right = "add [[nvme.subsystem]] with a namespace, or leave [nvme] out";
        findings.problems.push(view.finding("this serves nothing: there is no subsystem", right));
    }
    let discovery = discovery(&view, rest, findings);
    if subsystems.iter().any(|subsystem| subsystem.nqn == discovery.nqn) {
        let at = view.one("discovery").unwrap_or(view.clone());
        let what = "a subsystem has this name already: nobody could connect to it";
        findings.problems.push(at.finding_at("name", what, "choose another name for one of them"));
    }
    Site { subsystems, discovery, limits: limits(&view, findings), portals }
}

fn limits(view: &View<'_>, findings: &mut Findings) -> Limits {
    let mut limits = Limits::default();
    if let Some(bytes) = view.get("in_capsule", |value| kind::size(value, 4096)) {
        if bytes.is > IN_CAPSULE_MAX || !bytes.is.is_multiple_of(4096) {
            let right = "a multiple of 4 KiB, at most 64 KiB";
            findings.problems.push(bytes.finding("so much cannot be in a capsule", right));
        }
        limits.in_capsule = bytes.is.min(IN_CAPSULE_MAX) as u32;
    }
    let number = |key, min, max| view.get(key, |value| kind::integer(value, min, max)).map(|value| value.is as u16);
    limits.io_queues = number("io_queues", 1, 1024).unwrap_or(limits.io_queues);
    limits.queue_size = number("queue_size", 16, 1024).unwrap_or(limits.queue_size);
    limits
}

fn portals(view: &View<'_>, rest: &Rest<'_>, findings: &mut Findings) -> Vec<Portal> {
    let mut portals: Vec<Portal> = Vec::new();
    let mut binds: Vec<Value<SocketAddr>> = Vec::new();
    for view in view.many("portal") {
        let bind = view.get("bind", |value| kind::address(value, PORT));
        if !view.has("bind") {
            let right = "write bind = \"0.0.0.0:4420\", for example";
            findings.problems.push(view.finding("this portal has no `bind`", right));
        }
        if let Some(bind) = &bind {
            let other = binds.iter().find(|other| portal::clash(other.is, bind.is));
            let other = other.map(|other| other.key.trim_end_matches(".bind").to_owned());
            let iscsi = rest.taken.iter().any(|taken| portal::clash(*taken, bind.is));
            if let Some(other) = other.or(iscsi.then(|| "a [[portal]] of iSCSI".to_owned())) {
                let what = format!("{other} has this address already");
                findings.problems.push(bind.finding(what, "choose another address or port, or leave one of them out"));
            }
            binds.push(bind.clone());
        }
        let text = view.get("bind", kind::text).map(|text| text.is.to_owned()).unwrap_or_default();
        let name = view.get("name", kind::label);
        let made = Portal {
            name: name.as_ref().map_or(text, |name| name.is.to_owned()),
            // One that cannot be read has been told of; the rest is still checked.
            bind: bind.map_or(SocketAddr::from(([127, 0, 0, 1], 0)), |bind| bind.is),
            advertise: view.get("advertise", kind::host_port).map(|value| value.is),
            id: portals.len() as u16 + 1,
            discovery_only: view.get("discovery_only", kind::bool).is_some_and(|value| value.is),
            optional: false,
        };
        if let Some(name) = name
            && portals.iter().any(|other| other.name == made.name)
        {
            findings.problems.push(name.finding("another portal has this name already", "choose another name"));
        }
        portals.push(made);
    }
    if portals.is_empty() { usual() } else { portals }
}

fn subsystems(view: &View<'_>, portals: &[Portal], rest: &Rest<'_>, findings: &mut Findings) -> Vec<Subsystem> {
    let mut subsystems: Vec<Subsystem> = Vec::new();
    for view in view.many("subsystem") {
        let nqn = subsystem_name(&view, rest.prefix, findings);
        if let Some(nqn) = &nqn
            && subsystems.iter().any(|other| other.nqn == nqn.is)
        {
            let right = "choose another name, or put the namespaces into one subsystem";
            findings.problems.push(nqn.finding("another subsystem has this name already", right));
        }
        let nqn = nqn.map(|nqn| nqn.is).unwrap_or_default();
        let keys = dhchap(&view, rest.folder, findings);
        let hosts = hosts(&view, rest.folder, findings);
        let chosen = chosen_portals(&view, portals, findings);
        let unproven =
            keys.is_none() && hosts.as_ref().is_none_or(|hosts| hosts.iter().any(|host| host.keys.is_none()));
        let open = chosen.iter().filter_map(|&at| portals.get(at)).find(|portal| !is_local(portal));
        if let Some(open) = open.filter(|_| unproven && !view.has("dhchap")) {
            let (who, right) = match hosts {
                None => (
                    "anyone who reaches",
                    "add [nvme.subsystem.dhchap], or [[nvme.subsystem.host]] on a closed network",
                ),
                Some(_) => ("anyone who claims a listed name on", "add [nvme.subsystem.dhchap]"),
            };
            findings.warnings.push(view.finding(format!("{who} {} may use this subsystem", open.bind), right));
        }
        let text = |key, max| view.get(key, |value| kind::ascii(value, max)).map(|text| text.is.to_owned());
        let stays = view.get("static_controllers", |value| kind::integer(value, 1, 1024));
        subsystems.push(Subsystem {
            serial: text("serial", 20).unwrap_or_else(|| serial_of(&nqn)),
            model: text("model", 40).unwrap_or_else(|| MODEL.to_owned()),
            nqn,
            portals: chosen,
            namespaces: namespaces(&view, rest.volumes, hosts.as_deref(), findings),
            hosts,
            keys,
            controllers: stays.map_or(Controllers::Dynamic, |count| Controllers::Static(count.is as u16)),
        });
    }
    subsystems
}

fn is_local(portal: &Portal) -> bool {
    portal.bind.ip().to_canonical().is_loopback()
}

fn subsystem_name(view: &View<'_>, prefix: &str, findings: &mut Findings) -> Option<Value<String>> {
    if !view.has("name") {
        let right = "write name = \"disk\" for the prefix and a colon before it, or the full name";
        findings.problems.push(view.finding("this subsystem has no `name`", right));
    }
    let mut given = view.get("name", |value| kind::text(value).map(str::to_owned))?;
    if !given.is.starts_with("nqn.") {
        given.is = format!("{}:{}", nqn_of(prefix), given.is);
    }
    match name::check_nqn(&given.is) {
        Ok(()) if given.is == DISCOVERY_NQN => {
            findings.problems.push(given.finding("this is the name of discovery itself", "choose another one"));
            None
        }
        Ok(()) => Some(given),
        Err(wrong) => {
            findings.problems.push(given.finding(wrong.what, wrong.right));
            None
        }
    }
}

fn chosen_portals(view: &View<'_>, portals: &[Portal], findings: &mut Findings) -> Vec<usize> {
    let serves = |at: &usize| !portals[*at].discovery_only;
    let Some(names) = view.get("portals", kind::labels) else { return (0..portals.len()).filter(serves).collect() };
    let mut chosen = Vec::new();
    for name in &names.is {
        match portals.iter().position(|portal| portal.name == *name) {
            Some(at) if chosen.contains(&at) => {
                findings.problems.push(names.finding(format!("{name:?} is listed twice"), "once is enough"));
            }
            Some(at) if portals[at].discovery_only => {
                let what = format!("{name:?} serves only discovery");
                findings.problems.push(names.finding(what, "leave it out, or its `discovery_only`"));
            }
            Some(at) => chosen.push(at),
            None => {
                let known = portals.iter().filter(|portal| !portal.discovery_only).map(|portal| portal.name.as_str());
                let right = kind::suggest(name, known, "");
                findings.problems.push(names.finding(format!("no NVMe portal is called {name:?}"), right));
            }
        }
    }
    chosen.sort_unstable();
    chosen
}

fn namespaces(view: &View<'_>, volumes: &Volumes, hosts: Option<&[Host]>, findings: &mut Findings) -> Vec<Namespace> {
    let mut made: Vec<Namespace> = Vec::new();
    let views = view.many("namespace");
    if views.is_empty() {
        let right = "add [[nvme.subsystem.namespace]] with nsid = 1 and volume = \"NAME\"";
        findings.problems.push(view.finding("this subsystem has no namespace: there is nothing to connect for", right));
    }
    for view in views {
        for (key, right) in [("nsid", "write nsid = 1, for example"), ("volume", "write volume = \"NAME\"")] {
            if !view.has(key) {
                findings.problems.push(view.finding(format!("this namespace has no `{key}`"), right));
            }
        }
        let nsid = view.get("nsid", |value| kind::integer(value, 1, 1024));
        if let Some(nsid) = &nsid
            && made.iter().any(|other| i64::from(other.nsid) == nsid.is)
        {
            let free = (1..).find(|free| made.iter().all(|other| other.nsid != *free)).unwrap_or_default();
            let what = format!("another namespace has the number {} already", nsid.is);
            findings.problems.push(nsid.finding(what, format!("{free} is free")));
        }
        let read_only = view.get("read_only", kind::bool);
        let volume = volumes.named(&view, findings);
        if let Some(volume) = &volume {
            if made.iter().any(|other| other.volume == VolumeId(volume.is as u32)) {
                let right = "under two numbers of one subsystem a disk would look like two; leave one of them out";
                findings.problems.push(volume.finding("another namespace is this volume already", right));
            }
            if let Some(read_only) = read_only.as_ref().filter(|it| !it.is && volumes.list[volume.is].read_only) {
                let what = "the volume is read-only, so this namespace cannot be writable";
                findings.problems.push(read_only.finding(what, "leave this out, or `read_only` of the volume"));
            }
        }
        let sees = view.get("hosts", kind::nqns);
        if let (Some(sees), Some(hosts)) = (&sees, hosts) {
            for nqn in sees.is.iter().filter(|nqn| hosts.iter().all(|host| host.nqn != **nqn)) {
                let what = format!("{nqn} may not connect, so it cannot see this namespace");
                findings.problems.push(sees.finding(what, "add it as [[nvme.subsystem.host]], or leave it out here"));
            }
        }
        let group = view.get("group", |value| kind::integer(value, 1, 128)).map_or(1, |group| group.is as u16);
        let own = volume.as_ref().is_some_and(|volume| volumes.list[volume.is].read_only);
        made.push(Namespace {
            nsid: nsid.map_or(1, |nsid| nsid.is as u32),
            volume: VolumeId(volume.map_or(u32::MAX, |volume| volume.is as u32)),
            read_only: read_only.map_or(own, |read_only| read_only.is),
            group: GroupId(group),
            hosts: sees.map(|sees| sees.is),
        });
    }
    made.sort_by_key(|namespace| namespace.nsid);
    made
}

fn hosts(view: &View<'_>, folder: &Path, findings: &mut Findings) -> Option<Vec<Host>> {
    if !view.has("host") {
        return None;
    }
    let mut hosts: Vec<Host> = Vec::new();
    for view in view.many("host") {
        let nqn = view.get("name", kind::nqn);
        if !view.has("name") {
            let right = "write name = \"nqn…\", what is in its /etc/nvme/hostnqn";
            findings.problems.push(view.finding("this host has no `name`", right));
        }
        if let Some(nqn) = &nqn
            && hosts.iter().any(|other| other.nqn == nqn.is)
        {
            findings.problems.push(nqn.finding("this host is listed already", "once is enough"));
        }
        hosts.push(Host { nqn: nqn.map(|nqn| nqn.is).unwrap_or_default(), keys: dhchap(&view, folder, findings) });
    }
    Some(hosts)
}

fn discovery(view: &View<'_>, rest: &Rest<'_>, findings: &mut Findings) -> Discovery {
    let Some(view) = view.one("discovery") else { return Discovery::default() };
    let mut referrals = Vec::new();
    for view in view.many("referral") {
        let address = view.get("address", kind::host_port);
        if !view.has("address") {
            let right = "write address = \"HOST:8009\"";
            findings.problems.push(view.finding("this referral has no `address`", right));
        }
        let split = address.and_then(|address| {
            let (host, port) = address.is.rsplit_once(':')?;
            Some((host.trim_matches(['[', ']']).to_owned(), port.parse().ok()?))
        });
        let (address, port) = split.unwrap_or_else(|| (String::new(), DISCOVERY_PORT));
        let nqn = view.get("name", kind::nqn).map_or_else(|| DISCOVERY_NQN.to_owned(), |nqn| nqn.is);
        referrals.push(Referral { nqn, address, port });
    }
    Discovery {
        nqn: view.get("name", kind::nqn).map_or_else(|| DISCOVERY_NQN.to_owned(), |nqn| nqn.is),
        referrals,
        keys: dhchap(&view, rest.folder, findings),
        announce: view.get("announce", kind::bool).is_some_and(|value| value.is),
    }
}

/// The table `dhchap` of `view`.
fn dhchap(view: &View<'_>, folder: &Path, findings: &mut Findings) -> Option<Keys> {
    let view = view.one("dhchap")?;
    let host = one_key(&view, ("key", "key_file"), folder, findings);
    if !view.has("key") && !view.has("key_file") {
        let right = "write key = \"DHHC-1:…\", or key_file = \"PATH\" to keep it in a file of its own";
        findings.problems.push(view.finding("a key is missing here", right));
    }
    let controller = one_key(&view, ("controller_key", "controller_key_file"), folder, findings);
    if let (Some(host), Some(controller)) = (&host, &controller)
        && host.is == controller.is
    {
        let what = "the same key in both directions: whoever hears one proof could give the other";
        findings.problems.push(controller.finding(what, "make another key for one of them"));
    }
    let numbers = |key, words: &'static [&'static str], first: u8| {
        let chosen = view.get(key, |value| kind::words(value, words))?;
        Some(chosen.is.into_iter().map(|at| at as u8 + first).collect())
    };
    Some(Keys {
        // Where it cannot be read there is a problem, and nothing will be served.
        host: host.map(|key| key.is).unwrap_or_default(),
        controller: controller.map(|key| key.is),
        hashes: numbers("hashes", &HASHES, 1).unwrap_or_default(),
        groups: numbers("groups", &GROUPS, 0).unwrap_or_default(),
    })
}

fn one_key(
    view: &View<'_>,
    (inline, in_file): (&str, &str),
    folder: &Path,
    findings: &mut Findings,
) -> Option<Value<Zeroizing<String>>> {
    if view.has(inline) && view.has(in_file) {
        let what = format!("there is a `{inline}` already");
        findings.problems.push(view.finding_at(in_file, what, format!("leave one of `{inline}` and `{in_file}` out")));
        return None;
    }
    let text = |secret: &Secret| Zeroizing::new(String::from_utf8_lossy(secret.as_bytes()).into_owned());
    let mut found = view.get(inline, kind::secret).map(|key| Value {
        is: Zeroizing::new(key.is.to_owned()),
        span: key.span.clone(),
        key: key.key.clone(),
    });
    if let Some(path) = view.get(in_file, kind::path) {
        match secret::read(&folder.join(path.is)) {
            Ok(secret) => found = Some(Value { is: text(&secret), span: path.span, key: path.key }),
            Err((what, right)) => findings.problems.push(path.finding(what, right)),
        }
    }
    let found = found?;
    // What was handed over stands here under another name, and is looked at elsewhere.
    if let Some(error) = Key::parse(&found.is).err().filter(|_| !findings.closed) {
        let right = "make one with `nvme gen-dhchap-key`, and take all of its output";
        findings.problems.push(found.finding(format!("this {error}"), right));
        return None;
    }
    Some(found)
}
