//! The saved form of a configuration: resolved, as it is applied, secrets included.
//!
//! I1 Canonical: what is saved, restored and saved again gives the same bytes.
//! I2 Restoring checks that the form is whole (indices, addresses, codes); whether this program would take the
//!    configuration today is for [`Config::recheck`] to say.

use super::nvme::{self, SiteV1};
use super::{
    Access, Acl, Auth, Backing, Chap, Config, Given, Identity, Limits, Log, LogFormat, Lun, Portal, Target, Volume,
};
use mainstay_base::snapshot::Section;
use mainstay_proto::auth::{Credential, Hash, Secret};
use prost::Message;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroize;

/// The kind of its section.
pub const KIND: &str = "config";
/// The form that is written.
pub const VERSION: u32 = 1;

#[derive(Clone, PartialEq, prost::Message)]
struct ConfigV1 {
    #[prost(bytes = "vec", optional, tag = "1")]
    file: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "2")]
    portals: Vec<PortalV1>,
    #[prost(message, repeated, tag = "3")]
    volumes: Vec<VolumeV1>,
    #[prost(message, repeated, tag = "4")]
    targets: Vec<TargetV1>,
    #[prost(message, optional, tag = "5")]
    discovery: Option<ChapV1>,
    #[prost(message, optional, tag = "6")]
    limits: Option<LimitsV1>,
    #[prost(string, tag = "7")]
    name_prefix: String,
    #[prost(bytes = "vec", optional, tag = "8")]
    state_dir: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "9")]
    control: Option<Vec<u8>>,
    #[prost(string, optional, tag = "10")]
    log_filter: Option<String>,
    #[prost(uint32, optional, tag = "11")]
    log_format: Option<u32>,
    #[prost(bool, tag = "12")]
    state_dir_given: bool,
    #[prost(bool, tag = "13")]
    control_given: bool,
    #[prost(message, optional, tag = "14")]
    nvme: Option<SiteV1>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PortalV1 {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    bind: String,
    #[prost(string, optional, tag = "3")]
    advertise: Option<String>,
    #[prost(uint32, tag = "4")]
    group: u32,
}

/// Exactly one of `memory`, `path` with `device`, and `path` without.
#[derive(Clone, PartialEq, prost::Message)]
struct VolumeV1 {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint64, optional, tag = "2")]
    memory: Option<u64>,
    #[prost(bytes = "vec", optional, tag = "3")]
    path: Option<Vec<u8>>,
    #[prost(bool, tag = "4")]
    device: bool,
    #[prost(uint64, optional, tag = "5")]
    create: Option<u64>,
    #[prost(uint32, optional, tag = "6")]
    block_bytes: Option<u32>,
    #[prost(uint32, optional, tag = "7")]
    physical_bytes: Option<u32>,
    #[prost(bool, tag = "8")]
    read_only: bool,
    #[prost(bool, tag = "9")]
    write_cache: bool,
    #[prost(bool, tag = "10")]
    thin: bool,
    #[prost(bool, tag = "11")]
    removable: bool,
    #[prost(string, optional, tag = "12")]
    serial: Option<String>,
    #[prost(bytes = "vec", optional, tag = "13")]
    uuid: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "14")]
    naa: Option<Vec<u8>>,
    #[prost(string, optional, tag = "15")]
    vendor: Option<String>,
    #[prost(string, optional, tag = "16")]
    product: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TargetV1 {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, optional, tag = "2")]
    alias: Option<String>,
    #[prost(uint32, repeated, tag = "3")]
    portals: Vec<u32>,
    #[prost(message, repeated, tag = "4")]
    luns: Vec<LunV1>,
    /// Only `initiators` may log in.
    #[prost(bool, tag = "5")]
    listed: bool,
    #[prost(message, repeated, tag = "6")]
    initiators: Vec<AclV1>,
    #[prost(message, optional, tag = "7")]
    chap: Option<ChapV1>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct LunV1 {
    #[prost(uint32, tag = "1")]
    number: u32,
    #[prost(uint32, tag = "2")]
    volume: u32,
    #[prost(bool, optional, tag = "3")]
    read_only: Option<bool>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AclV1 {
    #[prost(string, tag = "1")]
    name: String,
    /// It has a rule of its own: `chap`, or nothing to prove.
    #[prost(bool, tag = "2")]
    own: bool,
    #[prost(message, optional, tag = "3")]
    chap: Option<ChapV1>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ChapV1 {
    /// Their numbers in CHAP_A, in order of the file.
    #[prost(uint32, repeated, tag = "1")]
    algorithms: Vec<u32>,
    #[prost(message, optional, tag = "2")]
    incoming: Option<CredentialV1>,
    #[prost(message, optional, tag = "3")]
    outgoing: Option<CredentialV1>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct CredentialV1 {
    #[prost(string, tag = "1")]
    user: String,
    #[prost(bytes = "vec", tag = "2")]
    secret: Vec<u8>,
}

impl Drop for CredentialV1 {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// Times in milliseconds.
#[derive(Clone, PartialEq, prost::Message)]
struct LimitsV1 {
    #[prost(uint64, tag = "1")]
    memory: u64,
    #[prost(uint64, tag = "2")]
    sessions: u64,
    #[prost(uint64, tag = "3")]
    logins: u64,
    #[prost(uint64, tag = "4")]
    login_timeout: u64,
    #[prost(uint64, tag = "5")]
    ping_interval: u64,
    #[prost(uint64, tag = "6")]
    ping_timeout: u64,
    #[prost(uint32, tag = "7")]
    window: u32,
}

const FORMATS: [LogFormat; 3] = [LogFormat::Human, LogFormat::Json, LogFormat::Journald];

impl Config {
    /// The applied configuration, with its secrets.
    pub fn save(&self) -> Section {
        let saved = ConfigV1 {
            file: self.file.as_deref().map(bytes),
            portals: self.portals.iter().map(save_portal).collect(),
            volumes: self.volumes.iter().map(save_volume).collect(),
            targets: self.targets.iter().map(save_target).collect(),
            discovery: save_auth(&self.discovery),
            limits: Some(save_limits(&self.limits)),
            name_prefix: self.name_prefix.clone(),
            state_dir: self.state_dir.as_deref().map(bytes),
            control: self.control.as_deref().map(bytes),
            log_filter: self.log.filter.clone(),
            log_format: self.log.format.and_then(|format| code(&FORMATS, format)),
            state_dir_given: self.given.state_dir,
            control_given: self.given.control,
            nvme: Some(nvme::save(&self.nvme)),
        };
        Section { kind: KIND.into(), version: VERSION, payload: saved.encode_to_vec().into() }
    }

    /// The configuration that was saved.
    ///
    /// # Errors
    /// What of it this program cannot read.
    pub fn restore(section: &Section) -> Result<Config, String> {
        if *section.kind != *KIND || section.version != VERSION {
            let Section { kind, version, .. } = section;
            return Err(format!("this program does not read a configuration saved as {kind} {version}"));
        }
        let saved = ConfigV1::decode(section.payload.clone()).map_err(|_| damaged("its form"))?;
        let mut config = Config {
            file: saved.file.map(path),
            portals: collect(saved.portals, restore_portal)?,
            volumes: collect(saved.volumes, restore_volume)?,
            targets: Vec::new(),
            nvme: mainstay_proto::nvme::Site::default(),
            discovery: restore_auth(saved.discovery)?,
            limits: restore_limits(&saved.limits.ok_or_else(|| damaged("the limits"))?)?,
            name_prefix: saved.name_prefix,
            state_dir: saved.state_dir.map(path),
            control: saved.control.map(path),
            log: Log {
                filter: saved.log_filter,
                format: saved.log_format.map(|code| known(&FORMATS, code)).transpose()?,
            },
            given: Given { state_dir: saved.state_dir_given, control: saved.control_given },
        };
        if let Some(site) = saved.nvme {
            let whole = nvme::restore(site, config.volumes.len());
            config.nvme = whole.ok_or_else(|| damaged("what is served over NVMe/TCP"))?;
        }
        config.targets = collect(saved.targets, |target| restore_target(target, &config))?;
        Ok(config)
    }
}

fn damaged(what: &str) -> String {
    format!("a saved configuration is damaged: {what}")
}

fn collect<T, U>(list: Vec<T>, each: impl Fn(T) -> Result<U, String>) -> Result<Vec<U>, String> {
    list.into_iter().map(each).collect()
}

fn bytes(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

fn path(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}

fn code<T: PartialEq>(table: &[T], value: T) -> Option<u32> {
    table.iter().position(|each| *each == value).map(|at| at as u32)
}

fn known<T: Copy>(table: &[T], code: u32) -> Result<T, String> {
    table.get(code as usize).copied().ok_or_else(|| damaged("a code"))
}

/// An index into a list of `count`.
fn index(number: u32, count: usize, what: &str) -> Result<usize, String> {
    Some(number as usize).filter(|index| *index < count).ok_or_else(|| damaged(what))
}

fn save_portal(portal: &Portal) -> PortalV1 {
    PortalV1 {
        name: portal.name.clone(),
        bind: portal.bind.to_string(),
        advertise: portal.advertise.clone(),
        group: portal.tag.into(),
    }
}

fn restore_portal(saved: PortalV1) -> Result<Portal, String> {
    Ok(Portal {
        name: saved.name,
        bind: saved.bind.parse().map_err(|_| damaged("the address of a portal"))?,
        advertise: saved.advertise,
        tag: saved.group.try_into().map_err(|_| damaged("a portal group tag"))?,
    })
}

fn save_volume(volume: &Volume) -> VolumeV1 {
    let (memory, path, device, create) = match &volume.backing {
        Backing::Memory { bytes } => (Some(*bytes), None, false, None),
        Backing::File { path, create } => (None, Some(bytes(path)), false, *create),
        Backing::Device { path } => (None, Some(bytes(path)), true, None),
    };
    let identity = &volume.identity;
    VolumeV1 {
        name: volume.name.clone(),
        memory,
        path,
        device,
        create,
        block_bytes: volume.block_bytes,
        physical_bytes: volume.physical_bytes,
        read_only: volume.read_only,
        write_cache: volume.write_cache,
        thin: volume.thin,
        removable: volume.removable,
        serial: identity.serial.clone(),
        uuid: identity.uuid.map(Vec::from),
        naa: identity.naa.map(Vec::from),
        vendor: identity.vendor.clone(),
        product: identity.product.clone(),
    }
}

fn restore_volume(saved: VolumeV1) -> Result<Volume, String> {
    let backing = match (saved.memory, saved.path, saved.device, saved.create) {
        (Some(bytes), None, false, None) => Backing::Memory { bytes },
        (None, Some(bytes), false, create) => Backing::File { path: path(bytes), create },
        (None, Some(bytes), true, None) => Backing::Device { path: path(bytes) },
        _ => return Err(damaged("where the blocks of a volume are")),
    };
    let uuid = saved.uuid.map(|bytes| bytes.try_into().map_err(|_| damaged("a UUID"))).transpose()?;
    let naa = saved.naa.map(|bytes| bytes.try_into().map_err(|_| damaged("an NAA designator"))).transpose()?;
    Ok(Volume {
        name: saved.name,
        backing,
        block_bytes: saved.block_bytes,
        physical_bytes: saved.physical_bytes,
        read_only: saved.read_only,
        write_cache: saved.write_cache,
        thin: saved.thin,
        removable: saved.removable,
        identity: Identity { serial: saved.serial, uuid, naa, vendor: saved.vendor, product: saved.product },
    })
}

fn save_target(target: &Target) -> TargetV1 {
    let lun = |lun: &Lun| LunV1 { number: lun.number.into(), volume: lun.volume as u32, read_only: lun.read_only };
    let acl = |acl: &Acl| AclV1 {
        name: acl.name.clone(),
        own: acl.auth.is_some(),
        chap: acl.auth.as_ref().and_then(save_auth),
    };
    let (listed, initiators) = match &target.access {
        Access::Anyone => (false, Vec::new()),
        Access::Initiators(list) => (true, list.iter().map(acl).collect()),
    };
    TargetV1 {
        name: target.name.clone(),
        alias: target.alias.clone(),
        portals: target.portals.iter().map(|at| *at as u32).collect(),
        luns: target.luns.iter().map(lun).collect(),
        listed,
        initiators,
        chap: save_auth(&target.auth),
    }
}

fn restore_target(saved: TargetV1, config: &Config) -> Result<Target, String> {
    let lun = |lun: LunV1| {
        let number = lun.number.try_into().map_err(|_| damaged("a LUN"))?;
        let volume = index(lun.volume, config.volumes.len(), "the volume of a LUN")?;
        Ok(Lun { number, volume, read_only: lun.read_only })
    };
    let acl = |acl: AclV1| match (acl.own, restore_auth(acl.chap)?) {
        (false, Auth::Chap(_)) => Err(damaged("what an initiator must prove")),
        (own, auth) => Ok(Acl { name: acl.name, auth: own.then_some(auth) }),
    };
    let access = match (saved.listed, collect(saved.initiators, acl)?) {
        (true, list) => Access::Initiators(list),
        (false, list) if list.is_empty() => Access::Anyone,
        (false, _) => return Err(damaged("who may log in")),
    };
    Ok(Target {
        name: saved.name,
        alias: saved.alias,
        portals: collect(saved.portals, |at| index(at, config.portals.len(), "the portals of a target"))?,
        luns: collect(saved.luns, lun)?,
        access,
        auth: restore_auth(saved.chap)?,
    })
}

fn save_auth(auth: &Auth) -> Option<ChapV1> {
    let credential = |credential: &Credential| CredentialV1 {
        user: credential.name.clone(),
        secret: credential.secret.as_bytes().to_vec(),
    };
    match auth {
        Auth::None => None,
        Auth::Chap(chap) => Some(ChapV1 {
            algorithms: chap.algorithms.iter().map(|hash| hash.number().into()).collect(),
            incoming: Some(credential(&chap.incoming)),
            outgoing: chap.outgoing.as_ref().map(credential),
        }),
    }
}

fn restore_auth(saved: Option<ChapV1>) -> Result<Auth, String> {
    // Its secret is moved, so that nobody has to wipe another copy.
    let credential = |mut saved: CredentialV1| Credential {
        name: std::mem::take(&mut saved.user),
        secret: Secret::new(std::mem::take(&mut saved.secret)),
    };
    let hash = |number| {
        let known = Hash::ALL.into_iter().find(|hash| u32::from(hash.number()) == number);
        known.ok_or_else(|| format!("CHAP algorithm {number} is in use, which this program does not have"))
    };
    let Some(saved) = saved else { return Ok(Auth::None) };
    Ok(Auth::Chap(Chap {
        algorithms: collect(saved.algorithms, hash)?,
        incoming: credential(saved.incoming.ok_or_else(|| damaged("a CHAP secret"))?),
        outgoing: saved.outgoing.map(credential),
    }))
}

fn save_limits(limits: &Limits) -> LimitsV1 {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    LimitsV1 {
        memory: limits.memory,
        sessions: limits.sessions_max as u64,
        logins: limits.logins_max as u64,
        login_timeout: millis(limits.login_timeout),
        ping_interval: millis(limits.ping_interval),
        ping_timeout: millis(limits.ping_timeout),
        window: limits.window_max,
    }
}

fn restore_limits(saved: &LimitsV1) -> Result<Limits, String> {
    let count = |number: u64| usize::try_from(number).map_err(|_| damaged("the limits"));
    Ok(Limits {
        memory: saved.memory,
        sessions_max: count(saved.sessions)?,
        logins_max: count(saved.logins)?,
        login_timeout: Duration::from_millis(saved.login_timeout),
        ping_interval: Duration::from_millis(saved.ping_interval),
        ping_timeout: Duration::from_millis(saved.ping_timeout),
        window_max: saved.window,
    })
}
