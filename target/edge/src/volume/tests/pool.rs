use super::super::pool::*;
use mainstay_base::sam::NexusId;
use mainstay_base::unit::{Completion, Done, Fault, Op, Request, Ticket, VolumeId};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Answers when it is told to. Remembers the order of arrival (`Extent::at`).
struct Gated {
    open: Mutex<Receiver<()>>,
    seen: Mutex<Vec<u64>>,
    started: Sender<()>,
}

impl Store for Gated {
    fn run(&self, op: &mut Op) -> Result<Done, Fault> {
        let Op::Extent { at, .. } = op else { panic!("not for this store") };
        self.seen.lock().unwrap().push(*at);
        self.started.send(()).unwrap();
        self.open.lock().unwrap().recv().unwrap();
        Ok(Done::Ok)
    }
}

/// Answers at once.
struct Prompt;

impl Store for Prompt {
    fn run(&self, op: &mut Op) -> Result<Done, Fault> {
        match op {
            Op::Flush => panic!("a store that breaks"),
            _ => Ok(Done::Ok),
        }
    }
}

struct Bench {
    pool: Pool,
    notified: Receiver<()>,
    notices: Arc<AtomicUsize>,
}

fn bench(threads_max: usize) -> Bench {
    let (sender, notified) = channel();
    let notices = Arc::new(AtomicUsize::new(0));
    let count = notices.clone();
    let sender = Mutex::new(sender);
    let notify = move || {
        count.fetch_add(1, Ordering::SeqCst);
        let _ = sender.lock().unwrap().send(());
    };
    Bench { pool: Pool::new(threads_max, Arc::new(notify)), notified, notices }
}

impl Bench {
    /// Waits for `n` answers.
    fn answers(&self, n: usize) -> Vec<(NexusId, Completion)> {
        let mut all = Vec::new();
        while all.len() < n {
            self.notified.recv_timeout(Duration::from_secs(20)).expect("an answer");
            self.pool.drain(&mut all);
        }
        assert_eq!(all.len(), n);
        all
    }
}

fn job(store: &Arc<impl Store + 'static>, n: u64) -> Job {
    let op = Op::Extent { at: n, len: 0 };
    Job {
        volume: store.clone(),
        nexus: NexusId(n % 3),
        request: Request { ticket: Ticket(n), volume: VolumeId(0), op },
    }
}

fn gated() -> (Arc<Gated>, Sender<()>, Receiver<()>) {
    let (open, gate) = channel();
    let (started, starts) = channel();
    (Arc::new(Gated { open: Mutex::new(gate), seen: Mutex::default(), started }), open, starts)
}

fn wait(starts: &Receiver<()>, n: usize) {
    for _ in 0..n {
        starts.recv_timeout(Duration::from_secs(20)).expect("a start");
    }
}

#[test]
fn everything_comes_back_once_and_to_its_owner() {
    let bench = bench(4);
    let store = Arc::new(Prompt);
    for batch in 0..50 {
        bench.pool.submit_all((0..20).map(|n| job(&store, batch * 20 + n)));
    }
    let mut answers = bench.answers(1000);
    answers.sort_by_key(|(_, completion)| completion.ticket);
    for (n, (nexus, completion)) in answers.iter().enumerate() {
        assert_eq!((completion.ticket, *nexus), (Ticket(n as u64), NexusId(n as u64 % 3)));
        assert_eq!(completion.result, Ok(Done::Ok));
    }
    assert_eq!(bench.pool.in_flight(), 0);
    assert!(bench.notices.load(Ordering::SeqCst) <= 1000);
    bench.pool.shutdown(Duration::from_secs(20)).unwrap();
    assert_eq!(bench.pool.threads(), 0);
}

#[test]
fn requests_of_one_store_start_in_order() {
    let bench = bench(1);
    let (store, open, starts) = gated();
    bench.pool.submit_all((0..10).map(|n| job(&store, n)));
    for _ in 0..10 {
        wait(&starts, 1);
        open.send(()).unwrap();
    }
    bench.answers(10);
    assert_eq!(*store.seen.lock().unwrap(), (0..10).collect::<Vec<_>>());
}

#[test]
fn stores_that_hang_do_not_stop_the_others() {
    let bench = bench(4);
    let (dead_a, open_a, starts_a) = gated();
    let (dead_b, open_b, starts_b) = gated();
    bench.pool.submit_all((0..20).map(|n| job(&dead_a, n)));
    wait(&starts_a, 3);
    bench.pool.submit_all((0..20).map(|n| job(&dead_b, n)));
    wait(&starts_b, 1);
    let prompt = Arc::new(Prompt);
    for n in 0..20 {
        bench.pool.submit_all([job(&prompt, 100 + n)]);
        bench.answers(1);
    }
    assert!(bench.pool.threads() <= 5, "four, and one for the store that would have none");
    assert_eq!(dead_a.seen.lock().unwrap().len(), 3, "three quarters of the threads");
    let error = bench.pool.shutdown(Duration::from_millis(20)).unwrap_err();
    assert_eq!((error.threads, error.waiting), (4, 36));
    // The one that had to wait is as good as before.
    bench.pool.submit_all([job(&prompt, 7)]);
    bench.answers(1);
    for _ in 0..20 {
        open_a.send(()).unwrap();
        open_b.send(()).unwrap();
    }
    bench.answers(40);
    bench.pool.shutdown(Duration::from_secs(20)).unwrap();
}

#[test]
fn one_notice_until_the_answers_are_drained() {
    let bench = bench(2);
    let store = Arc::new(Prompt);
    bench.pool.submit_all((0..100).map(|n| job(&store, n)));
    bench.pool.shutdown(Duration::from_secs(20)).unwrap();
    assert_eq!(bench.notices.load(Ordering::SeqCst), 1);
    assert_eq!(bench.pool.in_flight(), 100);
    assert_eq!(bench.answers(100).len(), 100);
    assert_eq!(bench.pool.in_flight(), 0);
}

#[test]
fn a_store_that_panics_gives_an_error() {
    let bench = bench(1);
    let request = Request { ticket: Ticket(1), volume: VolumeId(0), op: Op::Flush };
    bench.pool.submit_all([Job { volume: Arc::new(Prompt), nexus: NexusId(0), request }]);
    let [(_, completion)] = &bench.answers(1)[..] else { unreachable!() };
    assert_eq!(completion.result, Err(Fault::Other { errno: libc::EIO }));
}

#[test]
fn many_stores_share_few_threads() {
    let bench = bench(2);
    let stores: Vec<_> = (0..40).map(|_| Arc::new(Prompt)).collect();
    for round in 0..25 {
        bench.pool.submit_all(stores.iter().enumerate().map(|(n, store)| job(store, round * 40 + n as u64)));
    }
    let mut tickets: Vec<_> = bench.answers(1000).iter().map(|(_, completion)| completion.ticket.0).collect();
    tickets.sort_unstable();
    assert_eq!(tickets, (0..1000).collect::<Vec<_>>());
    bench.pool.shutdown(Duration::from_secs(20)).unwrap();
    bench.pool.submit_all([job(&stores[0], 0)]);
    bench.answers(1);
}

/// Answers at once, but for offset 1, which waits to be told.
struct Moody(Mutex<Receiver<()>>);

impl Store for Moody {
    fn run(&self, op: &mut Op) -> Result<Done, Fault> {
        if matches!(op, Op::Read { at: 1, .. }) {
            self.0.lock().unwrap().recv().unwrap();
        }
        Ok(Done::Ok)
    }
}

#[test]
fn a_fast_store_that_begins_to_hang_keeps_nobody_else_back() {
    let arena = mainstay_base::arena::Arena::heap(1 << 20);
    let bench = bench(4);
    let (open, gate) = channel();
    let moody: Arc<Moody> = Arc::new(Moody(Mutex::new(gate)));
    let read = |n: u64, at: u64| {
        let op = Op::Read { at, into: arena.alloc(16).unwrap() };
        let request = Request { ticket: Ticket(n), volume: VolumeId(0), op };
        Job { volume: moody.clone(), nexus: NexusId(1), request }
    };
    for n in 0..20 {
        bench.pool.submit_all((0..10).map(|m| read(n * 10 + m, 0)));
        bench.answers(10);
    }
    // It hangs in the middle of a batch; others and later batches go on.
    bench.pool.submit_all([read(1000, 0), read(1001, 1), read(1002, 0)]);
    let prompt = Arc::new(Prompt);
    bench.pool.submit_all([job(&prompt, 2000)]);
    bench.pool.submit_all([read(1003, 0)]);
    let mut came: Vec<u64> = bench.answers(4).iter().map(|(_, completion)| completion.ticket.0).collect();
    came.sort_unstable();
    assert_eq!(came, [1000, 1002, 1003, 2000]);
    open.send(()).unwrap();
    assert_eq!(bench.answers(1)[0].1.ticket, Ticket(1001));
}

fn tickets(recalled: &[(NexusId, Request)]) -> Vec<u64> {
    recalled.iter().map(|(_, request)| request.ticket.0).collect()
}

#[test]
fn what_has_not_begun_can_be_taken_back() {
    let bench = bench(4);
    let (hung, open, starts) = gated();
    bench.pool.submit_all((0..10).map(|n| job(&hung, n)));
    wait(&starts, 3);
    assert_eq!(tickets(&bench.pool.recall()), (3..10).collect::<Vec<_>>());
    assert_eq!(bench.pool.in_flight(), 3);
    assert!(bench.pool.recall().is_empty());
    // What runs is answered; then the pool is dry, and as good as before.
    (0..3).for_each(|_| open.send(()).unwrap());
    bench.answers(3);
    bench.pool.shutdown(Duration::from_secs(20)).unwrap();
    assert_eq!((bench.pool.in_flight(), bench.pool.threads()), (0, 0));
    bench.pool.submit_all((3..10).map(|n| job(&hung, n)));
    (3..10).for_each(|_| open.send(()).unwrap());
    bench.answers(7);
    assert_eq!(bench.pool.in_flight(), 0);
    bench.pool.shutdown(Duration::from_secs(20)).unwrap();
    let mut seen = hung.seen.lock().unwrap().clone();
    seen.sort_unstable();
    assert_eq!(seen, (0..10).collect::<Vec<_>>(), "each once");
}

#[test]
fn a_recall_lets_a_shutdown_go_on() {
    let bench = bench(1);
    let (hung, open, starts) = gated();
    bench.pool.submit_all((0..5).map(|n| job(&hung, n)));
    wait(&starts, 1);
    let pool = bench.pool.clone();
    let ending = std::thread::spawn(move || pool.shutdown(Duration::from_secs(20)));
    let mut recalled = bench.pool.recall();
    open.send(()).unwrap();
    ending.join().unwrap().unwrap();
    recalled.append(&mut bench.pool.recall());
    assert_eq!(tickets(&recalled), [1, 2, 3, 4]);
    assert_eq!(bench.answers(1)[0].1.ticket, Ticket(0));
}

#[test]
fn a_store_whose_requests_were_taken_back_is_in_line_once() {
    let bench = bench(4);
    let (full, open_full, starts_full) = gated();
    let (short, open_short, starts_short) = gated();
    bench.pool.submit_all((0..3).map(|n| job(&full, n)));
    wait(&starts_full, 3);
    // The fourth thread; the rest waits in line, below the bound of its store.
    bench.pool.submit_all((0..6).map(|n| job(&short, n)));
    wait(&starts_short, 1);
    let recalled = bench.pool.recall();
    assert_eq!(tickets(&recalled), [1, 2, 3, 4, 5]);
    bench.pool.submit_all(recalled.iter().map(|(_, request)| job(&short, request.ticket.0)));
    (0..3).for_each(|_| open_full.send(()).unwrap());
    bench.answers(3);
    wait(&starts_short, 2);
    assert!(starts_short.recv_timeout(Duration::from_millis(50)).is_err(), "three quarters of the threads");
    (0..6).for_each(|_| open_short.send(()).unwrap());
    bench.answers(6);
}

/// Hangs, answers slowly or at once, by the ticket in `Extent::at`; keeps the order in which requests began.
struct Wild {
    seed: u64,
    held: Arc<std::sync::atomic::AtomicBool>,
    begun: Mutex<Vec<u64>>,
}

impl Store for Wild {
    fn run(&self, op: &mut Op) -> Result<Done, Fault> {
        let Op::Extent { at, .. } = op else { panic!("not for this store") };
        self.begun.lock().unwrap().push(*at);
        match (self.seed ^ *at).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60 {
            0 => {
                while self.held.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
            }
            1..4 => std::thread::sleep(Duration::from_micros(150)),
            _ => {}
        }
        Ok(Done::Ok)
    }
}

/// Submit and recall in any turn, with stores that hang meanwhile: each request is answered or comes back, once, and
/// what is asked for again begins after what was left.
#[test]
fn recalls_at_any_time_lose_nothing_and_repeat_nothing() {
    for seed in 0..60u64 {
        let threads = 1 + (seed % 5) as usize;
        let bench = bench(threads);
        let held = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let stores: Vec<_> =
            (0..4).map(|_| Arc::new(Wild { seed, held: held.clone(), begun: Mutex::default() })).collect();
        let make = |ticket: u64| {
            let mut job = job(&stores[(ticket % 4) as usize], ticket);
            job.request.volume = VolumeId((ticket % 4) as u32);
            job
        };
        let (mut next, mut answered, mut recalls) = (0, Vec::new(), 0);
        for round in 0..40u64 {
            let mut batch: Vec<u64> = (next..next + (seed + round) % 13).collect();
            next += batch.len() as u64;
            bench.pool.submit_all(batch.drain(..).map(make));
            if (seed + round) % 3 == 0 {
                let recalled = bench.pool.recall();
                recalls += recalled.len();
                for pair in recalled.windows(2) {
                    let key = |n: usize| (pair[n].1.volume, pair[n].1.ticket);
                    assert!(key(0) < key(1), "by store, and in order");
                }
                // Threads below their bound would still take what is asked for again.
                bench.pool.submit_all(recalled.into_iter().map(|(nexus, request)| {
                    assert_eq!(nexus, NexusId(request.ticket.0 % 3));
                    make(request.ticket.0)
                }));
            }
            bench.pool.drain(&mut answered);
        }
        // In the end nothing new begins, and what hangs is let go.
        let recalled = bench.pool.recall();
        recalls += recalled.len();
        held.store(false, Ordering::SeqCst);
        bench.pool.shutdown(Duration::from_secs(20)).unwrap();
        bench.pool.drain(&mut answered);
        assert_eq!((bench.pool.in_flight(), bench.pool.threads()), (0, 0));
        let mut all: Vec<u64> = answered.iter().map(|(_, completion)| completion.ticket.0).collect();
        all.extend(tickets(&recalled));
        all.sort_unstable();
        assert_eq!(all, (0..next).collect::<Vec<_>>(), "seed {seed}");
        for store in &stores {
            let mut begun = store.begun.lock().unwrap().clone();
            if threads == 1 {
                assert!(begun.is_sorted(), "in order, recalled or not");
            }
            begun.sort_unstable();
            begun.dedup();
            assert_eq!(begun.len(), store.begun.lock().unwrap().len(), "none twice");
        }
        assert!(recalls > 0 || seed > 0, "hanging stores leave something to take back");
    }
}
