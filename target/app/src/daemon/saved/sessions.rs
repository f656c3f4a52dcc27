//! Who waits for a session to end, and which TSIH is next. The sessions themselves are with their connections.

use super::sections::{Sections, get, need, put};
use super::{Forms, Inexpressible, Unreadable};
use crate::daemon::world::World;
use mainstay_base::sam::NexusId;
use mainstay_base::snapshot::Section;
use mainstay_proto::iscsi::login::{Candidate, Kind};
use mainstay_proto::iscsi::pdu::Isid;

pub(super) const KIND: &str = "sessions";
#[cfg(not(feature = "next"))]
pub(super) const READS: (&str, u32, u32) = (KIND, 1, 1);

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SessionsV1 {
    #[prost(uint32, tag = "1")]
    pub(super) tsih_last: u32,
    /// In the order in which they came.
    #[prost(message, repeated, tag = "2")]
    pub(super) waiting: Vec<WaitingV1>,
    /// By nexus.
    #[prost(message, repeated, tag = "3")]
    pub(super) rejoining: Vec<RejoiningV1>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WaitingV1 {
    #[prost(uint64, tag = "1")]
    pub(super) nexus: u64,
    /// For whose end it waits.
    #[prost(uint64, tag = "2")]
    old: u64,
    #[prost(string, tag = "3")]
    initiator: String,
    #[prost(bytes = "vec", tag = "4")]
    isid: Vec<u8>,
    #[prost(uint32, tag = "5")]
    tsih: u32,
    #[prost(uint32, tag = "6")]
    cid: u32,
    #[prost(uint64, tag = "7")]
    target: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct RejoiningV1 {
    #[prost(uint64, tag = "1")]
    pub(super) nexus: u64,
    #[prost(uint32, tag = "2")]
    pub(super) tsih: u32,
}

pub(super) fn save(world: &World, forms: &Forms) -> Result<Option<Section>, Inexpressible> {
    match forms.version(KIND) {
        #[cfg(feature = "next")]
        0 => Ok(None),
        version @ 1 => Ok(Some(put(KIND, version, &saved(world)))),
        version => Err(Inexpressible::new(KIND, version, "sessions")),
    }
}

pub(super) fn saved(world: &World) -> SessionsV1 {
    let sessions = &world.sessions;
    let waiting = |(nexus, candidate, old): &(NexusId, Candidate, NexusId)| {
        // Nobody waits for a discovery session.
        let Kind::Normal { target } = candidate.kind else { return None };
        Some(WaitingV1 {
            nexus: nexus.0,
            old: old.0,
            initiator: candidate.initiator.clone(),
            isid: candidate.isid.0.to_vec(),
            tsih: candidate.tsih.into(),
            cid: candidate.cid.into(),
            target: target as u64,
        })
    };
    let rejoining = |(nexus, tsih): (&NexusId, &u16)| RejoiningV1 { nexus: nexus.0, tsih: (*tsih).into() };
    let mut saved = SessionsV1 {
        tsih_last: sessions.tsih_last.into(),
        waiting: sessions.waiting.iter().filter_map(waiting).collect(),
        rejoining: sessions.rejoining.iter().map(rejoining).collect(),
    };
    saved.rejoining.sort_unstable_by_key(|entry| entry.nexus);
    saved
}

pub(super) fn restore(sections: &Sections<'_>, world: &mut World) -> Result<(), Unreadable> {
    #[cfg(feature = "next")]
    let saved = super::next::registry::restore(sections)?;
    #[cfg(not(feature = "next"))]
    let saved: SessionsV1 = get(KIND, sections.one(KIND)?)?;
    let narrow = |number: u32, what| need(KIND, u16::try_from(number).ok(), what);
    let known = |id: u64| {
        let id = NexusId(id);
        need(KIND, world.knows(id).then_some(id), "a connection")
    };
    let mut waiting = Vec::new();
    for entry in saved.waiting {
        let target = usize::try_from(entry.target).ok().filter(|target| *target < world.site.targets.len());
        let candidate = Candidate {
            initiator: entry.initiator,
            isid: Isid(need(KIND, entry.isid.try_into().ok(), "ISID")?),
            tsih: narrow(entry.tsih, "TSIH")?,
            cid: narrow(entry.cid, "CID")?,
            kind: Kind::Normal { target: need(KIND, target, "target")? },
        };
        waiting.push((known(entry.nexus)?, candidate, known(entry.old)?));
    }
    let rejoining = saved.rejoining.iter().map(|entry| Ok((known(entry.nexus)?, narrow(entry.tsih, "TSIH")?)));
    let rejoining = rejoining.collect::<Result<_, Unreadable>>()?;
    let sessions = &mut world.sessions;
    sessions.tsih_last = narrow(saved.tsih_last, "TSIH")?;
    (sessions.waiting, sessions.rejoining) = (waiting, rejoining);
    Ok(())
}

pub(super) fn show(section: &Section) -> Result<String, Unreadable> {
    let saved: SessionsV1 = get(KIND, section)?;
    Ok(format!("{saved:?}"))
}
