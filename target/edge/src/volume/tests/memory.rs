use super::super::*;
use super::state;
use mainstay_base::arena::Arena;
use mainstay_base::unit::{Done, Op};

pub fn memory(name: &str, size: u64) -> Spec {
    Spec::new(name, Backing::Memory { size })
}

#[test]
fn memory_does_everything_at_once() {
    let (_home, state) = state();
    let volume = Volume::open(memory("ram", 1 << 20), &state).unwrap();
    assert!(volume.behaviour().thin && volume.behaviour().solid_state);
    assert_eq!(volume.geometry().blocks, 2048);
    let arena = Arena::heap(1 << 20);
    let mut from = arena.alloc(8192).unwrap();
    from.fill(0xa5);
    let mut write = Op::Write { at: 4096, from, durable: true };
    assert_eq!(volume.quick(&mut write), Some(Ok(Done::Ok)));
    assert_eq!(volume.quick(&mut Op::Flush), Some(Ok(Done::Ok)));
    let extent = |at| volume.run(&mut Op::Extent { at, len: (1 << 20) - at });
    assert_eq!(extent(0), Ok(Done::Extent { len: 4096, mapped: false }));
    assert_eq!(extent(4096), Ok(Done::Extent { len: 8192, mapped: true }));
    assert_eq!(extent(12288), Ok(Done::Extent { len: (1 << 20) - 12288, mapped: false }));
    let mut zero = Op::Zero { at: 4096, len: 4096, deallocate: true, durable: false };
    assert_eq!(volume.quick(&mut zero), Some(Ok(Done::Ok)));
    assert_eq!(extent(4096), Ok(Done::Extent { len: 4096, mapped: false }));
    let mut zero = Op::Zero { at: 8192, len: 512, deallocate: false, durable: false };
    assert_eq!(volume.quick(&mut zero), Some(Ok(Done::Ok)));
    assert_eq!(extent(8192), Ok(Done::Extent { len: 4096, mapped: true }));
    let mut read = Op::Read { at: 4096, into: arena.alloc(8192).unwrap() };
    assert_eq!(volume.quick(&mut read), Some(Ok(Done::Ok)));
    let Op::Read { into, .. } = read else { unreachable!() };
    assert!(into[..4608].iter().all(|&byte| byte == 0) && into[4608..].iter().all(|&byte| byte == 0xa5));
}

#[test]
fn requests_behind_the_end_change_nothing() {
    let (_home, state) = state();
    let volume = Volume::open(memory("ram", 1 << 20), &state).unwrap();
    let arena = Arena::heap(1 << 20);
    let fault = Some(Err(Fault::Other { errno: libc::EINVAL }));
    for at in [(1 << 20) - 512, 1 << 20, u64::MAX - 100] {
        let mut write = Op::Write { at, from: arena.alloc_zeroed(1024).unwrap(), durable: false };
        assert_eq!(volume.quick(&mut write), fault);
        let mut zero = Op::Zero { at, len: 1024, deallocate: true, durable: false };
        assert_eq!(volume.quick(&mut zero), fault);
        let mut read = Op::Read { at, into: arena.alloc(1024).unwrap() };
        assert_eq!(volume.quick(&mut read), fault);
        assert_eq!(volume.run(&mut Op::Extent { at, len: 1024 }), Err(Fault::Other { errno: libc::EINVAL }));
    }
    assert_eq!(volume.file_bytes(), Ok(1 << 20));
}

#[test]
fn memory_grows_and_keeps_its_bytes() {
    let (_home, state) = state();
    let volume = Volume::open(memory("ram", 4096), &state).unwrap();
    let arena = Arena::heap(1 << 20);
    let mut from = arena.alloc(4096).unwrap();
    from.fill(1);
    volume.run(&mut Op::Write { at: 0, from, durable: false }).unwrap();
    assert_eq!(volume.grow(8192).unwrap().blocks, 16);
    assert!(matches!(volume.grow(4096), Err(GrowError::Smaller { now: 8192, wanted: 4096 })));
    assert!(matches!(volume.grow(8193), Err(GrowError::Ragged { .. })));
    let mut read = Op::Read { at: 0, into: arena.alloc(8192).unwrap() };
    volume.run(&mut read).unwrap();
    let Op::Read { into, .. } = read else { unreachable!() };
    assert!(into[..4096].iter().all(|&byte| byte == 1) && into[4096..].iter().all(|&byte| byte == 0));
}

#[test]
fn a_memory_volume_is_known_by_its_name_over_a_cold_start() {
    let (home, state) = state();
    let one = Volume::open(memory("one", 4096), &state).unwrap();
    let two = Volume::open(memory("two", 4096), &state).unwrap();
    assert_ne!(one.identity(), two.identity());
    assert_eq!(one.identity().naa[0] >> 4, 3);
    assert_eq!(one.identity().serial.len(), 32);
    let error = Volume::open(memory("one", 4096), &state).unwrap_err();
    assert!(matches!(error, OpenError::Identity(IdentityError::Duplicate { .. })), "{error}");
    let before = one.identity().clone();
    drop((one, two, state));
    let state = StateDir::open(&home.path().join("state")).unwrap();
    let one = Volume::open(memory("one", 8192), &state).unwrap();
    assert_eq!(*one.identity(), before);
}

#[test]
fn a_configured_identity_wins_and_must_be_sound() {
    let (_home, state) = state();
    let mut spec = memory("one", 4096);
    spec.overrides = Overrides {
        uuid: Some([7; 16]),
        serial: Some("SN 1".into()),
        naa: None,
        vendor: Some("ACME".into()),
        product: None,
    };
    let volume = Volume::open(spec.clone(), &state).unwrap();
    let identity = volume.identity();
    assert_eq!((identity.uuid, &*identity.serial, &*identity.vendor), ([7; 16], "SN 1", "ACME"));
    assert_eq!(identity.naa, [0x30, 0x70, 0x70, 0x70, 0x70, 0x70, 0x77, 0x07]);
    spec.name = "two".into();
    spec.overrides.serial = Some("SN 2".into());
    let error = Volume::open(spec.clone(), &state).unwrap_err();
    assert!(error.to_string().contains("same uuid 07070707-"), "{error}");
    for (vendor, product, serial) in [("ninebytes", "x", "x"), ("x", " ", "x"), ("x", "x", "caf\u{e9}")] {
        spec.overrides.vendor = Some(vendor.into());
        spec.overrides.product = Some(product.into());
        spec.overrides.serial = Some(serial.into());
        assert!(matches!(Volume::open(spec.clone(), &state), Err(OpenError::Text { .. })));
    }
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let (_home, state) = state();
    let open = |size, block, physical| {
        let spec = Spec { block_bytes: block, physical_bytes: physical, ..memory("x", size) };
        Volume::open(spec, &state).map(|volume| volume.geometry()).map_err(|error| error.to_string())
    };
    assert!(open(0, None, None).unwrap_err().contains("no bytes"));
    assert!(open(1000, None, None).unwrap_err().contains("not a multiple"));
    assert!(open(512, Some(4096), None).unwrap_err().contains("not a multiple"));
    assert!(open(4096, Some(520), None).unwrap_err().contains("512 or 4096"));
    assert!(open(4096, Some(4096), Some(512)).unwrap_err().contains("physical"));
    assert_eq!(open(4096, Some(4096), None).unwrap().physical_bytes, 4096);
    assert_eq!(open(4096, None, Some(512)).unwrap().physical_bytes, 512);
}
