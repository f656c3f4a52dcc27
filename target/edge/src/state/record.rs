//! One record and its frame.

use mainstay_base::wire::crc32c;

const START: &str = "mainstay-state";
const FRAME: &str = "1";

/// The text of one owner, in a form versioned by that owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The form of `text`.
    pub version: u32,
    /// The owner's.
    pub text: String,
}

impl Record {
    pub(super) fn encode(&self) -> Vec<u8> {
        let (version, len, crc) = (self.version, self.text.len(), checksum(self.version, &self.text));
        format!("{START} {FRAME} {version} {len} {crc:08x}\n{}", self.text).into_bytes()
    }

    /// The record in `bytes`, or what is wrong with them.
    pub(super) fn decode(bytes: &[u8]) -> Result<Record, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not text of ours")?;
        let torn = "it is torn (its first line is not whole)";
        let (head, text) = text.split_once('\n').ok_or(if text.is_empty() { "it is empty" } else { torn })?;
        let [start, frame, version, len, crc] = head.split(' ').collect::<Vec<_>>()[..] else {
            return Err("it is not a record of ours".into());
        };
        if start != START {
            return Err("it is not a record of ours".into());
        }
        if frame != FRAME {
            return Err(format!("it has the newer frame {frame}"));
        }
        let version = version.parse().map_err(|_| torn)?;
        let len: usize = len.parse().map_err(|_| torn)?;
        if len != text.len() {
            return Err(format!("it is torn (it should go on for {len} bytes, and has {})", text.len()));
        }
        if u32::from_str_radix(crc, 16) != Ok(checksum(version, text)) {
            return Err("its checksum does not match".into());
        }
        Ok(Record { version, text: text.into() })
    }
}

fn checksum(version: u32, text: &str) -> u32 {
    crc32c(crc32c(0, &version.to_be_bytes()), text.as_bytes())
}
