//! From what is configured to what the rooms below speak of.

use super::world::BackingShown;
use crate::config::{self, Config};
use crate::control::words::VolumeKind;
use mainstay_base::sam::Lun;
use mainstay_base::unit::VolumeId;
use mainstay_edge::volume::{Backing, Overrides, Spec};
use mainstay_proto::iscsi::site::{Access, Acl, Auth, Portal, Site, Target};
use mainstay_proto::nexus::Export;
use std::path::Path;

/// The targets and how they are reached, and what each of them shows.
pub(super) fn site(config: &Config) -> (Site, Vec<Export>) {
    let portal =
        |portal: &config::Portal| Portal { bind: portal.bind, advertise: portal.advertise.clone(), tag: portal.tag };
    let target = |target: &config::Target| Target {
        name: target.name.clone(),
        alias: target.alias.clone(),
        portals: target.portals.clone(),
        access: access(&target.access),
        auth: auth(&target.auth),
    };
    let site = Site {
        portals: config.portals.iter().map(portal).collect(),
        targets: config.targets.iter().map(target).collect(),
        discovery: auth(&config.discovery),
    };
    (site, config.targets.iter().map(export).collect())
}

fn export(target: &config::Target) -> Export {
    let mut luns: Vec<(Lun, VolumeId)> =
        target.luns.iter().map(|lun| (Lun::from_number(lun.number), VolumeId(lun.volume as u32))).collect();
    luns.sort_unstable();
    let protected = target.luns.iter().filter(|lun| lun.read_only == Some(true));
    Export { luns, read_only: protected.map(|lun| Lun::from_number(lun.number)).collect() }
}

fn access(access: &config::Access) -> Access {
    match access {
        config::Access::Anyone => Access::Anyone,
        config::Access::Initiators(list) => {
            let entry = |acl: &config::Acl| Acl { name: acl.name.clone(), auth: acl.auth.as_ref().map(auth) };
            Access::Initiators(list.iter().map(entry).collect())
        }
    }
}

fn auth(from: &config::Auth) -> Auth {
    match from {
        config::Auth::None => Auth::None,
        config::Auth::Chap(chap) => Auth::Chap {
            algorithms: chap.algorithms.clone(),
            incoming: chap.incoming.clone(),
            outgoing: chap.outgoing.clone(),
        },
    }
}

/// How to open a volume.
pub(super) fn spec(volume: &config::Volume) -> Spec {
    let identity = &volume.identity;
    Spec {
        name: volume.name.clone(),
        backing: match &volume.backing {
            config::Backing::Memory { bytes } => Backing::Memory { size: *bytes },
            config::Backing::File { path, create } => Backing::File { path: path.clone(), create_size: *create },
            config::Backing::Device { path } => Backing::Device { path: path.clone() },
        },
        block_bytes: volume.block_bytes,
        physical_bytes: volume.physical_bytes,
        read_only: volume.read_only,
        write_cache: volume.write_cache,
        thin: volume.thin,
        removable: volume.removable,
        overrides: Overrides {
            uuid: identity.uuid,
            serial: identity.serial.clone(),
            naa: identity.naa,
            vendor: identity.vendor.clone(),
            product: identity.product.clone(),
        },
    }
}

/// What a person should know of where it is.
pub(super) fn shown(volume: &config::Volume) -> BackingShown {
    // Whoever reads it may be elsewhere.
    let absolute = |path: &Path| Some(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    match &volume.backing {
        config::Backing::Memory { .. } => BackingShown { kind: VolumeKind::Memory, path: None, created: false },
        config::Backing::File { path, create } => {
            let created = create.is_some() && !path.exists();
            BackingShown { kind: VolumeKind::File, path: absolute(path), created }
        }
        config::Backing::Device { path } => {
            BackingShown { kind: VolumeKind::Device, path: absolute(path), created: false }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lun_can_be_read_only_where_the_volume_is_not() {
        let mut config = Config::from_paths(&[], &config::ServeOptions::default()).unwrap();
        assert!(site(&config).1[0].read_only.is_empty());
        config.targets[0].luns[0].read_only = Some(true);
        assert_eq!(site(&config).1[0].read_only, [Lun::from_number(0)]);
        assert!(!spec(&config.volumes[0]).read_only);
    }
}
