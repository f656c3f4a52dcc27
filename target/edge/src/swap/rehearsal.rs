//! The new program runs as a child, with a copy of our state and no way to harm us.

use super::{Image, Refusal, signal, sys};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags, fcntl_setfl, open};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What a rehearsal may use.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Bytes of address space.
    pub memory: u64,
    /// Time on a processor, in whole seconds, rounded up.
    pub cpu: Duration,
    /// Time by the clock.
    pub time: Duration,
}

/// What the child said before it ended well.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Rehearsed {
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// Why a rehearsal failed, in words for people.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum RehearsalFailure {
    #[error("the new program cannot be started: {0}")]
    Start(String),
    #[error("the new program cannot be started{}", said(stderr))]
    Loader { stderr: String },
    #[error("the new program was ended by {signal}{}", said(stderr))]
    Killed { signal: String, stderr: String },
    #[error("the new program refused with status {status}{}", said(stderr))]
    Exit { status: i32, stderr: String },
    #[error("the new program did not end within {} ms{}", time.as_millis(), said(stderr))]
    Time { time: Duration, stderr: String },
    #[error("the new program said more than {max} bytes{}", said(stderr))]
    Spoke { max: usize, stderr: String },
    #[error("how the rehearsal went cannot be told: {0}")]
    Unknown(io::Error),
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!(": {stderr}") }
}

/// More is not a few remarks any more.
const STDOUT_MAX: usize = 1 << 20;
const STDERR_MAX: usize = 256 << 10;
/// What is told of them: the end.
const TOLD_MAX: usize = 2000;
/// How often we look whether the child has ended when it says nothing.
const LOOK: Duration = Duration::from_millis(5);
/// With this status the dynamic loader ends when it cannot load.
const NOT_LOADED: i32 = 127;
/// First in line when the system has no memory.
const OOM_SCORE: &str = "1000";
/// Variables by which a supervisor speaks to us alone.
const OURS: [&str; 7] =
    ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"];

/// Runs `image` with the arguments `words` and the snapshot as its standard input, and waits for its end, on this thread.
/// The child has none of our other descriptors, and none of the variables that are meant for us.
///
/// # Errors
/// Anything but an end with status 0 within all bounds.
pub fn rehearse(
    image: &Image,
    words: &[&str],
    snapshot: BorrowedFd<'_>,
    bounds: &Bounds,
) -> Result<Rehearsed, RehearsalFailure> {
    if cfg!(not(target_os = "linux")) {
        return Err(RehearsalFailure::Start(Refusal::NotHere.to_string()));
    }
    let until = Instant::now() + bounds.time;
    let mut child = Running::start(image, words, snapshot).map_err(|error| {
        let why = Errno::from_io_error(&error).map_or_else(|| error.to_string(), Refusal::of_exec);
        RehearsalFailure::Start(why)
    })?;
    child.limit(bounds);
    let ended = child.listen(until);
    // Whatever it has started ends with it.
    child.end();
    let status = child.child.wait();
    let stderr = tail(&child.stderr.bytes);
    match ended.map_err(|errno| RehearsalFailure::Unknown(errno.into()))? {
        Ended::Late => Err(RehearsalFailure::Time { time: bounds.time, stderr }),
        Ended::Spoke(max) => Err(RehearsalFailure::Spoke { max, stderr }),
        Ended::Itself => judge(status.map_err(RehearsalFailure::Unknown)?, child.stdout.bytes, stderr),
    }
}

fn judge(status: ExitStatus, stdout: Vec<u8>, stderr: String) -> Result<Rehearsed, RehearsalFailure> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(Rehearsed { stdout, stderr }),
        (Some(NOT_LOADED), _) => Err(RehearsalFailure::Loader { stderr }),
        (Some(status), _) => Err(RehearsalFailure::Exit { status, stderr }),
        (None, number) => Err(RehearsalFailure::Killed { signal: signal::name(number.unwrap_or(0)), stderr }),
    }
}

/// The last of what was said, in whole characters and lines where there are some.
fn tail(bytes: &[u8]) -> String {
    let from = bytes.len().saturating_sub(TOLD_MAX);
    let text = String::from_utf8_lossy(&bytes[from..]);
    let text = match text.split_once('\n') {
        Some((_, rest)) if from > 0 && !rest.trim().is_empty() => rest,
        _ => &text,
    };
    text.trim().to_owned()
}

enum Ended {
    Itself,
    Late,
    Spoke(usize),
}

/// A child, and what it said so far.
struct Running {
    child: Child,
    stdout: Heard,
    stderr: Heard,
}

struct Heard {
    pipe: Option<std::fs::File>,
    bytes: Vec<u8>,
    max: usize,
}

impl Running {
    fn start(image: &Image, words: &[&str], snapshot: BorrowedFd<'_>) -> io::Result<Running> {
        // A description of its own: the other one's place is not ours to move.
        let path = format!("/proc/self/fd/{}", snapshot.as_raw_fd());
        let stdin = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        let mut command = Command::new(format!("/proc/self/fd/{}", image.as_fd().as_raw_fd()));
        command.arg0(image.path()).args(words).process_group(0);
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (key, _) in std::env::vars_os() {
            let text = key.to_string_lossy();
            // Faults for tests are told by a variable.
            let of_mainstay = text.starts_with("MAINSTAY_") && !text.starts_with("MAINSTAY_TEST_");
            if of_mainstay || OURS.contains(&text.as_ref()) {
                command.env_remove(&key);
            }
        }
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().map(|pipe| std::fs::File::from(std::os::fd::OwnedFd::from(pipe)));
        let stderr = child.stderr.take().map(|pipe| std::fs::File::from(std::os::fd::OwnedFd::from(pipe)));
        let heard = |pipe, max| Heard { pipe, bytes: Vec::new(), max };
        Ok(Running { child, stdout: heard(stdout, STDOUT_MAX), stderr: heard(stderr, STDERR_MAX) })
    }

    /// A child that has ended already needs no limits.
    fn limit(&self, bounds: &Bounds) {
        let seconds = bounds.cpu.as_secs() + u64::from(bounds.cpu.subsec_nanos() > 0);
        sys::limit(self.child.id(), bounds.memory, seconds.max(1));
        let _ = std::fs::write(format!("/proc/{}/oom_score_adj", self.child.id()), OOM_SCORE);
        // It may take a little longer, so that those who are served do not notice.
        sys::go_behind(self.child.id());
    }

    /// Until it has ended or broken a bound.
    fn listen(&mut self, until: Instant) -> Result<Ended, Errno> {
        for heard in [&self.stdout, &self.stderr] {
            if let Some(pipe) = &heard.pipe {
                fcntl_setfl(pipe, OFlags::NONBLOCK)?;
            }
        }
        loop {
            // Asked first: what it said before its end is in the pipes then.
            let ended = self.child.try_wait();
            for heard in [&mut self.stdout, &mut self.stderr] {
                heard.hear()?;
                if heard.bytes.len() > heard.max {
                    return Ok(Ended::Spoke(heard.max));
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            match ended {
                Ok(None) if left.is_zero() => return Ok(Ended::Late),
                Ok(None) => self.wait(left.min(LOOK))?,
                // Somebody else has reaped it: `wait` will tell.
                Ok(Some(_)) | Err(_) => return Ok(Ended::Itself),
            }
        }
    }

    fn wait(&self, time: Duration) -> Result<(), Errno> {
        let open = [&self.stdout, &self.stderr].into_iter().filter_map(|heard| heard.pipe.as_ref());
        let mut polled: Vec<PollFd<'_>> = open.map(|pipe| PollFd::new(pipe, PollFlags::IN)).collect();
        let time = rustix::time::Timespec { tv_sec: 0, tv_nsec: i64::from(time.subsec_nanos()) };
        match poll(&mut polled, Some(&time)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    fn end(&mut self) {
        // It leads a group of its own; when nobody is left in it, nobody is hit. It is not reaped in between if it still
        // runs, and its number is taken as long as others of its group run.
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Heard {
    /// Everything that is there now.
    fn hear(&mut self) -> Result<(), Errno> {
        let mut block = [0; 16 << 10];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut block) {
                Ok(0) => self.pipe = None,
                Ok(read) => self.bytes.extend_from_slice(&block[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
            }
            if self.bytes.len() > self.max {
                break;
            }
        }
        Ok(())
    }
}
