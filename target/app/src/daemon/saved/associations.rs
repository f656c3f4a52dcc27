//! What NVMe keeps beside its queues: ways, the next controller's number, what hosts have set at controllers that stay.

use super::sections::{Sections, get, need, put};
use super::{Forms, Inexpressible, Unreadable};
use crate::daemon::associations::Name;
use crate::daemon::world::World;
use mainstay_base::path::{Access, GroupId, Paths};
use mainstay_base::snapshot::Section;
use mainstay_proto::nvme::controller::Features;
use mainstay_proto::nvme::controller::saved::FeaturesV1;

pub(super) const KIND: &str = "associations";
pub(super) const READS: (&str, u32, u32) = (KIND, 1, 1);

#[derive(Clone, PartialEq, prost::Message)]
struct AssociationsV1 {
    #[prost(message, repeated, tag = "1")]
    paths: Vec<PathV1>,
    #[prost(uint32, tag = "2")]
    cntlid_last: u32,
    /// Of discovery.
    #[prost(uint64, tag = "3")]
    generation: u64,
    #[prost(message, repeated, tag = "4")]
    retained: Vec<KeptV1>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct PathV1 {
    #[prost(uint32, tag = "1")]
    portal: u32,
    #[prost(uint32, tag = "2")]
    group: u32,
    /// As people write it.
    #[prost(string, tag = "3")]
    access: String,
    #[prost(uint64, tag = "4")]
    changes: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct KeptV1 {
    #[prost(uint32, tag = "1")]
    subsystem: u32,
    #[prost(uint32, tag = "2")]
    cntlid: u32,
    #[prost(message, required, tag = "3")]
    retained: FeaturesV1,
}

pub(super) fn save(world: &World, forms: &Forms) -> Result<Option<Section>, Inexpressible> {
    let nvme = &world.nvme;
    let path = |(portal, group, access, changes): (usize, GroupId, Access, u64)| PathV1 {
        portal: portal as u32,
        group: group.0.into(),
        access: access.name().to_owned(),
        changes,
    };
    let kept = |(&(subsystem, cntlid), retained): (&Name, &Features)| KeptV1 {
        subsystem: subsystem.unwrap_or_default() as u32,
        cntlid: cntlid.into(),
        retained: retained.save(),
    };
    let saved = AssociationsV1 {
        paths: nvme.paths.entries().map(path).collect(),
        cntlid_last: nvme.cntlid_last.into(),
        generation: nvme.discovery.generation,
        retained: nvme.retained.iter().map(kept).collect(),
    };
    match forms.version(KIND) {
        version @ 1 => Ok(Some(put(KIND, version, &saved))),
        version => Err(Inexpressible::new(KIND, version, "controllers")),
    }
}

/// Before the connections are restored.
pub(super) fn restore(sections: &Sections<'_>, world: &mut World) -> Result<(), Unreadable> {
    let saved: AssociationsV1 = get(KIND, sections.one(KIND)?)?;
    let nvme = &mut world.nvme;
    let mut entries = Vec::new();
    for path in saved.paths {
        let portal = Some(path.portal as usize).filter(|portal| *portal < nvme.site.portals.len());
        let group = u16::try_from(path.group).ok().map(GroupId);
        entries.push((
            need(KIND, portal, "the portal of a way")?,
            need(KIND, group, "the group of a way")?,
            need(KIND, Access::named(&path.access), "the state of a way")?,
            path.changes,
        ));
    }
    nvme.paths = Paths::restore(entries);
    nvme.cntlid_last = need(KIND, u16::try_from(saved.cntlid_last).ok(), "the last controller's number")?;
    nvme.discovery.generation = saved.generation;
    for kept in saved.retained {
        let subsystem = Some(kept.subsystem as usize).filter(|at| *at < nvme.site.subsystems.len());
        let subsystem = need(KIND, subsystem, "the subsystem of a controller")?;
        let cntlid = need(KIND, u16::try_from(kept.cntlid).ok(), "the number of a controller")?;
        let retained = need(KIND, Features::restore(&kept.retained).ok(), "what a host has set")?;
        nvme.retained.insert((Some(subsystem), cntlid), retained);
    }
    Ok(())
}

pub(super) fn show(section: &Section) -> Result<String, Unreadable> {
    let saved: AssociationsV1 = get(KIND, section)?;
    let mut text = format!("last controller {}, discovery generation {}", saved.cntlid_last, saved.generation);
    for path in saved.paths {
        text += &format!("\nportal {}, group {}: {} ({} changes)", path.portal, path.group, path.access, path.changes);
    }
    for kept in saved.retained {
        text += &format!("\ncontroller {} of subsystem {} remembers what was set", kept.cntlid, kept.subsystem);
    }
    Ok(text)
}
