//! Set Features (base §5.27).

use super::table::find;
use super::*;
use crate::nvme::controller::event::WARNINGS;
use crate::nvme::controller::{AdminCx, Change, Controller, Outcome};
use crate::nvme::{Entry, Reply, Status};
use mainstay_base::unit::{Protection, VolumeId};

/// Copy descriptor formats that need the host's word (CDFE).
const COPY_FORMATS: u16 = 0b1_1100;

pub(in super::super) fn set(
    controller: &mut Controller,
    cx: &mut AdminCx<'_>,
    entry: &Entry,
    given: u32,
) -> Result<Outcome, Status> {
    let fid = entry.dword(10) as u8;
    let save = entry.dword(10) >> 31 == 1;
    let feature = find(fid, controller.is_discovery()).ok_or(Status::INVALID_FIELD)?;
    if entry.dword(14) & 0x7f != 0 {
        return Err(Status::INVALID_FIELD);
    }
    if fid == HOST_IDENTIFIER {
        return Err(Status::COMMAND_SEQUENCE_ERROR); // Connect has set it (base §5.27.1.25).
    }
    if save && !feature.saveable {
        return Err(Status::FEATURE_NOT_SAVEABLE);
    }
    if feature.scope == Scope::Controller && !matches!(entry.nsid(), 0 | u32::MAX) {
        return Err(Status::FEATURE_NOT_NAMESPACE_SPECIFIC);
    }
    match fid {
        BEHAVIOR => return collect(BEHAVIOR_BYTES, given),
        TIMESTAMP => return collect(TIMESTAMP_BYTES, given),
        WRITE_CACHE => return set_cache(controller, cx, entry.dword(11) & 1 == 1),
        WRITE_PROTECTION => return protect(controller, cx, entry),
        QUEUES => return set_queues(controller, entry.dword(11)),
        _ => {}
    }
    let value = entry.dword(11);
    match fid {
        KEEP_ALIVE => controller.keep_alive.set(value, controller.is_live(), cx.now),
        POWER_MANAGEMENT if value & 0x1f != 0 => return Err(Status::INVALID_FIELD),
        COMMAND_SET_PROFILE if value & 0x1ff != 0 => return Err(Status::INVALID_FIELD),
        POWER_MANAGEMENT | COMMAND_SET_PROFILE => {}
        _ => {
            adjust(controller, entry, |settings| &mut settings.current)?;
            if save {
                adjust(controller, entry, |settings| &mut settings.saved)?;
            }
        }
    }
    Ok(Outcome::Reply(Reply::OK))
}

/// Change a feature that can be saved, in the current or the saved settings.
fn adjust(controller: &mut Controller, entry: &Entry, which: fn(&mut Features) -> &mut Settings) -> Result<(), Status> {
    let (value, nsid) = (entry.dword(11), entry.nsid());
    let nsids = match nsid {
        u32::MAX => controller.view.namespaces.iter().map(|namespace| namespace.nsid).collect(),
        nsid => vec![nsid],
    };
    let notices = controller.notices();
    let attached = controller.attached(nsid).is_ok() || nsid == u32::MAX;
    let discovery = controller.is_discovery();
    let settings = which(&mut controller.features);
    match entry.dword(10) as u8 {
        ARBITRATION => settings.arbitration = value & 0xffff_ff07,
        TEMPERATURE_THRESHOLD => {
            let threshold = value as u16;
            // The composite temperature or all there are, which is the same.
            match (value >> 16 & 0xf, value >> 20 & 3) {
                (0 | 0xf, 0) => settings.temperature.0 = threshold,
                (0 | 0xf, 1) => settings.temperature.1 = threshold,
                _ => return Err(Status::INVALID_FIELD),
            }
        }
        ERROR_RECOVERY => {
            // DULBE is not offered: deallocated blocks read as zeroes.
            if value & 1 << 16 != 0 {
                return Err(Status::INVALID_FIELD);
            }
            if !attached {
                return Err(Status::INVALID_NAMESPACE);
            }
            for nsid in nsids {
                settings.recovery.insert(nsid, value as u16);
            }
            settings.recovery.retain(|_, limit| *limit != 0);
        }
        WRITE_ATOMICITY => settings.no_write_atomicity = value & 1 == 1,
        EVENTS => {
            let warnings = if discovery { 0 } else { WARNINGS };
            if value & !(notices | warnings) != 0 {
                return Err(Status::INVALID_FIELD);
            }
            settings.events = value;
        }
        _ => return Err(Status::FEATURE_NOT_CHANGEABLE),
    }
    Ok(())
}

fn collect(bytes: usize, given: u32) -> Result<Outcome, Status> {
    if given as usize == bytes { Ok(Outcome::Collect(given)) } else { Err(Status::SGL_LENGTH_INVALID) }
}

/// The data of a Set Features command is here.
pub(in super::super) fn set_data(
    controller: &mut Controller,
    cx: &AdminCx<'_>,
    entry: &Entry,
    data: &[u8],
) -> Result<Outcome, Status> {
    match entry.dword(10) as u8 {
        TIMESTAMP => {
            let bytes: [u8; TIMESTAMP_BYTES] = data.try_into().map_err(|_| Status::SGL_LENGTH_INVALID)?;
            let ms = u64::from_le_bytes(bytes) & 0xffff_ffff_ffff;
            controller.features.timestamp = Timestamp { ms, at: cx.now, set: true };
        }
        BEHAVIOR => {
            if data.len() != BEHAVIOR_BYTES {
                return Err(Status::SGL_LENGTH_INVALID);
            }
            let copy_formats = u16::from_le_bytes([data[4], data[5]]);
            if data[..3].iter().any(|&byte| byte > 1) || copy_formats & !COPY_FORMATS != 0 {
                return Err(Status::INVALID_FIELD);
            }
            controller.features.behavior = Behavior {
                retry_delays: data[0] == 1,
                telemetry_area_4: data[1] == 1,
                extended_lba_formats: data[2] == 1,
                copy_formats,
            };
            controller.stale = true;
        }
        _ => return Err(Status::INVALID_FIELD),
    }
    Ok(Outcome::Reply(Reply::OK))
}

/// Number of Queues (base §5.27.1.5): what is granted is never more than what is asked for, nor than there is.
fn set_queues(controller: &mut Controller, value: u32) -> Result<Outcome, Status> {
    if !controller.queues.is_empty() {
        return Err(Status::COMMAND_SEQUENCE_ERROR);
    }
    let (submission, completion) = (value as u16, (value >> 16) as u16);
    if submission == u16::MAX || completion == u16::MAX {
        return Err(Status::INVALID_FIELD);
    }
    // On fabrics each queue is a pair.
    let granted = (submission.min(completion) + 1).min(controller.queues_offered);
    controller.features.queues = Some(granted);
    let less_one = u64::from(granted.saturating_sub(1));
    Ok(Outcome::Reply(Reply::with(less_one | less_one << 16)))
}

/// Volatile Write Cache: of every volume the host may write to. What has been turned off must be on stable storage when the
/// host hears so.
fn set_cache(controller: &mut Controller, cx: &mut AdminCx<'_>, on: bool) -> Result<Outcome, Status> {
    let mut flush = Vec::new();
    for volume in controller.volumes(cx) {
        let Some(disk) = cx.disks.disk_mut(volume) else { continue };
        if disk.write_cache == on {
            continue;
        }
        disk.write_cache = on;
        controller.changes.push(Change::Cache(volume));
        if !on && !disk.behaviour.read_only {
            flush.push(volume);
        }
    }
    Ok(ending(flush))
}

/// Namespace Write Protection Config (base §8.12). A protection for ever is not offered (Identify Controller, NWPC).
fn protect(controller: &mut Controller, cx: &mut AdminCx<'_>, entry: &Entry) -> Result<Outcome, Status> {
    let volume = controller.attached(entry.nsid())?.volume;
    let protection = match entry.dword(11) & 7 {
        0 => Protection::None,
        1 => Protection::Protected,
        2 => Protection::UntilRestart,
        _ => return Err(Status::INVALID_FIELD),
    };
    // Who may only read has no say in who may write.
    if !controller.may_change(cx, entry.nsid()) {
        return Err(Status::FEATURE_NOT_CHANGEABLE);
    }
    let disk = cx.disks.disk_mut(volume).ok_or(Status::INVALID_NAMESPACE)?;
    if disk.protection != protection {
        if disk.protection == Protection::UntilRestart {
            return Err(Status::FEATURE_NOT_CHANGEABLE);
        }
        disk.protection = protection;
        controller.changes.push(Change::Protection(volume));
        controller.stale = true;
    }
    // Also if it was so before: the volume may not have been able to keep it then.
    Ok(Outcome::Protect(volume))
}

fn ending(flush: Vec<VolumeId>) -> Outcome {
    if flush.is_empty() { Outcome::Reply(Reply::OK) } else { Outcome::Flush(flush, Reply::OK) }
}
