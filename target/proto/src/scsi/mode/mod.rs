//! Mode parameters (SPC-4 §7.5, SBC-3 §6.5): pages 01h, 08h, 0Ah, 1Ch, shared by all nexuses.

mod page;
mod select;
mod settings;
mod view;

pub use select::{ModeSelect, Phase as SelectPhase, begin_select6, begin_select10};
pub use settings::{Control, Settings};
pub use view::{sense6, sense10};
