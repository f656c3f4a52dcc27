//! Get Features (base §5.15).

use super::table::find;
use super::*;
use crate::nvme::controller::{AdminCx, Controller, Outcome, cut, writes_cached};
use crate::nvme::{Entry, Reply, Status};

/// Which value is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Select {
    Current,
    Default,
    Saved,
}

pub(in super::super) fn get(
    controller: &Controller,
    cx: &AdminCx<'_>,
    entry: &Entry,
    given: u32,
) -> Result<Outcome, Status> {
    let fid = entry.dword(10) as u8;
    let feature = find(fid, controller.is_discovery()).ok_or(Status::INVALID_FIELD)?;
    if entry.dword(14) & 0x7f != 0 {
        return Err(Status::INVALID_FIELD); // No vendor's meanings of ours are told by a UUID.
    }
    let per_namespace = feature.scope == Scope::Namespace;
    let select = match entry.dword(10) >> 8 & 7 {
        0 => Select::Current,
        1 => Select::Default,
        2 => Select::Saved,
        3 => {
            let bits = u64::from(feature.saveable) | u64::from(per_namespace) << 1 | u64::from(feature.changeable) << 2;
            return Ok(Outcome::Reply(Reply::with(bits)));
        }
        _ => return Err(Status::INVALID_FIELD),
    };
    let namespace = if per_namespace { Some(controller.attached(entry.nsid())?) } else { None };
    let nsid = entry.nsid();
    let fresh = Settings::new(controller.notices());
    let features = &controller.features;
    let settings = match select {
        Select::Current => &features.current,
        Select::Saved => &features.saved,
        Select::Default => &fresh,
    };
    // What cannot be saved has its default as saved value (base §5.15.1).
    let current = select == Select::Current;
    let value = match fid {
        ARBITRATION => settings.arbitration,
        TEMPERATURE_THRESHOLD => {
            let (over, under) = settings.temperature;
            match (entry.dword(11) >> 16 & 0xf, entry.dword(11) >> 20 & 3) {
                (0, 0) => over.into(),
                (0, 1) => under.into(),
                _ => return Err(Status::INVALID_FIELD),
            }
        }
        ERROR_RECOVERY => settings.recovery.get(&nsid).copied().unwrap_or_default().into(),
        WRITE_CACHE => writes_cached(controller, cx, current).into(),
        QUEUES => {
            let queues = if current { controller.queues_max() } else { controller.queues_offered };
            let less_one = u32::from(queues.saturating_sub(1));
            less_one | less_one << 16
        }
        WRITE_ATOMICITY => settings.no_write_atomicity.into(),
        EVENTS => settings.events,
        KEEP_ALIVE => {
            if current {
                controller.keep_alive.timeout_ms
            } else {
                0
            }
        }
        WRITE_PROTECTION => {
            let protection =
                namespace.and_then(|namespace| cx.disks.disk(namespace.volume)).map(|disk| disk.protection);
            if current { protection.unwrap_or_default() as u32 } else { 0 }
        }
        TIMESTAMP => {
            let timestamp = if current { features.timestamp } else { Timestamp::reset(cx.now) };
            let origin = u64::from(timestamp.set) << 1;
            return cut((timestamp.read(cx.now) | origin << 48).to_le_bytes().to_vec(), given);
        }
        BEHAVIOR => {
            let behavior = if current { features.behavior } else { Behavior::default() };
            return cut(behavior.bytes(), given);
        }
        HOST_IDENTIFIER => {
            // Fabrics know only the long one, so EXHID must say so.
            if entry.dword(11) & 1 == 0 {
                return Err(Status::HOST_ID_INCONSISTENT);
            }
            return cut(if current { controller.hostid.to_vec() } else { vec![0; 16] }, given);
        }
        // There is one power state, and one combination of I/O command sets.
        POWER_MANAGEMENT | COMMAND_SET_PROFILE => 0,
        _ => return Err(Status::INVALID_FIELD),
    };
    Ok(Outcome::Reply(Reply::with(value.into())))
}

impl Behavior {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; BEHAVIOR_BYTES];
        bytes[0] = self.retry_delays.into();
        bytes[1] = self.telemetry_area_4.into();
        bytes[2] = self.extended_lba_formats.into();
        bytes[4..6].copy_from_slice(&self.copy_formats.to_le_bytes());
        bytes
    }
}
