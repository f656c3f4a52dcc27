//! The configuration of `mainstay serve [PATH…]`.

use super::limits::{Limits, Log};
use super::name::{self, NAME_BYTES_MAX};
use super::nvme::{self, Listen};
use super::portal::{self, Portal};
use super::remark::{Problem, Remark};
use super::target::{Access, Auth, Lun, Target};
use super::volume::{self, Backing, Volume};
use super::{Config, Given, size};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Bytes of a volume that is made, unless it is said.
pub const SIZE_DEFAULT: u64 = 1 << 30;

/// What the command line may say.
#[derive(Clone, Debug, Default)]
pub struct ServeOptions {
    /// Bytes of files that are made, and of the memory volume; none: [`SIZE_DEFAULT`].
    pub size: Option<u64>,
    /// Bytes of a logical block, 512 or 4096; none: the device's own, else 512.
    pub block_bytes: Option<u32>,
    /// Nobody can write.
    pub read_only: bool,
    /// Where to listen; empty: 127.0.0.1:3260.
    pub iscsi: Vec<SocketAddr>,
    /// Where to serve NVMe/TCP; empty: 127.0.0.1:4420, and discovery on 8009.
    pub nvme: Vec<Listen>,
    /// What stands before the colon of target names.
    pub name_prefix: Option<String>,
    /// Where identities are remembered.
    pub state_dir: Option<PathBuf>,
    /// The control socket.
    pub control: Option<PathBuf>,
}

impl Config {
    /// A volume and a target for each of `paths`, open to everyone who reaches the portals; without a path a volume in
    /// memory. Nothing is created here.
    ///
    /// # Errors
    /// All problems; never none.
    pub fn from_paths(paths: &[PathBuf], options: &ServeOptions) -> Result<Config, Vec<Problem>> {
        let mut problems = Vec::new();
        let block_bytes = options.block_bytes.unwrap_or(512);
        let create = options.size.unwrap_or(SIZE_DEFAULT);
        if let Err((what, right)) = volume::fits(create, block_bytes) {
            problems.push(Remark::plain(format!("--size: {what}"), right));
        }
        let prefix = options.name_prefix.clone().unwrap_or_else(|| name::PREFIX.to_owned());
        if let Err(wrong) = name::check_prefix(&prefix) {
            problems.push(Remark::plain(format!("--name-prefix: {}", wrong.what), wrong.right));
        }
        for (at, bind) in options.iscsi.iter().enumerate() {
            if options.iscsi[..at].iter().any(|other| portal::clash(*other, *bind)) {
                problems
                    .push(Remark::plain(format!("--iscsi {bind}: an earlier one has this address"), "leave one out"));
            }
        }
        for (at, listen) in options.nvme.iter().enumerate() {
            let Listen::At(bind) = listen else { continue };
            let taken = |other: &Listen| matches!(other, Listen::At(other) if portal::clash(*other, *bind));
            if options.nvme[..at].iter().any(taken) || options.iscsi.iter().any(|other| portal::clash(*other, *bind)) {
                problems.push(Remark::plain(format!("--nvme {bind}: another one has this address"), "leave one out"));
            }
        }
        let volumes = volumes(paths, create, options, &prefix, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let portals: Vec<Portal> = match options.iscsi.is_empty() {
            true => vec![Portal::local()],
            false => options.iscsi.iter().copied().map(Portal::at).collect(),
        };
        let target = |(at, volume): (usize, &Volume)| Target {
            name: format!("{prefix}:{}", volume.name),
            alias: None,
            portals: (0..portals.len()).collect(),
            luns: vec![Lun { number: 0, volume: at, read_only: None }],
            access: Access::Anyone,
            auth: Auth::None,
        };
        let targets: Vec<Target> = volumes.iter().enumerate().map(target).collect();
        Ok(Config {
            file: None,
            nvme: nvme::from_targets(&options.nvme, &targets, &volumes),
            targets,
            portals,
            volumes,
            discovery: Auth::None,
            limits: Limits::default(),
            name_prefix: prefix,
            state_dir: options.state_dir.clone(),
            control: options.control.clone(),
            log: Log::default(),
            given: Given { state_dir: options.state_dir.is_some(), control: options.control.is_some() },
        })
    }
}

fn volumes(
    paths: &[PathBuf],
    create: u64,
    options: &ServeOptions,
    prefix: &str,
    problems: &mut Vec<Problem>,
) -> Vec<Volume> {
    let volume = |name: String, backing| {
        let mut volume = Volume::new(name, backing);
        volume.block_bytes = options.block_bytes;
        volume.read_only = options.read_only;
        volume.thin &= !options.read_only;
        volume
    };
    if paths.is_empty() {
        return vec![volume("memory".into(), Backing::Memory { bytes: create })];
    }
    let mut taken = BTreeSet::new();
    let mut media = Vec::new();
    let mut volumes = Vec::new();
    for path in paths {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
        let room = NAME_BYTES_MAX.saturating_sub(prefix.len() + 1);
        let name = name::from_stem(&stem, room, &mut taken);
        let shown = path.display();
        let medium = volume::medium(path);
        if media.contains(&medium) {
            problems.push(Remark::plain(format!("{shown}: this is listed already"), "once is enough"));
        }
        media.push(medium);
        match backing(path, create, options.block_bytes.unwrap_or(512), options.read_only) {
            Ok(backing) => volumes.push(volume(name, backing)),
            Err((what, right)) => problems.push(Remark::plain(format!("{shown}: {what}"), right)),
        }
    }
    volumes
}

fn backing(path: &Path, create: u64, block_bytes: u32, read_only: bool) -> Result<Backing, (String, String)> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
            if !parent.is_dir() {
                return Err((format!("there is no folder {}", parent.display()), "make it first".into()));
            }
            if read_only {
                let right = "leave --read-only out to have it made";
                return Err(("there is no such file, and what is made read-only stays empty".into(), right.into()));
            }
            return match path.file_name() {
                Some(_) => Ok(Backing::File { path: path.to_owned(), create: Some(create) }),
                None => Err(("this cannot be the name of a file".into(), "name a file".into())),
            };
        }
        Err(error) => return Err((error.to_string(), String::new())),
    };
    if metadata.is_dir() {
        let right =
            format!("name a file in it, like {} (made with {})", path.join("disk.img").display(), size::bytes(create));
        return Err(("this is a folder".into(), right));
    }
    if volume::is_device(&metadata) {
        return Ok(Backing::Device { path: path.to_owned() });
    }
    if !metadata.is_file() {
        return Err(("this is neither a file nor a block device".into(), "name one".into()));
    }
    volume::fits(metadata.len(), block_bytes)?;
    Ok(Backing::File { path: path.to_owned(), create: Some(create) })
}
