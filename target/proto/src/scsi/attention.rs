//! Unit attention conditions (SAM-5 §5.14): pending per nexus, one report each, the gravest first.

use super::sense::{Key, Sense};

/// A condition an initiator must hear of. In order of precedence: what resets more comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Attention {
    /// POWER ON, RESET, OR BUS DEVICE RESET OCCURRED.
    PowerOn = 0,
    /// BUS DEVICE RESET FUNCTION OCCURRED: a logical unit reset.
    UnitReset = 1,
    /// I_T NEXUS LOSS OCCURRED.
    NexusLoss = 2,
    /// NOT READY TO READY CHANGE, MEDIUM MAY HAVE CHANGED.
    MediumChanged = 3,
    /// MODE PARAMETERS CHANGED.
    ModeChanged = 4,
    /// CAPACITY DATA HAS CHANGED.
    CapacityChanged = 5,
    /// REPORTED LUNS DATA HAS CHANGED.
    LunsChanged = 6,
}

impl Attention {
    const ALL: [Attention; 7] = [
        Attention::PowerOn,
        Attention::UnitReset,
        Attention::NexusLoss,
        Attention::MediumChanged,
        Attention::ModeChanged,
        Attention::CapacityChanged,
        Attention::LunsChanged,
    ];

    /// A reset condition: reported even ahead of a reservation conflict (SAM-5 §5.3.3).
    pub fn is_reset(self) -> bool {
        matches!(self, Attention::PowerOn | Attention::UnitReset | Attention::NexusLoss)
    }

    /// Its sense data.
    pub fn sense(self) -> Sense {
        let code = match self {
            Attention::PowerOn => 0x2900,
            Attention::UnitReset => 0x2903,
            Attention::NexusLoss => 0x2907,
            Attention::MediumChanged => 0x2800,
            Attention::ModeChanged => 0x2a01,
            Attention::CapacityChanged => 0x2a09,
            Attention::LunsChanged => 0x3f0e,
        };
        Sense::new(Key::UnitAttention, code)
    }
}

/// What is pending for one nexus: a set, so it is bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attentions(pub u8);

impl Attentions {
    /// Add one.
    pub fn post(&mut self, attention: Attention) {
        self.0 |= 1 << attention as u8;
        // A reset tells an initiator to forget everything milder (SAM-5 §5.14.4 lets us drop those).
        if attention == Attention::PowerOn {
            self.0 = 1;
        }
    }

    /// The gravest.
    pub fn first(&self) -> Option<Attention> {
        Attention::ALL.into_iter().find(|&a| self.0 & 1 << a as u8 != 0)
    }

    /// One has been reported.
    pub fn clear(&mut self, attention: Attention) {
        self.0 &= !(1 << attention as u8);
    }
}
