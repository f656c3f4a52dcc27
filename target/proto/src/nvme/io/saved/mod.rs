//! The saved form of a task: plain data, payload as places of the arena.

mod form;
mod task;

pub use form::TaskV1;

use mainstay_base::arena::{Arena, Buf, NotFree, Place};

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

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct PlaceV1 {
    #[prost(uint64, tag = "1")]
    offset: u64,
    #[prost(uint32, tag = "2")]
    len: u32,
    #[prost(bool, tag = "3")]
    promised: bool,
}

impl PlaceV1 {
    fn of(buf: &Buf) -> PlaceV1 {
        let Place { offset, len, promised } = buf.place();
        PlaceV1 { offset, len, promised }
    }

    fn adopt(&self, arena: &Arena) -> Result<Buf, Unfit> {
        let place = Place { offset: self.offset, len: self.len, promised: self.promised };
        Ok(arena.adopt(place)?)
    }
}

/// The buffer of a field that may have none.
fn adopt(place: &Option<PlaceV1>, arena: &Arena) -> Result<Option<Buf>, Unfit> {
    place.as_ref().map(|place| place.adopt(arena)).transpose()
}
