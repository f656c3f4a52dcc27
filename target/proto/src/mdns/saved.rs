//! The saved form of an announcer.

use super::announcer::Place;
use super::records::ALL;
use super::{Announcer, Link, LinkId, Service};
use mainstay_base::time::Instant;
use std::net::IpAddr;

/// An announcer, version 1.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct AnnouncerV1 {
    #[prost(string, tag = "1")]
    instance: String,
    #[prost(string, tag = "2")]
    host: String,
    #[prost(string, tag = "3")]
    nqn: String,
    #[prost(message, repeated, tag = "4")]
    places: Vec<PlaceV1>,
    #[prost(fixed64, tag = "5")]
    seed: u64,
    #[prost(bool, tag = "6")]
    stopped: bool,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct PlaceV1 {
    #[prost(uint32, tag = "1")]
    interface: u32,
    #[prost(bool, tag = "2")]
    ipv6: bool,
    #[prost(message, repeated, tag = "3")]
    addresses: Vec<AddressV1>,
    #[prost(uint32, tag = "4")]
    port: u32,
    #[prost(uint32, tag = "5")]
    announcements: u32,
    #[prost(uint64, tag = "6")]
    announce_at: u64,
    #[prost(uint32, tag = "7")]
    pending: u32,
    #[prost(uint64, tag = "8")]
    pending_at: u64,
    /// One for each kind of record.
    #[prost(message, repeated, tag = "9")]
    told: Vec<ToldV1>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct AddressV1 {
    #[prost(bytes = "vec", tag = "1")]
    ip: Vec<u8>,
    #[prost(uint32, tag = "2")]
    prefix: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct ToldV1 {
    #[prost(uint64, optional, tag = "1")]
    at: Option<u64>,
}

/// A saved form that cannot be an announcer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the saved announcer has no good {0}")]
pub struct Unfit(pub &'static str);

impl Announcer {
    /// Its saved form.
    pub fn save(&self) -> AnnouncerV1 {
        let Announcer { service, places, seed, stopped } = self;
        let Service { instance, host, nqn } = service.clone();
        AnnouncerV1 { instance, host, nqn, places: places.iter().map(save).collect(), seed: *seed, stopped: *stopped }
    }

    /// The announcer that was saved.
    ///
    /// # Errors
    /// What does not fit.
    pub fn restore(saved: AnnouncerV1) -> Result<Announcer, Unfit> {
        let AnnouncerV1 { instance, host, nqn, places, seed, stopped } = saved;
        let places = places.into_iter().map(restore).collect::<Result<Vec<_>, _>>()?;
        if !places.is_sorted_by(|a, b| a.link.id < b.link.id) {
            return Err(Unfit("order of links"));
        }
        Ok(Announcer { service: Service { instance, host, nqn }, places, seed, stopped })
    }
}

fn save(place: &Place) -> PlaceV1 {
    let Place { link: Link { id, addresses, port }, announce, pending, told } = place;
    let address = |&(ip, prefix): &(IpAddr, u8)| {
        let ip = match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        AddressV1 { ip, prefix: prefix.into() }
    };
    let (announcements, announce_at) = announce.unwrap_or_default();
    let (set, pending_at) = pending.unwrap_or_default();
    PlaceV1 {
        interface: id.interface,
        ipv6: id.ipv6,
        addresses: addresses.iter().map(address).collect(),
        port: (*port).into(),
        announcements,
        announce_at: announce_at.0,
        pending: set.into(),
        pending_at: pending_at.0,
        told: told.iter().map(|at| ToldV1 { at: at.map(|at| at.0) }).collect(),
    }
}

fn restore(saved: PlaceV1) -> Result<Place, Unfit> {
    let address = |AddressV1 { ip, prefix }: AddressV1| {
        let v4 = <[u8; 4]>::try_from(&ip[..]).map(IpAddr::from);
        let ip = v4.or_else(|_| <[u8; 16]>::try_from(&ip[..]).map(IpAddr::from)).map_err(|_| Unfit("address"))?;
        Ok((ip, u8::try_from(prefix).map_err(|_| Unfit("prefix"))?))
    };
    let known = ALL.into_iter().sum::<u8>();
    let set = u8::try_from(saved.pending).ok().filter(|set| set & !known == 0).ok_or(Unfit("set of records"))?;
    let told: Vec<Option<Instant>> = saved.told.iter().map(|told| told.at.map(Instant)).collect();
    Ok(Place {
        link: Link {
            id: LinkId { interface: saved.interface, ipv6: saved.ipv6 },
            addresses: saved.addresses.into_iter().map(address).collect::<Result<_, _>>()?,
            port: u16::try_from(saved.port).map_err(|_| Unfit("port"))?,
        },
        announce: (saved.announcements > 0).then_some((saved.announcements, Instant(saved.announce_at))),
        pending: (set != 0).then_some((set, Instant(saved.pending_at))),
        told: told.try_into().map_err(|_| Unfit("times"))?,
    })
}
