//! Where the control socket and the state directory are, and how the socket is made.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Environment variable that names the control socket.
pub const CONTROL_VARIABLE: &str = "MAINSTAY_CONTROL";
/// Environment variable that names the state directory.
pub const STATE_VARIABLE: &str = "MAINSTAY_STATE_DIR";

/// Connections of the control socket at a time; more are closed at once.
pub const CONNECTIONS_MAX: usize = 64;

const NAME: &str = "control.sock";

/// What decides about places: the user and the environment.
pub struct Surroundings<'a> {
    /// Effective user id.
    pub uid: u32,
    /// Looks up an environment variable.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
}

impl Surroundings<'_> {
    /// Those of this process.
    pub fn real() -> Surroundings<'static> {
        Surroundings { uid: rustix::process::geteuid().as_raw(), variable: &|name| std::env::var_os(name) }
    }

    fn directory(&self, name: &str) -> Option<PathBuf> {
        (self.variable)(name).map(PathBuf::from).filter(|path| path.is_absolute())
    }

    /// The control socket a daemon makes: that of MAINSTAY_CONTROL, else `/run/mainstay/control.sock` as root, else in the
    /// user's run-time directory, else in a directory of the user's own under `/tmp`.
    pub fn control(&self) -> PathBuf {
        if let Some(path) = (self.variable)(CONTROL_VARIABLE).filter(|path| !path.is_empty()) {
            return PathBuf::from(path);
        }
        if self.uid == 0 {
            return system_control();
        }
        match self.directory("XDG_RUNTIME_DIR") {
            Some(directory) => directory.join("mainstay").join(NAME),
            None => PathBuf::from(format!("/tmp/mainstay-{}", self.uid)).join(NAME),
        }
    }

    /// The control socket a client asks: the same, but the system's daemon when the user has none.
    pub fn control_to_ask(&self) -> PathBuf {
        let own = self.control();
        let named = (self.variable)(CONTROL_VARIABLE).is_some_and(|path| !path.is_empty());
        if !named && !own.exists() && system_control().exists() { system_control() } else { own }
    }

    /// The state directory: that of MAINSTAY_STATE_DIR, else the one systemd made (STATE_DIRECTORY), else
    /// `/var/lib/mainstay` as root, else in the user's own state directory. None without a home directory.
    pub fn state(&self) -> Option<PathBuf> {
        if let Some(path) = (self.variable)(STATE_VARIABLE).filter(|path| !path.is_empty()) {
            return Some(PathBuf::from(path));
        }
        // systemd lists several with colons; ours is the first.
        if let Some(list) = (self.variable)("STATE_DIRECTORY").and_then(|list| list.into_string().ok())
            && let Some(first) = list.split(':').next().filter(|first| first.starts_with('/'))
        {
            return Some(PathBuf::from(first));
        }
        if self.uid == 0 {
            return Some(PathBuf::from(if cfg!(target_os = "macos") {
                "/var/db/mainstay"
            } else {
                "/var/lib/mainstay"
            }));
        }
        let home = || self.directory("HOME").map(|home| home.join(".local/state"));
        self.directory("XDG_STATE_HOME").or_else(home).map(|directory| directory.join("mainstay"))
    }
}

fn system_control() -> PathBuf {
    PathBuf::from(if cfg!(target_os = "macos") { "/var/run/mainstay" } else { "/run/mainstay" }).join(NAME)
}

/// The state directory: `named`, else that of the surroundings, with the directories above it made (0700). The error is
/// for people.
pub fn state(named: Option<PathBuf>) -> Result<PathBuf, String> {
    let path = named.or_else(|| Surroundings::real().state());
    let path = path.ok_or("there is no home directory to keep state in: name one with --state-dir DIR")?;
    if let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(parent);
        made.map_err(|error| format!("state directory {}: {error}", path.display()))?;
    }
    Ok(path)
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum BindError {
    #[error("the control socket {} is in use: another mainstay is running (its `status` says what it serves); choose a different --control PATH", .0.display())]
    InUse(PathBuf),
    #[error("{} exists and is not a socket; choose a different --control PATH", .0.display())]
    NotASocket(PathBuf),
    #[error("others may write to {}, so the control socket would not be safe there; choose a different --control PATH", .0.display())]
    Unsafe(PathBuf),
    #[error("the path of the control socket is too long for this system ({} bytes): {}", .0.as_os_str().len(), .0.display())]
    TooLong(PathBuf),
    #[error("control socket {}: {error}", .path.display())]
    Io { path: PathBuf, error: io::Error },
}

/// Listens at `path` with mode 0600; its directory is made (0700) if need be. A socket left by a daemon that died is
/// replaced, one that somebody listens on is not. The listener is non-blocking and close-on-exec.
pub fn bind(path: &Path) -> Result<UnixListener, BindError> {
    let io = |error| BindError::Io { path: path.to_owned(), error };
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(io)?;
    let metadata = fs::metadata(directory).map_err(io)?;
    let (mode, me) = (metadata.mode(), rustix::process::geteuid().as_raw());
    let mine = metadata.uid() == me || metadata.uid() == 0;
    if !mine || (mode & 0o022 != 0 && mode & 0o1000 == 0) {
        return Err(BindError::Unsafe(directory.to_owned()));
    }
    let address = socket2::SockAddr::unix(path).map_err(|_| BindError::TooLong(path.to_owned()))?;
    // Two daemons starting at once take turns, so that neither unlinks the other's fresh socket.
    let turn = File::open(directory).map_err(io)?;
    turn.lock().map_err(io)?;
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => return Err(BindError::NotASocket(path.to_owned())),
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(io)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // Somebody is there, even if too busy or not ours to talk to.
            Ok(_) | Err(_) => return Err(BindError::InUse(path.to_owned())),
        },
    }
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).map_err(io)?;
    socket.bind(&address).map_err(io)?;
    // Nobody can connect before `listen`, so nobody slips in before the mode is set.
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(io)?;
    socket.listen(64).map_err(io)?;
    socket.set_nonblocking(true).map_err(io)?;
    Ok(UnixListener::from(std::os::fd::OwnedFd::from(socket)))
}

/// Takes the socket away; to be called while still listening, or it might be a successor's that goes.
pub fn unbind(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("control socket {}: {error}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn the_socket_is_private_and_its_directory_too() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b/control.sock");
        let _listener = bind(&path).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert!(matches!(bind(&path), Err(BindError::InUse(_))));
        unbind(&path);
        unbind(&path);
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_socket_is_replaced_and_anything_else_is_not() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("control.sock");
        drop(bind(&path).unwrap());
        let listener = bind(&path).unwrap();
        drop(UnixStream::connect(&path).unwrap());
        drop(listener);
        let file = home.path().join("file");
        fs::write(&file, "precious").unwrap();
        assert!(matches!(bind(&file), Err(BindError::NotASocket(_))));
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
        let long = home.path().join("x".repeat(120));
        assert!(matches!(bind(&long), Err(BindError::TooLong(_))));
        fs::set_permissions(home.path(), Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(bind(&home.path().join("c")), Err(BindError::Unsafe(_))));
    }

    #[test]
    fn places_follow_the_user_and_the_environment() {
        let ask = |uid, variables: &[(&str, &str)]| {
            let lookup =
                |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
            let here = Surroundings { uid, variable: &lookup };
            (here.control().display().to_string(), here.state().map(|path| path.display().to_string()))
        };
        if cfg!(target_os = "linux") {
            let root = ask(0, &[("HOME", "/root"), ("XDG_RUNTIME_DIR", "/run/user/0")]);
            assert_eq!(root, ("/run/mainstay/control.sock".into(), Some("/var/lib/mainstay".into())));
        }
        let user = ask(1000, &[("HOME", "/home/me"), ("XDG_RUNTIME_DIR", "/run/user/1000")]);
        assert_eq!(
            user,
            ("/run/user/1000/mainstay/control.sock".into(), Some("/home/me/.local/state/mainstay".into()))
        );
        let user = ask(1000, &[("XDG_STATE_HOME", "/s"), ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")]);
        assert_eq!(user, ("/tmp/mainstay-1000/control.sock".into(), Some("/var/lib/a".into())));
        let named = ask(1000, &[(CONTROL_VARIABLE, "c.sock"), (STATE_VARIABLE, "s")]);
        assert_eq!(named, ("c.sock".into(), Some("s".into())));
        assert_eq!(ask(1000, &[]).1, None);
    }
}
