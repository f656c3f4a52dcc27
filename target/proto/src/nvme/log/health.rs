//! What has been done and what went wrong: Error Information (01h), SMART / Health Information (02h), Endurance Group
//! Information (09h); base §5.16.1.2, §5.16.1.3, §5.16.1.10.
//!
//! Counts are those of the stores: what SCSI did to the volume is in them, for it is one disk. What we cannot know of the
//! media below (temperature, wear) is told as not reported.

use crate::nvme::controller::{ELPE, ErrorEntry, ErrorLog};
use crate::nvme::identify::{ALL, Asker, ENDURANCE_GROUP};
use crate::nvme::page::Page;
use crate::nvme::{Attached, Status};
use mainstay_base::metrics::Traffic;

/// TRTYPE of NVMe/TCP.
pub(in crate::nvme) const TCP: u8 = 3;
/// Available Spare in percent: nothing of it is ever used, as far as we know.
const SPARE: u8 = 100;

/// Page 01h: always all entries, those that are not there as zeroes.
pub fn errors(log: &ErrorLog) -> Vec<u8> {
    let mut page = Page::new(64 * (usize::from(ELPE) + 1));
    for (n, error) in log.newest_first().take(usize::from(ELPE) + 1).enumerate() {
        entry(&mut page, 64 * n, error);
    }
    page.done()
}

fn entry(page: &mut Page, at: usize, error: &ErrorEntry) {
    page.put(at, error.count.to_le_bytes());
    page.put(at + 8, error.sqid.to_le_bytes());
    page.put(at + 10, error.cid.0.to_le_bytes());
    page.put(at + 12, error.status.field(false).to_le_bytes());
    page.put(at + 14, error.location.to_le_bytes());
    page.put(at + 16, error.lba.to_le_bytes());
    page.put(at + 24, error.nsid.to_le_bytes());
    page.put(at + 29, [TCP]);
}

/// The sum of what some namespaces have done; a volume that has two numbers counts once.
#[derive(Default)]
struct Sum {
    reads: u64,
    writes: u64,
    read_bytes: u64,
    written_bytes: u64,
    errors: u64,
}

impl Sum {
    fn of<'a>(asker: &Asker<'_, '_>, namespaces: impl Iterator<Item = &'a Attached>) -> Sum {
        let mut volumes: Vec<usize> = namespaces.map(|namespace| namespace.volume.0 as usize).collect();
        volumes.sort_unstable();
        volumes.dedup();
        let mut sum = Sum::default();
        for traffic in volumes.into_iter().filter_map(|volume| asker.cx.traffic.get(volume)) {
            let Traffic { reads, writes, read_bytes, written_bytes, errors, .. } = traffic;
            sum.reads += reads;
            sum.writes += writes;
            sum.read_bytes += read_bytes;
            sum.written_bytes += written_bytes;
            sum.errors += errors;
        }
        sum
    }
}

/// Page 02h, of one namespace or of all.
pub fn health(asker: &Asker<'_, '_>, nsid: u32) -> Result<Vec<u8>, Status> {
    let view = asker.view;
    let sum = match nsid {
        0 | ALL => Sum::of(asker, view.namespaces.iter()),
        nsid => Sum::of(asker, std::iter::once(view.namespace(nsid).ok_or(Status::INVALID_NAMESPACE)?)),
    };
    let warnings = asker.controller.warnings();
    let uptime_ms = asker.cx.unix_ms.saturating_sub(asker.cx.started_ms);
    let mut page = Page::new(512);
    page.put(0, [warnings]);
    page.put(3, [SPARE]);
    // Byte 6: what the endurance group has to warn of, in the same bits.
    page.put(6, [warnings & GROUP_WARNINGS]);
    let counts = [
        // Data units of 1000 sectors of 512 bytes.
        sum.read_bytes.div_ceil(512_000),
        sum.written_bytes.div_ceil(512_000),
        sum.reads,
        sum.writes,
        // Controller Busy Time is not measured.
        0,
        // Power Cycles: one, for the daemon's state is as old as its first start; then Power On Hours, Unsafe Shutdowns.
        1,
        uptime_ms / 3_600_000,
        0,
        sum.errors,
        asker.controller.errors.count(),
    ];
    for (n, count) in counts.into_iter().enumerate() {
        page.put(32 + 16 * n, u128::from(count).to_le_bytes());
    }
    Ok(page.done())
}

/// Critical warnings that endurance groups have, too: spare, reliability, read only.
const GROUP_WARNINGS: u8 = 1 | 1 << 2 | 1 << 3;

/// Page 09h.
pub fn endurance(asker: &Asker<'_, '_>, group: u16) -> Result<Vec<u8>, Status> {
    if group != ENDURANCE_GROUP {
        return Err(Status::INVALID_FIELD);
    }
    let sum = Sum::of(asker, asker.view.namespaces.iter());
    let mut page = Page::new(512);
    page.put(0, [asker.controller.warnings() & GROUP_WARNINGS]);
    page.put(3, [SPARE]);
    // In units of 10^9 bytes. What the media wrote themselves (80) and will endure (32) is not reported.
    page.put(48, u128::from(sum.read_bytes.div_ceil(1_000_000_000)).to_le_bytes());
    page.put(64, u128::from(sum.written_bytes.div_ceil(1_000_000_000)).to_le_bytes());
    page.put(96, u128::from(sum.reads).to_le_bytes());
    page.put(112, u128::from(sum.writes).to_le_bytes());
    page.put(128, u128::from(sum.errors).to_le_bytes());
    page.put(144, u128::from(asker.controller.errors.count()).to_le_bytes());
    page.put(160, asker.capacity().to_le_bytes());
    Ok(page.done())
}
