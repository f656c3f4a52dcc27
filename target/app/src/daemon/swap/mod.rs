//! A swap, from being asked for to being answered.

use super::control::ControlId;
use crate::control::machine::Ticket;
use crate::control::words::SwapReport;

/// A swap under way, as the next program needs it to answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct UnderWay {
    /// Who asked, if it is still there.
    pub asker: Option<(ControlId, Ticket)>,
    /// What is known so far.
    pub report: SwapReport,
}
