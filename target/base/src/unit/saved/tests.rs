use super::*;
use crate::arena::GRANULE;
use proptest::prelude::*;
use prost::Message;

/// What is asked for, before there is a buffer.
#[derive(Clone, Copy, Debug)]
enum Wish {
    Read(u64, usize),
    Write(u64, usize, bool),
    Flush,
    Zero(u64, u64, bool, bool),
    Extent(u64, u64),
    Mark(u64, u64),
    Protect,
}

fn wish() -> impl Strategy<Value = Wish> {
    let len = 0..40_000usize;
    prop_oneof![
        (any::<u64>(), len.clone()).prop_map(|(at, len)| Wish::Read(at, len)),
        (any::<u64>(), len, any::<bool>()).prop_map(|(at, len, durable)| Wish::Write(at, len, durable)),
        Just(Wish::Flush),
        any::<(u64, u64, bool, bool)>().prop_map(|(at, len, give, durable)| Wish::Zero(at, len, give, durable)),
        any::<(u64, u64)>().prop_map(|(at, len)| Wish::Extent(at, len)),
        any::<(u64, u64)>().prop_map(|(at, len)| Wish::Mark(at, len)),
        Just(Wish::Protect),
    ]
}

fn request(wish: Wish, ticket: u64, volume: u32, buffer: impl Fn(usize) -> Buf) -> Request {
    let op = match wish {
        Wish::Read(at, len) => Op::Read { at, into: buffer(len) },
        Wish::Write(at, len, durable) => Op::Write { at, from: buffer(len), durable },
        Wish::Flush => Op::Flush,
        Wish::Zero(at, len, deallocate, durable) => Op::Zero { at, len, deallocate, durable },
        Wish::Extent(at, len) => Op::Extent { at, len },
        Wish::Mark(at, len) => Op::Mark { at, len },
        Wish::Protect => Op::Protect,
    };
    Request { ticket: Ticket(ticket), volume: VolumeId(volume), op }
}

proptest! {
    #[test]
    fn requests_come_back_with_their_payload(
        wishes in prop::collection::vec((wish(), any::<u64>(), any::<u32>(), any::<bool>()), 1..12),
    ) {
        let arena = Arena::heap(4 << 20);
        prop_assert!(arena.promise(2 << 20));
        let make = |promised: bool, stamp: u8| {
            let arena = arena.clone();
            move |len: usize| {
                let mut buf = if promised { arena.alloc_promised(len) } else { arena.alloc(len) }.unwrap();
                buf.fill(stamp);
                buf
            }
        };
        let requests: Vec<_> = wishes.iter().enumerate()
            .map(|(n, (wish, ticket, volume, promised))| request(*wish, *ticket, *volume, make(*promised, n as u8 + 1)))
            .collect();
        let bytes: Vec<_> = requests.iter().map(|request| request.save().encode_to_vec()).collect();
        let told = format!("{requests:?}");

        let next = arena.reopened();
        next.promise_again(2 << 20);
        let restored: Vec<_> = bytes.iter()
            .map(|bytes| Request::restore(RequestV1::decode(&bytes[..]).unwrap(), &next).unwrap())
            .collect();
        prop_assert_eq!(next.usage(), arena.usage());
        prop_assert_eq!(format!("{restored:?}"), told);
        for (n, request) in restored.iter().enumerate() {
            if let Op::Read { into: buf, .. } | Op::Write { from: buf, .. } = &request.op {
                prop_assert!(buf.iter().all(|byte| *byte == n as u8 + 1));
            }
            prop_assert_eq!(&request.save().encode_to_vec(), &bytes[n]);
            // Nobody takes the same payload twice.
            if let Op::Read { .. } | Op::Write { .. } = &request.op {
                let again = RequestV1::decode(&bytes[n][..]).unwrap();
                prop_assert!(matches!(Request::restore(again, &next), Err(Damaged::Place(_))));
            }
        }
        drop(restored);
        prop_assert_eq!(next.usage().2, 0);
    }

    #[test]
    fn whatever_the_bytes_nothing_is_taken_wrongly(
        wish in wish(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let arena = Arena::heap(1 << 20);
        let mut bytes = request(wish, 1, 2, |len| arena.alloc(len).unwrap()).save().encode_to_vec();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1).max(1));
        for bytes in [bytes, noise] {
            let Ok(saved) = RequestV1::decode(&bytes[..]) else { continue };
            match Request::restore(saved.clone(), &arena) {
                Ok(request) => prop_assert_eq!(request.save(), saved),
                Err(_) => prop_assert_eq!(arena.usage().2, 0),
            }
        }
        prop_assert_eq!(arena.usage(), (1 << 20, 0, 0));
    }
}

#[test]
fn what_is_missing_is_named() {
    let arena = Arena::heap(64 * 1024);
    let restore = |op| Request::restore(RequestV1 { ticket: 1, volume: 1, op }, &arena).unwrap_err();
    assert_eq!(restore(None), Damaged::Missing("operation"));
    assert_eq!(restore(Some(OpV1::Read(ReadV1 { at: 0, into: None }))), Damaged::Missing("payload"));
    let from = Some(PlaceV1 { offset: GRANULE as u64 / 2, len: 1, promised: false });
    let error = restore(Some(OpV1::Write(WriteV1 { at: 0, from, durable: true })));
    assert!(matches!(error, Damaged::Place(_)), "{error}");
}
