//! The saved forms of a negotiation and its outcome.

use super::{Digest, Negotiated, Negotiation, Offers, TaskReporting};

/// [`Negotiated`], first version.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct NegotiatedV1 {
    #[prost(bool, tag = "1")]
    pub header_crc32c: bool,
    #[prost(bool, tag = "2")]
    pub data_crc32c: bool,
    #[prost(uint32, tag = "3")]
    pub recv_data_segment_max: u32,
    #[prost(uint32, tag = "4")]
    pub send_data_segment_max: u32,
    #[prost(uint32, tag = "5")]
    pub max_connections: u32,
    #[prost(bool, tag = "6")]
    pub initial_r2t: bool,
    #[prost(bool, tag = "7")]
    pub immediate_data: bool,
    #[prost(uint32, tag = "8")]
    pub max_burst_length: u32,
    #[prost(uint32, tag = "9")]
    pub first_burst_length: u32,
    #[prost(uint32, tag = "10")]
    pub default_time2wait: u32,
    #[prost(uint32, tag = "11")]
    pub default_time2retain: u32,
    #[prost(uint32, tag = "12")]
    pub max_outstanding_r2t: u32,
    #[prost(bool, tag = "13")]
    pub data_pdu_in_order: bool,
    #[prost(bool, tag = "14")]
    pub data_sequence_in_order: bool,
    #[prost(uint32, tag = "15")]
    pub error_recovery_level: u32,
    #[prost(bool, tag = "16")]
    pub response_fence: bool,
    #[prost(uint32, tag = "17")]
    pub protocol_level: u32,
}

/// [`Negotiation`], first version.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct NegotiationV1 {
    #[prost(message, optional, tag = "1")]
    pub values: Option<NegotiatedV1>,
    #[prost(message, optional, tag = "2")]
    pub offers: Option<OffersV1>,
    #[prost(uint64, tag = "3")]
    pub seen: u64,
    #[prost(bool, tag = "4")]
    pub declared: bool,
}

/// [`Offers`], first version.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[allow(missing_docs)]
pub struct OffersV1 {
    #[prost(uint32, tag = "1")]
    pub max_recv_data_segment_length: u32,
    #[prost(uint32, tag = "2")]
    pub max_burst_length: u32,
    #[prost(uint32, tag = "3")]
    pub first_burst_length: u32,
    #[prost(uint32, tag = "4")]
    pub max_outstanding_r2t: u32,
    #[prost(bool, tag = "5")]
    pub initial_r2t: bool,
    #[prost(bool, tag = "6")]
    pub immediate_data: bool,
    #[prost(uint32, tag = "7")]
    pub default_time2wait: u32,
    #[prost(uint32, tag = "8")]
    pub default_time2retain: u32,
    #[prost(uint32, tag = "9")]
    pub protocol_level: u32,
}

/// A field of a saved form has a value that no running program can have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("saved login: {0} is missing or out of range")]
pub struct BadSaved(pub &'static str);

fn narrow<T: TryFrom<u32>>(value: u32, what: &'static str) -> Result<T, BadSaved> {
    T::try_from(value).map_err(|_| BadSaved(what))
}

impl Negotiated {
    /// For [`Negotiated::restore`].
    pub fn save(&self) -> NegotiatedV1 {
        NegotiatedV1 {
            header_crc32c: self.header_digest == Digest::Crc32c,
            data_crc32c: self.data_digest == Digest::Crc32c,
            recv_data_segment_max: self.recv_data_segment_max,
            send_data_segment_max: self.send_data_segment_max,
            max_connections: self.max_connections.into(),
            initial_r2t: self.initial_r2t,
            immediate_data: self.immediate_data,
            max_burst_length: self.max_burst_length,
            first_burst_length: self.first_burst_length,
            default_time2wait: self.default_time2wait.into(),
            default_time2retain: self.default_time2retain.into(),
            max_outstanding_r2t: self.max_outstanding_r2t.into(),
            data_pdu_in_order: self.data_pdu_in_order,
            data_sequence_in_order: self.data_sequence_in_order,
            error_recovery_level: self.error_recovery_level.into(),
            response_fence: self.task_reporting == TaskReporting::ResponseFence,
            protocol_level: self.protocol_level.into(),
        }
    }

    /// The values saved.
    pub fn restore(saved: &NegotiatedV1) -> Result<Negotiated, BadSaved> {
        let digest = |crc32c| if crc32c { Digest::Crc32c } else { Digest::None };
        let task_reporting = if saved.response_fence { TaskReporting::ResponseFence } else { TaskReporting::Rfc3720 };
        Ok(Negotiated {
            header_digest: digest(saved.header_crc32c),
            data_digest: digest(saved.data_crc32c),
            recv_data_segment_max: saved.recv_data_segment_max,
            send_data_segment_max: saved.send_data_segment_max,
            max_connections: narrow(saved.max_connections, "MaxConnections")?,
            initial_r2t: saved.initial_r2t,
            immediate_data: saved.immediate_data,
            max_burst_length: saved.max_burst_length,
            first_burst_length: saved.first_burst_length,
            default_time2wait: narrow(saved.default_time2wait, "DefaultTime2Wait")?,
            default_time2retain: narrow(saved.default_time2retain, "DefaultTime2Retain")?,
            max_outstanding_r2t: narrow(saved.max_outstanding_r2t, "MaxOutstandingR2T")?,
            data_pdu_in_order: saved.data_pdu_in_order,
            data_sequence_in_order: saved.data_sequence_in_order,
            error_recovery_level: narrow(saved.error_recovery_level, "ErrorRecoveryLevel")?,
            task_reporting,
            protocol_level: narrow(saved.protocol_level, "iSCSIProtocolLevel")?,
        })
    }
}

impl Negotiation {
    /// For [`Negotiation::restore`].
    pub fn save(&self) -> NegotiationV1 {
        let offers = &self.offers;
        NegotiationV1 {
            values: Some(self.values.save()),
            offers: Some(OffersV1 {
                max_recv_data_segment_length: offers.max_recv_data_segment_length,
                max_burst_length: offers.max_burst_length,
                first_burst_length: offers.first_burst_length,
                max_outstanding_r2t: offers.max_outstanding_r2t.into(),
                initial_r2t: offers.initial_r2t,
                immediate_data: offers.immediate_data,
                default_time2wait: offers.default_time2wait.into(),
                default_time2retain: offers.default_time2retain.into(),
                protocol_level: offers.protocol_level.into(),
            }),
            seen: self.seen,
            declared: self.declared,
        }
    }

    /// The negotiation saved.
    pub fn restore(saved: &NegotiationV1) -> Result<Negotiation, BadSaved> {
        let offers = saved.offers.as_ref().ok_or(BadSaved("what we offer"))?;
        Ok(Negotiation {
            values: Negotiated::restore(saved.values.as_ref().ok_or(BadSaved("what is agreed"))?)?,
            offers: Offers {
                max_recv_data_segment_length: offers.max_recv_data_segment_length,
                max_burst_length: offers.max_burst_length,
                first_burst_length: offers.first_burst_length,
                max_outstanding_r2t: narrow(offers.max_outstanding_r2t, "our MaxOutstandingR2T")?,
                initial_r2t: offers.initial_r2t,
                immediate_data: offers.immediate_data,
                default_time2wait: narrow(offers.default_time2wait, "our DefaultTime2Wait")?,
                default_time2retain: narrow(offers.default_time2retain, "our DefaultTime2Retain")?,
                protocol_level: narrow(offers.protocol_level, "our iSCSIProtocolLevel")?,
            },
            seen: saved.seen,
            declared: saved.declared,
        })
    }
}
