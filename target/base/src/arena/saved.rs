//! The saved form of an arena's books. Buffers and promises are not in it: their owners adopt and promise again, in any
//! order, and the sums come out as they were.

use super::{Account, Arena, Buf, GRANULE, NotFree, Place, Region};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

/// An arena, in bytes.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ArenaV1 {
    /// Length of the region.
    #[prost(uint64, tag = "1")]
    pub region: u64,
    /// What may be promised and taken.
    #[prost(uint64, tag = "2")]
    pub budget: u64,
    /// What an account has for itself.
    #[prost(uint64, tag = "3")]
    pub own: u64,
    /// What waits for accounts to come.
    #[prost(uint64, tag = "4")]
    pub set_aside: u64,
    /// No page from here on has been touched since it was last given back.
    #[prost(uint64, tag = "5")]
    pub high: u64,
    /// Ends of the highest ranges taken in this period and in the one before.
    #[prost(uint64, repeated, tag = "6")]
    pub recent: Vec<u64>,
}

/// Where a [`Buf`] lies: what every saved form has in its stead.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct PlaceV1 {
    /// First byte in the region.
    #[prost(uint64, tag = "1")]
    pub offset: u64,
    /// Bytes.
    #[prost(uint32, tag = "2")]
    pub len: u32,
    /// Counted against the promises.
    #[prost(bool, tag = "3")]
    pub promised: bool,
}

impl PlaceV1 {
    /// That of `buf`.
    pub fn of(buf: &Buf) -> PlaceV1 {
        buf.place().into()
    }

    /// The buffer there.
    ///
    /// # Errors
    /// [`NotFree`].
    pub fn adopt(self, arena: &Arena) -> Result<Buf, NotFree> {
        arena.adopt(self.into())
    }
}

impl From<Place> for PlaceV1 {
    fn from(Place { offset, len, promised }: Place) -> PlaceV1 {
        PlaceV1 { offset, len, promised }
    }
}

impl From<PlaceV1> for Place {
    fn from(PlaceV1 { offset, len, promised }: PlaceV1) -> Place {
        Place { offset, len, promised }
    }
}

/// A saved arena that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the books of the arena are not right: {0}")]
pub struct Damaged(&'static str);

impl Arena {
    /// Its books as they are.
    pub fn save(&self) -> ArenaV1 {
        let ledger = self.lock();
        ArenaV1 {
            region: self.region.len() as u64,
            budget: ledger.budget as u64,
            own: ledger.own as u64,
            set_aside: ledger.set_aside as u64,
            high: ledger.high as u64,
            recent: ledger.recent.map(|end| end as u64).to_vec(),
        }
    }

    /// An arena with these books over the memory it had. When everything was adopted and promised again,
    /// [`Arena::restore_marks`] is to be called.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn restore(saved: &ArenaV1, region: Arc<dyn Region>) -> Result<Arena, Damaged> {
        let bytes = |bytes: u64| usize::try_from(bytes).map_err(|_| Damaged("a number is too large"));
        if bytes(saved.region)? != region.len() {
            return Err(Damaged("the memory has another length"));
        }
        let (budget, own, set_aside) = (bytes(saved.budget)?, bytes(saved.own)?, bytes(saved.set_aside)?);
        let arena = Arena::new(region, budget);
        let mut ledger = arena.lock();
        if ledger.budget != budget || set_aside > budget || own > budget || own % GRANULE != 0 {
            return Err(Damaged("more is set aside than there is"));
        }
        (ledger.own, ledger.set_aside, ledger.taken) = (own, set_aside, set_aside);
        drop(ledger);
        Ok(arena)
    }

    /// Which pages were touched, once adopting has touched those it had to.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn restore_marks(&self, saved: &ArenaV1) -> Result<(), Damaged> {
        let within = |end: u64| usize::try_from(end).ok().filter(|&end| end <= self.region.len() && end % GRANULE == 0);
        let mark = |end: Option<&u64>| end.copied().and_then(within).ok_or(Damaged("a mark is outside of the memory"));
        let (high, this, before) = (mark(Some(&saved.high))?, mark(saved.recent.first())?, mark(saved.recent.get(1))?);
        let mut ledger = self.lock();
        (ledger.high, ledger.recent) = (high, [this, before]);
        Ok(())
    }

    /// What the account of this handle has for itself; 0 without an account.
    pub fn own(&self) -> usize {
        self.account.as_ref().map_or(0, |account| account.own)
    }

    /// [`Arena::account`] for one that had `own` for itself before.
    ///
    /// # Errors
    /// [`Damaged`]: more than any account has.
    pub fn account_again(&self, own: usize) -> Result<Arena, Damaged> {
        let mut ledger = self.lock();
        if own > ledger.own || ledger.taken + own > ledger.budget {
            return Err(Damaged("an account has more for itself than there is"));
        }
        ledger.taken += own;
        drop(ledger);
        let account = Account { ledger: self.ledger.clone(), own, taken: AtomicUsize::new(0) };
        Ok(Arena { account: Some(Arc::new(account)), ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::HeapRegion;

    #[test]
    fn books_and_accounts_come_back_in_any_order() {
        let region: Arc<dyn Region> = Arc::new(HeapRegion::new(256 * GRANULE));
        let arena = Arena::new(region.clone(), 64 * GRANULE).with_accounts(2 * GRANULE, 3);
        let accounts: Vec<Arena> = (0..4).map(|_| arena.account()).collect();
        assert_eq!(accounts[3].own(), 0, "there were three");
        let bufs: Vec<_> = accounts.iter().filter_map(|account| account.alloc(3 * GRANULE)).collect();
        assert!(arena.promise(5 * GRANULE));
        let promised = arena.alloc_promised(100);
        arena.age();
        let (saved, usage, room) = (arena.save(), arena.usage(), arena.room());
        let again = Arena::restore(&saved, region.clone()).unwrap();
        let mut places = Vec::new();
        for (account, buf) in accounts.iter().zip(&bufs).rev() {
            let account = again.account_again(account.own()).unwrap();
            places.push((account.adopt(buf.place()).unwrap(), account));
        }
        again.promise_again(5 * GRANULE);
        let promised = promised.map(|buf| again.adopt(buf.place()).unwrap());
        again.restore_marks(&saved).unwrap();
        assert_eq!((again.save(), again.usage(), again.room()), (saved.clone(), usage, room));
        assert_eq!(bufs.len(), 4);
        drop((places, promised));
        again.unpromise(5 * GRANULE);
        assert_eq!(again.usage().2, 0);
        assert_eq!(again.save().set_aside, 6 * GRANULE as u64, "what accounts had is there for others");
        for damaged in [
            ArenaV1 { region: 1, ..saved.clone() },
            ArenaV1 { budget: u64::MAX, ..saved.clone() },
            ArenaV1 { own: 1, ..saved.clone() },
            ArenaV1 { set_aside: u64::MAX, ..saved.clone() },
        ] {
            assert!(Arena::restore(&damaged, region.clone()).is_err(), "{damaged:?}");
        }
        for damaged in [
            ArenaV1 { high: u64::MAX, ..saved.clone() },
            ArenaV1 { recent: vec![1], ..saved.clone() },
            ArenaV1 { recent: vec![], ..saved },
        ] {
            assert!(again.restore_marks(&damaged).is_err(), "{damaged:?}");
        }
        assert!(again.account_again(usize::MAX).is_err() && again.account_again(4 * GRANULE).is_err());
    }
}
