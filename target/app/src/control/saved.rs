//! The saved form of a control connection.

/// A [`super::machine::Machine`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct MachineV1 {
    /// Bytes that are not parsed yet.
    #[prost(bytes = "vec", tag = "1")]
    pub input: Vec<u8>,
    /// Within a line that was too long.
    #[prost(bool, tag = "2")]
    pub skipping: bool,
    /// The peer sends nothing more.
    #[prost(bool, tag = "3")]
    pub ended: bool,
    /// Bytes that are not sent yet.
    #[prost(bytes = "vec", tag = "4")]
    pub output: Vec<u8>,
    /// Requests without an answer, by ticket.
    #[prost(message, repeated, tag = "5")]
    pub open: Vec<OpenV1>,
    /// The next ticket.
    #[prost(uint64, tag = "6")]
    pub tickets: u64,
    /// Listens to events.
    #[prost(bool, tag = "7")]
    pub subscribed: bool,
}

/// A request without an answer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OpenV1 {
    /// Its ticket.
    #[prost(uint64, tag = "1")]
    pub ticket: u64,
    /// Its id as JSON; none: a notification.
    #[prost(string, optional, tag = "2")]
    pub id: Option<String>,
}
