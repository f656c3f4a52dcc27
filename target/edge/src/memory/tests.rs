use super::*;
use mainstay_base::arena::{Arena, Place, Region};
use std::os::fd::AsFd;
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

/// Over a real exec: another process image, with nothing but the descriptor and the places.
#[test]
fn a_region_outlives_an_exec() {
    const CHILD: &str = "MAINSTAY_TEST_REGION";
    let stamped = |arena: &Arena, places: &[(u64, u8)]| {
        places.iter().all(|&(offset, byte)| {
            let buf = arena.adopt(Place { offset, len: 5000, promised: false }).unwrap();
            buf.iter().all(|&found| found == byte)
        })
    };
    if let Ok(text) = std::env::var(CHILD) {
        let region = SharedRegion::from_descriptor(std::io::stdin().as_fd().try_clone_to_owned().unwrap()).unwrap();
        let arena = Arena::new(Arc::new(region), 64 << 10);
        let numbers: Vec<u64> = text.split(' ').map(|number| number.parse().unwrap()).collect();
        let places: Vec<_> = numbers.chunks(2).map(|pair| (pair[0], pair[1] as u8)).collect();
        assert!(stamped(&arena, &places));
        for (offset, _) in places {
            arena.adopt(Place { offset, len: 5000, promised: false }).unwrap().fill(9);
        }
        // Others may not pull it away, and the successor can give pages back.
        #[cfg(target_os = "linux")]
        assert!(rustix::fs::ftruncate(std::io::stdin().as_fd(), 0).is_err());
        return;
    }
    let region = Arc::new(SharedRegion::new("test", 256 << 10).unwrap());
    let arena = Arena::new(region.clone(), 64 << 10);
    let mut bufs: Vec<_> = (0..3).map(|_| arena.alloc(5000).unwrap()).collect();
    for (n, buf) in bufs.iter_mut().enumerate() {
        buf.fill(n as u8 + 1);
    }
    let places: Vec<_> = bufs.iter().map(|buf| format!("{} {}", buf.place().offset, buf[0])).collect();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "memory::tests::a_region_outlives_an_exec"])
        .env(CHILD, places.join(" "))
        .stdin(region.descriptor().try_clone_to_owned().unwrap())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    assert!(String::from_utf8_lossy(&child.stdout).contains("1 passed"));
    assert!(bufs.iter().all(|buf| buf.iter().all(|&byte| byte == 9)), "it was the same memory");
}

#[test]
fn what_is_not_a_region_of_ours_is_refused() {
    let null = std::fs::File::open("/dev/null").unwrap();
    assert!(SharedRegion::from_descriptor(null.into()).is_err());
    let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    assert!(SharedRegion::from_descriptor(socket.into()).is_err());
}
