//! Version 2 of a connection: flags in one number, TSIH and CID too, and a label.

use super::super::Unreadable;
use super::super::connection::{ConnectionV1, KIND, SessionV1};
use super::super::sections::{get, put};
use mainstay_base::snapshot::Section;
use mainstay_base::unit::saved::RequestV1;

pub(in super::super) const READS: (&str, u32, u32) = (KIND, 1, 2);

#[derive(Clone, PartialEq, prost::Message)]
struct ConnectionV2 {
    #[prost(message, repeated, tag = "1")]
    held: Vec<RequestV1>,
    /// From the lowest: gone, told, logs in, discovers, speaks NVMe.
    #[prost(uint32, tag = "2")]
    flags: u32,
    #[prost(uint64, tag = "3")]
    id: u64,
    /// TSIH above, CID below.
    #[prost(uint32, optional, tag = "4")]
    session: Option<u32>,
    #[prost(uint64, tag = "5")]
    since_ms: u64,
    #[prost(uint64, tag = "6")]
    own: u64,
    #[prost(uint32, tag = "7")]
    parting: u32,
    #[prost(string, tag = "8")]
    label: String,
}

pub(in super::super) fn save(old: ConnectionV1) -> Section {
    let flags = [old.gone, old.told, old.logs_in, old.discovers, old.nvme];
    let saved = ConnectionV2 {
        held: old.held,
        flags: flags.iter().rev().fold(0, |sum, flag| sum << 1 | u32::from(*flag)),
        id: old.id,
        session: old.session.map(|session| session.tsih << 16 | session.cid),
        since_ms: old.since_ms,
        own: old.own,
        parting: old.parting,
        label: super::label(old.id),
    };
    put(KIND, 2, &saved)
}

pub(in super::super) fn restore(section: &Section) -> Result<ConnectionV1, Unreadable> {
    let saved: ConnectionV2 = get(KIND, section)?;
    if !saved.label.is_empty() {
        super::extra().labels.insert(saved.id, saved.label);
    }
    let flag = |bit: u32| saved.flags >> bit & 1 == 1;
    Ok(ConnectionV1 {
        id: saved.id,
        since_ms: saved.since_ms,
        own: saved.own,
        gone: flag(0),
        told: flag(1),
        parting: saved.parting,
        held: saved.held,
        logs_in: flag(2),
        discovers: flag(3),
        nvme: flag(4),
        session: saved.session.map(|both| SessionV1 { tsih: both >> 16, cid: both & 0xffff }),
    })
}
