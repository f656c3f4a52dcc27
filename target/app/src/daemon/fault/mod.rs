//! Faults on order, for the tests of the swap: at named points of it the program does what a file says.
//!
//! Only builds with the feature `next` have any. The file is the one that `MAINSTAY_TEST_FAULT` names, read each time, so that
//! the environment need not change; it holds one line, `POINT WHAT`, e.g. `adopt segv`. Whoever comes by that point takes
//! the file away, to `FILE.hit`, and does it once.

#[cfg(feature = "next")]
mod sys;

/// What the file says of `point` happens here; an error is one that was ordered.
#[cfg(not(feature = "next"))]
pub(crate) fn at(_point: &str) -> Result<(), String> {
    Ok(())
}

/// Whether `what` is ordered for `point`, for faults that only the place itself can have.
#[cfg(not(feature = "next"))]
pub(crate) fn ordered(_point: &str, _what: &str) -> bool {
    false
}

#[cfg(feature = "next")]
pub(crate) use orders::{at, ordered, word};

#[cfg(feature = "next")]
mod orders {
    use super::sys;
    use rustix::process::{Signal, getpid, getppid, kill_process};
    use std::hint::black_box;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    const VARIABLE: &str = "MAINSTAY_TEST_FAULT";
    /// Address space that is taken before giving up on a limit.
    const MEMORY_MAX: u64 = 1 << 38;

    /// The file's name: from our environment, or our parent's, since a rehearsal is given none of these variables.
    fn file() -> Option<PathBuf> {
        if let Some(path) = std::env::var_os(VARIABLE) {
            return Some(path.into());
        }
        let parent = std::fs::read(format!("/proc/{}/environ", getppid()?)).ok()?;
        let pair = parent.split(|byte| *byte == 0).find_map(|pair| pair.strip_prefix(VARIABLE.as_bytes()))?;
        Some(PathBuf::from(std::str::from_utf8(pair.strip_prefix(b"=")?).ok()?))
    }

    fn hit(file: &Path) -> PathBuf {
        file.with_extension("hit")
    }

    /// What is ordered for `point`, which is then taken away: a word or two.
    pub(crate) fn word(point: &str) -> Option<String> {
        let file = file()?;
        let text = std::fs::read_to_string(&file).ok()?;
        let word = text.trim().strip_prefix(point)?.strip_prefix(' ')?.to_owned();
        // Of several who come by, one does it.
        std::fs::rename(&file, hit(&file)).ok()?;
        Some(word)
    }

    pub(crate) fn ordered(point: &str, what: &str) -> bool {
        word(point).is_some_and(|word| word == what)
    }

    pub(crate) fn at(point: &str) -> Result<(), String> {
        let Some(word) = word(point) else { return Ok(()) };
        match word.as_str() {
            "error" => return Err(format!("a test ordered an error at {point}")),
            "panic" => panic!("a test ordered a panic at {point}"),
            "segv" => sys::read_nowhere(),
            "abort" => std::process::abort(),
            "overflow" => drop(deeper(0)),
            "hang" => loop {
                std::thread::sleep(Duration::from_secs(1));
            },
            "kill" => drop(kill_process(getpid(), Signal::KILL)),
            "memory" => take_memory(),
            // Goes on when the test has taken the mark away.
            "wait" => {
                while file().is_some_and(|file| hit(&file).exists()) {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            _ => return Err(format!("there is no fault {word:?}")),
        }
        Ok(())
    }

    /// Until the stack is used up.
    fn deeper(depth: u64) -> [u64; 128] {
        let mut frame = [depth; 128];
        if black_box(depth) < u64::MAX {
            frame[1] = deeper(depth + 1)[0];
        }
        black_box(frame)
    }

    /// Until there is no more, which ends the process.
    fn take_memory() {
        let mut taken: Vec<Vec<u8>> = Vec::new();
        while (taken.len() as u64) << 28 < MEMORY_MAX {
            taken.push(black_box(Vec::with_capacity(1 << 28)));
        }
    }
}
