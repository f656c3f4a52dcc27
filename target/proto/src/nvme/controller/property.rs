//! The properties of a controller (base §3.1.3) and its life: enabled, ready, shut down.

/// VS: 2.0.
pub const VS: u32 = 0x0002_0000;
/// CAP.TO and CRTO.CRWMT in units of 500 ms. We are ready at once; the host may wait for a busy machine.
const READY_TIMEOUT: u64 = 15;

/// A property, by its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Property {
    Capabilities,
    Version,
    Configuration,
    Status,
    ReadyTimeouts,
}

impl Property {
    /// The property at `offset` and its bytes. What only controllers in memory have is not among them (NSSR neither:
    /// CAP.NSSRS is 0, since a host that resets us all would reset others' subsystems).
    pub fn at(offset: u32) -> Option<(Property, usize)> {
        Some(match offset {
            0x00 => (Property::Capabilities, 8),
            0x08 => (Property::Version, 4),
            0x14 => (Property::Configuration, 4),
            0x1c => (Property::Status, 4),
            0x68 => (Property::ReadyTimeouts, 4),
            _ => return None,
        })
    }
}

/// CAP: `queue_size` entries at most in a queue, one power of two as page size (4 KiB), the NVM command set alone or named
/// as one of several (Linux asks for the latter when it is offered), ready with the media.
pub(super) fn capabilities(queue_size: u16) -> u64 {
    let contiguous = 1 << 16;
    let command_sets = 1 << 37 | 1 << 43;
    let ready_with_media = 1 << 59;
    u64::from(queue_size.saturating_sub(1)) | contiguous | READY_TIMEOUT << 24 | command_sets | ready_with_media
}

/// CRTO.
pub(super) fn ready_timeouts() -> u32 {
    READY_TIMEOUT as u32
}

/// What a write to CC has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Nothing,
    /// Enabled and ready.
    Started,
    /// Enabled with a configuration that cannot be.
    Refused,
    /// EN went from 1 to 0.
    Reset,
    /// Shutdown has been asked for, and is complete.
    ShutDown,
}

/// CC and CSTS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Properties {
    /// CC.
    pub configuration: u32,
    /// CSTS.RDY.
    pub ready: bool,
    /// CSTS.CFS.
    pub fatal: bool,
    /// CSTS.SHST is "complete".
    pub shut_down: bool,
}

const EN: u32 = 1;
const SHN: u32 = 3 << 14;

impl Properties {
    /// CSTS.
    pub fn status(&self) -> u32 {
        u32::from(self.ready) | u32::from(self.fatal) << 1 | if self.shut_down { 2 << 2 } else { 0 }
    }

    /// Commands are carried out.
    pub fn live(&self) -> bool {
        self.ready && !self.fatal && !self.shut_down
    }

    /// CC is written (base §3.1.3.5). `entries`: the sizes of queue entries matter, as there will be I/O queues.
    pub fn configure(&mut self, value: u32, entries: bool) -> Turn {
        let old = std::mem::replace(&mut self.configuration, value);
        let rises = |field: u32| value & field != 0 && old & field == 0;
        if old & EN != 0 && value & EN == 0 {
            (self.ready, self.fatal, self.shut_down) = (false, false, value & SHN != 0);
            return Turn::Reset;
        }
        let mut turn = Turn::Nothing;
        if rises(EN) {
            let good = well_configured(value, entries);
            (self.ready, self.fatal, self.shut_down) = (good, !good, false);
            turn = if good { Turn::Started } else { Turn::Refused };
        }
        // Nothing loses power with a controller, so a shutdown, normal or abrupt, has nothing left to do.
        if rises(SHN) {
            self.shut_down = true;
            turn = Turn::ShutDown;
        }
        turn
    }
}

/// CSS, MPS and AMS are what CAP offers; IOSQES and IOCQES what the NVM command set needs.
fn well_configured(cc: u32, entries: bool) -> bool {
    let field = |at: u32, bits: u32| cc >> at & ((1 << bits) - 1);
    let css = matches!(field(4, 3), 0 | 6);
    let entries = !entries || (field(16, 4), field(20, 4)) == (6, 4);
    css && field(7, 4) == 0 && field(11, 3) == 0 && entries
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Linux writes: IOCQES 4, IOSQES 6, CSS 110b or 000b, EN.
    const LINUX: u32 = 0x0046_0061;

    #[test]
    fn cap_is_what_hosts_expect() {
        assert_eq!(capabilities(128), 0x0800_0820_0f01_007f);
        assert_eq!(ready_timeouts(), 15);
        for (offset, bytes) in [(0, 8), (8, 4), (0x14, 4), (0x1c, 4), (0x68, 4)] {
            assert_eq!(Property::at(offset).unwrap().1, bytes);
        }
        for offset in [4, 0x0c, 0x10, 0x20, 0x24, 0x28, 0x30, 0x38, 0x6c, 0x1000, u32::MAX] {
            assert_eq!(Property::at(offset), None);
        }
    }

    #[test]
    fn a_controller_lives_and_dies_by_cc() {
        let mut it = Properties::default();
        assert_eq!(it.status(), 0);
        assert_eq!(it.configure(LINUX & !1, true), Turn::Nothing);
        assert_eq!((it.configure(LINUX, true), it.status()), (Turn::Started, 1));
        assert_eq!((it.configure(LINUX, true), it.status()), (Turn::Nothing, 1));
        assert_eq!((it.configure(LINUX | 1 << 14, true), it.status(), it.live()), (Turn::ShutDown, 9, false));
        assert_eq!((it.configure(LINUX & !1, true), it.status()), (Turn::Reset, 0));
        assert_eq!((it.configure(LINUX, true), it.status(), it.live()), (Turn::Started, 1, true));
    }

    #[test]
    fn a_configuration_that_cannot_be_is_fatal_until_reset() {
        for bad in [LINUX ^ 1 << 16, LINUX ^ 1 << 20, LINUX | 1 << 7, LINUX | 1 << 11, LINUX ^ 7 << 4] {
            let mut it = Properties::default();
            assert_eq!((it.configure(bad, true), it.status(), it.live()), (Turn::Refused, 2, false), "{bad:#x}");
            assert_eq!((it.configure(bad & !1, true), it.status()), (Turn::Reset, 0));
            assert_eq!(it.configure(LINUX, true), Turn::Started);
        }
        assert_eq!(Properties::default().configure(1, false), Turn::Started, "discovery has no I/O queues");
    }
}
