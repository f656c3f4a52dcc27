//! The saved form of a state directory: what is known of its records. A successor is handed the open directory with its
//! lock, and neither opens nor reads anything: behind the lock, nobody has changed what was there.

use super::{Inner, Record, StateDir, is_record_name, locked};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::{Arc, Mutex};

/// A state directory, version 1.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StateDirV1 {
    /// As it was given; not always UTF-8.
    #[prost(bytes = "vec", tag = "1")]
    pub(super) path: Vec<u8>,
    /// By name, ascending.
    #[prost(message, repeated, tag = "2")]
    pub(super) records: Vec<RecordV1>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct RecordV1 {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(oneof = "ContentV1", tags = "2, 3")]
    pub(super) content: Option<ContentV1>,
}

#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub(super) enum ContentV1 {
    #[prost(message, tag = "2")]
    Whole(WholeV1),
    /// It could not be read, for this reason, and is kept as it is.
    #[prost(string, tag = "3")]
    Damaged(String),
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct WholeV1 {
    #[prost(uint32, tag = "1")]
    version: u32,
    #[prost(string, tag = "2")]
    text: String,
}

/// A saved state directory that this program cannot take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the saved state directory is damaged: {0}")]
pub struct Damaged(&'static str);

impl StateDir {
    /// What is known of it, but for claims: whoever has one takes it again.
    pub fn save(&self) -> StateDirV1 {
        let record = |(name, record): (&String, &Result<Record, String>)| RecordV1 {
            name: name.clone(),
            content: Some(match record {
                Ok(Record { version, text }) => ContentV1::Whole(WholeV1 { version: *version, text: text.clone() }),
                Err(why) => ContentV1::Damaged(why.clone()),
            }),
        };
        StateDirV1 {
            path: self.0.path.as_os_str().as_bytes().to_vec(),
            records: locked(&self.0.records).iter().map(record).collect(),
        }
    }

    /// The directory that was saved, with its [`StateDir::descriptors`]. Nothing is done to them.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn adopt(saved: StateDirV1, dir: OwnedFd, lock: OwnedFd) -> Result<StateDir, Damaged> {
        if saved.path.is_empty() || saved.path.contains(&0) {
            return Err(Damaged("its path is none"));
        }
        let mut records = BTreeMap::new();
        for RecordV1 { name, content } in saved.records {
            if !is_record_name(&name) || records.last_key_value().is_some_and(|(last, _)| *last >= name) {
                return Err(Damaged("its records are not in order"));
            }
            let record = match content.ok_or(Damaged("a record is missing"))? {
                ContentV1::Whole(WholeV1 { version, text }) => Ok(Record { version, text }),
                ContentV1::Damaged(why) => Err(why),
            };
            records.insert(name, record);
        }
        let path = OsString::from_vec(saved.path).into();
        Ok(StateDir(Arc::new(Inner { path, dir, lock, records: Mutex::new(records), claims: Mutex::default() })))
    }
}
