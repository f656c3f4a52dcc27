//! One line as a request.

use super::super::error::{Code, Error};
use super::super::words::Call;
use serde::Serialize;
use serde_json::Value;

/// The longest id in bytes that we carry back.
const ID_MAX: usize = 128;

/// What the peer calls its request (JSON-RPC 2.0 §4: a string, a number without fraction, or null).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Id {
    /// `null`: legal, though discouraged.
    Null,
    /// A number from 0.
    Unsigned(u64),
    /// A number below 0.
    Signed(i64),
    /// A string.
    Text(String),
}

impl Id {
    fn parse(value: &Value) -> Option<Id> {
        match value {
            Value::Null => Some(Id::Null),
            Value::String(text) if text.len() <= ID_MAX => Some(Id::Text(text.clone())),
            Value::Number(number) => number.as_u64().map(Id::Unsigned).or_else(|| number.as_i64().map(Id::Signed)),
            _ => None,
        }
    }

    /// Its saved form: the JSON text.
    pub(super) fn save(&self) -> String {
        match self {
            Id::Null => Value::Null,
            Id::Unsigned(number) => Value::from(*number),
            Id::Signed(number) => Value::from(*number),
            Id::Text(text) => Value::from(text.as_str()),
        }
        .to_string()
    }

    pub(super) fn restore(saved: &str) -> Option<Id> {
        Id::parse(&serde_json::from_str(saved).ok()?)
    }
}

/// What a line is.
pub(super) enum Parsed {
    /// Nothing; ignored.
    Blank,
    /// No request: answered with id null (§5).
    Wrong(Error),
    /// To be answered.
    Request { id: Id, call: Result<Call, Error> },
    /// Never to be answered.
    Notification(Result<Call, Error>),
}

/// What `line` is.
pub(super) fn parse(line: &[u8]) -> Parsed {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Parsed::Blank;
    }
    let mut object = match serde_json::from_slice(line) {
        Ok(Value::Object(object)) => object,
        Ok(Value::Array(_)) => return wrong("batches are not supported: send one request object per line"),
        Ok(_) => return wrong("a request is a JSON object"),
        Err(error) => return Parsed::Wrong(Error::new(Code::ParseError, format!("not JSON: {error}"))),
    };
    let id = match object.get("id").map(Id::parse) {
        None => None,
        Some(Some(id)) => Some(id),
        Some(None) => return wrong("`id` is a string of at most 128 bytes or a whole number"),
    };
    let call = match (object.get("jsonrpc").and_then(Value::as_str), object.get("method").and_then(Value::as_str)) {
        (Some("2.0"), Some(method)) => {
            let method = method.to_owned();
            match object.remove("params") {
                None => Call::parse(&method, None),
                Some(params @ (Value::Object(_) | Value::Array(_))) => Call::parse(&method, Some(params)),
                Some(_) => Err(Error::new(Code::InvalidRequest, "`params` is an object")),
            }
        }
        (Some("2.0"), None) => Err(Error::new(Code::InvalidRequest, "`method` is missing or no string")),
        _ => Err(Error::new(Code::InvalidRequest, "`\"jsonrpc\": \"2.0\"` is missing")),
    };
    match (id, call) {
        (Some(id), call) => Parsed::Request { id, call },
        // An object that is not even a request cannot be a notification.
        (None, Err(error)) if error.code == Code::InvalidRequest as i64 => Parsed::Wrong(error),
        (None, call) => Parsed::Notification(call),
    }
}

fn wrong(message: &str) -> Parsed {
    Parsed::Wrong(Error::new(Code::InvalidRequest, message))
}
