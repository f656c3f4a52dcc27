//! A file → text → tables → [`Config`].

use super::keys::{self, FILE};
use super::kind;
use super::limits::{Limits, Log};
use super::remark::{Level, Place, Problem, Remark, Source, Warning};
use super::secret::quoted;
use super::target::{Access, Auth};
use super::view::{Finding, Findings, View};
use super::{Config, Given, name, nvme, portal, size, target, volume};
use mainstay_proto::nvme::Subsystem;
use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use toml::de::DeTable;

/// Bytes of a file; more is no configuration.
const FILE_BYTES_MAX: u64 = 1 << 20;

const SMALLEST: &str = "the smallest configuration is  [[volume]] name = \"disk\", memory = \"1 GiB\"  and  [[target]] \
                        name = \"disk\", lun = [{ number = 0, volume = \"disk\" }]";

impl Config {
    /// Reads and checks the file at `path`. Nothing is opened but the file itself and the secret files it names.
    ///
    /// # Errors
    /// All problems, in the order of the file; never none.
    pub fn load(path: &Path) -> Result<(Config, Vec<Warning>), Vec<Problem>> {
        let whole = |what: String, right: &str| {
            let place = Place { file: path.to_owned(), line: 0, column: 1, width: 1, source: String::new() };
            Err(vec![Remark { place: Some(place), key: String::new(), what, right: right.into() }])
        };
        let (bytes, mode) = match slurp(path) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return whole("there is no such file".into(), "`mainstay config reference` says what one can say");
            }
            Err(error) => return whole(format!("cannot be read: {error}"), ""),
        };
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return whole(
                format!("this is larger than {}", size::bytes(FILE_BYTES_MAX)),
                "name a configuration file (TOML)",
            );
        }
        match String::from_utf8(bytes) {
            Ok(text) => Config::parse(&text, path, mode),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                whole(format!("this is not UTF-8 text (byte {at})"), "name a configuration file (TOML)")
            }
        }
    }

    /// Checks `text`, the contents of `file`, which has these permission bits if it is a file.
    pub(super) fn parse(text: &str, file: &Path, mode: Option<u32>) -> Result<(Config, Vec<Warning>), Vec<Problem>> {
        let (document, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            return Err(syntax(text, file, &errors));
        }
        let mut findings = Findings::default();
        let mut source = Source { file, text, hidden: Vec::new() };
        let root = View::root(document.get_ref(), &FILE);
        root.check(&mut findings.problems, &mut source.hidden);
        let config = resolve(&root, file, &mut findings);
        if let Some(mode) = mode
            && mode & 0o044 != 0
            && let Some(span) = source.hidden.iter().min_by_key(|span| span.start)
        {
            findings.warnings.push(Finding {
                span: span.clone(),
                key: String::new(),
                what: format!("others can read the secrets in this file (mode {:04o})", mode & 0o7777),
                right: format!("chmod 600 {}", quoted(file)),
            });
        }
        let remarks = |mut findings: Vec<Finding>| -> Vec<Remark> {
            findings.sort_by_key(|finding| finding.span.start);
            let remark = |finding: Finding| Remark {
                // What is about the whole file points nowhere in it.
                place: Some(match finding.key.is_empty() && finding.span.is_empty() {
                    true => Place { file: file.to_owned(), line: 0, column: 1, width: 1, source: String::new() },
                    false => source.place(&finding.span),
                }),
                key: finding.key,
                what: finding.what,
                right: finding.right,
            };
            findings.into_iter().map(remark).collect()
        };
        match findings.problems.is_empty() {
            true => Ok((config, remarks(findings.warnings))),
            false => Err(remarks(findings.problems)),
        }
    }
}

fn slurp(path: &Path) -> io::Result<(Vec<u8>, Option<u32>)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok((bytes, metadata.is_file().then(|| others(&metadata))))
}

/// The permission bits of a file, without those of its group if that is ours: a daemon with a user of its own reads what
/// root lets its group read.
fn others(metadata: &Metadata) -> u32 {
    let ours = metadata.gid() == rustix::process::getegid().as_raw() && metadata.gid() != 0;
    metadata.mode() & if ours { !0o070 } else { !0 }
}

/// Problems of a text that is not TOML. What is not understood may hold a secret anywhere, so whatever stands in quotes
/// or after a sign of equality on a line with such a word is blotted out.
fn syntax(text: &str, file: &Path, errors: &[toml::de::Error]) -> Vec<Problem> {
    let mut hidden = Vec::new();
    let mut at = 0;
    let mut open = false;
    for line in text.split_inclusive('\n') {
        let telling = line.to_ascii_lowercase().contains("secre");
        if open {
            hidden.push(at..at + line.len());
        } else if telling && let Some(equals) = line.find('=') {
            hidden.push(at + equals + 1..at + line.len());
        }
        // A text over several lines goes on until the quotes come again.
        let quotes = line.matches("\"\"\"").count() + line.matches("'''").count();
        if (telling || open) && quotes % 2 == 1 {
            open = !open;
        }
        at += line.len();
    }
    let source = Source { file, text, hidden };
    let mut problems: Vec<Problem> = Vec::new();
    for error in errors {
        let place = source.place(&error.span().unwrap_or(0..0));
        // One mistake on a line often looks like several.
        if problems.iter().any(|other| other.place.as_ref().is_some_and(|other| other.line == place.line)) {
            continue;
        }
        let what = error.message().lines().next().unwrap_or("this is not TOML");
        let right = error.message().lines().nth(1).unwrap_or_default();
        problems.push(Remark { place: Some(place), key: String::new(), what: what.into(), right: right.into() });
    }
    problems.sort_by_key(|problem| problem.place.as_ref().map(|place| place.line));
    problems
}

pub(super) fn resolve(root: &View<'_>, file: &Path, findings: &mut Findings) -> Config {
    let folder = file.parent().unwrap_or(Path::new(""));
    let path = |key: &str| root.get(key, |value| kind::path(value).map(|path| folder.join(path))).map(|path| path.is);
    let prefix = root.get("name_prefix", kind::name_prefix).map_or(name::PREFIX, |prefix| prefix.is);
    let mut portals = portal::read(root, findings);
    if !root.has("target") && !root.has("portal") && root.has("nvme") {
        portals.clear();
    }
    let volumes = volume::read(root, folder, findings);
    let rest = target::Rest { folder, prefix, portals: &portals, volumes: &volumes };
    let targets = target::read(root, &rest, findings);
    let discovery = match root.one("discovery") {
        Some(view) => target::chap(&view, folder, findings),
        None => Auth::None,
    };
    let rest =
        nvme::Rest { folder, prefix, taken: portals.iter().map(|portal| portal.bind).collect(), volumes: &volumes };
    let limits = Limits::read(root.one("limits"));
    let mut nvme = nvme::read(root, &rest, findings);
    if root.has("nvme") {
        nvme.limits.connect_timeout = limits.login_timeout;
    }
    let (some_volume, some_target) = (root.has("volume"), root.has("target") || root.has("nvme"));
    let nothing = (volumes.list.is_empty() && !some_volume, targets.is_empty() && !some_target);
    match nothing {
        (true, true) => {
            findings
                .problems
                .push(root.finding("this configuration serves nothing: it has no volume and no target", SMALLEST));
        }
        (true, false) => {
            findings.problems.push(root.finding("this configuration has no volume", "add a [[volume]]"));
        }
        (false, true) => {
            let right = "add a [[target]] with a LUN for the volume, or an [[nvme.subsystem]] with a namespace";
            findings
                .problems
                .push(root.finding("this configuration has no target and no subsystem: nobody can log in", right));
        }
        (false, false) => {
            for (at, origin) in volumes.places.iter().enumerate() {
                let used = |target: &target::Target| target.luns.iter().any(|lun| lun.volume == at);
                let shown = |subsystem: &Subsystem| subsystem.namespaces.iter().any(|it| it.volume.0 as usize == at);
                if !targets.iter().any(used) && !nvme.subsystems.iter().any(shown) {
                    findings.warnings.push(Finding {
                        span: origin.span.clone(),
                        key: origin.key.clone(),
                        what: "no LUN and no namespace uses this volume: nobody reaches it".into(),
                        right: "add a [[target.lun]] or an [[nvme.subsystem.namespace]] for it".into(),
                    });
                }
            }
        }
    }
    if let Some(control) = root.get("control", kind::path) {
        // A unix socket's address holds so many bytes of path.
        let max = if cfg!(target_os = "macos") { 103 } else { 107 };
        let len = folder.join(control.is).as_os_str().len();
        if len > max {
            findings
                .problems
                .push(control.finding(format!("this path has {len} bytes"), format!("at most {max} fit a socket")));
        }
    }
    Config {
        file: Some(file.to_owned()),
        discovery,
        nvme,
        limits,
        name_prefix: prefix.to_owned(),
        state_dir: path("state_dir"),
        control: path("control"),
        log: Log::read(root.one("log")),
        given: Given::default(),
        portals,
        targets,
        volumes: volumes.list,
    }
}

/// `mainstay check`: says what is wrong with the file at `path`, or what it would serve. The exit status: 0, or 1 with
/// problems.
pub fn check(path: &Path, out: &mut dyn Write, colours: bool) -> io::Result<i32> {
    match Config::load(path) {
        Ok((config, warnings)) => {
            for warning in &warnings {
                writeln!(out, "{}", warning.show(Level::Warning, colours))?;
            }
            write!(out, "{}: {}", path.display(), config.summary())?;
            Ok(0)
        }
        Err(problems) => {
            for problem in &problems {
                writeln!(out, "{}", problem.show(Level::Problem, colours))?;
            }
            writeln!(out, "{}: {}", path.display(), count(problems.len(), "problem"))?;
            Ok(1)
        }
    }
}

impl Config {
    /// What it serves: a line in all, then one for each LUN.
    pub fn summary(&self) -> String {
        let mut served = Vec::new();
        let at = |binds: Vec<SocketAddr>| kind::list(&binds).replace(" or ", " and ");
        if !self.targets.is_empty() {
            let binds = at(self.portals.iter().map(|portal| portal.bind).collect());
            served.push(format!("{} on {binds}", count(self.targets.len(), "target")));
        }
        if !self.nvme.subsystems.is_empty() {
            let binds = at(self.nvme.portals.iter().map(|portal| portal.bind).collect());
            served.push(format!("{} on {binds}", count(self.nvme.subsystems.len(), "NVMe subsystem")));
        }
        let mut text =
            format!("good; serves {} as {}\n", count(self.volumes.len(), "volume"), served.join(", and as "));
        for target in &self.targets {
            let who = match (&target.access, &target.auth) {
                (Access::Anyone, Auth::None) => "anyone".to_owned(),
                (Access::Anyone, Auth::Chap(_)) => "anyone with the secret".to_owned(),
                (Access::Initiators(list), _) => count(list.len(), "listed initiator"),
            };
            for lun in &target.luns {
                let volume = &self.volumes[lun.volume];
                let read_only = if lun.read_only.unwrap_or(volume.read_only) { ", read-only" } else { "" };
                let (name, what) = (&volume.name, volume.describe());
                text += &format!("  {} LUN {}: {name} ({what}{read_only}), for {who}\n", target.name, lun.number);
            }
        }
        for subsystem in &self.nvme.subsystems {
            let who = match (&subsystem.hosts, &subsystem.keys) {
                (None, None) => "anyone".to_owned(),
                (None, Some(_)) => "anyone with the key".to_owned(),
                (Some(hosts), _) => count(hosts.len(), "listed host"),
            };
            for namespace in &subsystem.namespaces {
                let volume = &self.volumes[namespace.volume.0 as usize];
                let read_only = if namespace.read_only { ", read-only" } else { "" };
                let (name, what) = (&volume.name, volume.describe());
                text += &format!(
                    "  {} namespace {}: {name} ({what}{read_only}), for {who}\n",
                    subsystem.nqn, namespace.nsid
                );
            }
        }
        text
    }
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// All tables of the file, each once, in the order of the reference.
pub(super) fn tables() -> Vec<&'static keys::Table> {
    fn collect(table: &'static keys::Table, list: &mut Vec<&'static keys::Table>) {
        if list.iter().any(|other| other.header == table.header) {
            return;
        }
        list.push(table);
        for key in table.keys {
            if let kind::Kind::One(inner) | kind::Kind::Many(inner) = key.kind {
                collect(inner, list);
            }
        }
    }
    let mut list = Vec::new();
    collect(&FILE, &mut list);
    list
}
