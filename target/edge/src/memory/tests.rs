use super::*;
use mainstay_base::arena::{Arena, Region};
use std::sync::Arc;

#[test]
fn a_successor_sees_the_same_bytes() {
    let region = SharedRegion::new("test", 64 << 10).unwrap();
    let descriptor = region.descriptor().try_clone_to_owned().unwrap();
    let arena = Arena::new(Arc::new(region), 16 << 10);
    let mut buf = arena.alloc(5000).unwrap();
    assert!(buf.iter().all(|&byte| byte == 0));
    buf.fill(7);
    let place = buf.place();
    drop((buf, arena));

    let region = SharedRegion::from_descriptor(descriptor).unwrap();
    assert_eq!(region.len(), 64 << 10);
    let arena = Arena::new(Arc::new(region), 16 << 10);
    assert!(arena.adopt(place).unwrap().iter().all(|&byte| byte == 7));
}

#[cfg(target_os = "linux")]
#[test]
fn the_memory_cannot_be_pulled_away() {
    let region = SharedRegion::new("test", 8192).unwrap();
    assert!(rustix::fs::ftruncate(region.descriptor(), 0).is_err());
    let plain = tempfile::tempfile().unwrap();
    assert!(SharedRegion::from_descriptor(plain.into()).is_err(), "anyone could shrink a plain file");
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_discarded_is_given_back() {
    let region = Arc::new(SharedRegion::new("test", 1 << 20).unwrap());
    let blocks = || rustix::fs::fstat(region.descriptor()).unwrap().st_blocks;
    let arena = Arena::new(region.clone(), 256 << 10);
    arena.alloc(256 << 10).unwrap().fill(1);
    assert!(blocks() >= 512);
    arena.age();
    arena.age();
    assert!(!arena.trim(usize::MAX));
    assert_eq!(blocks(), 0);
    assert!(arena.alloc(4096).unwrap().iter().all(|&byte| byte == 0));
}
