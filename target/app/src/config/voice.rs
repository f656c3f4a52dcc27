//! How the daemon speaks, as its command line says it; the rest of that is in [`super::Log`].

use super::LogFormat;

/// What is told on standard output, and how much is logged. A daemon that takes over from another gets the other's, so
/// that nobody who reads along notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Voice {
    /// What standard output gets.
    pub told: Told,
    /// Where the log goes, if the command line says it.
    pub log: Option<LogFormat>,
    /// How many times more is logged.
    pub verbose: u8,
}

/// What standard output gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Told {
    /// Lines for people.
    #[default]
    People,
    /// A JSON object on each line.
    Json,
    /// Nothing.
    Nothing,
}

/// The saved form of a [`Voice`].
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct VoiceV1 {
    /// 0 people, 1 JSON, 2 nothing.
    #[prost(uint32, tag = "1")]
    pub told: u32,
    /// 0 human, 1 JSON, 2 journald; none: not said.
    #[prost(uint32, optional, tag = "2")]
    pub log: Option<u32>,
    /// How many times more is logged.
    #[prost(uint32, tag = "3")]
    pub verbose: u32,
}

const TOLD: [Told; 3] = [Told::People, Told::Json, Told::Nothing];
const LOG: [LogFormat; 3] = [LogFormat::Human, LogFormat::Json, LogFormat::Journald];

impl Voice {
    /// The saved form.
    pub fn save(&self) -> VoiceV1 {
        let told = match self.told {
            Told::People => 0,
            Told::Json => 1,
            Told::Nothing => 2,
        };
        let log = self.log.map(|log| match log {
            LogFormat::Human => 0,
            LogFormat::Json => 1,
            LogFormat::Journald => 2,
        });
        VoiceV1 { told, log, verbose: self.verbose.into() }
    }

    /// What was saved; none: a form that this program does not know.
    pub fn restore(saved: &VoiceV1) -> Option<Voice> {
        let log = match saved.log {
            None => None,
            Some(log) => Some(*LOG.get(log as usize)?),
        };
        Some(Voice { told: *TOLD.get(saved.told as usize)?, log, verbose: saved.verbose.try_into().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_voice_survives() {
        for told in TOLD {
            for log in LOG.map(Some).into_iter().chain([None]) {
                for verbose in [0, 1, 255] {
                    let voice = Voice { told, log, verbose };
                    assert_eq!(Voice::restore(&voice.save()), Some(voice));
                }
            }
        }
        let good = Voice::default().save();
        assert_eq!(Voice::restore(&VoiceV1 { told: 3, ..good }), None);
        assert_eq!(Voice::restore(&VoiceV1 { log: Some(3), ..good }), None);
        assert_eq!(Voice::restore(&VoiceV1 { verbose: 256, ..good }), None);
    }
}
