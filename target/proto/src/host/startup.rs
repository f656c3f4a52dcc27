//! What to ask of a controller between Connect and its first I/O queue (base §3.5.1): capabilities, enable, identify, queues.

use super::command::{self, IDENTIFY_BYTES, property};
use super::completion::Completion;
use super::identify::Controller;
use crate::nvme::{Entry, Status};

/// CC: I/O completion queue entries of 16 bytes, submission queue entries of 64, enabled; pages of 4 KiB, NVM commands.
pub const CC_ENABLE: u32 = 4 << 20 | 6 << 16 | 1;
/// CSTS.RDY.
const READY: u32 = 1;
/// CSTS.CFS.
const FATAL: u32 = 2;
/// Number of Queues.
const FEATURE_QUEUES: u8 = 0x07;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this, and give back what comes.
    Ask {
        /// The command.
        entry: Entry,
        /// Bytes that it returns.
        bytes: u32,
        /// The same question as before: it is worth waiting a little first, for [`Startup::patience_ms`] in all.
        again: bool,
    },
    /// The controller is ready.
    Ready(Box<Controller>),
}

/// Why a controller did not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// It refused a command.
    #[error("{what}: {status:?}")]
    Refused {
        /// Which.
        what: &'static str,
        /// How.
        status: Status,
    },
    /// CSTS.CFS.
    #[error("the controller has failed (CSTS.CFS)")]
    Fatal,
    /// Identify returned something else.
    #[error("Identify Controller returned too little")]
    Identify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Capabilities,
    Enable,
    Ready { again: bool },
    Identify,
    Queues,
    Done,
}

/// The sequence; plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Startup {
    stage: Stage,
    controller: Option<Box<Controller>>,
    /// CAP, once it is known.
    pub capabilities: u64,
    /// I/O queues: as many as are wished for, then as many as were given.
    pub io_queues: u16,
}

impl Startup {
    /// With so many I/O queues; none for a discovery controller.
    pub fn new(io_queues: u16) -> Startup {
        Startup { stage: Stage::Capabilities, controller: None, capabilities: 0, io_queues }
    }

    /// The next step.
    pub fn step(&self) -> Step {
        let ask = |entry, bytes| Step::Ask { entry, bytes, again: self.stage == Stage::Ready { again: true } };
        match (self.stage, &self.controller) {
            (Stage::Done, Some(controller)) => Step::Ready(controller.clone()),
            (Stage::Capabilities, _) => ask(command::property_get(property::CAP), 0),
            (Stage::Enable, _) => ask(command::property_set(property::CC, CC_ENABLE), 0),
            (Stage::Ready { .. }, _) => ask(command::property_get(property::CSTS), 0),
            (Stage::Queues, _) => {
                let count = u32::from(self.io_queues.saturating_sub(1));
                ask(command::set_features(FEATURE_QUEUES, count << 16 | count), 0)
            }
            (Stage::Identify | Stage::Done, _) => ask(command::identify(1, 0), IDENTIFY_BYTES),
        }
    }

    /// What the last step's command brought.
    ///
    /// # Errors
    /// The controller cannot be used.
    pub fn answered(&mut self, completion: &Completion, data: &[u8]) -> Result<(), Failed> {
        if !completion.status.is_success() {
            return Err(Failed::Refused { what: self.what(), status: completion.status });
        }
        self.stage = match self.stage {
            Stage::Capabilities => {
                self.capabilities = completion.result;
                Stage::Enable
            }
            Stage::Enable => Stage::Ready { again: false },
            Stage::Ready { .. } if completion.dword() & FATAL != 0 => return Err(Failed::Fatal),
            Stage::Ready { .. } if completion.dword() & READY == 0 => Stage::Ready { again: true },
            Stage::Ready { .. } => Stage::Identify,
            Stage::Identify | Stage::Done => {
                self.controller = Some(Box::new(Controller::parse(data).ok_or(Failed::Identify)?));
                if self.io_queues == 0 { Stage::Done } else { Stage::Queues }
            }
            Stage::Queues => {
                // NSQA and NCQA, each less by one.
                let given = (completion.dword() as u16).min((completion.dword() >> 16) as u16).saturating_add(1);
                self.io_queues = self.io_queues.min(given);
                Stage::Done
            }
        };
        Ok(())
    }

    /// How long the controller may take to become ready (CAP.TO).
    pub fn patience_ms(&self) -> u64 {
        (self.capabilities >> 24 & 0xff) * 500
    }

    /// Entries of a queue, at most (CAP.MQES).
    pub fn queue_entries_max(&self) -> u32 {
        (self.capabilities & 0xffff) as u32 + 1
    }

    fn what(&self) -> &'static str {
        match self.stage {
            Stage::Capabilities => "Property Get CAP",
            Stage::Enable => "Property Set CC",
            Stage::Ready { .. } => "Property Get CSTS",
            Stage::Identify | Stage::Done => "Identify Controller",
            Stage::Queues => "Set Features, Number of Queues",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nvme::Cid;

    fn good(result: u64) -> Completion {
        Completion { result, ..Completion::success(Cid(0), 0) }
    }

    fn asks(startup: &Startup) -> (Entry, bool) {
        match startup.step() {
            Step::Ask { entry, again, .. } => (entry, again),
            step => panic!("{step:?}"),
        }
    }

    #[test]
    fn a_controller_that_takes_its_time() {
        let mut startup = Startup::new(8);
        let cap = 30 << 24 | 127;
        for (entry, again, result) in [
            (command::property_get(property::CAP), false, cap),
            (command::property_set(property::CC, 0x46_0001), false, 0),
            (command::property_get(property::CSTS), false, 0),
            (command::property_get(property::CSTS), true, 1),
        ] {
            assert_eq!(asks(&startup), (entry, again));
            startup.answered(&good(result), &[]).unwrap();
        }
        assert_eq!((startup.patience_ms(), startup.queue_entries_max()), (15_000, 128));
        assert_eq!(startup.answered(&good(0), &[0; 100]), Err(Failed::Identify));
        startup.answered(&good(0), &[0; 4096]).unwrap();
        assert_eq!(asks(&startup).0, command::set_features(7, 0x7_0007));
        startup.answered(&good(0x3_0005), &[]).unwrap();
        assert_eq!(startup.io_queues, 4);
        assert!(matches!(startup.step(), Step::Ready(_)));
    }

    #[test]
    fn controllers_that_fail() {
        let mut startup = Startup { stage: Stage::Ready { again: false }, ..Startup::new(0) };
        assert_eq!(startup.answered(&good(3), &[]), Err(Failed::Fatal));
        let refused = Completion { status: Status::INVALID_FIELD, ..good(0) };
        let what = "Property Get CSTS";
        assert_eq!(startup.answered(&refused, &[]), Err(Failed::Refused { what, status: Status::INVALID_FIELD }));
        startup.answered(&good(1), &[]).unwrap();
        startup.answered(&good(0), &[0; 4096]).unwrap();
        assert!(matches!(startup.step(), Step::Ready(_)), "a discovery controller has no queues to ask for");
    }
}
