//! A configuration as the file that would say it: to show it, to compare two, and to put one that was handed over
//! through the same rules as a file.

use super::keys::FILE;
use super::kind::{self, address_of};
use super::portal::Portal;
use super::remark::{Problem, Remark};
use super::target::{Access, Acl, Auth, Target};
use super::view::{Findings, View};
use super::volume::{Backing, Volume};
use super::{Config, LogFormat, nvme, read, size};
use mainstay_proto::auth::dhchap::Key;
use mainstay_proto::auth::{Credential, Hash, SECRET_BYTES_MAX, Secret};
use mainstay_proto::nvme::Keys;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;
use toml::de::DeTable;
use toml::{Table, Value};

const HIDDEN: &str = "(not shown)";

impl Config {
    /// The text of a file that says the same, without the secrets.
    pub fn show(&self) -> String {
        let table = self.written(&mut |_| HIDDEN.to_owned());
        // Texts, numbers and tables of them always have a form.
        toml::to_string_pretty(&table).unwrap_or_default()
    }

    /// Whether this program would take such a configuration from a file. Nothing outside is looked at: volumes are open
    /// already, and may have gone from where they were.
    ///
    /// # Errors
    /// All problems, with the keys they are about; never none, never a secret.
    pub fn recheck(&self) -> Result<(), Vec<Problem>> {
        let mut problems = Vec::new();
        for secret in self.secrets() {
            let len = secret.as_bytes().len();
            if len == 0 || len > SECRET_BYTES_MAX {
                let what = format!("a CHAP secret of {len} bytes is in use");
                problems.push(Remark::plain(what, format!("1 to {SECRET_BYTES_MAX} can be")));
            }
        }
        let keys = self.nvme_keys().into_iter().flat_map(|keys| [Some(&keys.host), keys.controller.as_ref()]);
        for error in keys.flatten().filter_map(|key| Key::parse(key).err()) {
            problems.push(Remark::plain(format!("a key of DH-HMAC-CHAP is in use, and {error}"), ""));
        }
        let text = self.written(&mut names_of_secrets()).to_string();
        let (document, errors) = DeTable::parse_recoverable(&text);
        problems.extend(errors.iter().map(|error| Remark::plain(error.message(), "")));
        let root = View::root(document.get_ref(), &FILE);
        let mut findings = Findings { closed: true, ..Findings::default() };
        root.check(&mut findings.problems, &mut Vec::new());
        read::resolve(&root, Path::new(""), &mut findings);
        problems.extend(findings.problems.into_iter().map(|finding| Remark {
            place: None,
            key: finding.key,
            what: finding.what,
            right: finding.right,
        }));
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// In which keys `other` differs, for people: `limits.window: 64 to 128`. Of secrets only that they do.
    pub fn difference(&self, other: &Config) -> Vec<String> {
        let mut names = names_of_secrets();
        let (ours, theirs) = (self.written(&mut names), other.written(&mut names));
        let mut out = Vec::new();
        compare_tables("", &ours, &theirs, &mut out);
        out
    }

    /// What the file this comes from says by now that is not applied, a sentence for each remark; none: nothing, or it
    /// comes from no file.
    pub fn compare_with_file(&self) -> Vec<String> {
        let Some(file) = &self.file else { return Vec::new() };
        let shown = file.display();
        match Config::load(file) {
            Ok((mut now, _)) => {
                if self.given.state_dir {
                    now.state_dir.clone_from(&self.state_dir);
                }
                if self.given.control {
                    now.control.clone_from(&self.control);
                }
                match self.difference(&now) {
                    keys if keys.is_empty() => Vec::new(),
                    keys => vec![format!("{shown} has changed and is not applied: {}", keys.join("; "))],
                }
            }
            Err(problems) => {
                let first = problems.first().map_or_else(String::new, Problem::to_string);
                vec![format!("{shown} could not be used now (`mainstay check {shown}`): {first}")]
            }
        }
    }

    fn secrets(&self) -> Vec<&Secret> {
        fn of(auth: &Auth) -> Vec<&Secret> {
            match auth {
                Auth::None => Vec::new(),
                Auth::Chap(chap) => [Some(&chap.incoming), chap.outgoing.as_ref()]
                    .into_iter()
                    .flatten()
                    .map(|each| &each.secret)
                    .collect(),
            }
        }
        let mut secrets = of(&self.discovery);
        for target in &self.targets {
            secrets.extend(of(&target.auth));
            if let Access::Initiators(list) = &target.access {
                secrets.extend(list.iter().filter_map(|acl| acl.auth.as_ref()).flat_map(of));
            }
        }
        secrets
    }

    fn nvme_keys(&self) -> Vec<&Keys> {
        let mut keys: Vec<&Keys> = self.nvme.discovery.keys.iter().collect();
        for subsystem in &self.nvme.subsystems {
            keys.extend(&subsystem.keys);
            keys.extend(subsystem.hosts.iter().flatten().filter_map(|host| host.keys.as_ref()));
        }
        keys
    }

    /// Every key whose value is not the default, and every limit; `secret` gives what stands for a secret.
    fn written(&self, secret: &mut dyn FnMut(&Secret) -> String) -> Table {
        let mut out = Table::new();
        put(&mut out, "name_prefix", &self.name_prefix[..]);
        put_some(&mut out, "state_dir", self.state_dir.as_deref().map(legible));
        put_some(&mut out, "control", self.control.as_deref().map(legible));
        put(&mut out, "portal", self.portals.iter().map(portal).collect::<Vec<_>>());
        put(&mut out, "volume", self.volumes.iter().map(volume).collect::<Vec<_>>());
        let targets: Vec<Value> = self.targets.iter().map(|target| self.target(target, secret)).collect();
        put(&mut out, "target", targets);
        if let Some(chap) = chap(&self.discovery, secret) {
            put(&mut out, "discovery", Table::from_iter([("chap".to_owned(), chap)]));
        }
        let name = |at: usize| self.volumes[at].name.clone();
        put_some(&mut out, "nvme", nvme::write(&self.nvme, &name, secret));
        let limits = &self.limits;
        let mut table = Table::new();
        put(&mut table, "memory", bytes(limits.memory));
        put(&mut table, "sessions", number(limits.sessions_max as u64));
        put(&mut table, "logins", number(limits.logins_max as u64));
        put(&mut table, "login_timeout", time(limits.login_timeout));
        put(&mut table, "ping_interval", time(limits.ping_interval));
        put(&mut table, "ping_timeout", time(limits.ping_timeout));
        put(&mut table, "window", i64::from(limits.window_max));
        put(&mut out, "limits", table);
        let mut log = Table::new();
        put_some(&mut log, "level", self.log.filter.clone());
        put_some(
            &mut log,
            "format",
            self.log.format.map(|format| match format {
                LogFormat::Human => "human",
                LogFormat::Json => "json",
                LogFormat::Journald => "journald",
            }),
        );
        if !log.is_empty() {
            put(&mut out, "log", log);
        }
        out
    }

    fn target(&self, target: &Target, secret: &mut dyn FnMut(&Secret) -> String) -> Value {
        let mut out = Table::new();
        put(&mut out, "name", &target.name[..]);
        put_some(&mut out, "alias", target.alias.clone());
        if target.portals.len() != self.portals.len() {
            let names = target.portals.iter().map(|at| Value::from(&self.portals[*at].name[..]));
            put(&mut out, "portals", names.collect::<Vec<_>>());
        }
        let lun = |lun: &super::Lun| {
            let mut out = Table::new();
            put(&mut out, "number", i64::from(lun.number));
            put(&mut out, "volume", &self.volumes[lun.volume].name[..]);
            put_some(&mut out, "read_only", lun.read_only);
            Value::from(out)
        };
        put(&mut out, "lun", target.luns.iter().map(lun).collect::<Vec<_>>());
        put_some(&mut out, "chap", chap(&target.auth, secret));
        if let Access::Initiators(list) = &target.access {
            let acl = |acl: &Acl| {
                let mut out = Table::new();
                put(&mut out, "name", &acl.name[..]);
                put_some(&mut out, "chap", acl.auth.as_ref().and_then(|auth| chap(auth, secret)));
                Value::from(out)
            };
            put(&mut out, "initiator", list.iter().map(acl).collect::<Vec<_>>());
        }
        out.into()
    }
}

/// Equal secrets get equal names, others others.
fn names_of_secrets() -> impl FnMut(&Secret) -> String {
    let mut known: Vec<Secret> = Vec::new();
    move |secret| {
        let at = known.iter().position(|other| other == secret).unwrap_or_else(|| {
            known.push(secret.clone());
            known.len() - 1
        });
        format!("secret {at} of this configuration")
    }
}

pub(super) fn put(out: &mut Table, key: &str, value: impl Into<Value>) {
    out.insert(key.to_owned(), value.into());
}

pub(super) fn put_some<T: Into<Value>>(out: &mut Table, key: &str, value: Option<T>) {
    if let Some(value) = value {
        put(out, key, value);
    }
}

/// A path as text of as many bytes; what is not UTF-8 cannot be written in a file, and becomes `?`.
fn legible(path: &Path) -> String {
    let mut out = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        out += chunk.valid();
        out.extend(chunk.invalid().iter().map(|_| '?'));
    }
    out
}

fn number(number: u64) -> Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

/// A size as it reads best, but exactly.
pub(super) fn bytes(bytes: u64) -> Value {
    let text = size::bytes(bytes);
    if size::parse(&text) == Ok(bytes) { text.into() } else { bytes.to_string().into() }
}

fn time(time: Duration) -> Value {
    kind::show_time(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn portal(portal: &Portal) -> Value {
    let mut out = Table::new();
    if address_of(&portal.name, 3260) == Some(portal.bind) {
        // Without a name of its own it has the text of its address.
        put(&mut out, "bind", &portal.name[..]);
    } else {
        put(&mut out, "bind", portal.bind.to_string());
        put(&mut out, "name", &portal.name[..]);
    }
    put_some(&mut out, "advertise", portal.advertise.clone());
    if portal.tag != 1 {
        put(&mut out, "tag", i64::from(portal.tag));
    }
    out.into()
}

fn volume(volume: &Volume) -> Value {
    let mut out = Table::new();
    put(&mut out, "name", &volume.name[..]);
    match &volume.backing {
        Backing::Memory { bytes: size } => put(&mut out, "memory", bytes(*size)),
        Backing::Device { path } => put(&mut out, "device", legible(path)),
        Backing::File { path, create } => {
            put(&mut out, "file", legible(path));
            put_some(&mut out, "create", create.map(bytes));
        }
    }
    put_some(&mut out, "block_size", volume.block_bytes.map(i64::from));
    put_some(&mut out, "physical_block_size", volume.physical_bytes.map(i64::from));
    let usual = Volume { thin: !volume.read_only, ..Volume::new("", Backing::Memory { bytes: 0 }) };
    for (key, is, usual) in [
        ("read_only", volume.read_only, usual.read_only),
        ("write_cache", volume.write_cache, usual.write_cache),
        ("thin", volume.thin, usual.thin),
        ("removable", volume.removable, usual.removable),
    ] {
        put_some(&mut out, key, (is != usual).then_some(is));
    }
    let identity = &volume.identity;
    put_some(&mut out, "serial", identity.serial.clone());
    put_some(&mut out, "uuid", identity.uuid.map(|bytes| uuid::Uuid::from_bytes(bytes).to_string()));
    put_some(&mut out, "naa", identity.naa.map(|bytes| hex(&bytes)));
    put_some(&mut out, "vendor", identity.vendor.clone());
    put_some(&mut out, "product", identity.product.clone());
    out.into()
}

fn chap(auth: &Auth, secret: &mut dyn FnMut(&Secret) -> String) -> Option<Value> {
    let Auth::Chap(chap) = auth else { return None };
    let mut credential = |credential: &Credential| {
        let mut out = Table::new();
        put(&mut out, "user", &credential.name[..]);
        put(&mut out, "secret", secret(&credential.secret));
        out
    };
    let mut out = credential(&chap.incoming);
    if chap.algorithms != Hash::ALL {
        put(&mut out, "algorithms", chap.algorithms.iter().map(|hash| Value::from(hash.name())).collect::<Vec<_>>());
    }
    if let Some(outgoing) = &chap.outgoing {
        put(&mut out, "mutual", credential(outgoing));
    }
    Some(out.into())
}

fn compare_tables(path: &str, ours: &Table, theirs: &Table, out: &mut Vec<String>) {
    let more = theirs.keys().filter(|key| !ours.contains_key(*key));
    for key in ours.keys().chain(more) {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (ours.get(key), theirs.get(key)) {
            (Some(ours), Some(theirs)) if ours == theirs => {}
            (Some(Value::Table(ours)), Some(Value::Table(theirs))) => compare_tables(&path, ours, theirs, out),
            (ours, theirs) => match (tables(ours), tables(theirs)) {
                (Some(ours), Some(theirs)) => compare_lists(&path, &ours, &theirs, out),
                _ => out.push(changed(&path, key, ours, theirs)),
            },
        }
    }
}

/// The tables of a list, each with the name people know it by; none: no list of tables. What is not there is an empty one.
fn tables(value: Option<&Value>) -> Option<Vec<(String, &Table)>> {
    let Some(value) = value else { return Some(Vec::new()) };
    let mut list: Vec<(String, &Table)> = Vec::new();
    for each in value.as_array()? {
        let table = each.as_table()?;
        let name =
            ["name", "bind", "number", "nsid", "address"].iter().find_map(|key| table.get(*key)).map(Value::to_string);
        let mut name = name.unwrap_or_default();
        // Two portals on whatever port is free have one name.
        while list.iter().any(|(other, _)| *other == name) {
            name.push('\'');
        }
        list.push((name, table));
    }
    Some(list)
}

fn compare_lists(path: &str, ours: &[(String, &Table)], theirs: &[(String, &Table)], out: &mut Vec<String>) {
    let named =
        |list: &[(String, &Table)], name: &str| list.iter().find(|(other, _)| other == name).map(|each| each.1.clone());
    for (name, table) in ours {
        match named(theirs, name) {
            Some(other) => compare_tables(&format!("{path} {name}"), table, &other, out),
            None => out.push(format!("{path} {name}: gone")),
        }
    }
    for (name, _) in theirs.iter().filter(|(name, _)| named(ours, name).is_none()) {
        out.push(format!("{path} {name}: new"));
    }
    let order = |list: &[(String, &Table)], other: &[(String, &Table)]| -> Vec<String> {
        list.iter().map(|(name, _)| name.clone()).filter(|name| named(other, name).is_some()).collect()
    };
    if order(ours, theirs) != order(theirs, ours) {
        out.push(format!("{path}: another order"));
    }
}

fn changed(path: &str, key: &str, ours: Option<&Value>, theirs: Option<&Value>) -> String {
    let told = |value: Option<&Value>| match value {
        None => "the default".to_owned(),
        Some(Value::Table(_)) => "a table".to_owned(),
        Some(value) => value.to_string(),
    };
    match (ours, theirs) {
        _ if ["secret", "key", "controller_key"].contains(&key) => format!("{path}: another one"),
        (None, Some(Value::Table(_))) => format!("{path}: new"),
        (Some(Value::Table(_)), None) => format!("{path}: gone"),
        _ => format!("{path}: {} to {}", told(ours), told(theirs)),
    }
}

#[cfg(test)]
mod tests;
