use super::*;

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
