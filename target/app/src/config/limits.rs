//! Limits and the log.

use super::keys::Table;
use super::kind::{self, Kind, Wrong};
use super::view::View;
use std::time::Duration;
use toml::de::DeValue;

/// Bounds that protect this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes for payload on its way.
    pub memory: u64,
    /// Sessions at a time.
    pub sessions_max: usize,
    /// Connections that have not logged in.
    pub logins_max: usize,
    /// How long a login may take.
    pub login_timeout: Duration,
    /// Silence after which a peer is pinged; zero: never.
    pub ping_interval: Duration,
    /// How long its answer may take.
    pub ping_timeout: Duration,
    /// Commands of a session at a time.
    pub window_max: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            memory: 256 << 20,
            sessions_max: 1024,
            logins_max: 128,
            login_timeout: Duration::from_secs(15),
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(30),
            window_max: 128,
        }
    }
}

/// What the log shows and in which form; what is not said is for the command line to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// In the syntax of `tracing_subscriber::EnvFilter`; valid.
    pub filter: Option<String>,
    /// In which form.
    pub format: Option<LogFormat>,
}

/// Forms of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people, on standard error.
    Human,
    /// An object a line, on standard error.
    Json,
    /// With fields, to the journal's socket.
    Journald,
}

fn bounds(schema: &'static Table, key: &str) -> Kind {
    schema.key(key).map_or(Kind::Bool, |key| key.kind)
}

impl Limits {
    pub(super) fn read(view: Option<View<'_>>) -> Limits {
        let mut limits = Limits::default();
        let Some(view) = view else { return limits };
        let number = |key: &str| {
            let Kind::Integer(min, max) = bounds(&super::keys::LIMITS, key) else { return None };
            view.get(key, |value| kind::integer(value, min, max)).map(|value| value.is)
        };
        let time = |key: &str, into: &mut Duration| {
            let Kind::Time(min, max) = bounds(&super::keys::LIMITS, key) else { return };
            if let Some(value) = view.get(key, |value| kind::time(value, min, max)) {
                *into = value.is;
            }
        };
        if let Some(memory) = view.get("memory", |value| kind::size(value, 16 << 20)) {
            limits.memory = memory.is;
        }
        limits.sessions_max = number("sessions").map_or(limits.sessions_max, |number| number as usize);
        limits.logins_max = number("logins").map_or(limits.logins_max, |number| number as usize);
        limits.window_max = number("window").map_or(limits.window_max, |number| number as u32);
        time("login_timeout", &mut limits.login_timeout);
        time("ping_interval", &mut limits.ping_interval);
        time("ping_timeout", &mut limits.ping_timeout);
        limits
    }
}

impl Log {
    pub(super) fn read(view: Option<View<'_>>) -> Log {
        let Some(view) = view else { return Log::default() };
        let format = |value: &DeValue<'_>| match value.as_str() {
            Some("human") => Ok(LogFormat::Human),
            Some("json") => Ok(LogFormat::Json),
            Some("journald") => Ok(LogFormat::Journald),
            _ => Err(Wrong { what: String::new(), right: String::new() }),
        };
        Log {
            filter: view.get("level", kind::filter).map(|level| level.is.to_owned()),
            format: view.get("format", format).map(|format| format.is),
        }
    }
}
