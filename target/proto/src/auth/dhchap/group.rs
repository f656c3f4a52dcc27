//! The Diffie-Hellman groups (base §8.13.5.2): none, and the safe primes of RFC 7919.

/// A group, with the number the protocol gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Group {
    /// No Diffie-Hellman: whoever records the exchange and learns the key later can check guesses at nothing new.
    Null,
    Ffdhe2048,
    Ffdhe3072,
    Ffdhe4096,
    Ffdhe6144,
    Ffdhe8192,
}

/// The generator of every group (RFC 7919 §A).
pub(super) const GENERATOR: u8 = 2;

impl Group {
    /// All, by their numbers.
    pub const ALL: [Group; 6] =
        [Group::Null, Group::Ffdhe2048, Group::Ffdhe3072, Group::Ffdhe4096, Group::Ffdhe6144, Group::Ffdhe8192];

    /// The order of preference if nobody says otherwise: first the cheapest as strong as SHA-256 is, the rest of the strong ones, then
    /// the one below, then none.
    pub const PREFERRED: [Group; 6] =
        [Group::Ffdhe3072, Group::Ffdhe4096, Group::Ffdhe6144, Group::Ffdhe8192, Group::Ffdhe2048, Group::Null];

    /// DHgID.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The group with this DHgID.
    pub fn from_id(id: u8) -> Option<Group> {
        Group::ALL.into_iter().find(|group| group.id() == id)
    }

    /// The name people and the configuration use.
    pub fn name(self) -> &'static str {
        match self {
            Group::Null => "no Diffie-Hellman",
            Group::Ffdhe2048 => "ffdhe2048",
            Group::Ffdhe3072 => "ffdhe3072",
            Group::Ffdhe4096 => "ffdhe4096",
            Group::Ffdhe6144 => "ffdhe6144",
            Group::Ffdhe8192 => "ffdhe8192",
        }
    }

    /// Bytes of a public value and of the shared secret: as long as the prime, with leading zeros.
    pub fn bytes(self) -> usize {
        match self {
            Group::Null => 0,
            Group::Ffdhe2048 => 256,
            Group::Ffdhe3072 => 384,
            Group::Ffdhe4096 => 512,
            Group::Ffdhe6144 => 768,
            Group::Ffdhe8192 => 1024,
        }
    }

    /// X of the prime's formula: the first number that makes it safe (RFC 7919 §A).
    fn x(self) -> u32 {
        match self {
            Group::Null => 0,
            Group::Ffdhe2048 => 560_316,
            Group::Ffdhe3072 => 2_625_351,
            Group::Ffdhe4096 => 5_736_041,
            Group::Ffdhe6144 => 15_705_020,
            Group::Ffdhe8192 => 10_965_728,
        }
    }

    /// The prime p = 2^b - 2^(b-64) + ([2^(b-130) e] + X) 2^64 - 1, big endian: 64 ones, the number e with X added, 64 ones.
    pub(super) fn prime(self) -> Vec<u8> {
        let mut prime: Vec<u8> =
            E.iter().flat_map(|word| word.to_be_bytes()).take(self.bytes().saturating_sub(16)).collect();
        // The final 1 that is taken away is borrowed from here.
        let mut carry = self.x().saturating_sub(1);
        for byte in prime.iter_mut().rev() {
            carry += u32::from(*byte);
            *byte = carry as u8;
            carry >>= 8;
        }
        let ones = [0xff; 8].into_iter().take(self.bytes());
        ones.clone().chain(prime).chain(ones).collect()
    }

    /// Whether `value` may be a peer's public value: as long as the prime, and neither 0, 1, p-1, p nor above (RFC 7919 §5.1). Public, so compared as
    /// fast as it goes.
    pub(super) fn admits(self, value: &[u8]) -> bool {
        let prime = self.prime();
        let Some((last, head)) = value.split_last() else { return false };
        let small = head.iter().all(|byte| *byte == 0) && *last < GENERATOR;
        let mut greatest = prime.clone();
        if let Some(last) = greatest.last_mut() {
            // p is odd: p-1 without a borrow.
            *last -= 1;
        }
        value.len() == prime.len() && !small && value < greatest.as_slice()
    }
}

/// The number e to 8064 bits, two of them before the point.
#[rustfmt::skip]
const E: [u64; 126] = [
    0xadf85458a2bb4a9a, 0xafdc5620273d3cf1, 0xd8b9c583ce2d3695, 0xa9e13641146433fb, 0xcc939dce249b3ef9, 0x7d2fe363630c75d8,
    0xf681b202aec4617a, 0xd3df1ed5d5fd6561, 0x2433f51f5f066ed0, 0x856365553ded1af3, 0xb557135e7f57c935, 0x984f0c70e0e68b77,
    0xe2a689daf3efe872, 0x1df158a136ade735, 0x30acca4f483a797a, 0xbc0ab182b324fb61, 0xd108a94bb2c8e3fb, 0xb96adab760d7f468,
    0x1d4f42a3de394df4, 0xae56ede76372bb19, 0x0b07a7c8ee0a6d70, 0x9e02fce1cdf7e2ec, 0xc03404cd28342f61, 0x9172fe9ce98583ff,
    0x8e4f1232eef28183, 0xc3fe3b1b4c6fad73, 0x3bb5fcbc2ec22005, 0xc58ef1837d1683b2, 0xc6f34a26c1b2effa, 0x886b4238611fcfdc,
    0xde355b3b6519035b, 0xbc34f4def99c0238, 0x61b46fc9d6e6c907, 0x7ad91d2691f7f7ee, 0x598cb0fac186d91c, 0xaefe130985139270,
    0xb4130c93bc437944, 0xf4fd4452e2d74dd3, 0x64f2e21e71f54bff, 0x5cae82ab9c9df69e, 0xe86d2bc522363a0d, 0xabc521979b0deada,
    0x1dbf9a42d5c4484e, 0x0abcd06bfa53ddef, 0x3c1b20ee3fd59d7c, 0x25e41d2b669e1ef1, 0x6e6f52c3164df4fb, 0x7930e9e4e58857b6,
    0xac7d5f42d69f6d18, 0x7763cf1d55034004, 0x87f55ba57e31cc7a, 0x7135c886efb4318a, 0xed6a1e012d9e6832, 0xa907600a918130c4,
    0x6dc778f971ad0038, 0x092999a333cb8b7a, 0x1a1db93d7140003c, 0x2a4ecea9f98d0acc, 0x0a8291cdcec97dcf, 0x8ec9b55a7f88a46b,
    0x4db5a851f44182e1, 0xc68a007e5e0dd902, 0x0bfd64b645036c7a, 0x4e677d2c38532a3a, 0x23ba4442caf53ea6, 0x3bb454329b7624c8,
    0x917bdd64b1c0fd4c, 0xb38e8c334c701c3a, 0xcdad0657fccfec71, 0x9b1f5c3e4e46041f, 0x388147fb4cfdb477, 0xa52471f7a9a96910,
    0xb855322edb6340d8, 0xa00ef092350511e3, 0x0abec1fff9e3a26e, 0x7fb29f8c183023c3, 0x587e38da0077d9b4, 0x763e4e4b94b2bbc1,
    0x94c6651e77caf992, 0xeeaac0232a281bf6, 0xb3a739c122611682, 0x0ae8db5847a67cbe, 0xf9c9091b462d538c, 0xd72b03746ae77f5e,
    0x62292c311562a846, 0x505dc82db854338a, 0xe49f5235c95b9117, 0x8ccf2dd5cacef403, 0xec9d1810c6272b04, 0x5b3b71f9dc6b80d6,
    0x3fdd4a8e9adb1e69, 0x62a69526d43161c1, 0xa41d570d7938dad4, 0xa40e329ccff46aaa, 0x36ad004cf600c838, 0x1e425a31d951ae64,
    0xfdb23fcec9509d43, 0x687feb69edd1cc5e, 0x0b8cc3bdf64b10ef, 0x86b63142a3ab8829, 0x555b2f747c932665, 0xcb2c0f1cc01bd702,
    0x29388839d2af05e4, 0x54504ac78b758282, 0x2846c0ba35c35f5c, 0x59160cc046fd8251, 0x541fc68c9c86b022, 0xbb7099876a460e74,
    0x51a8a93109703fee, 0x1c217e6c3826e52c, 0x51aa691e0e423cfc, 0x99e9e31650c1217b, 0x624816cdad9a95f9, 0xd5b8019488d9c0a0,
    0xa1fe3075a577e231, 0x83f81d4a3f2fa457, 0x1efc8ce0ba8a4fe8, 0xb6855dfe72b0a66e, 0xded2fbabfbe58a30, 0xfafabe1c5d71a87e,
    0x2f741ef8c1fe86fe, 0xa6bbfde530677f0d, 0x97d11d49f7a8443d, 0x0822e506a9f4614e, 0x011e2a94838ff88c, 0xd68c8bb7c51eef6d,
];
