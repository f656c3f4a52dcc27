//! What is wrong with a configuration, or worth a word: printed as a compiler would.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Something that must be put right before the configuration can be used.
pub type Problem = Remark;
/// Something that may be meant, but is worth a look.
pub type Warning = Remark;

/// What is wrong, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Where; none for what no file says (a command line).
    pub place: Option<Place>,
    /// The key's path, like `target[1].lun[0].volume`; empty for the file as a whole.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub right: String,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// From 1; 0 for the file as a whole.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// In characters, at least 1.
    pub width: usize,
    /// The line, secrets blotted out.
    pub source: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A [`Problem`].
    Problem,
    /// A [`Warning`].
    Warning,
}

impl Remark {
    /// A remark that no place in a file belongs to.
    pub fn plain(what: impl Into<String>, right: impl Into<String>) -> Remark {
        Remark { place: None, key: String::new(), what: what.into(), right: right.into() }
    }

    /// The remark as text of several lines; `colours` with the escape sequences of a terminal.
    pub fn show(&self, level: Level, colours: bool) -> String {
        let ink = |code: &'static str| if colours { code } else { "" };
        let (bold, blue, reset) = (ink("\x1b[1m"), ink("\x1b[1;34m"), ink("\x1b[0m"));
        let (word, tint) = match level {
            Level::Problem => ("error", ink("\x1b[1;31m")),
            Level::Warning => ("warning", ink("\x1b[1;33m")),
        };
        let mut out = format!("{tint}{word}{reset}{bold}: {}{reset}\n", clean(&self.what));
        let mut margin = 2;
        match &self.place {
            Some(place) if place.line > 0 => {
                let number = place.line.to_string();
                margin = number.len() + 1;
                let (pad, before) = (" ".repeat(margin), " ".repeat(place.column - 1));
                let (file, column) = (place.file.display(), place.column);
                let carets = "^".repeat(place.width);
                let key = if self.key.is_empty() { String::new() } else { format!(" {}", clean(&self.key)) };
                out += &format!("{}{blue}-->{reset} {file}:{number}:{column}\n", " ".repeat(margin - 1));
                out += &format!("{pad}{blue}|{reset}\n");
                out += &format!("{blue}{number} |{reset} {}\n", place.source.trim_end());
                out += &format!("{pad}{blue}|{reset} {before}{tint}{carets}{key}{reset}\n");
            }
            Some(place) => out += &format!(" {blue}-->{reset} {}\n", place.file.display()),
            None => {}
        }
        if !self.right.is_empty() {
            out += &format!("{}{blue}={reset} {bold}help{reset}: {}\n", " ".repeat(margin), clean(&self.right));
        }
        out
    }
}

/// On one line, for a log.
impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{}:", place.file.display())?;
            if place.line > 0 {
                write!(f, "{}:{}:", place.line, place.column)?;
            }
            f.write_str(" ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", clean(&self.key))?;
        }
        f.write_str(&clean(&self.what))?;
        if !self.right.is_empty() {
            write!(f, " ({})", clean(&self.right))?;
        }
        Ok(())
    }
}

/// Without characters by which a file could play tricks on a terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The text of a configuration file, with its secrets marked, for pointing into it.
pub struct Source<'a> {
    pub file: &'a Path,
    pub text: &'a str,
    /// Ranges that are never shown.
    pub hidden: Vec<Range<usize>>,
}

impl Source<'_> {
    /// The place of the bytes `span`; what is beyond the first line of them is not marked.
    pub fn place(&self, span: &Range<usize>) -> Place {
        let start = floor(self.text, span.start.min(self.text.len()));
        let end = floor(self.text, span.end.clamp(start, self.text.len()));
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
        let line = &self.text[line_start..line_end];
        let shown = line.char_indices().map(|(at, c)| {
            let at = line_start + at;
            match c {
                _ if self.hidden.iter().any(|hidden| hidden.contains(&at)) => '*',
                c if c.is_control() => ' ',
                c => c,
            }
        });
        Place {
            file: self.file.to_owned(),
            line: self.text[..line_start].matches('\n').count() + 1,
            column: self.text[line_start..start].chars().count() + 1,
            width: self.text[start..end.min(line_end)].trim_end().chars().count().max(1),
            source: shown.collect(),
        }
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
