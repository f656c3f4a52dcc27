//! A few threads that wait for stores, so that nobody else has to.
//!
//! I1 A store that hangs takes at most three quarters of the threads, and a store with work always has one: when none
//! is left, one more than `threads_max` is made. I2 The requests of one store start in the order they came; they may
//! end in any. I3 Every request comes back once, also when the store panics. I4 At most one wake for a batch, each
//! way: `notify` is called when the first answer lies ready, and again only after a [`Pool::drain`]. I5 A store that
//! answers fast is worked on by one thread for each batch; what hangs there then keeps back only requests of its own batch,
//! until the next one.

use mainstay_base::sam::NexusId;
use mainstay_base::unit::{Completion, Done, Fault, Op, Request, VolumeId};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a thread waits for more before it ends.
const IDLE: Duration = Duration::from_secs(10);
const STACK_BYTES: usize = 256 << 10;
/// What answers sooner has not waited for a disk.
const FAST: Duration = Duration::from_micros(100);
/// So many of these in a row make a store fast; one slow request ends that.
const FAST_RUN: u32 = 64;

/// What the pool's threads wait for: a volume, or a stand-in.
pub trait Store: Send + Sync {
    /// Do `op`, however long it takes.
    ///
    /// # Errors
    /// The store's bad answer.
    fn run(&self, op: &mut Op) -> Result<Done, Fault>;
}

/// One request on its way.
pub struct Job {
    /// Where to; one queue for each.
    pub volume: Arc<dyn Store>,
    /// Whom the answer is for.
    pub nexus: NexusId,
    /// What.
    pub request: Request,
}

/// The pool did not become dry in time; it goes on as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{threads} threads still wait for a store, {waiting} requests have not begun")]
pub struct StillBusy {
    /// Threads that have not ended.
    pub threads: usize,
    /// Requests that no thread has taken.
    pub waiting: usize,
}

/// The threads. Clones are the same pool.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    threads_max: usize,
    per_store_max: usize,
    notify: Arc<dyn Fn() + Send + Sync>,
    work: Mutex<Work>,
    /// There is work, or the pool shuts down.
    wake: Condvar,
    /// A thread ended.
    ended: Condvar,
    answers: Mutex<Answers>,
}

#[derive(Default)]
struct Work {
    queues: HashMap<usize, Queue>,
    /// Queues with work and below their bound, in turn.
    ready: VecDeque<usize>,
    threads: Vec<JoinHandle<()>>,
    /// Threads that have not ended.
    live: usize,
    /// Of these, how many wait for work.
    idle: usize,
    /// Requests that no thread has taken.
    waiting: usize,
    closing: bool,
    /// Requests that threads work on, by age: since when, of which volume.
    running: BTreeMap<u64, (Instant, VolumeId)>,
    begun: u64,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Threads at work on it.
    running: usize,
    /// Requests in a row that took no longer than [`FAST`].
    fast: u32,
}

impl Queue {
    /// The next request will hardly wait for anything, by the store's record and by its kind.
    fn is_fast(&self) -> bool {
        let plain = |op: &Op| matches!(op, Op::Read { .. } | Op::Write { durable: false, .. });
        self.fast >= FAST_RUN && self.jobs.front().is_some_and(|job| plain(&job.request.op))
    }
}

#[derive(Default)]
struct Answers {
    ready: Vec<(NexusId, Completion)>,
    /// Submitted and not drained.
    in_flight: usize,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(job: &Job) -> usize {
    Arc::as_ptr(&job.volume).cast::<()>() as usize
}

impl Pool {
    /// A pool of up to `threads_max` threads (more only by I1), made when there is work. `notify` is called from any
    /// of them when answers lie ready, and must not wait.
    pub fn new(threads_max: usize, notify: Arc<dyn Fn() + Send + Sync>) -> Pool {
        let threads_max = threads_max.max(1);
        Pool(Arc::new(Shared {
            threads_max,
            per_store_max: (threads_max - threads_max / 4).max(1),
            notify,
            work: Mutex::default(),
            wake: Condvar::new(),
            ended: Condvar::new(),
            answers: Mutex::default(),
        }))
    }

    /// Hand over a batch.
    pub fn submit_all(&self, batch: impl IntoIterator<Item = Job>) {
        let mut work = locked(&self.0.work);
        let before = work.waiting;
        for job in batch {
            let key = key(&job);
            let queue = work.queues.entry(key).or_default();
            queue.jobs.push_back(job);
            if queue.jobs.len() == 1 && queue.running < self.0.per_store_max {
                work.ready.push_back(key);
            }
            work.waiting += 1;
        }
        let added = work.waiting - before;
        // Counted before a thread can answer: the lock is still held.
        locked(&self.0.answers).in_flight += added;
        if added > 0 {
            self.0.encourage(&mut work);
        }
    }

    /// Take all answers that lie ready.
    pub fn drain(&self, into: &mut Vec<(NexusId, Completion)>) {
        let mut answers = locked(&self.0.answers);
        answers.in_flight -= answers.ready.len();
        into.append(&mut answers.ready);
    }

    /// Take back what no thread has begun, as if it had never been submitted. The requests of one store come in the order
    /// of their submission, stores by the number of their volume. What runs is answered as always.
    pub fn recall(&self) -> Vec<(NexusId, Request)> {
        let mut work = locked(&self.0.work);
        work.ready.clear();
        work.waiting = 0;
        let mut queues: Vec<_> = work.queues.values_mut().map(|queue| std::mem::take(&mut queue.jobs)).collect();
        // As `put_back` has it.
        work.queues.retain(|_, queue| queue.running > 0 || queue.fast > 0);
        locked(&self.0.answers).in_flight -= queues.iter().map(VecDeque::len).sum::<usize>();
        drop(work);
        // Somebody may be waiting for an empty pool.
        self.0.ended.notify_all();
        queues.sort_by_key(|jobs| jobs.front().map(|job| job.request.volume));
        queues.into_iter().flatten().map(|job| (job.nexus, job.request)).collect()
    }

    /// Requests that were submitted and have not been drained.
    pub fn in_flight(&self) -> usize {
        locked(&self.0.answers).in_flight
    }

    /// The request that a store has worked on for longest: of which volume, for how long.
    pub fn longest(&self) -> Option<(VolumeId, Duration)> {
        locked(&self.0.work).running.values().next().map(|&(since, volume)| (volume, since.elapsed()))
    }

    /// Threads that have not ended.
    pub fn threads(&self) -> usize {
        locked(&self.0.work).live
    }

    /// Work off what is queued, end all threads and join them. The pool can be used again afterwards, after an error
    /// too; answers still lie ready for [`Pool::drain`].
    ///
    /// # Errors
    /// [`StillBusy`] when that takes longer than `patience`.
    pub fn shutdown(&self, patience: Duration) -> Result<(), StillBusy> {
        let deadline = Instant::now() + patience;
        let mut work = locked(&self.0.work);
        work.closing = true;
        self.0.wake.notify_all();
        self.0.encourage(&mut work);
        while work.live > 0 || work.waiting > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                work.closing = false;
                self.0.encourage(&mut work);
                return Err(StillBusy { threads: work.live, waiting: work.waiting });
            }
            let (guard, _) = self.0.ended.wait_timeout(work, left).unwrap_or_else(PoisonError::into_inner);
            work = guard;
        }
        work.closing = false;
        let ended = std::mem::take(&mut work.threads);
        drop(work);
        for thread in ended {
            // They have nothing left to do but to return, and do not panic.
            let _ = thread.join();
        }
        Ok(())
    }
}

impl Shared {
    /// See that somebody takes the first ready queue: an idle thread, or a new one. Who takes a request does this for
    /// the next one, so that a batch costs its submitter one wake.
    fn encourage(self: &Arc<Self>, work: &mut Work) {
        if work.ready.is_empty() {
            return;
        }
        if work.idle > 0 {
            self.wake.notify_one();
            return;
        }
        let starving = work.ready.iter().any(|key| work.queues.get(key).is_some_and(|queue| queue.running == 0));
        if work.live < self.threads_max || starving {
            self.spawn(work);
        }
    }

    fn spawn(self: &Arc<Self>, work: &mut Work) {
        let shared = self.clone();
        let thread = std::thread::Builder::new().name("store".into()).stack_size(STACK_BYTES);
        match thread.spawn(move || shared.serve()) {
            Ok(handle) => {
                work.threads.retain(|thread| !thread.is_finished());
                work.threads.push(handle);
                work.live += 1;
            }
            // The threads there are will come to it; without any, the next submission tries again.
            Err(error) => tracing::error!(%error, threads = work.live, "cannot start a thread"),
        }
    }

    /// The life of a thread.
    fn serve(self: Arc<Self>) {
        let mut work = locked(&self.work);
        loop {
            while let Some((key, job, fast)) = self.take(&mut work) {
                let start = Instant::now();
                let serial = work.begun;
                work.begun += 1;
                work.running.insert(serial, (start, job.request.volume));
                // A store in the page cache is done sooner by one thread than others are woken for it.
                if !fast || work.ready.iter().any(|other| *other != key) {
                    self.encourage(&mut work);
                }
                drop(work);
                self.answer(job);
                let fast = start.elapsed() <= FAST;
                work = locked(&self.work);
                work.running.remove(&serial);
                self.put_back(&mut work, key, fast);
            }
            if work.closing {
                break;
            }
            work.idle += 1;
            let (guard, waited) = self.wake.wait_timeout(work, IDLE).unwrap_or_else(PoisonError::into_inner);
            work = guard;
            work.idle -= 1;
            let needed = !work.ready.is_empty() || work.closing;
            if !needed && (waited.timed_out() || work.live > self.threads_max) {
                break;
            }
        }
        work.live -= 1;
        self.ended.notify_all();
    }

    /// The next request in turn. A store that has none running goes first, when threads are scarce.
    fn take(&self, work: &mut Work) -> Option<(usize, Job, bool)> {
        let extra = work.live - work.idle > self.threads_max;
        let idle_store = |key: &usize| work.queues.get(key).is_some_and(|queue| queue.running == 0);
        let turn = match work.ready.iter().position(idle_store) {
            Some(turn) => turn,
            // More threads than allowed are for stores that would have none.
            None if extra => return None,
            None => 0,
        };
        let key = work.ready.remove(turn)?;
        let queue = work.queues.get_mut(&key)?;
        let fast = queue.is_fast();
        let job = queue.jobs.pop_front()?;
        queue.running += 1;
        work.waiting -= 1;
        if !queue.jobs.is_empty() && queue.running < self.per_store_max {
            work.ready.push_back(key);
        }
        Some((key, job, fast))
    }

    fn put_back(&self, work: &mut Work, key: usize, fast: bool) {
        let Some(queue) = work.queues.get_mut(&key) else { return };
        queue.running -= 1;
        queue.fast = if fast { queue.fast.saturating_add(1) } else { 0 };
        if queue.jobs.is_empty() {
            // Its record is kept while it is good; there are no more of them than stores.
            if queue.running == 0 && queue.fast == 0 {
                work.queues.remove(&key);
            }
        } else if queue.running == self.per_store_max - 1 {
            // It was at its bound, so it was not in line.
            work.ready.push_back(key);
        }
    }

    fn answer(&self, job: Job) {
        let Job { volume, nexus, request: Request { ticket, mut op, .. } } = job;
        let result = catch_unwind(AssertUnwindSafe(|| volume.run(&mut op)));
        let result = result.unwrap_or(Err(Fault::Other { errno: libc::EIO }));
        // Whoever sees the answer may want the volume for himself.
        drop(volume);
        let mut answers = locked(&self.answers);
        answers.ready.push((nexus, Completion { ticket, op, result }));
        let first = answers.ready.len() == 1;
        drop(answers);
        if first {
            (self.notify)();
        }
    }
}
