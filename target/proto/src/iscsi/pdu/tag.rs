//! The two tags that name an exchange.

/// Initiator task tag: chosen by the initiator, unique among its outstanding tasks (RFC 7143 §11.2.1.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Itt(pub u32);

impl Itt {
    /// No task: an unanswered NOP, an asynchronous message, a reject.
    pub const RESERVED: Itt = Itt(u32::MAX);
}

impl std::fmt::Display for Itt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Target transfer tag: chosen by us, names an R2T, a text exchange or a ping (RFC 7143 §11.7.4, §11.10.4, §11.18.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ttt(pub u32);

impl Ttt {
    /// Nothing named.
    pub const RESERVED: Ttt = Ttt(u32::MAX);
}

impl std::fmt::Display for Ttt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
