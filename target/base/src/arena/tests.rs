use super::*;

#[test]
fn pages_nobody_uses_are_given_back() {
    const PAGE: usize = GRANULE;
    let region = Arc::new(sys::Watched(HeapRegion::new(64 * PAGE), Mutex::default()));
    let arena = Arena::new(region.clone(), 64 * PAGE);
    // In pages.
    let discarded = || {
        let ranges = std::mem::take(&mut *region.1.lock().unwrap());
        ranges.into_iter().map(|range| (range.start / PAGE, range.end / PAGE)).collect::<Vec<_>>()
    };
    let burst: Vec<_> = (0..10).map(|_| arena.alloc(PAGE).unwrap()).collect();
    drop(burst);
    arena.age();
    assert!(!arena.trim(usize::MAX));
    assert_eq!(discarded(), [], "used a moment ago");
    // Little goes on, at the bottom, and one range above stays in use.
    let held: Vec<_> = (0..6).map(|_| arena.alloc(PAGE).unwrap()).collect();
    drop(arena.alloc(PAGE));
    let mut held = held.into_iter();
    let kept = held.nth(4);
    drop(held);
    arena.age();
    arena.age();
    assert!(arena.trim(3 * PAGE));
    assert_eq!(discarded(), [(7, 10)]);
    assert!(!arena.trim(usize::MAX));
    assert_eq!(discarded(), [(5, 7), (0, 4)]);
    assert!(!arena.trim(usize::MAX));
    assert_eq!(discarded(), []);
    drop(kept);
    assert!(!arena.trim(usize::MAX));
    assert_eq!(discarded(), [(0, 5)], "what came back is pages too");
    // What was used lately stays.
    drop((arena.alloc(PAGE), arena.alloc(2 * PAGE)));
    arena.age();
    assert!(!arena.trim(usize::MAX));
    assert_eq!(discarded(), []);
}

#[test]
fn ranges_are_disjoint_and_come_back() {
    let arena = Arena::heap(64 * 1024);
    let mut a = arena.alloc(5000).unwrap();
    let mut b = arena.alloc(1).unwrap();
    a.fill(1);
    b.fill(2);
    assert!(a.iter().all(|&x| x == 1));
    assert_eq!(b.place().offset, 8192);
    drop((a, b));
    assert_eq!(arena.usage(), (64 * 1024, 0, 0));
    assert_eq!(arena.lock().free.len(), 1);
}

#[test]
fn promises_are_kept_apart_from_what_we_take() {
    let arena = Arena::heap(64 * 1024);
    assert!(!arena.promise(40 * 1024), "more than half");
    assert!(arena.promise(32 * 1024));
    let ours = arena.alloc(32 * 1024).unwrap();
    assert!(arena.alloc(1).is_none(), "the rest is promised");
    let theirs: Vec<_> = (0..8).map(|_| arena.alloc_promised(4096).unwrap()).collect();
    assert!(arena.alloc_promised(1).is_none());
    drop((ours, theirs));
    arena.unpromise(32 * 1024);
    assert!(arena.alloc(64 * 1024).is_some());
}

#[test]
fn a_successor_adopts_the_same_bytes() {
    let arena = Arena::heap(64 * 1024);
    let _first = arena.alloc(4096).unwrap();
    let mut buf = arena.alloc(100).unwrap();
    buf.copy_from_slice(&[7; 100]);
    let place = buf.place();
    let next = arena.reopened();
    drop(buf);
    let adopted = next.adopt(place).unwrap();
    assert_eq!(&adopted[..], &[7; 100]);
    assert_eq!(next.adopt(place).unwrap_err(), NotFree(place));
    let odd = Place { offset: 1 << 40, ..place };
    assert_eq!(next.adopt(odd).unwrap_err(), NotFree(odd));
}

#[test]
fn whatever_others_hoard_everybody_has_their_own() {
    let arena = Arena::heap(64 << 20).with_accounts(2 * GRANULE, 1001);
    let mut accounts: Vec<Arena> = (0..1000).map(|_| arena.account()).collect();
    let mut hoard = Vec::new();
    for account in &accounts[1..] {
        while let Some(buf) = account.alloc(account.room().min(256 * 1024)) {
            hoard.push(buf);
        }
    }
    let newcomer = arena.account();
    assert!(newcomer.alloc(2 * GRANULE).is_some(), "its own");
    accounts.push(newcomer);
    let (good, first) = (&accounts[0], accounts[0].alloc(GRANULE).expect("its own"));
    let second = good.alloc(GRANULE).expect("its own");
    assert!(good.alloc(256 * 1024).is_none());
    drop((first, second, hoard));
    assert!(good.alloc(256 * 1024).is_some());
    assert!(good.room() >= 512 * 1024);
    drop(accounts);
    assert_eq!(arena.usage(), (64 << 20, 0, 0));
    assert!(arena.account().alloc(2 * GRANULE).is_some(), "what was set aside came back");
}

#[test]
fn whatever_comes_back_is_noticed() {
    let arena = Arena::heap(64 * 1024);
    let mut seen = arena.returns();
    let mut noticed = || {
        let now = arena.returns();
        std::mem::replace(&mut seen, now) != now
    };
    assert!(arena.promise(GRANULE));
    let (ours, theirs) = (arena.alloc(GRANULE), arena.alloc_promised(GRANULE));
    assert!(!noticed());
    drop(ours);
    assert!(noticed());
    drop(theirs);
    assert!(noticed());
    arena.unpromise(GRANULE);
    assert!(noticed(), "a promise that is taken back leaves room for others, though nothing was in use");
}

#[test]
fn absurd_places_are_refused_and_take_nothing() {
    let arena = Arena::heap(64 * 1024);
    let end = (64 * 1024 * SLACK) as u64;
    let page = GRANULE as u64;
    for (offset, len) in [(1, 1), (end, 1), (end - page, 4097), (u64::MAX, 1), (u64::MAX - 4095, 1), (0, u32::MAX)] {
        for promised in [false, true] {
            let place = Place { offset, len, promised };
            assert_eq!(arena.adopt(place).unwrap_err(), NotFree(place));
        }
    }
    assert_eq!(arena.usage(), (64 * 1024, 0, 0));
    assert!(arena.adopt(Place { offset: 0, len: end as u32, promised: false }).is_ok());
}

#[test]
fn what_is_cut_off_a_buffer_comes_back() {
    let arena = Arena::heap(16 * GRANULE);
    let mut buf = arena.alloc(3 * GRANULE).unwrap();
    buf.fill(7);
    buf.truncate(GRANULE + 1);
    assert_eq!((buf.len(), arena.usage().2), (GRANULE + 1, 2 * GRANULE));
    buf.truncate(2 * GRANULE);
    buf.truncate(0);
    assert_eq!((buf.len(), arena.usage().2), (0, GRANULE));
    let place = buf.place();
    let next = arena.reopened();
    assert_eq!(next.adopt(place).map(|again| again.place()), Ok(place));
    drop(buf);
    assert_eq!(arena.usage().2, 0);
    let mut account = arena.account().alloc(2 * GRANULE).unwrap();
    account.truncate(1);
    drop(account);
    assert_eq!(arena.usage().2, 0);
}
