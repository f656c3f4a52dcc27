//! A snapshot as text, for people: what is in it, without secrets.

use super::Unreadable;
use super::sections::Sections;
use bytes::Bytes;
use mainstay_base::snapshot::Snapshot;
use std::fmt::Write as _;

/// `mainstay snapshot show`: what the bytes of a snapshot hold.
///
/// # Errors
/// They are none, for people.
pub fn show(bytes: &Bytes) -> Result<String, String> {
    Snapshot::decode(bytes).map(|snapshot| text(&snapshot)).map_err(|error| error.to_string())
}

/// A line or more for each section; no secret is in it.
pub(super) fn text(snapshot: &Snapshot) -> String {
    let mut text = format!("snapshot of mainstay {}, {} sections\n", snapshot.product, snapshot.sections.len());
    if let Err(error) = Sections::sort(&snapshot.sections) {
        let _ = writeln!(text, "this program could not take it: {error}");
    }
    for section in &snapshot.sections {
        let _ = writeln!(text, "\n{} (version {}, {} bytes)", section.kind, section.version, section.payload.len());
        let shown = match &*section.kind {
            super::config::KIND => super::config::show(section),
            super::nexus::KIND => super::nexus::show(section),
            super::queue::KIND => super::queue::show(section),
            super::associations::KIND => super::associations::show(section),
            super::connection::KIND => super::connection::show(section),
            super::program::KIND => super::program::show(section),
            super::volume::KIND => super::volume::show(section),
            super::arena::KIND => super::arena::show(section),
            super::sessions::KIND => super::sessions::show(section),
            super::controls::KIND => super::controls::show(section),
            super::journal::KIND => super::journal::show(section),
            super::descriptors::KIND => super::descriptors::show(section),
            super::announcer::KIND => super::announcer::show(section),
            super::live::KIND => super::live::show(section),
            super::state::KIND => super::state::show(section),
            #[cfg(feature = "next")]
            super::next::registry::KIND => super::next::registry::show(section),
            _ => Err(Unreadable::Unknown(section.kind.to_string())),
        };
        match shown {
            Ok(shown) => text.extend(shown.lines().map(|line| format!("  {line}\n"))),
            Err(error) => text.push_str(&format!("  {error}\n")),
        }
    }
    text
}
