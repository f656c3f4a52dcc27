//! What a volume shall be, before it is opened.

use super::OpenError;
use super::sys::Sectors;
use mainstay_base::unit::Identity;
use std::path::PathBuf;
use uuid::Uuid;

/// A volume as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its name in this daemon.
    pub name: String,
    /// Where its bytes are.
    pub backing: Backing,
    /// Bytes of a logical block, 512 or 4096; none: 512, or the device's own.
    pub block_bytes: Option<u32>,
    /// Bytes of a physical block, a power of two from the logical block to 1 MiB; none: 4096, or the device's own.
    pub physical_bytes: Option<u32>,
    /// Refuse writes.
    pub read_only: bool,
    /// Answer writes before they are on stable storage. Without it every write is durable.
    pub write_cache: bool,
    /// Let initiators deallocate blocks, where the store can.
    pub thin: bool,
    /// Let initiators eject the medium.
    pub removable: bool,
    /// What of the identity is configured rather than derived.
    pub overrides: Overrides,
}

/// Where the bytes of a volume are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backing {
    /// In memory that is gone when the daemon ends (a swap keeps it).
    Memory {
        /// Bytes.
        size: u64,
    },
    /// In a regular file.
    File {
        /// The file; links are followed.
        path: PathBuf,
        /// When it is missing, make a sparse one of so many bytes.
        create_size: Option<u64>,
    },
    /// On a block device.
    Device {
        /// The device; links are followed.
        path: PathBuf,
    },
}

/// Parts of an identity that the configuration decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// The UUID shown, in place of the one that was made for the volume.
    pub uuid: Option<[u8; 16]>,
    /// Unit serial number: 1 to 64 printable ASCII bytes.
    pub serial: Option<String>,
    /// NAA designator of eight bytes.
    pub naa: Option<[u8; 8]>,
    /// T10 vendor identification: 1 to 8 printable ASCII bytes.
    pub vendor: Option<String>,
    /// Product identification: 1 to 16 printable ASCII bytes.
    pub product: Option<String>,
}

impl Spec {
    /// A volume with nothing special: write cache on, thin.
    pub fn new(name: &str, backing: Backing) -> Spec {
        Spec {
            name: name.into(),
            backing,
            block_bytes: None,
            physical_bytes: None,
            read_only: false,
            write_cache: true,
            thin: true,
            removable: false,
            overrides: Overrides::default(),
        }
    }

    /// Logical and physical block bytes for a store of `bytes`, whose sectors are `sectors` when it has such.
    pub(super) fn blocks(&self, bytes: u64, sectors: Option<Sectors>) -> Result<(u32, u32), OpenError> {
        let block = self.block_bytes.unwrap_or(sectors.map_or(512, |sectors| sectors.logical));
        if !is_block(block) {
            return Err(OpenError::Block { what: self.what(), block });
        }
        if let Some(sectors) = sectors
            && block < sectors.logical
        {
            return Err(OpenError::BlockBelowSector { what: self.what(), block, sector: sectors.logical });
        }
        let own = sectors.map_or(4096, |sectors| sectors.physical).max(block);
        let physical = self.physical_bytes.unwrap_or(own);
        if !is_physical(physical, block) {
            return Err(OpenError::Physical { what: self.what(), physical, block });
        }
        if bytes == 0 {
            return Err(OpenError::Empty { what: self.what() });
        }
        if !bytes.is_multiple_of(u64::from(block)) {
            return Err(OpenError::Ragged { what: self.what(), bytes, block });
        }
        Ok((block, physical))
    }

    /// The identity that is shown: the overrides over what `uuid` gives.
    pub(super) fn identity(&self, uuid: Uuid) -> Result<Identity, OpenError> {
        let over = &self.overrides;
        let uuid = over.uuid.unwrap_or(uuid.into_bytes());
        let text = |key, given: &Option<String>, default: String, max: usize| {
            let text = given.clone().unwrap_or(default);
            if !can_be_shown(&text, max) {
                return Err(OpenError::Text { what: self.what(), key, text, max });
            }
            Ok(text)
        };
        Ok(Identity {
            uuid,
            serial: text("serial", &over.serial, Uuid::from_bytes(uuid).simple().to_string(), SERIAL_MAX)?,
            naa: over.naa.unwrap_or(local_naa(uuid)),
            vendor: text("vendor", &over.vendor, "MAINSTAY".into(), VENDOR_MAX)?,
            product: text("product", &over.product, "Volume".into(), PRODUCT_MAX)?,
        })
    }

    pub(super) fn what(&self) -> String {
        match &self.backing {
            Backing::Memory { .. } => format!("memory volume {:?}", self.name),
            Backing::File { path, .. } | Backing::Device { path } => path.display().to_string(),
        }
    }
}

/// Bytes of the texts of an identity.
pub(super) const SERIAL_MAX: usize = 64;
pub(super) const VENDOR_MAX: usize = 8;
pub(super) const PRODUCT_MAX: usize = 16;

/// Whether `text` can be part of an identity.
pub(super) fn can_be_shown(text: &str, max: usize) -> bool {
    let printable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    !text.trim().is_empty() && text.len() <= max && printable
}

/// Whether a logical block can have so many bytes.
pub(super) fn is_block(bytes: u32) -> bool {
    bytes == 512 || bytes == 4096
}

/// Whether a physical block can have so many bytes when the logical one has `block`.
pub(super) fn is_physical(bytes: u32, block: u32) -> bool {
    bytes.is_power_of_two() && (block..=1 << 20).contains(&bytes)
}

/// Locally assigned (SPC-5 §7.7.6.6.4): NAA 3h, then the 60 random bits that lie before the variant in a version 4
/// UUID.
fn local_naa(uuid: [u8; 16]) -> [u8; 8] {
    let mut bits = 0u64;
    for byte in &uuid[..6] {
        bits = bits << 8 | u64::from(*byte);
    }
    bits = bits << 12 | u64::from(uuid[6] & 0x0f) << 8 | u64::from(uuid[7]);
    (3 << 60 | bits).to_be_bytes()
}
