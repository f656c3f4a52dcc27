//! The records there are, and what is asked of them.

use super::{Link, Service};
use simple_dns::rdata::{A, AAAA, PTR, RData, SRV, TXT};
use simple_dns::{CLASS, Label, Name, QCLASS, QTYPE, Question, ResourceRecord, TYPE};
use std::net::IpAddr;

/// Life of records with a host in them, and of others, in seconds (RFC 6762 §10).
const HOST_LIFE: u32 = 120;
const LIFE: u32 = 75 * 60;
/// Life of what is told to those who do not know multicast DNS, at most (§6.7).
pub const LEGACY_LIFE: u32 = 10;

/// Sets of records, as bits.
pub type Set = u8;
/// There are services of our kind (RFC 6763 §9).
pub const KINDS: Set = 1;
/// There is a service of that kind: ours.
pub const KIND: Set = 1 << 1;
/// Where it is.
pub const PLACE: Set = 1 << 2;
/// What it is.
pub const TEXT: Set = 1 << 3;
/// Our addresses.
pub const HOST: Set = 1 << 4;
/// All of them, in the order in which they are told.
pub const ALL: [Set; 5] = [KINDS, KIND, PLACE, TEXT, HOST];
/// Those that others have, too.
pub const SHARED: Set = KINDS | KIND;

/// Those who ask for the first may ask for these next.
pub fn beside(asked: Set) -> Set {
    let mut more = 0;
    if asked & KIND != 0 {
        more |= PLACE | TEXT | HOST;
    }
    if asked & PLACE != 0 {
        more |= HOST;
    }
    more & !asked
}

/// A name of these labels, none longer than 63 bytes.
fn name<'a>(labels: &[&'a str]) -> Name<'a> {
    let label = |text: &&'a str| {
        let end = (0..=text.len().min(63)).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        Label::new_unchecked(&text.as_bytes()[..end])
    };
    Name::new_with_labels(&labels.iter().filter(|text| !text.is_empty()).map(label).collect::<Vec<_>>())
}

/// The records of one link.
pub struct Records<'a> {
    service: &'a Service,
    link: &'a Link,
}

impl<'a> Records<'a> {
    pub fn new(service: &'a Service, link: &'a Link) -> Records<'a> {
        Records { service, link }
    }

    fn kind() -> Name<'static> {
        name(&["_nvme-disc", "_tcp", "local"])
    }

    fn kinds() -> Name<'static> {
        name(&["_services", "_dns-sd", "_udp", "local"])
    }

    fn instance(&self) -> Name<'a> {
        name(&[&self.service.instance, "_nvme-disc", "_tcp", "local"])
    }

    fn host(&self) -> Name<'a> {
        name(&[&self.service.host, "local"])
    }

    /// The records of `set`. Those that are ours alone say so (the cache flush bit).
    pub fn of(&self, set: Set) -> Vec<ResourceRecord<'a>> {
        ALL.into_iter().filter(|one| set & one != 0).flat_map(|one| self.one(one)).collect()
    }

    fn one(&self, one: Set) -> Vec<ResourceRecord<'a>> {
        let record = |name: Name<'a>, life, rdata| {
            ResourceRecord::new(name, CLASS::IN, life, rdata).with_cache_flush(one & SHARED == 0)
        };
        match one {
            KINDS => vec![record(Self::kinds(), LIFE, RData::PTR(PTR(Self::kind())))],
            KIND => vec![record(Self::kind(), LIFE, RData::PTR(PTR(self.instance())))],
            PLACE => {
                let place = SRV { priority: 0, weight: 0, port: self.link.port, target: self.host() };
                vec![record(self.instance(), HOST_LIFE, RData::SRV(place))]
            }
            TEXT => {
                let mut text = TXT::new();
                // A name that is too long for a string is none that NVMe knows.
                let _ = text.add_attribute("p", Some(b"tcp"));
                let _ = text.add_attribute("nqn", Some(self.service.nqn.as_bytes()));
                vec![record(self.instance(), LIFE, RData::TXT(text.into_owned()))]
            }
            _ => {
                let address = |&(ip, _): &(IpAddr, u8)| match ip {
                    IpAddr::V4(ip) => RData::A(A { address: ip.to_bits() }),
                    IpAddr::V6(ip) => RData::AAAA(AAAA { address: ip.to_bits() }),
                };
                self.link.addresses.iter().map(|ip| record(self.host(), HOST_LIFE, address(ip))).collect()
            }
        }
    }

    /// What of ours `question` is about.
    pub fn asked(&self, question: &Question<'_>) -> Set {
        if !matches!(question.qclass, QCLASS::ANY | QCLASS::CLASS(CLASS::IN)) {
            return 0;
        }
        let is = |kind: TYPE| matches!(question.qtype, QTYPE::ANY) || question.qtype == QTYPE::TYPE(kind);
        let bit = |wanted: bool, set: Set| if wanted { set } else { 0 };
        let name = &question.qname;
        if *name == Self::kinds() {
            bit(is(TYPE::PTR), KINDS)
        } else if *name == Self::kind() {
            bit(is(TYPE::PTR), KIND)
        } else if *name == self.instance() {
            bit(is(TYPE::SRV), PLACE) | bit(is(TYPE::TXT), TEXT)
        } else if *name == self.host() {
            let has = |ipv6: bool| self.link.addresses.iter().any(|(ip, _)| ip.is_ipv6() == ipv6);
            bit(is(TYPE::A) && has(false) || is(TYPE::AAAA) && has(true), HOST)
        } else {
            0
        }
    }

    /// What of `set` the asking one knows already, for at least half of its life (RFC 6762 §7.1).
    pub fn known(&self, set: Set, answers: &[ResourceRecord<'_>]) -> Set {
        let knows = |own: &ResourceRecord<'_>| {
            answers.iter().any(|known| known.name == own.name && known.rdata == own.rdata && known.ttl >= own.ttl / 2)
        };
        ALL.into_iter().filter(|one| set & one != 0 && self.one(*one).iter().all(knows)).sum()
    }
}
