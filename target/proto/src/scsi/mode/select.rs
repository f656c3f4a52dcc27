//! MODE SELECT(6) and (10): SPC-4 §6.9, §6.10.

use super::view::descriptor;
use super::{Settings, page};
use crate::scsi::attention::Attention;
use crate::scsi::fault::{self, Deed};
use crate::scsi::limits::MODE_LIST;
use crate::scsi::sense::Sense;
use crate::scsi::task::{Action, Cx, Ending, Job, State, Step};
use crate::scsi::unit::LogicalUnit;
use mainstay_base::arena::Buf;
use mainstay_base::unit::{Done, Fault, Op};

/// Where it is.
#[derive(Debug)]
pub enum Phase {
    Wanted,
    Asked,
    Here(Buf),
    /// The write cache was turned off: what is in it goes to the medium before that is answered.
    Flush,
    Flushed,
}

/// A MODE SELECT in progress.
#[derive(Debug)]
pub struct ModeSelect {
    /// Bytes of the parameter list.
    pub len: u32,
    /// It came with a ten-byte CDB: the longer header.
    pub ten: bool,
    pub phase: Phase,
}

/// MODE SELECT(6).
pub fn begin_select6(job: &Job, _: &mut LogicalUnit) -> Result<State, Ending> {
    begin(job, u32::from(job.cdb.0[4]), false)
}

/// MODE SELECT(10).
pub fn begin_select10(job: &Job, _: &mut LogicalUnit) -> Result<State, Ending> {
    begin(job, u32::from(job.cdb.u16(7)), true)
}

fn begin(job: &Job, len: u32, ten: bool) -> Result<State, Ending> {
    // Saving is not supported; pages in a vendor's own format neither.
    if job.cdb.has(1, 0x01) {
        return Err(Sense::invalid_cdb(1, 0).into());
    }
    if !job.cdb.has(1, 0x10) {
        return Err(Sense::invalid_cdb(1, 4).into());
    }
    if len == 0 {
        return Ok(State::End(Ending::good(0)));
    }
    if len > MODE_LIST || job.out_bytes < len {
        return Err(Ending::check(Sense::LIST_LENGTH, len));
    }
    Ok(State::ModeSelect(ModeSelect { len, ten, phase: Phase::Wanted }))
}

impl ModeSelect {
    pub fn poll(&mut self, job: &mut Job, cx: &mut Cx<'_>) -> Step {
        match &self.phase {
            Phase::Wanted => {
                self.phase = Phase::Asked;
                Step::Do(Action::Collect { offset: 0, len: self.len })
            }
            Phase::Asked => Step::Do(Action::Wait),
            Phase::Here(list) => {
                let Some(unit) = cx.unit.as_deref_mut() else { return Step::End(Sense::NO_SUCH_UNIT.into()) };
                let settings = match parse(list, self.ten, unit) {
                    Ok(settings) => settings,
                    Err(sense) => return Step::End(Ending::check(sense, self.len)),
                };
                let before = unit.settings();
                unit.set(settings);
                if before != settings {
                    unit.attention_all(Some(job.key.nexus), Attention::ModeChanged);
                }
                let uncached = before.write_cache && !settings.write_cache && !unit.disk.behaviour.read_only;
                self.phase = if uncached { Phase::Flush } else { Phase::Flushed };
                self.poll(job, cx)
            }
            Phase::Flush if job.flying > 0 => Step::Do(Action::Wait),
            Phase::Flush => job.submit(0, Op::Flush),
            Phase::Flushed => Step::End(Ending::good(self.len)),
        }
    }

    pub fn collected(&mut self, data: Buf) {
        if matches!(self.phase, Phase::Asked) && data.len() == self.len as usize {
            self.phase = Phase::Here(data);
        }
    }

    pub fn stored(&mut self, job: &Job, result: Result<Done, Fault>) -> Result<(), Ending> {
        result.map_err(|fault| Ending::check(fault::sense(fault, Deed::Flushing, job.block), self.len))?;
        self.phase = Phase::Flushed;
        Ok(())
    }
}

/// The settings after a parameter list. All of it is checked before anything changes.
fn parse(list: &[u8], ten: bool, unit: &LogicalUnit) -> Result<Settings, Sense> {
    let header = if ten { 8 } else { 4 };
    let head = list.get(..header).ok_or(Sense::LIST_LENGTH)?;
    let (long, described) = match head {
        [_, _, _, _, long, _, high, low] => (long & 0x01 != 0, usize::from(u16::from_be_bytes([*high, *low]))),
        _ => (false, usize::from(head[3])),
    };
    let blocks = list.get(header..header + described).ok_or(Sense::LIST_LENGTH)?;
    if !blocks.is_empty() && !same_medium(blocks, long, unit) {
        return Err(Sense::invalid_list(header as u16, None));
    }
    let mut settings = unit.settings();
    let mut at = header + described;
    while at < list.len() {
        at += one_page(&list[at..], at as u16, &mut settings)?;
    }
    Ok(settings)
}

/// The medium cannot be formatted by MODE SELECT: a block descriptor may only repeat what is, or leave it open.
fn same_medium(blocks: &[u8], long: bool, unit: &LogicalUnit) -> bool {
    let now = descriptor(unit, long);
    let number = if long { 8 } else { 4 };
    if blocks.len() != now.len() {
        return false;
    }
    let open = blocks[..number].iter().all(|&b| b == 0) || blocks[..number].iter().all(|&b| b == 0xff);
    (open || blocks[..number] == now[..number]) && blocks[number..] == now[number..]
}

/// Take one page off the front; gives its length.
fn one_page(rest: &[u8], at: u16, settings: &mut Settings) -> Result<usize, Sense> {
    let code = rest[0] & 0x3f;
    // SPF: we have no subpages.
    if rest[0] & 0x40 != 0 {
        return Err(Sense::invalid_list(at, Some(6)));
    }
    let now = page::emit(code, settings).ok_or(Sense::invalid_list(at, Some(5)))?;
    let changeable = page::changeable(code).ok_or(Sense::invalid_list(at, Some(5)))?;
    if rest.get(1).copied().ok_or(Sense::LIST_LENGTH)? != now[1] {
        return Err(Sense::invalid_list(at + 1, Some(7)));
    }
    let page = rest.get(..now.len()).ok_or(Sense::LIST_LENGTH)?;
    for i in 2..now.len() {
        let wrong = (page[i] ^ now[i]) & !changeable[i];
        if wrong != 0 {
            return Err(Sense::invalid_list(at + i as u16, Some(7 - wrong.leading_zeros() as u8)));
        }
    }
    page::apply(page, settings);
    Ok(now.len())
}
