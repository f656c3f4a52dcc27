//! The way back, until the commit.

use super::page::{Failure, Page, stage};
use super::{HANDOVER, Handover, Moment, handover, sys};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;
use std::os::fd::RawFd;
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Stands from the first moments of a new program until it commits. A panic, a fatal signal, a deadline or
/// [`Guard::go_back`] end in an exec of the old image, which finds all descriptors as it left them, whatever the new program
/// closed meanwhile.
///
/// I1 Only the guard's own thread execs. It has its own table of descriptors, made before anything could be closed, and the
///    signal mask the new program arrived with. All others write down why, wake it and wait for their end.
/// I2 Commit and failure are decided by one step of the page's stage; who comes second does nothing any more.
pub struct Guard {
    page: &'static Page,
    /// Sorted.
    carried: Vec<RawFd>,
    /// Nothing, if we are the old program again.
    armed: Option<Armed>,
}

struct Armed {
    thread: JoinHandle<()>,
    fatal: sys::Fatal,
    panics: Arc<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>,
    /// The guard shares our table of descriptors.
    shared: bool,
}

/// What signal handlers must find.
struct WayBack {
    page: &'static Page,
    old: sys::Program,
    mask: u64,
    /// Where the first thread's stack may end; 0: it may grow for ever.
    stack_end: u64,
    thread: AtomicU32,
    /// How many descriptors there may be, if that was raised for copies; 0: it was not.
    descriptors: AtomicU64,
}

static WAY_BACK: OnceLock<WayBack> = OnceLock::new();
/// Who began to write down why must be done by then.
const WRITING: Duration = Duration::from_secs(1);
/// A fault so near to the end of the stack has run over it: Linux keeps a gap of 1 MiB below.
const GAP: u64 = 2 << 20;

const UNKNOWN: u32 = 0;
const OWN: u32 = 1;
const SHARED: u32 = 2;

impl Guard {
    /// Arms everything. If we are the old program again there is no way back: then nothing is armed, and a failure is a crash.
    /// To be called on the first thread, before any other exists and before anything is taken.
    ///
    /// Should that fail, it goes back at once.
    ///
    /// # Errors
    /// There is a guard already.
    pub fn stand(handover: &Handover) -> io::Result<Guard> {
        let page = handover.page;
        let guard = |armed| Guard { page, carried: handover.untaken(), armed };
        if handover.came_back().is_some() {
            return Ok(guard(None));
        }
        let here = 0u8;
        let limit = getrlimit(Resource::Stack).current;
        let back = WayBack {
            page,
            old: sys::Program::new(page.old.load(SeqCst)),
            mask: sys::mask(),
            stack_end: limit.map_or(0, |limit| (&raw const here as u64).saturating_sub(limit)),
            thread: AtomicU32::new(0),
            descriptors: AtomicU64::new(0),
        };
        WAY_BACK.set(back).map_err(|_| Errno::BUSY)?;
        match Armed::new(page) {
            Ok(armed) => {
                handover.originals_stay.store(armed.shared, SeqCst);
                let guard = guard(Some(armed));
                if handover.originals_stay.load(SeqCst)
                    && let Some(back) = WAY_BACK.get()
                {
                    back.make_room(guard.carried.len());
                }
                Ok(guard)
            }
            Err(error) => {
                // Nothing is taken yet, so this thread can go back by itself.
                page.stage.store(stage::FAILING, SeqCst);
                page.write_down(Failure::Error(&format!("no guard can be set up: {error}")));
                WAY_BACK.get().ok_or(Errno::BUSY)?.leave()
            }
        }
    }

    /// Gives up and says why. The old program comes back.
    pub fn go_back(self, why: &str) -> ! {
        if self.armed.is_some() {
            fail(self.page, Failure::Error(why));
            sys::park()
        }
        // We are the old program, and cannot take our own state back.
        eprintln!("mainstay: no way back: {why}");
        sys::die()
    }

    /// From now on there is no way back: what was left is close-on-exec again, both images and the snapshot are closed. What
    /// nobody has taken stays open.
    pub fn commit(self) {
        let page = self.page;
        if let Some(Armed { thread, fatal, panics, shared }) = self.armed {
            if !page.step(stage::ARMED, stage::COMMITTED) {
                // The old program is on its way.
                sys::park();
            }
            sys::wake(&page.stage);
            drop(fatal);
            std::panic::set_hook(Box::new(move |info| panics(info)));
            if shared {
                let _ = thread.join();
                self.carried.iter().copied().for_each(sys::close);
                if let Some(back) = WAY_BACK.get() {
                    back.give_room_back();
                }
            }
        } else {
            page.step(stage::BACK, stage::COMMITTED);
        }
        for run in self.carried.chunk_by(|one, next| one + 1 == *next) {
            if let (Some(first), Some(last)) = (run.first(), run.last()) {
                sys::close_on_exec(*first, *last);
            }
        }
        for number in [&page.snapshot, &page.image, &page.old] {
            sys::close(number.load(SeqCst));
        }
        // The memory of the predecessor can go now.
        match page.keeper.load(SeqCst) {
            0 => {}
            number => sys::close(number),
        }
        if handover::put_nothing().is_err() {
            // Without it the next swap is refused, and says why.
            sys::close(HANDOVER);
        }
        page.stamp(Moment::Committed, super::now());
    }
}

impl Armed {
    fn new(page: &'static Page) -> io::Result<Armed> {
        let until = Instant::now() + page.guard();
        let table = Arc::new(AtomicU32::new(UNKNOWN));
        let told = table.clone();
        let builder = std::thread::Builder::new().name("guard".into()).stack_size(128 << 10);
        let thread = builder.spawn(move || watch(until, &told))?;
        while table.load(SeqCst) == UNKNOWN {
            sys::wait(&table, UNKNOWN, WRITING);
        }
        let fatal = sys::Fatal::install()?;
        let panics = std::panic::take_hook().into();
        std::panic::set_hook(Box::new(panicked));
        page.step(stage::ARRIVED, stage::ARMED);
        Ok(Armed { thread, fatal, panics, shared: table.load(SeqCst) == SHARED })
    }
}

/// The guard's thread.
fn watch(until: Instant, table: &AtomicU32) {
    let Some(back) = WAY_BACK.get() else { return };
    back.thread.store(sys::thread(), SeqCst);
    let own = sys::own_table().is_ok();
    table.store(if own { OWN } else { SHARED }, SeqCst);
    sys::wake(table);
    let mut until = until;
    loop {
        let now = back.page.stage.load(SeqCst);
        let left = until.saturating_duration_since(Instant::now());
        match now {
            stage::COMMITTED => break,
            stage::FAILED => back.leave(),
            stage::FAILING if left.is_zero() => back.leave(),
            _ if left.is_zero() => {
                fail(back.page, Failure::Deadline);
                until = Instant::now() + WRITING;
            }
            _ => sys::wait(&back.page.stage, now, left),
        }
    }
    if own {
        // This takes the longer the more there are, and nobody waits for it: those who are served go first.
        sys::go_behind(0);
        sys::close_all();
    }
}

impl WayBack {
    /// For so many copies, as far as we are allowed to. Where that is not far enough, a descriptor will not be taken.
    fn make_room(&self, copies: usize) {
        let limit = getrlimit(Resource::Nofile);
        let Some(soft) = limit.current else { return };
        let wanted = soft.saturating_add(copies as u64).min(limit.maximum.unwrap_or(u64::MAX));
        if wanted > soft && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }).is_ok() {
            self.descriptors.store(soft, SeqCst);
        }
    }

    /// Safe inside a signal handler.
    fn give_room_back(&self) {
        if let soft @ 1.. = self.descriptors.swap(0, SeqCst) {
            let limit = getrlimit(Resource::Nofile);
            let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(soft), ..limit });
        }
    }

    /// Becomes the old program. Safe inside a signal handler.
    fn leave(&self) -> ! {
        self.page.stage.store(stage::FAILED, SeqCst);
        self.give_room_back();
        self.old.exec(Some(self.mask));
        sys::die()
    }
}

/// Writes down why, once. Safe inside a signal handler.
fn fail(page: &Page, failure: Failure<'_>) {
    if page.step(stage::ARMED, stage::FAILING) || page.step(stage::ARRIVED, stage::FAILING) {
        page.write_down(failure);
        page.stage.store(stage::FAILED, SeqCst);
        sys::wake(&page.stage);
    }
}

/// What handlers of fatal signals do.
pub(super) fn fatal(signal: i32, address: u64) -> ! {
    let Some(back) = WAY_BACK.get() else { sys::die() };
    let stack = signal == libc::SIGSEGV && back.stack_end != 0 && address.abs_diff(back.stack_end) < GAP;
    fail(back.page, if stack { Failure::Stack(address) } else { Failure::Signal(signal, address) });
    if back.page.stage.load(SeqCst) == stage::COMMITTED {
        sys::die();
    }
    if back.thread.load(SeqCst) == sys::thread() { back.leave() } else { sys::park() }
}

fn panicked(info: &PanicHookInfo<'_>) {
    let text = info.payload_as_str().unwrap_or("(no text)");
    let text = match info.location() {
        Some(at) => format!("{text} ({}:{})", at.file(), at.line()),
        None => text.to_owned(),
    };
    if let Some(back) = WAY_BACK.get().filter(|back| back.page.stage.load(SeqCst) != stage::COMMITTED) {
        // Before the stack is unwound, which would close what the old program needs.
        fail(back.page, Failure::Panic(&text));
        sys::park()
    }
}
