//! A session of iSCSI.

use super::super::ground::{Ground, LUNS, PATIENCE};
use super::model::{CELL, Model};
use super::{LANES, Seen, Work};
use mainstay_testkit::initiator::{Command, Session, cdb};
use std::sync::Arc;
use std::time::Instant;

/// One session's knowledge.
pub struct Worker {
    session: Session,
    lun: u8,
    block: u32,
    base: u64,
    model: Model,
}

/// A command that was sent.
enum Sent {
    Write { at: usize, seeds: Vec<u64> },
    Read { at: usize, cells: usize },
    Zero { at: usize, cells: usize },
    Other,
}

impl Worker {
    /// Logs in; gives our address, too.
    pub fn login(ground: &Ground, number: u16, seen: &Arc<Seen>) -> Result<(Worker, String), String> {
        let guarded = number % 7 == 3;
        let (lun, block) = if guarded { (0, 512) } else { LUNS[usize::from(number) % LUNS.len()] };
        let mut login = ground.login(if guarded { "guarded" } else { "open" }, number);
        if number.is_multiple_of(2) {
            login = login.digests();
        }
        match number % 4 {
            0 => login = login.key("InitialR2T", "Yes"),
            1 => login = login.key("ImmediateData", "No"),
            _ => {}
        }
        let mut session = login.connect(ground.portal).map_err(|why| format!("login: {why}"))?;
        session.patience = PATIENCE;
        session.clear_attentions(lun).map_err(|why| why.to_string())?;
        let address = session.local().to_string();
        let base = ground.plot(number, block);
        Ok((Worker { session, lun, block, base, model: Model::new(number, seen) }, address))
    }

    fn cell_blocks(&self) -> u64 {
        CELL as u64 / u64::from(self.block)
    }

    fn choose(&mut self, lane: usize) -> (Command, Sent) {
        let cells = 1 + self.model.random.below(32) as usize;
        let at = self.model.place(lane, cells);
        let lba = self.base + at as u64 * self.cell_blocks();
        let blocks = cells as u64 * self.cell_blocks();
        match self.model.random.below(20) {
            0..8 => {
                let seeds = self.model.seeds(cells);
                let mut cdb = cdb::write16(lba, blocks as u32);
                if self.model.random.below(8) == 0 {
                    cdb[1] |= 0x08;
                }
                let mut command = Command::new(self.lun, &cdb).writes(&Model::data(&seeds));
                match self.model.random.below(3) {
                    0 => (command.immediate_data, command.unsolicited) = (Some(0), Some(0)),
                    1 => command.piece = 4096,
                    _ => {}
                }
                (command, Sent::Write { at, seeds })
            }
            8 => {
                let cells = cells * 4;
                let at = self.model.place(lane, cells);
                let lba = self.base + at as u64 * self.cell_blocks();
                let blocks = cells as u64 * self.cell_blocks();
                let zeros = vec![0; self.block as usize];
                let unmap = if self.model.random.below(2) == 0 { 0x08 } else { 0 };
                let command = Command::new(self.lun, &cdb::write_same16(unmap, lba, blocks as u32)).writes(&zeros);
                (command, Sent::Zero { at, cells })
            }
            9 => (Command::new(self.lun, &cdb::synchronize_cache10()), Sent::Other),
            10 => (Command::new(self.lun, &cdb::inquiry(Some(0x83), 512)).reads(512), Sent::Other),
            _ => {
                let command = Command::new(self.lun, &cdb::read16(lba, blocks as u32)).reads((cells * CELL) as u32);
                (command, Sent::Read { at, cells })
            }
        }
    }

    fn check(&mut self, what: Sent, data: &[u8]) -> Result<(), String> {
        match what {
            Sent::Write { at, seeds } => self.model.wrote(at, &seeds),
            Sent::Zero { at, cells } => self.model.zeroed(at, cells),
            Sent::Read { at, cells } => {
                self.model.check(at, cells, data).map_err(|why| format!("LUN {}: {why}", self.lun))?;
            }
            Sent::Other => {}
        }
        Ok(())
    }
}

impl Work for Worker {
    fn round(&mut self) -> Result<(), String> {
        let mut sent = Vec::new();
        for lane in 0..LANES.min(self.session.window() as usize) {
            let begun = Instant::now();
            let (command, what) = self.choose(lane);
            let tag = self.session.start(&command).map_err(|why| format!("send: {why}"))?;
            sent.push((tag, what, begun));
        }
        if sent.is_empty() {
            // The window is shut: anything immediate opens it again.
            self.session.ping(b"open?").map_err(|why| why.to_string())?;
        }
        for (tag, what, begun) in sent {
            let outcome = self.session.wait(tag).map_err(|why| format!("after {:?}: {why}", begun.elapsed()))?;
            let data = outcome.good().map_err(|why| why.to_string())?;
            self.check(what, &data)?;
            self.model.done(begun);
        }
        if !self.session.asyncs.is_empty() || !self.session.rejects.is_empty() {
            return Err(format!("uncalled for: {:?} {:?}", self.session.asyncs, self.session.rejects));
        }
        self.model.rest();
        Ok(())
    }

    fn end(mut self) -> Result<(), String> {
        for at in (0..self.model.len()).step_by(32) {
            let lba = self.base + at as u64 * self.cell_blocks();
            let blocks = 32 * self.cell_blocks() as u32;
            let read = Command::new(self.lun, &cdb::read16(lba, blocks)).reads((32 * CELL) as u32);
            let data = self.session.run(&read).and_then(|outcome| outcome.good()).map_err(|why| why.to_string())?;
            self.check(Sent::Read { at, cells: 32 }, &data)?;
        }
        self.session.logout().map(drop).map_err(|why| why.to_string())
    }
}
