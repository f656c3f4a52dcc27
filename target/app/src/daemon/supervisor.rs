//! Words to the service manager that started us, if it wants any (sd_notify(3)): that we are ready, alive, stopping.
//!
//! The environment is read and left as it is: after a swap the next program finds the same supervisor in it. What starts
//! children takes these variables away from them.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// How long the first word may take: without it we would count as not started.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who watches over us; without one, nobody hears what is said.
#[derive(Debug)]
pub(super) struct Supervisor {
    listens: Option<(UnixDatagram, SocketAddr)>,
    /// Silence of this length would be the end of us.
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// The one that the environment names.
    pub fn from_environment() -> Supervisor {
        Supervisor::named(|name| std::env::var_os(name), std::process::id())
    }

    fn named(variable: impl Fn(&str) -> Option<OsString>, pid: u32) -> Supervisor {
        let listens = variable("NOTIFY_SOCKET").and_then(|place| {
            let socket = address(&place).and_then(|address| Ok((quiet()?, address)));
            socket.inspect_err(|error| tracing::warn!("NOTIFY_SOCKET={}: {error}", place.display())).ok()
        });
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        // Somebody else's, inherited (sd_watchdog_enabled(3)).
        let ours = variable("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(u64::from(pid));
        let watchdog = number("WATCHDOG_USEC").filter(|us| *us > 0 && ours && listens.is_some());
        Supervisor { listens, watchdog: watchdog.map(Duration::from_micros) }
    }

    /// Everything is served. Waits a little for the supervisor, as nobody waits for us yet.
    pub fn ready(&self) {
        let Some((socket, _)) = &self.listens else { return };
        let patient = socket.set_nonblocking(false).and_then(|()| socket.set_write_timeout(Some(PATIENCE)));
        self.say("READY=1");
        if let Err(error) = patient.and_then(|()| socket.set_nonblocking(true)) {
            tracing::warn!("the supervisor's socket: {error}");
        }
    }

    /// What we do, for people.
    pub fn status(&self, status: &str) {
        self.say(&format!("STATUS={status}"));
    }

    /// We were told to stop, and will.
    pub fn stopping(&self, why: &str) {
        self.say(&format!("STOPPING=1\nSTATUS=Stopping: {why}"));
    }

    /// We are alive. Also to be said before and after what may take long.
    pub fn keep_alive(&self) {
        if self.watchdog.is_some() {
            self.say("WATCHDOG=1");
        }
    }

    /// Keep saying that we are alive, for as long as the supervisor wants to hear it.
    pub async fn keep_saying(&self) {
        let Some(watchdog) = self.watchdog else { return };
        loop {
            self.keep_alive();
            // Half, as sd_watchdog_enabled(3) recommends.
            tokio::time::sleep(watchdog / 2).await;
        }
    }

    fn say(&self, words: &str) {
        let Some((socket, address)) = &self.listens else { return };
        if let Err(error) = socket.send_to_addr(words.as_bytes(), address) {
            tracing::warn!("the supervisor does not hear us: {error}");
        }
    }
}

/// A socket that waits for nobody.
fn quiet() -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A path, or a name without a file behind an `@`.
fn address(place: &OsStr) -> io::Result<SocketAddr> {
    match place.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(place),
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "neither an absolute path nor @ and a name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PID: u32 = 77;

    fn supervisor(variables: &[(&str, &str)]) -> Supervisor {
        let lookup = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
        Supervisor::named(lookup, PID)
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut words = [0; 256];
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let n = socket.recv(&mut words).unwrap();
        String::from_utf8(words[..n].to_vec()).unwrap()
    }

    #[test]
    fn it_hears_us_at_a_path_and_at_a_name() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("notify");
        let place = path.to_str().unwrap().to_owned();
        let mut places = vec![(UnixDatagram::bind(&path).unwrap(), place)];
        if cfg!(target_os = "linux") {
            // The folder's name is nobody else's.
            let place = format!("@{}", path.display());
            let listener = UnixDatagram::bind_addr(&address(place.as_ref()).unwrap()).unwrap();
            places.push((listener, place));
        }
        for (listener, place) in places {
            let supervisor = supervisor(&[("NOTIFY_SOCKET", &place), ("WATCHDOG_USEC", "3000000")]);
            supervisor.status("Serves");
            supervisor.ready();
            supervisor.keep_alive();
            supervisor.stopping("terminated");
            assert_eq!(heard(&listener), "STATUS=Serves");
            assert_eq!(heard(&listener), "READY=1");
            assert_eq!(heard(&listener), "WATCHDOG=1");
            assert_eq!(heard(&listener), "STOPPING=1\nSTATUS=Stopping: terminated");
        }
    }

    #[test]
    fn one_that_does_not_listen_is_not_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("notify");
        let place = path.to_str().unwrap();
        let listener = UnixDatagram::bind(&path).unwrap();
        let supervisor = supervisor(&[("NOTIFY_SOCKET", place), ("WATCHDOG_USEC", "3000000")]);
        supervisor.ready();
        // More than any queue of datagrams holds.
        (0..5000).for_each(|_| supervisor.keep_alive());
        assert_eq!(heard(&listener), "READY=1");
        drop(listener);
        supervisor.keep_alive();
    }

    #[test]
    fn a_watchdog_of_another_process_or_without_a_socket_is_none() {
        let watchdog = |pid: Option<&str>, us| {
            let mut variables = vec![("NOTIFY_SOCKET", "/run/notify"), ("WATCHDOG_USEC", us)];
            variables.extend(pid.map(|pid| ("WATCHDOG_PID", pid)));
            supervisor(&variables).watchdog
        };
        assert_eq!(watchdog(None, "30000000"), Some(Duration::from_secs(30)));
        assert_eq!(watchdog(Some("77"), "30000000"), Some(Duration::from_secs(30)));
        for (pid, us) in [(Some("78"), "30000000"), (Some("x"), "30000000"), (None, "0"), (None, "soon")] {
            assert_eq!(watchdog(pid, us), None, "{pid:?} {us}");
        }
        assert!(supervisor(&[("WATCHDOG_USEC", "30000000")]).watchdog.is_none());
        for place in ["", "relative", "vsock:2:1"] {
            assert!(supervisor(&[("NOTIFY_SOCKET", place)]).listens.is_none(), "{place}");
        }
    }
}
