//! Why a request was not done.

use serde::{Deserialize, Serialize};

/// The error object of JSON-RPC 2.0 §5.1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// A [`Code`], or one of a newer daemon.
    pub code: i64,
    /// For people: what is wrong and what would be right.
    pub message: String,
    /// For programs: the values in question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<serde_json::Value>,
}

/// What kind of error. Those below -32000 are JSON-RPC's own; the positive ones are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum Code {
    /// Not JSON.
    ParseError = -32700,
    /// JSON, but not a request (batches too: they are not supported).
    InvalidRequest = -32600,
    /// A method we do not have.
    MethodNotFound = -32601,
    /// Parameters missing, unknown, or of the wrong type.
    InvalidParams = -32602,
    /// Our own fault.
    Internal = -32603,
    /// A line of more than [`super::machine::LINE_MAX`] bytes; it was skipped.
    LineTooLong = -32001,
    /// The daemon is stopping and takes no more requests.
    Stopping = -32002,
    /// No session with this id.
    NoSuchSession = 1,
    /// No volume of this name.
    NoSuchVolume = 2,
    /// A volume never shrinks under its initiators.
    WouldShrink = 3,
    /// A size that is no multiple of the logical block, or beyond what can be addressed.
    BadSize = 4,
    /// The store cannot do it: no space, read-only, a device that has not grown.
    StoreRefused = 5,
    /// Nothing to clear: the volume is not poisoned.
    NotPoisoned = 6,
    /// Something else is under way that excludes this.
    Busy = 7,
    /// Not for this user.
    Forbidden = 8,
    /// No portal of this name.
    NoSuchPortal = 9,
    /// No group of volumes with this number behind the portal.
    NoSuchGroup = 10,
}

impl Error {
    /// An error without data.
    pub fn new(code: Code, message: impl Into<String>) -> Error {
        Error { code: code as i64, message: message.into(), data: None }
    }

    /// The same with `data`.
    pub fn with(mut self, data: serde_json::Value) -> Error {
        self.data = Some(data);
        self
    }

    /// No session `id`.
    pub fn no_session(id: u64) -> Error {
        Error::new(Code::NoSuchSession, format!("there is no session {id} (`mainstay status` lists them)"))
            .with(serde_json::json!({ "session": id }))
    }

    /// No volume `name`; `names` are those there are.
    pub fn no_volume<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Error {
        let names: Vec<&str> = names.into_iter().collect();
        let known =
            if names.is_empty() { "there are none".to_owned() } else { format!("volumes: {}", names.join(", ")) };
        Error::new(Code::NoSuchVolume, format!("there is no volume {name:?}; {known}"))
            .with(serde_json::json!({ "volume": name, "volumes": names }))
    }

    /// No portal `name`; `names` are those there are.
    pub fn no_portal<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Error {
        let names: Vec<&str> = names.into_iter().collect();
        let known = match names.is_empty() {
            true => "NVMe/TCP is not served".to_owned(),
            false => format!("portals: {}", names.join(", ")),
        };
        Error::new(Code::NoSuchPortal, format!("there is no NVMe portal {name:?}; {known}"))
            .with(serde_json::json!({ "portal": name, "portals": names }))
    }

    /// No volume behind `portal` is in `group`.
    pub fn no_group(group: u16, portal: &str) -> Error {
        let message = format!("no volume behind {portal:?} is in group {group} (`mainstay path show` lists them)");
        Error::new(Code::NoSuchGroup, message).with(serde_json::json!({ "group": group, "portal": portal }))
    }

    /// A state that ways do not have.
    pub fn no_access(state: &str) -> Error {
        let known: Vec<&str> = mainstay_base::path::Access::ALL.iter().map(|access| access.name()).collect();
        Error::new(Code::InvalidParams, format!("there is no state {state:.64?}; there are {}", known.join(", ")))
    }

    /// `size` is less than the volume has.
    pub fn would_shrink(name: &str, size_old: u64, size: u64) -> Error {
        let message = format!("volume {name:?} has {size_old} bytes; {size} would shrink it, and volumes only grow");
        Error::new(Code::WouldShrink, message)
            .with(serde_json::json!({ "volume": name, "size_old": size_old, "size": size }))
    }

    /// `size` cannot be, since `why`.
    pub fn bad_size(name: &str, size: u64, why: &str) -> Error {
        Error::new(Code::BadSize, format!("volume {name:?} cannot have {size} bytes: {why}"))
            .with(serde_json::json!({ "volume": name, "size": size }))
    }

    /// The store said `why`.
    pub fn store_refused(name: &str, why: &str) -> Error {
        Error::new(Code::StoreRefused, format!("volume {name:?}: {why}")).with(serde_json::json!({ "volume": name }))
    }

    /// Something is under way that excludes `what`.
    pub fn busy(what: &str, under_way: &str) -> Error {
        Error::new(Code::Busy, format!("{what} has to wait: {under_way}"))
    }

    /// Nothing to clear.
    pub fn not_poisoned(name: &str) -> Error {
        Error::new(Code::NotPoisoned, format!("volume {name:?} is not poisoned: no flush of it has failed"))
            .with(serde_json::json!({ "volume": name }))
    }
}
