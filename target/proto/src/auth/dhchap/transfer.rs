//! The fields of Authentication Receive and Authentication Send (base §6.1, §6.2), read from the 64 bytes of a command.

use super::MESSAGE_BYTES_MAX;

/// FCTYPE of Authentication Send.
pub const AUTH_SEND: u8 = 0x05;
/// FCTYPE of Authentication Receive.
pub const AUTH_RECEIVE: u8 = 0x06;

/// SECP of NVMe's own protocols (SPC-5's table of security protocols).
const SECP: u8 = 0xe9;

/// How much a command carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// TL or AL: never 0, and for Send never above [`MESSAGE_BYTES_MAX`].
    pub bytes: u32,
}

/// A field that cannot be taken; the command ends with Invalid Field in Command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {value:#x}")]
pub struct BadTransfer {
    /// Where it stands in the command, in bytes.
    pub offset: u16,
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub value: u32,
}

impl Transfer {
    /// The fields of an Authentication Send or Receive command.
    ///
    /// # Errors
    /// For another security protocol, and for lengths that make no sense.
    pub fn parse(entry: &[u8; 64]) -> Result<Transfer, BadTransfer> {
        for (offset, name, wanted) in [(43, "SECP", SECP), (41, "SPSP0", 1), (42, "SPSP1", 1)] {
            let value = entry[usize::from(offset)];
            if value != wanted {
                return Err(BadTransfer { offset, name, value: value.into() });
            }
        }
        let bytes = u32::from_le_bytes([entry[44], entry[45], entry[46], entry[47]]);
        let send = entry[4] == AUTH_SEND;
        match bytes == 0 || send && bytes > MESSAGE_BYTES_MAX {
            true => Err(BadTransfer { offset: 44, name: if send { "TL" } else { "AL" }, value: bytes }),
            false => Ok(Transfer { bytes }),
        }
    }

    /// Writes them into a command: for hosts and tests.
    pub fn write(bytes: u32, entry: &mut [u8; 64]) {
        entry[41..44].copy_from_slice(&[1, 1, SECP]);
        entry[44..48].copy_from_slice(&bytes.to_le_bytes());
    }
}
