//! Executables, held open: what was checked is what runs, whatever happens to its path meanwhile.

use super::{Note, Refusal};
use rustix::fs::{FileType, Mode, OFlags, Stat, fcntl_setfl, fstat, open};
use rustix::io::{Errno, pread};
use sha2::{Digest, Sha256};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Ten times what a build with all its debug information has.
const SIZE_MAX: u64 = 2 << 30;
/// What is hashed at a time, in bytes: some 100 µs of work.
const BLOCK: usize = 128 << 10;
/// After each of them, so that on a busy processor those who are served wait for one of them at most.
const REST: Duration = Duration::from_micros(100);

/// An executable held open.
pub struct Image {
    descriptor: OwnedFd,
    path: PathBuf,
    looks: Looks,
    digest: [u8; 32],
}

/// What a file looks like from outside. Writing to it cannot leave all of this as it was.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Looks {
    device: u64,
    inode: u64,
    mode: u32,
    owner: u32,
    group: u32,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Looks {
    #[allow(clippy::unnecessary_cast)] // the fields' types differ by system
    fn of(stat: &Stat) -> Looks {
        Looks {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            mode: stat.st_mode as u32,
            owner: stat.st_uid,
            group: stat.st_gid,
            size: stat.st_size as u64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }
}

impl Image {
    /// Opens the executable at `path` and checks who could have made and changed it. From then on the path is not used
    /// any more.
    ///
    /// # Errors
    /// It is not a file that may run in our name.
    pub fn stage(path: &Path) -> Result<Image, Refusal> {
        // A pipe would keep us waiting for its writer.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let descriptor = open(path, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::NOENT => Refusal::Missing { path: path.into() },
            errno => Refusal::Io { path: path.into(), doing: "open", errno },
        })?;
        let image = Image::look(descriptor, path)?;
        image.may_run()?;
        fcntl_setfl(&image.descriptor, OFlags::empty()).map_err(|errno| image.io("open", &errno.into()))?;
        let digest = image.hash()?;
        let image = Image { digest, ..image };
        image.untouched()?;
        image.note()?;
        Ok(image)
    }

    /// The executable that runs, even if its path leads elsewhere by now.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn running() -> Result<Image, Refusal> {
        let path = std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into());
        let from = if cfg!(target_os = "linux") { Path::new("/proc/self/exe") } else { &path };
        let descriptor = open(from, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(|errno| Refusal::Io {
            path: path.clone(),
            doing: "open",
            errno,
        })?;
        let image = Image::look(descriptor, &path)?;
        let digest = image.hash()?;
        Ok(Image { digest, ..image })
    }

    fn look(descriptor: OwnedFd, path: &Path) -> Result<Image, Refusal> {
        let stat = fstat(&descriptor).map_err(|errno| Refusal::Io { path: path.into(), doing: "look at", errno })?;
        Ok(Image { descriptor, path: path.into(), looks: Looks::of(&stat), digest: [0; 32] })
    }

    fn may_run(&self) -> Result<(), Refusal> {
        let path = || self.path.clone();
        let kind = match FileType::from_raw_mode(self.looks.mode as _) {
            FileType::RegularFile => None,
            FileType::Directory => Some("a directory"),
            FileType::Fifo => Some("a pipe"),
            FileType::Socket => Some("a socket"),
            FileType::BlockDevice => Some("a block device"),
            FileType::CharacterDevice => Some("a character device"),
            _ => Some("something else"),
        };
        if let Some(kind) = kind {
            return Err(Refusal::NotAFile { path: path(), kind });
        }
        let (owner, us, mode) = (self.looks.owner, rustix::process::geteuid().as_raw(), self.looks.mode & 0o7777);
        if owner != 0 && owner != us {
            return Err(Refusal::Owner { path: path(), owner, us });
        }
        if mode & 0o022 != 0 {
            let who = if mode & 0o002 != 0 { "everybody" } else { "its group" };
            return Err(Refusal::Writable { path: path(), who, mode });
        }
        if mode & 0o111 == 0 {
            return Err(Refusal::NotExecutable { path: path(), mode });
        }
        match self.looks.size {
            0 => Err(Refusal::Empty { path: path() }),
            size if size > SIZE_MAX => Err(Refusal::Large { path: path(), size }),
            _ => Ok(()),
        }
    }

    fn hash(&self) -> Result<[u8; 32], Refusal> {
        let mut hash = Sha256::new();
        let mut block = vec![0; BLOCK];
        let mut at = 0;
        loop {
            match pread(&self.descriptor, &mut block[..], at) {
                Ok(0) => return Ok(hash.finalize().into()),
                Ok(read) => {
                    hash.update(&block[..read]);
                    at += read as u64;
                    std::thread::sleep(REST);
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(Refusal::Io { path: self.path.clone(), doing: "read", errno }),
            }
        }
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// It is not ours, or cannot be read.
    pub fn note(&self) -> Result<Note, Refusal> {
        let from = Positioned { image: self, at: 0 };
        Note::read(from).map_err(|why| Refusal::Contents { path: self.path.clone(), why: Box::new(why) })
    }

    fn io(&self, doing: &'static str, error: &io::Error) -> Refusal {
        let errno = Errno::from_io_error(error).unwrap_or(Errno::IO);
        Refusal::Io { path: self.path.clone(), doing, errno }
    }

    /// Which build this is: the beginning of its hash, 16 hexadecimal digits.
    pub fn build(&self) -> String {
        self.digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Where it was found; something else may be there by now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it again. Takes as long as staging did.
    ///
    /// # Errors
    /// It is not what was checked any more.
    pub fn unchanged(&self) -> Result<(), Refusal> {
        let same = self.hash()? == self.digest;
        self.untouched()?;
        if same { Ok(()) } else { Err(Refusal::Changed { path: self.path.clone() }) }
    }

    /// Looks only at size, times, owner and mode: cheap.
    ///
    /// # Errors
    /// It may not be what was checked any more.
    pub fn untouched(&self) -> Result<(), Refusal> {
        let stat = fstat(&self.descriptor).map_err(|errno| self.io("look at", &errno.into()))?;
        if Looks::of(&stat) == self.looks { Ok(()) } else { Err(Refusal::Changed { path: self.path.clone() }) }
    }
}

impl AsFd for Image {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Reads an image with a place of its own: the descriptor's is shared with whoever has a copy of it.
struct Positioned<'a> {
    image: &'a Image,
    at: u64,
}

impl Read for Positioned<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = pread(&self.image.descriptor, into, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Positioned<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.image.looks.size.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
