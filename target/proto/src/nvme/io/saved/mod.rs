//! The saved form of a task: plain data, payload as places of the arena.

mod form;
mod task;

pub use form::TaskV1;

use mainstay_base::arena::saved::PlaceV1;
use mainstay_base::arena::{Arena, Buf, NotFree};

/// Why a saved form cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Its payload lies where something else does.
    #[error(transparent)]
    Payload(#[from] NotFree),
    /// A field has a value this program cannot express, or is missing.
    #[error("saved NVMe command: {0} is missing or unknown")]
    Field(&'static str),
}

/// The buffer of a field that may have none.
fn adopt(place: &Option<PlaceV1>, arena: &Arena) -> Result<Option<Buf>, Unfit> {
    Ok(place.map(|place| place.adopt(arena)).transpose()?)
}
