//! `mainstay resize`.

use super::failure::{Failure, say};
use super::{Ask, size};
use crate::control::words::{self, Call, Resized};
use clap::Args;

/// Grow a volume while it is in use
///
/// Initiators are told at once; most need a rescan before they use the new space (Linux: `iscsiadm -m session --rescan`,
/// then grow the file system). A volume never shrinks.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mainstay resize disk 20G\n  mainstay resize disk +512M")]
pub struct Resize {
    /// Name of the volume
    #[arg(value_name = "VOLUME")]
    volume: String,
    /// New size, or with a plus how much to add: 512M, 20G, 1.5T, +10G (powers of 1024; GB for powers of 1000)
    #[arg(value_name = "SIZE", value_parser = parse)]
    size: Size,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    To(u64),
    By(u64),
}

fn parse(text: &str) -> Result<Size, String> {
    match text.strip_prefix('+') {
        Some(more) => size::parse(more).map(Size::By),
        None => size::parse(text).map(Size::To),
    }
}

impl Resize {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut client = self.ask.client()?;
        let size = match self.size {
            Size::To(size) => size,
            Size::By(more) => {
                let status: words::Status = client.call(&Call::Status)?;
                let volume = status.volumes.iter().find(|volume| volume.name == self.volume);
                let names = status.volumes.iter().map(|volume| volume.name.as_str());
                let volume = volume
                    .ok_or_else(|| Failure::problem(crate::control::error::Error::no_volume(&self.volume, names)))?;
                volume.size.checked_add(more).ok_or_else(|| Failure::problem("that is more than a volume can have"))?
            }
        };
        let resized: Resized = client.call(&Call::Resize(words::Resize { volume: self.volume, size }))?;
        let (old, new) = (size::bytes(resized.size_old), size::bytes(resized.size));
        say(&format!("volume {} has grown from {old} to {new} ({} bytes)\n", resized.volume, resized.size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plus_adds() {
        assert_eq!(parse("20G"), Ok(Size::To(20 << 30)));
        assert_eq!(parse("+512M"), Ok(Size::By(512 << 20)));
        assert!(parse("-1G").is_err() && parse("++1G").is_err() && parse("+").is_err());
    }
}
