//! DH-HMAC-CHAP from the host's side, over a queue that is connected.

use std::fs::File;
use std::io::Read as _;

use mainstay_proto::auth::dhchap::{self, Initiator, Key, Keys, MESSAGE_BYTES_MAX, Proof, Step, Terms};
pub use mainstay_proto::auth::dhchap::{Group, Hash};

use super::{Connection, Data, Error, Result, command};

/// What a host goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Keys, hashes and groups.
    pub keys: Keys,
    /// The host's name.
    pub host: String,
    /// The subsystem's name.
    pub subsystem: String,
}

/// A key made of a number, in the form nvme-cli makes; with a hash it is tied to a name before use.
pub fn key(seed: u8, hash: Option<Hash>) -> String {
    let bytes = hash.map_or(32, Hash::bytes);
    let secret: Vec<u8> = (0..bytes).map(|n| seed.wrapping_mul(37) ^ n as u8).collect();
    Key::generate(&secret, hash).expect("a secret of the right length").text().to_string()
}

impl Credentials {
    fn terms(&self) -> Terms<'_> {
        Terms { keys: &self.keys, host: &self.host, subsystem: &self.subsystem }
    }

    /// The first message of an exchange, alone.
    pub fn negotiation(&self, transaction: u16) -> Vec<u8> {
        match Initiator::new([7; 32], transaction, &self.terms()).step() {
            Step::Send(message) => message,
            step => panic!("an exchange that begins with {step:?}"),
        }
    }
}

impl Connection {
    /// One exchange, the first or a later one. An error when the controller refuses us, or does not prove itself.
    pub fn authenticate(&mut self, credentials: &Credentials, transaction: u16) -> Result<Proof> {
        let mut entropy = [0; 32];
        File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut entropy)).map_err(Error::Io)?;
        let terms = credentials.terms();
        let mut exchange = Initiator::new(entropy, transaction, &terms);
        loop {
            match exchange.step() {
                Step::Send(message) => {
                    let entry = command::authentication_send(message.len() as u32);
                    self.run(entry, Data::ToController(message))?.good("Authentication Send")?;
                    exchange.sent();
                }
                Step::Receive => {
                    let entry = command::authentication_receive(MESSAGE_BYTES_MAX);
                    let done = self.run(entry, Data::ToHost(MESSAGE_BYTES_MAX))?;
                    exchange.received(&terms, &done.good("Authentication Receive")?);
                }
                Step::Compute(work) => exchange.computed(&terms, &dhchap::compute(&work)),
                Step::Done(proof) => return Ok(proof),
                Step::Failed(failure) => return Err(Error::Unproven(failure)),
            }
        }
    }
}
