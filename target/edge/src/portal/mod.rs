//! Sockets: listeners, and the pump that moves bytes between a connection and a machine without I/O.
//!
//! The pump is driven by readiness and keeps nothing: whatever was read is in the machine, whatever was not sent still is.

pub mod multicast;
mod sys;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};

/// Connections the kernel may hold for us.
const BACKLOG: i32 = 1024;
/// Reads in one go before others get their turn.
const READS_MAX: usize = 4;

/// What the pump moves bytes for.
pub trait Machine {
    /// Where the next payload bytes should be read to, if straight into place.
    fn payload_space(&mut self) -> Option<&mut [u8]>;
    /// `n` bytes are in the payload space.
    fn filled(&mut self, n: usize);
    /// Other bytes from the peer.
    fn receive(&mut self, bytes: &[u8]);
    /// Whether to read at all.
    fn wants_input(&self) -> bool;
    /// What to send next.
    fn output<'a>(&'a self, slices: &mut Vec<IoSlice<'a>>);
    /// `n` bytes of it were sent.
    fn sent(&mut self, n: usize);
}

/// How a pumping ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pumped {
    /// The socket has no more for now, or the machine wants no more.
    Dry,
    /// There may be more: others go first.
    More,
    /// The peer sends nothing more.
    End,
}

/// What is known of a socket before a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// The runtime has said whether there is something.
    AsTold,
    /// Nothing: try.
    Unknown,
}

/// Listen on `addr`; an IPv6 socket takes IPv6 only, so that both wildcards can be listened on.
pub fn listen(addr: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Set an accepted connection up: no delay, and the kernel notices a peer that vanished.
pub fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(60));
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// A parked listener, or a predecessor's, for the runtime that calls.
pub fn adopt_listener(descriptor: OwnedFd) -> io::Result<TcpListener> {
    never_waits(&descriptor)?;
    TcpListener::from_std(descriptor.into())
}

/// A parked connection, or a predecessor's, for the runtime that calls; [`prepare`] has been done long ago.
pub fn adopt_stream(descriptor: OwnedFd) -> io::Result<TcpStream> {
    never_waits(&descriptor)?;
    TcpStream::from_std(descriptor.into())
}

/// Whether calls wait is kept with the open socket, so others who hold it could have changed that; and one call that
/// waits is one daemon that hangs.
fn never_waits(socket: &OwnedFd) -> io::Result<()> {
    let flags = fcntl_getfl(socket)?;
    if !flags.contains(OFlags::NONBLOCK) {
        fcntl_setfl(socket, flags | OFlags::NONBLOCK)?;
    }
    Ok(())
}

/// Read what there is into the machine; `scratch` is shared by all connections of a core.
pub fn fill(stream: &TcpStream, machine: &mut impl Machine, scratch: &mut [u8], ready: Ready) -> io::Result<Pumped> {
    for _ in 0..READS_MAX {
        if !machine.wants_input() {
            return Ok(Pumped::Dry);
        }
        let spare = scratch.len();
        let (placed, read) = match machine.payload_space() {
            Some(space) => {
                let placed = space.len();
                let room = placed + spare;
                (placed, read(stream, &mut [IoSliceMut::new(space), IoSliceMut::new(scratch)], room, ready))
            }
            None => (0, read(stream, &mut [IoSliceMut::new(scratch)], spare, ready)),
        };
        match read {
            Ok(None) => return Ok(Pumped::Dry),
            Ok(Some(0)) => return Ok(Pumped::End),
            Ok(Some(n)) => {
                let in_place = n.min(placed);
                if in_place > 0 {
                    machine.filled(in_place);
                }
                if n > in_place {
                    machine.receive(&scratch[..n - in_place]);
                }
                if n < placed + spare {
                    return Ok(Pumped::Dry);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Pumped::More)
}

/// Read up to `room` bytes; none: there is nothing now. A read that does not fill its room has emptied the socket, and
/// the runtime is told so: else the next wait would end at once, for a read that finds nothing, and a peer that keeps
/// sending little would never let the others have their turn.
fn read(stream: &TcpStream, slices: &mut [IoSliceMut<'_>], room: usize, ready: Ready) -> io::Result<Option<usize>> {
    if ready == Ready::Unknown {
        return match rustix::io::readv(stream, slices) {
            Ok(n) => Ok(Some(n)),
            Err(rustix::io::Errno::AGAIN) => Ok(None),
            Err(errno) => Err(errno.into()),
        };
    }
    let mut some = None;
    let outcome = stream.try_io(Interest::READABLE, || {
        let n = rustix::io::readv(stream, slices)?;
        some = Some(n);
        if (1..room).contains(&n) { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    });
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(some),
    }
}

/// Send what the machine has until it has no more (true) or the socket takes no more (false).
pub fn flush(stream: &TcpStream, machine: &mut impl Machine) -> io::Result<bool> {
    loop {
        let mut slices = Vec::with_capacity(64);
        machine.output(&mut slices);
        if slices.is_empty() {
            return Ok(true);
        }
        let sent = match stream.try_write_vectored(&slices) {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        drop(slices);
        machine.sent(sent);
    }
}

/// End a connection in both directions, whoever else may hold the socket.
pub fn shutdown(stream: &TcpStream) {
    // An error means that the peer was faster.
    let _ = SockRef::from(stream).shutdown(std::net::Shutdown::Both);
}

#[cfg(test)]
mod tests;
