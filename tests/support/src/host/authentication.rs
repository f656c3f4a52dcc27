//! DH-HMAC-CHAP from the host's side, over a queue that is connected.

use std::fs::File;
use std::io::Read as _;

use mainstay_proto::auth::dhchap::{self, Initiator, Key, Keys, MESSAGE_BYTES_MAX, Proof, Step, Terms};
pub use mainstay_proto::auth::dhchap::{Group, Hash};

use super::{Connection, Data, Done, Entry, Error, Result, command};

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

/// An exchange of a script that stops where it likes.
pub struct Exchange {
    credentials: Credentials,
    initiator: Initiator,
}

impl Exchange {
    /// Nothing is said yet.
    pub fn new(credentials: &Credentials, transaction: u16) -> Result<Exchange> {
        let mut entropy = [0; 32];
        File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut entropy)).map_err(Error::Io)?;
        let initiator = Initiator::new(entropy, transaction, &credentials.terms());
        Ok(Exchange { credentials: credentials.clone(), initiator })
    }

    /// One message, and what has to be computed before the next; the proof once there is nothing more to say. An error when
    /// the controller refuses us, or does not prove itself.
    pub fn step(&mut self, queue: &mut Connection) -> Result<Option<Proof>> {
        let terms = self.credentials.terms();
        match self.initiator.step() {
            Step::Send(message) => {
                let entry = command::authentication_send(message.len() as u32);
                queue.run(entry, Data::ToController(message))?.good("Authentication Send")?;
                self.initiator.sent();
            }
            Step::Receive => {
                let done = queue.run(receive(), Data::ToHost(MESSAGE_BYTES_MAX))?;
                self.initiator.received(&terms, &done.good("Authentication Receive")?);
            }
            Step::Compute(work) => self.initiator.computed(&terms, &dhchap::compute(&work)),
            Step::Done(proof) => return Ok(Some(proof)),
            Step::Failed(failure) => return Err(Error::Unproven(failure)),
        }
        while let Step::Compute(work) = self.initiator.step() {
            self.initiator.computed(&terms, &dhchap::compute(&work));
        }
        Ok(None)
    }

    /// An Authentication Receive of the script's own has ended.
    pub fn received(&mut self, done: Done) -> Result<()> {
        self.initiator.received(&self.credentials.terms(), &done.good("Authentication Receive")?);
        Ok(())
    }

    /// All the rest.
    pub fn finish(&mut self, queue: &mut Connection) -> Result<Proof> {
        loop {
            if let Some(proof) = self.step(queue)? {
                return Ok(proof);
            }
        }
    }
}

/// The Authentication Receive that takes whatever the controller says next.
pub fn receive() -> Entry {
    command::authentication_receive(MESSAGE_BYTES_MAX)
}

impl Connection {
    /// One exchange, the first or a later one. An error when the controller refuses us, or does not prove itself.
    pub fn authenticate(&mut self, credentials: &Credentials, transaction: u16) -> Result<Proof> {
        Exchange::new(credentials, transaction)?.finish(self)
    }
}
