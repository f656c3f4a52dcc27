//! What the program writes about itself while it serves.

use crate::config::{Log, LogFormat, Voice};
use clap::ValueEnum;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, IsTerminal};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Environment variable with the filter, in the words of tracing: `debug`, `warn,mainstay_proto=trace`.
pub const VARIABLE: &str = "MAINSTAY_LOG";

/// Where the log goes, and in which form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// Lines for people on standard error
    #[default]
    Human,
    /// One JSON object per line on standard error
    Json,
    /// The systemd journal, with fields
    Journald,
}

impl From<LogFormat> for Form {
    fn from(format: LogFormat) -> Form {
        match format {
            LogFormat::Human => Form::Human,
            LogFormat::Json => Form::Json,
            LogFormat::Journald => Form::Journald,
        }
    }
}

/// The filter: what the environment says, else by the number of `-v`, else that of the configuration file. Our own events are told on standard output anyway,
/// so a terminal begins with warnings; elsewhere nobody watches that, and the log begins with what happened.
fn filter(form: Form, verbose: u8, variable: Option<&str>, file: Option<&str>) -> Result<EnvFilter, String> {
    if let Some(text) = variable.filter(|text| !text.is_empty()) {
        return text.parse().map_err(|error| format!("{VARIABLE}={text}: {error}"));
    }
    if let Some(text) = file.filter(|_| verbose == 0) {
        return text.parse().map_err(|error| format!("log level {text:?}: {error}"));
    }
    let first = if form == Form::Human { 0 } else { 1 };
    let level = ["warn", "info", "debug", "trace"][(first + usize::from(verbose)).min(3)];
    Ok(EnvFilter::new(level))
}

impl From<Form> for LogFormat {
    fn from(form: Form) -> LogFormat {
        match form {
            Form::Human => LogFormat::Human,
            Form::Json => LogFormat::Json,
            Form::Journald => LogFormat::Journald,
        }
    }
}

/// Starts logging as the command line says, else as the configuration file says; once per process. The error is for
/// people.
pub fn start(voice: Voice, file: &Log) -> Result<(), String> {
    let form = voice.log.or(file.format).map(Form::from).unwrap_or_default();
    let filter = filter(form, voice.verbose, std::env::var(VARIABLE).ok().as_deref(), file.filter.as_deref())?;
    let registry = tracing_subscriber::registry().with(filter);
    let colours = super::paint::Paint::for_stderr().0;
    let started = match form {
        Form::Human if std::io::stderr().is_terminal() => {
            let layer = tracing_subscriber::fmt::layer().compact().with_ansi(colours).with_target(false);
            registry.with(layer.with_writer(|| Patient)).try_init()
        }
        Form::Human => {
            let layer = tracing_subscriber::fmt::layer().with_ansi(false);
            registry.with(layer.with_writer(|| Patient)).try_init()
        }
        Form::Json => {
            let layer = tracing_subscriber::fmt::layer().json().flatten_event(true);
            registry.with(layer.with_writer(|| Patient)).try_init()
        }
        Form::Journald => {
            let layer = tracing_journald::layer().map_err(|error| format!("no journal to log to: {error}"))?;
            registry.with(layer.with_syslog_identifier("mainstay".to_owned())).try_init()
        }
    };
    started.map_err(|error| error.to_string())
}

/// Standard error, as long as somebody takes what goes there: the daemon has one thread for everything, and does not stop
/// because a log's reader has. What does not go out at once is dropped.
struct Patient;

impl io::Write for Patient {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let stderr = io::stderr();
        let mut ready = [PollFd::new(&stderr, PollFlags::OUT)];
        match poll(&mut ready, Some(&Timespec::default())) {
            Ok(0) => Ok(line.len()),
            _ => stderr.lock().write(line),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_goes_before_the_options() {
        let level = |form, verbose, variable| {
            filter(form, verbose, variable, Some("info").filter(|_| form == Form::Json))
                .map(|filter| filter.to_string())
        };
        assert_eq!(level(Form::Human, 0, None).unwrap(), "warn");
        assert_eq!(level(Form::Human, 2, Some("")).unwrap(), "debug");
        assert_eq!(level(Form::Journald, 0, None).unwrap(), "info");
        assert_eq!(level(Form::Json, 0, None).unwrap(), "info");
        assert_eq!(level(Form::Json, 250, None).unwrap(), "trace");
        assert_eq!(level(Form::Human, 3, Some("error")).unwrap(), "error");
        assert!(level(Form::Human, 0, Some("mainstay=loud")).unwrap_err().contains("MAINSTAY_LOG=mainstay=loud"));
    }
}
