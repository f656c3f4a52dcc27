//! What Identify returns, as far as a host goes by it.

/// Of the Identify Controller data structure (base §5.17.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// SN, without padding.
    pub serial: String,
    /// MN, without padding.
    pub model: String,
    /// FR, without padding.
    pub firmware: String,
    /// The most bytes of one command (MDTS, in pages of 4 KiB); none: no bound.
    pub transfer_max: Option<u64>,
    /// CNTLID.
    pub cntlid: u16,
    /// VER.
    pub version: u32,
    /// OAES: optional asynchronous events.
    pub events: u32,
    /// CNTRLTYPE: 1 I/O, 2 discovery.
    pub kind: u8,
    /// AERL: asynchronous event requests that may be outstanding, minus one.
    pub event_limit: u8,
    /// KAS, in units of 100 ms.
    pub keep_alive_units: u16,
    /// MAXCMD.
    pub commands_max: u16,
    /// NN.
    pub namespaces: u32,
    /// ONCS: optional commands.
    pub optional: u16,
    /// FUSES bit 0: Compare and Write.
    pub fused: bool,
    /// VWC bit 0.
    pub write_cache: bool,
    /// SUBNQN.
    pub nqn: String,
    /// Bytes of data that fit into a command capsule (from IOCCSZ).
    pub in_capsule: u32,
    /// ICDOFF, in units of 16 bytes.
    pub in_capsule_offset: u16,
}

/// Of the Identify Namespace data structure (nvm §4.1.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// NSZE.
    pub blocks: u64,
    /// NCAP.
    pub capacity: u64,
    /// NUSE.
    pub used: u64,
    /// Bytes of a logical block, of the format in use.
    pub block_bytes: u32,
    /// NSATTR bit 0.
    pub write_protected: bool,
    /// ANAGRPID.
    pub group: u32,
    /// NGUID.
    pub nguid: [u8; 16],
    /// EUI64.
    pub eui64: [u8; 8],
}

/// A descriptor of the Namespace Identification Descriptor list (base §5.17.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// NIDT: 1 EUI-64, 2 NGUID, 3 UUID, 4 command set.
    pub kind: u8,
    /// NID.
    pub id: Vec<u8>,
}

fn array<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    array(data, at).map(u16::from_le_bytes)
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    array(data, at).map(u32::from_le_bytes)
}

fn u64_at(data: &[u8], at: usize) -> Option<u64> {
    array(data, at).map(u64::from_le_bytes)
}

fn text(data: &[u8], from: usize, to: usize) -> Option<String> {
    Some(String::from_utf8_lossy(data.get(from..to)?).trim_end_matches([' ', '\0']).to_owned())
}

impl Controller {
    /// Reads it; none: too short.
    pub fn parse(data: &[u8]) -> Option<Controller> {
        let byte = |at: usize| data.get(at).copied();
        let capsule = u32_at(data, 1792)?;
        Some(Controller {
            serial: text(data, 4, 24)?,
            model: text(data, 24, 64)?,
            firmware: text(data, 64, 72)?,
            transfer_max: match byte(77)? {
                0 => None,
                shift => 4096u64.checked_shl(shift.into()).filter(|bytes| *bytes >= 4096),
            },
            cntlid: u16_at(data, 78)?,
            version: u32_at(data, 80)?,
            events: u32_at(data, 92)?,
            kind: byte(111)?,
            event_limit: byte(259)?,
            keep_alive_units: u16_at(data, 320)?,
            commands_max: u16_at(data, 514)?,
            namespaces: u32_at(data, 516)?,
            optional: u16_at(data, 520)?,
            fused: byte(522)? & 1 != 0,
            write_cache: byte(525)? & 1 != 0,
            nqn: text(data, 768, 1024)?,
            // In units of 16 bytes, the entry's four included.
            in_capsule: capsule.saturating_sub(4).saturating_mul(16),
            in_capsule_offset: u16_at(data, 1800)?,
        })
    }
}

impl Namespace {
    /// Reads it; none: too short, or blocks of a size that there is not.
    pub fn parse(data: &[u8]) -> Option<Namespace> {
        let flbas = *data.get(26)?;
        // FLBAS: bits 6:5 are the high bits of the index.
        let format = usize::from(flbas & 0xf | (flbas >> 1) & 0x30);
        let shift = *data.get(128 + format * 4 + 2)?;
        Some(Namespace {
            blocks: u64_at(data, 0)?,
            capacity: u64_at(data, 8)?,
            used: u64_at(data, 16)?,
            block_bytes: (9..=16).contains(&shift).then(|| 1 << shift)?,
            write_protected: data.get(99)? & 1 != 0,
            group: u32_at(data, 92)?,
            nguid: array(data, 104)?,
            eui64: array(data, 120)?,
        })
    }
}

/// The NSIDs of a namespace list (base §4.4.2).
pub fn namespaces(data: &[u8]) -> Vec<u32> {
    let words = data.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    words.take_while(|nsid| *nsid != 0).collect()
}

/// The descriptors of a namespace (base §5.17.2.3); none: the list is broken.
pub fn descriptors(mut data: &[u8]) -> Option<Vec<Descriptor>> {
    let mut list = Vec::new();
    while let [kind, len, _, _, rest @ ..] = data
        && *len != 0
    {
        let id = rest.get(..usize::from(*len))?;
        list.push(Descriptor { kind: *kind, id: id.to_vec() });
        data = &rest[id.len()..];
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden_structures() {
        let mut data = vec![0; 4096];
        data[4..24].copy_from_slice(b"serial              ");
        (data[77], data[78], data[111], data[259]) = (5, 7, 1, 3);
        data[320..322].copy_from_slice(&10u16.to_le_bytes());
        data[514..520].copy_from_slice(&[128, 0, 4, 0, 0, 0]);
        (data[522], data[525]) = (1, 7);
        data[768..777].copy_from_slice(b"nqn.a.b:c");
        data[1792..1796].copy_from_slice(&((16384 + 64) / 16u32).to_le_bytes());
        let read = Controller::parse(&data).unwrap();
        assert_eq!((read.serial.as_str(), read.nqn.as_str()), ("serial", "nqn.a.b:c"));
        assert_eq!((read.transfer_max, read.cntlid, read.in_capsule), (Some(128 << 10), 7, 16384));
        assert!(read.fused && read.write_cache);
        assert_eq!(Controller::parse(&data[..1800]), None);

        let mut data = vec![0; 4096];
        (data[0], data[26], data[92], data[130 + 4]) = (100, 1, 2, 12);
        let read = Namespace::parse(&data).unwrap();
        assert_eq!((read.blocks, read.block_bytes, read.group), (100, 4096, 2));
        data[134] = 40;
        assert_eq!(Namespace::parse(&data), None, "blocks of a terabyte");
        assert_eq!(namespaces(&[1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]), [1, 5]);
        let list = descriptors(&[3, 2, 0, 0, 8, 9, 4, 1, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        assert_eq!(list, [Descriptor { kind: 3, id: vec![8, 9] }, Descriptor { kind: 4, id: vec![0] }]);
        assert_eq!(descriptors(&[3, 16, 0, 0, 1]), None);
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
            let _ = (Controller::parse(&bytes), Namespace::parse(&bytes), namespaces(&bytes), descriptors(&bytes));
        }
    }
}
