//! What both sides have agreed on.

use super::rule::yes_no;

/// A digest after a header or a data segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Digest {
    #[default]
    None,
    Crc32c,
}

impl Digest {
    /// The value of the key.
    pub fn name(self) -> &'static str {
        match self {
            Digest::None => "None",
            Digest::Crc32c => "CRC32C",
        }
    }

    /// Bytes it takes on the wire.
    pub fn bytes(self) -> usize {
        match self {
            Digest::None => 0,
            Digest::Crc32c => 4,
        }
    }
}

/// How tasks that end by task management are reported (RFC 7143 §13.23).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TaskReporting {
    #[default]
    Rfc3720,
    ResponseFence,
}

impl TaskReporting {
    /// The value of the key.
    pub fn name(self) -> &'static str {
        match self {
            TaskReporting::Rfc3720 => "RFC3720",
            TaskReporting::ResponseFence => "ResponseFence",
        }
    }
}

/// The operational values of a session and its connection; lengths in bytes, times in seconds. The defaults of the
/// standard until negotiated (RFC 7143 §13).
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Negotiated {
    pub header_digest: Digest,
    pub data_digest: Digest,
    /// The longest data segment the initiator may send us, as we have declared it.
    pub recv_data_segment_max: u32,
    /// The longest data segment we may send, as the initiator has declared it.
    pub send_data_segment_max: u32,
    pub max_connections: u16,
    pub initial_r2t: bool,
    pub immediate_data: bool,
    pub max_burst_length: u32,
    /// Never above `max_burst_length` (see [`Negotiated::settle`]).
    pub first_burst_length: u32,
    pub default_time2wait: u16,
    pub default_time2retain: u16,
    pub max_outstanding_r2t: u16,
    pub data_pdu_in_order: bool,
    pub data_sequence_in_order: bool,
    pub error_recovery_level: u8,
    pub task_reporting: TaskReporting,
    pub protocol_level: u8,
}

impl Default for Negotiated {
    fn default() -> Negotiated {
        Negotiated {
            header_digest: Digest::None,
            data_digest: Digest::None,
            recv_data_segment_max: 8192,
            send_data_segment_max: 8192,
            max_connections: 1,
            initial_r2t: true,
            immediate_data: true,
            max_burst_length: 262_144,
            first_burst_length: 65_536,
            default_time2wait: 2,
            default_time2retain: 20,
            max_outstanding_r2t: 1,
            data_pdu_in_order: true,
            data_sequence_in_order: true,
            error_recovery_level: 0,
            task_reporting: TaskReporting::Rfc3720,
            protocol_level: 1,
        }
    }
}

impl Negotiated {
    /// Makes the values consistent once all are known: an initiator that only lowers MaxBurstLength has lowered the
    /// default of FirstBurstLength with it (RFC 7143 §13.14).
    pub fn settle(&mut self) {
        self.first_burst_length = self.first_burst_length.min(self.max_burst_length);
    }

    /// Key and value, for people. MaxRecvDataSegmentLength is there for each direction.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        vec![
            ("HeaderDigest", self.header_digest.name().into()),
            ("DataDigest", self.data_digest.name().into()),
            ("MaxRecvDataSegmentLength(target)", self.recv_data_segment_max.to_string()),
            ("MaxRecvDataSegmentLength(initiator)", self.send_data_segment_max.to_string()),
            ("MaxConnections", self.max_connections.to_string()),
            ("InitialR2T", yes_no(self.initial_r2t).into()),
            ("ImmediateData", yes_no(self.immediate_data).into()),
            ("MaxBurstLength", self.max_burst_length.to_string()),
            ("FirstBurstLength", self.first_burst_length.to_string()),
            ("DefaultTime2Wait", self.default_time2wait.to_string()),
            ("DefaultTime2Retain", self.default_time2retain.to_string()),
            ("MaxOutstandingR2T", self.max_outstanding_r2t.to_string()),
            ("DataPDUInOrder", yes_no(self.data_pdu_in_order).into()),
            ("DataSequenceInOrder", yes_no(self.data_sequence_in_order).into()),
            ("ErrorRecoveryLevel", self.error_recovery_level.to_string()),
            ("TaskReporting", self.task_reporting.name().into()),
            ("iSCSIProtocolLevel", self.protocol_level.to_string()),
        ]
    }
}
