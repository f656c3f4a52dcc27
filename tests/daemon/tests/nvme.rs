//! NVMe/TCP from the first PDU to the last, over a real socket.

use super::bytes;
use mainstay_testkit::daemon::Daemon;

#[test]
fn a_host_connects_and_its_data_comes_back() {
    let daemon = Daemon::memory();
    let portal = daemon.namespace().portal;
    for (header, data) in [(false, false), (true, true)] {
        let mut controller = daemon.host().digests(header, data).connect(portal).unwrap();
        assert_eq!(controller.namespaces().unwrap(), [1]);

        for (n, blocks) in [1u32, 8, 32, 33, 256, 2048].into_iter().enumerate() {
            let payload = bytes(blocks as usize * 512, n as u64);
            controller.write(1, 100, &payload, 512).unwrap();
            assert!(controller.read(1, 100, blocks, 512).unwrap() == payload, "{blocks} blocks");
        }
        controller.flush(1).unwrap();
        controller.shut_down().unwrap();
    }
    assert!(daemon.log().is_empty(), "{:?}", daemon.log());
}
