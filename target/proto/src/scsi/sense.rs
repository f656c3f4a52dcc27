//! Sense data (SPC-4 §4.5), fixed and descriptor format.

/// Sense key (SPC-4 table 48).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Key {
    NoSense = 0x0,
    NotReady = 0x2,
    MediumError = 0x3,
    HardwareError = 0x4,
    IllegalRequest = 0x5,
    UnitAttention = 0x6,
    DataProtect = 0x7,
    Miscompare = 0xe,
}

impl Key {
    const ALL: [Key; 8] = [
        Key::NoSense,
        Key::NotReady,
        Key::MediumError,
        Key::HardwareError,
        Key::IllegalRequest,
        Key::UnitAttention,
        Key::DataProtect,
        Key::Miscompare,
    ];

    /// The key with this number.
    pub fn from_number(number: u32) -> Option<Key> {
        Key::ALL.into_iter().find(|&key| key as u32 == number)
    }
}

/// Which field was wrong (SPC-4 §4.5.2.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// In the CDB; otherwise in the parameter list.
    pub command: bool,
    /// Which byte.
    pub byte: u16,
    /// Its most significant wrong bit, where one can be named.
    pub bit: Option<u8>,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sense {
    /// Sense key.
    pub key: Key,
    /// Additional sense code and its qualifier.
    pub code: u16,
    /// INFORMATION: a block or an offset, as the code says.
    pub information: Option<u64>,
    /// Field pointer.
    pub field: Option<Field>,
}

impl Sense {
    /// NO ADDITIONAL SENSE INFORMATION.
    pub const NONE: Sense = Sense::new(Key::NoSense, 0x0000);
    /// INVALID COMMAND OPERATION CODE.
    pub const INVALID_OPCODE: Sense = Sense::new(Key::IllegalRequest, 0x2000);
    /// LOGICAL BLOCK ADDRESS OUT OF RANGE.
    pub const LBA_OUT_OF_RANGE: Sense = Sense::new(Key::IllegalRequest, 0x2100);
    /// LOGICAL UNIT NOT SUPPORTED.
    pub const NO_SUCH_UNIT: Sense = Sense::new(Key::IllegalRequest, 0x2500);
    /// PARAMETER LIST LENGTH ERROR.
    pub const LIST_LENGTH: Sense = Sense::new(Key::IllegalRequest, 0x1a00);
    /// SAVING PARAMETERS NOT SUPPORTED.
    pub const NO_SAVING: Sense = Sense::new(Key::IllegalRequest, 0x3900);
    /// INVALID FIELD IN COMMAND INFORMATION UNIT: the transport's data length contradicts the CDB.
    pub const DATA_LENGTH: Sense = Sense::new(Key::IllegalRequest, 0x0e03);
    /// MEDIUM REMOVAL PREVENTED.
    pub const REMOVAL_PREVENTED: Sense = Sense::new(Key::IllegalRequest, 0x5302);
    /// LOGICAL UNIT NOT READY, INITIALIZING COMMAND REQUIRED.
    pub const STOPPED: Sense = Sense::new(Key::NotReady, 0x0402);
    /// MEDIUM NOT PRESENT.
    pub const NO_MEDIUM: Sense = Sense::new(Key::NotReady, 0x3a00);
    /// WRITE PROTECTED.
    pub const WRITE_PROTECTED: Sense = Sense::new(Key::DataProtect, 0x2700);
    /// LOGICAL UNIT SOFTWARE WRITE PROTECTED.
    pub const SOFTWARE_PROTECTED: Sense = Sense::new(Key::DataProtect, 0x2702);
    /// SPACE ALLOCATION FAILED WRITE PROTECT.
    pub const NO_SPACE: Sense = Sense::new(Key::DataProtect, 0x2707);
    /// UNRECOVERED READ ERROR.
    pub const READ_ERROR: Sense = Sense::new(Key::MediumError, 0x1100);
    /// WRITE ERROR.
    pub const WRITE_ERROR: Sense = Sense::new(Key::MediumError, 0x0c00);
    /// LOGICAL UNIT FAILURE.
    pub const UNIT_FAILURE: Sense = Sense::new(Key::HardwareError, 0x3e01);
    /// INTERNAL TARGET FAILURE.
    pub const TARGET_FAILURE: Sense = Sense::new(Key::HardwareError, 0x4400);
    /// MISCOMPARE DURING VERIFY OPERATION.
    pub const MISCOMPARE: Sense = Sense::new(Key::Miscompare, 0x1d00);

    /// Sense without further fields.
    pub const fn new(key: Key, code: u16) -> Sense {
        Sense { key, code, information: None, field: None }
    }

    /// INVALID FIELD IN CDB at `byte`, its highest wrong bit `bit`.
    pub const fn invalid_cdb(byte: u16, bit: u8) -> Sense {
        let field = Field { command: true, byte, bit: Some(bit) };
        Sense { field: Some(field), ..Sense::new(Key::IllegalRequest, 0x2400) }
    }

    /// INVALID FIELD IN PARAMETER LIST at `byte`.
    pub const fn invalid_list(byte: u16, bit: Option<u8>) -> Sense {
        let field = Field { command: false, byte, bit };
        Sense { field: Some(field), ..Sense::new(Key::IllegalRequest, 0x2600) }
    }

    /// The same with INFORMATION.
    pub const fn with_information(self, information: u64) -> Sense {
        Sense { information: Some(information), ..self }
    }

    /// Sense data as it is sent.
    pub fn encode(&self, descriptor: bool) -> Vec<u8> {
        if descriptor { self.descriptors() } else { self.fixed().to_vec() }
    }

    /// SPC-4 §4.5.3. INFORMATION is only valid where it fits.
    fn fixed(&self) -> [u8; 18] {
        let mut out = [0; 18];
        out[0] = 0x70;
        if let Some(information) = self.information.and_then(|i| u32::try_from(i).ok()) {
            out[0] |= 0x80;
            out[3..7].copy_from_slice(&information.to_be_bytes());
        }
        out[2] = self.key as u8;
        out[7] = 10;
        out[12..14].copy_from_slice(&self.code.to_be_bytes());
        if let Some(field) = self.field {
            out[15..18].copy_from_slice(&field.encode());
        }
        out
    }

    /// SPC-4 §4.5.2.
    fn descriptors(&self) -> Vec<u8> {
        let [asc, ascq] = self.code.to_be_bytes();
        let mut out = vec![0x72, self.key as u8, asc, ascq, 0, 0, 0, 0];
        if let Some(information) = self.information {
            out.extend([0x00, 0x0a, 0x80, 0]);
            out.extend(information.to_be_bytes());
        }
        if let Some(field) = self.field {
            out.extend([0x02, 0x06, 0, 0]);
            out.extend(field.encode());
            out.push(0);
        }
        out[7] = (out.len() - 8) as u8;
        out
    }
}

impl Field {
    fn encode(&self) -> [u8; 3] {
        let [high, low] = self.byte.to_be_bytes();
        let bit = self.bit.map_or(0, |bit| 0x08 | bit & 0x07);
        [0x80 | if self.command { 0x40 } else { 0 } | bit, high, low]
    }
}
