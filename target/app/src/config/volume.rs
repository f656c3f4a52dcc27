//! Volumes.

use super::kind;
use super::size;
use super::view::{Findings, Value, View};
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// What people call it.
    pub name: String,
    /// Where its blocks are.
    pub backing: Backing,
    /// 512 or 4096; none: the device's own, else 512.
    pub block_bytes: Option<u32>,
    /// A power of two, at least `block_bytes`; none: the device's own, else 4096.
    pub physical_bytes: Option<u32>,
    /// Nobody can write.
    pub read_only: bool,
    /// Writes may be answered before they are stable.
    pub write_cache: bool,
    /// Blocks can be given back, where the store can.
    pub thin: bool,
    /// The medium can be ejected.
    pub removable: bool,
    /// What is said instead of the identity that was made.
    pub identity: Identity,
}

/// Where blocks are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backing {
    /// In memory.
    Memory {
        /// Size.
        bytes: u64,
    },
    /// In a file.
    File {
        /// Which.
        path: PathBuf,
        /// Its size if it has to be made; none: it must be there.
        create: Option<u64>,
    },
    /// In a block device.
    Device {
        /// Which.
        path: PathBuf,
    },
}

/// Overrides of a volume's identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Unit serial number.
    pub serial: Option<String>,
    /// UUID.
    pub uuid: Option<[u8; 16]>,
    /// NAA designator.
    pub naa: Option<[u8; 8]>,
    /// T10 vendor identification.
    pub vendor: Option<String>,
    /// Product identification.
    pub product: Option<String>,
}

impl Volume {
    /// A volume with the ways that suit its backing.
    pub fn new(name: impl Into<String>, backing: Backing) -> Volume {
        Volume {
            name: name.into(),
            backing,
            block_bytes: None,
            physical_bytes: None,
            read_only: false,
            write_cache: true,
            thin: true,
            removable: false,
            identity: Identity::default(),
        }
    }

    /// What a sentence says of where it is and how large.
    pub fn describe(&self) -> String {
        match &self.backing {
            Backing::Memory { bytes } => format!("{} of memory", size::bytes(*bytes)),
            Backing::Device { path } => format!("device {}", path.display()),
            Backing::File { path, create } => match (std::fs::metadata(path), create) {
                (Ok(metadata), _) => format!("file {}, {}", path.display(), size::bytes(metadata.len())),
                (Err(_), Some(create)) => format!("file {}, to be made with {}", path.display(), size::bytes(*create)),
                (Err(_), None) => format!("file {}", path.display()),
            },
        }
    }
}

/// Whether a path is a block device: on macOS also its raw form, a character device.
pub(super) fn is_device(metadata: &Metadata) -> bool {
    let kind = metadata.file_type();
    kind.is_block_device() || (cfg!(target_os = "macos") && kind.is_char_device())
}

/// Whether `bytes` can be a disk of `block_bytes`; else what is wrong and what would be right.
pub(super) fn fits(bytes: u64, block_bytes: u32) -> Result<(), (String, String)> {
    let block = u64::from(block_bytes);
    if bytes == 0 {
        return Err(("it is empty".into(), "give it a size (truncate -s 1G), or remove it to have it created".into()));
    }
    if bytes.is_multiple_of(block) {
        return Ok(());
    }
    let up = bytes.div_ceil(block).saturating_mul(block);
    Err((format!("{bytes} bytes are no whole number of blocks of {block}"), format!("{up} bytes would be")))
}

/// The same file, device or path.
#[derive(PartialEq, Eq)]
pub(super) enum Medium {
    Inode(u64, u64),
    Device(u64),
    Path(PathBuf),
}

pub(super) fn medium(path: &Path) -> Medium {
    match std::fs::metadata(path) {
        Ok(metadata) if is_device(&metadata) => Medium::Device(metadata.rdev()),
        Ok(metadata) => Medium::Inode(metadata.dev(), metadata.ino()),
        Err(_) => {
            let folder = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
            let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
            Medium::Path(path.file_name().map_or(path.to_owned(), |name| folder.join(name)))
        }
    }
}

pub(super) struct Volumes {
    /// With one for each that could not be read too, so that LUNs still find their names.
    pub list: Vec<Volume>,
    pub places: Vec<Origin>,
}

impl Volumes {
    /// The volume that the key `volume` of `view` names.
    pub fn named(&self, view: &View<'_>, findings: &mut Findings) -> Option<Value<usize>> {
        let named = view.get("volume", kind::label)?;
        let is_it = |place: &Origin| place.name.as_ref().is_some_and(|known| known.is == named.is);
        match self.places.iter().position(is_it) {
            Some(at) => Some(Value { is: at, span: named.span, key: named.key }),
            None => {
                let names = self.places.iter().filter_map(|place| place.name.as_ref()).map(|name| name.is.as_str());
                let right = kind::suggest(named.is, names, "add a [[volume]] of that name");
                findings.problems.push(named.finding(format!("no volume is called {:?}", named.is), right));
                None
            }
        }
    }
}

/// What later checks have to point at.
pub(super) struct Origin {
    pub name: Option<Value<String>>,
    pub span: std::ops::Range<usize>,
    pub key: String,
}

pub(super) fn read(root: &View<'_>, folder: &Path, findings: &mut Findings) -> Volumes {
    let mut volumes = Volumes { list: Vec::new(), places: Vec::new() };
    let mut media: Vec<(Medium, String)> = Vec::new();
    for view in root.many("volume") {
        let name = view.get("name", |value| kind::label(value).map(str::to_owned));
        if !view.has("name") {
            let right = "write name = \"disk\", for example: LUNs and commands call it by that name";
            findings.problems.push(view.finding("this volume has no `name`", right));
        }
        if let Some(name) = &name
            && let Some(first) =
                volumes.places.iter().find(|other| other.name.as_ref().is_some_and(|other| other.is == name.is))
        {
            let what = format!("{} is called {:?} already", first.key, name.is);
            findings.problems.push(name.finding(what, "choose another name"));
        }
        let label = name.as_ref().map(|name| name.is.clone()).unwrap_or_default();
        let volume = one(&view, label, folder, &mut media, findings);
        volumes.list.push(volume);
        volumes.places.push(Origin { name, span: view.span.clone(), key: view.key.clone() });
    }
    volumes
}

fn one(
    view: &View<'_>,
    name: String,
    folder: &Path,
    media: &mut Vec<(Medium, String)>,
    findings: &mut Findings,
) -> Volume {
    let flag = |key: &str| view.get(key, kind::bool);
    let owned = |key: &str, max| view.get(key, |value| kind::ascii(value, max).map(|text| text.trim().to_owned()));
    let mut volume = Volume::new(name, Backing::Memory { bytes: 0 });
    volume.read_only = flag("read_only").is_some_and(|value| value.is);
    volume.write_cache = flag("write_cache").is_none_or(|value| value.is);
    volume.removable = flag("removable").is_some_and(|value| value.is);

    if let Some(bytes) = view.get("block_size", |value| kind::integer(value, 512, 4096)) {
        match bytes.is {
            512 | 4096 => volume.block_bytes = Some(bytes.is as u32),
            other => findings
                .problems
                .push(bytes.finding(format!("a block cannot have {other} bytes"), "512 or 4096 can be")),
        }
    }
    if let Some(bytes) = view.get("physical_block_size", |value| kind::integer(value, 512, 1 << 20)) {
        let least = volume.block_bytes.unwrap_or(512);
        match bytes.is as u32 {
            is if is.is_power_of_two() && is >= least => volume.physical_bytes = Some(is),
            is if is.is_power_of_two() => {
                let what = format!("a physical block of {is} bytes is smaller than a logical one of {least}");
                findings.problems.push(bytes.finding(what, format!("at least {least} would be right")));
            }
            is => {
                let right = format!("{} would be", is.next_power_of_two());
                findings.problems.push(bytes.finding(format!("{is} is no power of two"), right));
            }
        }
    }
    backing(view, &mut volume, folder, media, findings);
    volume.thin = !volume.read_only;
    if let Some(thin) = flag("thin") {
        volume.thin = thin.is;
        if thin.is && volume.read_only {
            let what = "a volume that is `read_only` cannot give blocks back";
            findings.problems.push(thin.finding(what, "leave out one of `thin` and `read_only`"));
        }
    }
    if let Some(cache) = flag("write_cache")
        && cache.is
        && volume.read_only
    {
        let what = "a volume that is `read_only` has no writes to cache";
        findings.problems.push(cache.finding(what, "leave out one of `write_cache` and `read_only`"));
    }
    volume.identity = Identity {
        serial: owned("serial", 64).map(|value| value.is),
        uuid: view.get("uuid", kind::uuid).map(|value| value.is),
        naa: view.get("naa", kind::naa).map(|value| value.is),
        vendor: owned("vendor", 8).map(|value| value.is),
        product: owned("product", 16).map(|value| value.is),
    };
    volume
}

fn backing(
    view: &View<'_>,
    volume: &mut Volume,
    folder: &Path,
    media: &mut Vec<(Medium, String)>,
    findings: &mut Findings,
) {
    let given: Vec<&str> = ["file", "device", "memory"].into_iter().filter(|key| view.has(key)).collect();
    match given[..] {
        [] => {
            let right = "write one of file = \"disk.img\", device = \"/dev/sdb\" or memory = \"1 GiB\"";
            findings.problems.push(view.finding("nothing says where the blocks of this volume are", right));
        }
        [_] => {}
        [first, second, ..] => {
            let what = format!("a volume has one place, and `{first}` is given already");
            findings.problems.push(view.finding_at(second, what, "leave all but one of them out"));
        }
    }
    let create = view.get("create", |value| kind::size(value, 512));
    if given.first().is_some_and(|first| *first != "file") && view.has("create") {
        let what = format!("`create` is for files, and this volume has a `{}`", given[0]);
        findings.problems.push(view.finding_at("create", what, "leave it out"));
    }
    let block_bytes = volume.block_bytes.unwrap_or(512);
    let mut check_size = |value: &Value<u64>| {
        if let Err((what, right)) = fits(value.is, block_bytes) {
            findings.problems.push(value.finding(what, right));
        }
    };
    if let Some(create) = &create {
        check_size(create);
    }
    if let Some(memory) = view.get("memory", |value| kind::size(value, 512)) {
        check_size(&memory);
        volume.backing = Backing::Memory { bytes: memory.is };
    }
    for (key, wants_device) in [("device", true), ("file", false)] {
        let Some(path) = view.get(key, |value| kind::path(value).map(|path| folder.join(path))) else { continue };
        if !findings.closed
            && let Err((what, right)) = look(&path.is, wants_device, volume, create.is_some() && !wants_device)
        {
            findings.problems.push(path.finding(what, right));
        }
        let medium = if findings.closed { Medium::Path(path.is.clone()) } else { medium(&path.is) };
        if let Some((_, other)) = media.iter().find(|(other, _)| *other == medium) {
            let what = format!("{other} has this {key} already");
            let right = "give one volume to several targets (a LUN in each) instead of one file to several volumes";
            findings.problems.push(path.finding(what, right));
        }
        media.push((medium, view.key.clone()));
        volume.backing = match wants_device {
            true => Backing::Device { path: path.is },
            false => Backing::File { path: path.is, create: create.as_ref().map(|create| create.is) },
        };
    }
}

/// What can be seen of a file or device without opening it.
fn look(path: &Path, wants_device: bool, volume: &Volume, create: bool) -> Result<(), (String, String)> {
    let shown = path.display();
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound && !wants_device => {
            if !create {
                return Err((format!("there is no file {shown}"), "create = \"1 GiB\" beside it would make it".into()));
            }
            let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
            return match parent.is_dir() {
                true if volume.read_only => {
                    Err((format!("there is no file {shown}, and what is created as `read_only` stays empty"), {
                        "leave out one of `create` and `read_only`".into()
                    }))
                }
                true => Ok(()),
                false => Err((format!("there is no folder {}", parent.display()), "make it first".into())),
            };
        }
        Err(error) => return Err((format!("{shown}: {error}"), String::new())),
    };
    if metadata.is_dir() {
        return Err((format!("{shown} is a folder"), "name a file in it".into()));
    }
    match (wants_device, is_device(&metadata), metadata.is_file()) {
        (true, true, _) => Ok(()),
        (true, false, true) => Err((format!("{shown} is a file"), "write `file` instead of `device`".into())),
        (false, true, _) => Err((format!("{shown} is a device"), "write `device` instead of `file`".into())),
        (false, false, true) => {
            if metadata.permissions().readonly() && !volume.read_only {
                let right = "write read_only = true, or let its owner write (chmod u+w)";
                return Err((format!("{shown} is write-protected, but the volume is writable"), right.into()));
            }
            fits(metadata.len(), volume.block_bytes.unwrap_or(512))
                .map_err(|(what, right)| (format!("{shown}: {what}"), right))
        }
        _ => Err((format!("{shown} is neither a file nor a block device"), "name one".into())),
    }
}
