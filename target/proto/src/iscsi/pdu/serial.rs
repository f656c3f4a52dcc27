//! Serial numbers (RFC 1982, SERIAL_BITS = 32; RFC 7143 §4.2.2.1).

use super::{Bhs, get32, put32};

macro_rules! serial {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The number `n` further on; numbers wrap.
            #[must_use]
            pub fn plus(self, n: u32) -> Self {
                Self(self.0.wrapping_add(n))
            }

            /// How far `self` is past `earlier`; meaningful when `earlier.at_most(self)`.
            pub fn past(self, earlier: Self) -> u32 {
                self.0.wrapping_sub(earlier.0)
            }

            /// RFC 1982 less-than. Two numbers exactly 2^31 apart are not ordered: neither is before the other.
            pub fn before(self, other: Self) -> bool {
                let ahead = other.0.wrapping_sub(self.0);
                ahead != 0 && ahead < 1 << 31
            }

            /// RFC 1982 less-than or equal.
            pub fn at_most(self, other: Self) -> bool {
                self == other || self.before(other)
            }
        }
    };
}

serial! {
    /// Numbers commands of a session (RFC 7143 §4.2.2.1).
    CmdSn
}
serial! {
    /// Numbers responses of a connection (RFC 7143 §4.2.2.2).
    StatSn
}

/// The three numbers nearly every target PDU carries at bytes 24..36.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The number of this response, or the next one's when the PDU has none of its own.
    pub stat_sn: StatSn,
    /// The next command we expect.
    pub exp_cmd_sn: CmdSn,
    /// The last command we have room for.
    pub max_cmd_sn: CmdSn,
}

impl Counters {
    pub(super) fn parse(bhs: &Bhs) -> Counters {
        Counters {
            stat_sn: StatSn(get32(bhs, 24)),
            exp_cmd_sn: CmdSn(get32(bhs, 28)),
            max_cmd_sn: CmdSn(get32(bhs, 32)),
        }
    }

    pub(super) fn emit(&self, bhs: &mut Bhs) {
        put32(bhs, 24, self.stat_sn.0);
        put32(bhs, 28, self.exp_cmd_sn.0);
        put32(bhs, 32, self.max_cmd_sn.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_wraps_and_is_undefined_half_way_round() {
        assert!(CmdSn(u32::MAX).before(CmdSn(0)));
        assert!(CmdSn(u32::MAX).before(CmdSn(5)));
        assert!(!CmdSn(5).before(CmdSn(u32::MAX)));
        assert!(CmdSn(7).at_most(CmdSn(7)) && !CmdSn(7).before(CmdSn(7)));
        assert!(CmdSn(0).before(CmdSn((1 << 31) - 1)));
        assert!(!CmdSn(0).before(CmdSn(1 << 31)) && !CmdSn(1 << 31).before(CmdSn(0)));
        assert_eq!(CmdSn(2).past(CmdSn(u32::MAX)), 3);
    }
}
