use super::super::gate::Gate;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::thread;

/// Whoever passes has seen a whole run that began after he came, and no two runs overlap.
#[test]
fn a_pass_means_a_run_that_began_afterwards() {
    let (gate, clock, last, inside) = (Gate::default(), AtomicU64::new(0), AtomicU64::new(0), AtomicUsize::new(0));
    let tick = || clock.fetch_add(1, SeqCst) + 1;
    let run = || {
        assert_eq!(inside.fetch_add(1, SeqCst), 0, "alone");
        let begun = tick();
        thread::yield_now();
        last.store(begun, SeqCst);
        inside.fetch_sub(1, SeqCst);
    };
    let runs: u64 = thread::scope(|scope| {
        let passing = || {
            let mut runs = 0;
            for _ in 0..2000 {
                let came = tick();
                gate.pass(|| {
                    runs += 1;
                    run();
                });
                assert!(last.load(SeqCst) > came);
            }
            runs
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(passing)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(runs <= 8000);
}

#[test]
fn a_run_that_panics_lets_the_next_one_pass() {
    let gate = Gate::default();
    thread::scope(|scope| {
        let first = scope.spawn(|| gate.pass(|| panic!("for the test")));
        assert!(first.join().is_err());
    });
    let mut ran = false;
    gate.pass(|| ran = true);
    assert!(ran);
}
