//! Which interfaces there are.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_int};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One address of one interface.
pub struct Address {
    /// The interface.
    pub name: String,
    /// Its flags (`IFF_…`).
    pub flags: c_int,
    /// The address.
    pub ip: IpAddr,
    /// How long its prefix is.
    pub prefix: u8,
}

/// All addresses of all interfaces.
pub fn addresses() -> io::Result<Vec<Address>> {
    let mut first = std::ptr::null_mut();
    // SAFETY: the place for the result is ours; on success it is the head of a list that is ours until it is freed below.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = vec![];
    let mut next = first;
    // SAFETY: `next` is null or a node of the list, which nobody else has and which is freed only after the loop; a node's
    // name is a string, its address and netmask null or good for their families.
    while let Some(node) = unsafe { next.as_ref() } {
        next = node.ifa_next;
        // SAFETY: as above.
        let (ip, mask) = unsafe { (ip(node.ifa_addr), ip(node.ifa_netmask)) };
        let Some(ip) = ip else { continue };
        let prefix = match mask {
            Some(IpAddr::V4(mask)) => mask.to_bits().leading_ones(),
            Some(IpAddr::V6(mask)) => mask.to_bits().leading_ones(),
            // Nobody but itself.
            None => 128,
        };
        // SAFETY: as above.
        let name = unsafe { CStr::from_ptr(node.ifa_name) }.to_string_lossy().into_owned();
        found.push(Address { name, flags: node.ifa_flags as c_int, ip, prefix: prefix as u8 });
    }
    // SAFETY: it is the head of the list, and nothing of the list is used any more.
    unsafe { libc::freeifaddrs(first) };
    Ok(found)
}

/// The number of the interface that is called so; none: there is no such interface.
pub fn index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: `name` is a string that lives until the call is over.
    Some(unsafe { libc::if_nametoindex(name.as_ptr()) }).filter(|index| *index != 0)
}

/// What the interface with this number is called; none: there is no such interface.
pub fn name(index: u32) -> Option<String> {
    let mut name = [0; libc::IFNAMSIZ];
    // SAFETY: the place for the name has the length that the call asks for.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr()) };
    if found.is_null() {
        return None;
    }
    // SAFETY: on success a string stands there.
    Some(unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned())
}

/// The IP address at `address`, if it is one.
///
/// # Safety
/// It is null or points to an address that is good for the family it names.
unsafe fn ip(address: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: the caller's.
    let family = unsafe { address.as_ref() }?.sa_family;
    match c_int::from(family) {
        libc::AF_INET => {
            // SAFETY: the family says that it is one of these; it may lie anywhere.
            let found = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(Ipv4Addr::from(u32::from_be(found.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: the same.
            let found = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(Ipv6Addr::from(found.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}
