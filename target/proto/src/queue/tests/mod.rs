//! Each test is a script that runs twice: plainly, and with everything saved, dropped and restored after every call.
//! Both runs must send the same bytes.

mod host;
mod hostile;
mod kit;
mod life;
mod orders;
mod proof;
mod storm;

use host::*;
use kit::World;

/// Run `script` in both modes; it returns what it wants compared besides the wire.
pub fn both<T: PartialEq + std::fmt::Debug>(script: impl Fn(&mut World) -> T) -> T {
    let [plain, restored] = [false, true].map(|restoring| {
        let mut world = World::new(restoring);
        let result = script(&mut world);
        (result, world.sent, world.notices, world.media)
    });
    assert!(plain.1 == restored.1, "the bytes differ when everything is saved and restored");
    assert_eq!(plain.0, restored.0);
    assert_eq!(plain.2, restored.2);
    assert!(plain.3 == restored.3, "the media differ");
    plain.0
}

pub fn pattern(len: usize, salt: usize) -> Vec<u8> {
    (0..len).map(|i| (i / 7 + i * 3 + salt * 31) as u8).collect()
}
