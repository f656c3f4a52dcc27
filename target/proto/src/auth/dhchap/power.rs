//! The Diffie-Hellman computation, which takes up to some 40 ms and so is somebody else's to run.

use std::fmt;

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use zeroize::{Zeroize, Zeroizing};

use super::Group;
use super::group::GENERATOR;

/// Bytes of a secret exponent. RFC 7919 §5.2 asks for twice the strength of the group and a bit: 225 bits for the smallest, 400 for the
/// largest; base §8.13.5.3 for at least 256.
pub(super) const EXPONENT_BYTES: usize = 64;

/// A secret exponent.
pub(super) type Exponent = Zeroizing<[u8; EXPONENT_BYTES]>;

/// A power to be computed. Plain data; wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Work {
    /// Which wish of its machine it is: an answer to an older one is of no use.
    pub(super) serial: u32,
    pub(super) group: Group,
    /// What is raised: a peer's public value, or the generator.
    pub(super) base: Option<Vec<u8>>,
    pub(super) exponent: Exponent,
}

/// What a [`Work`] came to. Wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Power {
    pub(super) serial: u32,
    pub(super) value: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Work({}, {})", self.serial, self.group.name())
    }
}

impl fmt::Debug for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Power({})", self.serial)
    }
}

/// Does the work, in a time that depends on the group only.
pub fn compute(work: &Work) -> Power {
    Power {
        serial: work.serial,
        value: raise(work.group, work.base.as_deref().unwrap_or(&[GENERATOR]), &work.exponent),
    }
}

/// `base` to the power of `exponent` modulo the group's prime, with leading zeros; nothing for no group.
fn raise(group: Group, base: &[u8], exponent: &Exponent) -> Zeroizing<Vec<u8>> {
    let bits = 8 * group.bytes() as u32;
    let number = |bytes: &[u8]| BoxedUint::from_be_slice_truncated(bytes, bits);
    let Some(prime) = Option::<Odd<BoxedUint>>::from(Odd::new(number(&group.prime()))) else {
        return Zeroizing::default();
    };
    // The prime is known to everybody; what is raised and the exponent stay in constant time.
    let params = BoxedMontyParams::new_vartime(prime);
    let mut exponent = BoxedUint::from_be_slice_truncated(&**exponent, 8 * EXPONENT_BYTES as u32);
    let mut power = BoxedMontyForm::new(number(base), &params).pow_bounded_exp(&exponent, 8 * EXPONENT_BYTES as u32);
    let mut value = power.retrieve();
    let bytes = Zeroizing::new(value.to_be_bytes().into_vec());
    exponent.zeroize();
    power.zeroize();
    value.zeroize();
    bytes
}
