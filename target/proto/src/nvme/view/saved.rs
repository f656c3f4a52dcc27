//! The saved form of a view.

use super::{Attached, View};
use mainstay_base::path::{Access, GroupId};
use mainstay_base::unit::VolumeId;

/// A view, version 1.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ViewV1 {
    #[prost(uint64, tag = "1")]
    generation: u64,
    #[prost(uint32, tag = "2")]
    cntlid: u32,
    #[prost(uint64, tag = "3")]
    subsystem: u64,
    #[prost(bool, tag = "4")]
    ready: bool,
    #[prost(message, repeated, tag = "5")]
    namespaces: Vec<AttachedV1>,
    #[prost(uint32, tag = "6")]
    copy_formats: u32,
    #[prost(bool, tag = "7")]
    retry_delays: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct AttachedV1 {
    #[prost(uint32, tag = "1")]
    nsid: u32,
    #[prost(uint32, tag = "2")]
    volume: u32,
    #[prost(bool, tag = "3")]
    read_only: bool,
    #[prost(uint32, tag = "4")]
    group: u32,
    #[prost(string, tag = "5")]
    access: String,
}

impl View {
    /// Its saved form.
    pub fn save(&self) -> ViewV1 {
        let attached = |namespace: &Attached| AttachedV1 {
            nsid: namespace.nsid,
            volume: namespace.volume.0,
            read_only: namespace.read_only,
            group: namespace.group.0.into(),
            access: namespace.access.name().to_owned(),
        };
        ViewV1 {
            generation: self.generation,
            cntlid: self.cntlid.into(),
            subsystem: self.subsystem as u64,
            ready: self.ready,
            namespaces: self.namespaces.iter().map(attached).collect(),
            copy_formats: self.copy_formats.into(),
            retry_delays: self.retry_delays,
        }
    }

    /// The view that was saved, if this program can express it.
    pub fn restore(saved: &ViewV1) -> Option<View> {
        let attached = |namespace: &AttachedV1| {
            Some(Attached {
                nsid: namespace.nsid,
                volume: VolumeId(namespace.volume),
                read_only: namespace.read_only,
                group: GroupId(namespace.group.try_into().ok()?),
                access: Access::named(&namespace.access)?,
            })
        };
        let namespaces: Vec<Attached> = saved.namespaces.iter().map(attached).collect::<Option<_>>()?;
        if !namespaces.is_sorted_by(|one, next| one.nsid < next.nsid) {
            return None;
        }
        Some(View {
            generation: saved.generation,
            cntlid: saved.cntlid.try_into().ok()?,
            subsystem: saved.subsystem as usize,
            ready: saved.ready,
            namespaces,
            copy_formats: saved.copy_formats.try_into().ok()?,
            retry_delays: saved.retry_delays,
        })
    }
}
