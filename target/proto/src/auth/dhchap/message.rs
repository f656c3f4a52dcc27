//! The messages (base §8.13.4 and §8.13.5), little endian, both directions.

use super::{Failure, Hash, Reason, Stage};

/// More than any message has: Success1 and Failure are short, a reply of ffdhe8192 and SHA-512 has 1168 bytes, a negotiation with 63 protocols 4040.
pub const MESSAGE_BYTES_MAX: u32 = 4096;

/// Bytes of the descriptor of an authentication protocol.
const DESCRIPTOR_BYTES: usize = 64;
/// The most identifiers in each list of DH-HMAC-CHAP's descriptor.
const IDS_MAX: usize = 30;
/// AuthID of DH-HMAC-CHAP.
const DHCHAP: u8 = 1;
/// Bytes before the variable part of challenge, reply and Success1, and all of Success2.
const FIXED_BYTES: usize = 16;

const COMMON: u8 = 0x00;
const SPECIFIC: u8 = 0x01;

/// A message without its transaction identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// AUTH_Negotiate (§8.13.4.1).
    Negotiate {
        /// SC_C: whether the secret shall make keys of a secure channel.
        secure: u8,
        /// The lists of DH-HMAC-CHAP's descriptor, if it is among those offered.
        offer: Option<Offer<'a>>,
    },
    /// DH-HMAC-CHAP_Challenge (§8.13.5.3).
    Challenge {
        /// HashID.
        hash: u8,
        /// DHgID.
        group: u8,
        /// S1.
        sequence: u32,
        /// C1, HL bytes.
        challenge: &'a [u8],
        /// The controller's public value.
        public: &'a [u8],
    },
    /// DH-HMAC-CHAP_Reply (§8.13.5.4).
    Reply {
        /// S2.
        sequence: u32,
        /// R1, HL bytes.
        response: &'a [u8],
        /// C2, HL bytes, if it is valid.
        challenge: Option<&'a [u8]>,
        /// The host's public value.
        public: &'a [u8],
    },
    /// DH-HMAC-CHAP_Success1 (§8.13.5.5).
    Success1 {
        /// HL.
        length: u8,
        /// R2, HL bytes, if it is valid.
        response: Option<&'a [u8]>,
    },
    /// DH-HMAC-CHAP_Success2 (§8.13.5.6).
    Success2,
    /// AUTH_Failure1 (§8.13.4.2), of a controller: the reason code explanation.
    Failure1(u8),
    /// AUTH_Failure2, of a host.
    Failure2(u8),
}

/// What a host takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer<'a> {
    pub hashes: &'a [u8],
    pub groups: &'a [u8],
}

/// A message that does not keep to its form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadMessage {
    pub reason: Reason,
    pub why: &'static str,
}

impl BadMessage {
    pub fn at(self, step: Stage) -> Failure {
        Failure::new(self.reason, step, self.why)
    }
}

const fn bad(why: &'static str) -> BadMessage {
    BadMessage { reason: Reason::IncorrectPayload, why }
}

/// The transaction identifier of `bytes`, or 0 if they are too short to have one.
pub(super) fn transaction(bytes: &[u8]) -> u16 {
    bytes.get(4..6).map_or(0, |id| u16::from_le_bytes([id[0], id[1]]))
}

/// Cuts `lengths` off the front.
fn cut<'a, const N: usize>(
    mut bytes: &'a [u8],
    lengths: [usize; N],
    why: &'static str,
) -> Result<[&'a [u8]; N], BadMessage> {
    let mut parts = [bytes; N];
    for (part, length) in parts.iter_mut().zip(lengths) {
        (*part, bytes) = bytes.split_at_checked(length).ok_or(bad(why))?;
    }
    Ok(parts)
}

impl<'a> Message<'a> {
    /// The message `bytes` begin with; what follows is padding of a buffer.
    pub fn parse(bytes: &'a [u8]) -> Result<Message<'a>, BadMessage> {
        let Some((head, rest)) = bytes.split_first_chunk::<8>() else {
            return Err(bad("a message that ends within its header"));
        };
        match (head[0], head[1]) {
            (COMMON, 0x00) => Ok(Message::Negotiate { secure: head[6], offer: offer(rest, head[7])? }),
            (COMMON, 0xf0) => Ok(Message::Failure2(head[7])),
            (COMMON, 0xf1) => Ok(Message::Failure1(head[7])),
            (SPECIFIC, id @ 0x01..=0x04) => specific(id, head[6], rest),
            _ => Err(BadMessage { reason: Reason::IncorrectMessage, why: "a message of an unknown type" }),
        }
    }

    /// Its bytes.
    pub fn build(&self, transaction: u16) -> Vec<u8> {
        let (kind, id, a, b) = match *self {
            Message::Negotiate { secure, offer } => (COMMON, 0x00, secure, u8::from(offer.is_some())),
            Message::Failure1(reason) => (COMMON, 0xf1, Reason::Failed.code(), reason),
            Message::Failure2(reason) => (COMMON, 0xf0, Reason::Failed.code(), reason),
            Message::Challenge { challenge, .. } => (SPECIFIC, 0x01, challenge.len() as u8, 0),
            Message::Reply { response, .. } => (SPECIFIC, 0x02, response.len() as u8, 0),
            Message::Success1 { length, .. } => (SPECIFIC, 0x03, length, 0),
            Message::Success2 => (SPECIFIC, 0x04, 0, 0),
        };
        let [low, high] = transaction.to_le_bytes();
        let mut bytes = vec![kind, id, 0, 0, low, high, a, b];
        match *self {
            Message::Negotiate { offer: None, .. } | Message::Failure1(_) | Message::Failure2(_) => {}
            Message::Negotiate { offer: Some(Offer { hashes, groups }), .. } => {
                bytes.extend([DHCHAP, 0, hashes.len() as u8, groups.len() as u8]);
                for list in [hashes, groups] {
                    let start = bytes.len();
                    bytes.extend(list);
                    bytes.resize(start + IDS_MAX, 0);
                }
            }
            Message::Challenge { hash, group, sequence, challenge, public } => {
                bytes.extend([hash, group]);
                bytes.extend((public.len() as u16).to_le_bytes());
                bytes.extend(sequence.to_le_bytes());
                bytes.extend([challenge, public].concat());
            }
            Message::Reply { sequence, response, challenge, public } => {
                bytes.extend([u8::from(challenge.is_some()), 0]);
                bytes.extend((public.len() as u16).to_le_bytes());
                bytes.extend(sequence.to_le_bytes());
                bytes.extend(response);
                bytes.extend(challenge.unwrap_or(&vec![0; response.len()]));
                bytes.extend(public);
            }
            Message::Success1 { length, response } => {
                bytes.extend([u8::from(response.is_some()), 0, 0, 0, 0, 0, 0, 0]);
                bytes.extend(response.unwrap_or(&vec![0; usize::from(length)]));
            }
            Message::Success2 => bytes.resize(FIXED_BYTES, 0),
        }
        bytes
    }
}

/// The lists of the first descriptor of DH-HMAC-CHAP among `count`; descriptors of other protocols are passed over.
fn offer(rest: &[u8], count: u8) -> Result<Option<Offer<'_>>, BadMessage> {
    let [descriptors] =
        cut(rest, [usize::from(count) * DESCRIPTOR_BYTES], "AUTH_Negotiate ends within its descriptors")?;
    let Some(ours) = descriptors.chunks_exact(DESCRIPTOR_BYTES).find(|descriptor| descriptor[0] == DHCHAP) else {
        return Ok(None);
    };
    let (hashes, groups) = (usize::from(ours[2]), usize::from(ours[3]));
    if !(1..=IDS_MAX).contains(&hashes) || !(1..=IDS_MAX).contains(&groups) {
        return Err(bad("AUTH_Negotiate with no or more than 30 hashes or groups"));
    }
    Ok(Some(Offer { hashes: &ours[4..4 + hashes], groups: &ours[4 + IDS_MAX..4 + IDS_MAX + groups] }))
}

/// A message of DH-HMAC-CHAP itself, its first 8 bytes taken off.
fn specific(id: u8, length: u8, rest: &[u8]) -> Result<Message<'_>, BadMessage> {
    let Some((fixed, rest)) = rest.split_first_chunk::<{ FIXED_BYTES - 8 }>() else {
        return Err(bad("a message that ends before its values"));
    };
    let hl = usize::from(length);
    let public = usize::from(u16::from_le_bytes([fixed[2], fixed[3]]));
    let sequence = u32::from_le_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
    match id {
        0x01 => {
            let [challenge, public] = cut(rest, [hl, public], "a challenge that ends within its values")?;
            Ok(Message::Challenge { hash: fixed[0], group: fixed[1], sequence, challenge, public })
        }
        0x02 => {
            // Room for C2 is there whether it is valid or not.
            let [response, challenge, public] = cut(rest, [hl, hl, public], "a reply that ends within its values")?;
            Ok(Message::Reply { sequence, response, challenge: (fixed[0] & 1 == 1).then_some(challenge), public })
        }
        0x03 => {
            let valid = fixed[0] & 1 == 1;
            let [response] = cut(rest, [if valid { hl } else { 0 }], "a Success1 that ends within its response")?;
            Ok(Message::Success1 { length, response: valid.then_some(response) })
        }
        _ => Ok(Message::Success2),
    }
}

/// A length of a hash that the peer was to keep to.
pub(super) fn check_length(hash: Hash, length: usize) -> Result<(), BadMessage> {
    match length == hash.bytes() {
        true => Ok(()),
        false => Err(bad("a value is not as long as the hash agreed on")),
    }
}
