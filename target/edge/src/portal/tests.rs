use super::*;
use rustix::net::sockopt::{socket_keepalive, tcp_keepidle, tcp_nodelay};
use std::io::{Read, Write};
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_io().build().unwrap()
}

/// From the runtime.
fn park_listener(listener: TcpListener) -> OwnedFd {
    listener.into_std().unwrap().into()
}

fn never_waits(descriptor: &OwnedFd) -> bool {
    fcntl_getfl(descriptor).unwrap().contains(OFlags::NONBLOCK)
}

/// What comes while nobody listens is there for the next runtime, bytes and connections.
#[test]
fn sockets_pass_from_runtime_to_runtime() {
    let (listener, addr) = runtime().block_on(async {
        let listener = adopt_listener(listen("127.0.0.1:0".parse().unwrap()).unwrap().into()).unwrap();
        let addr = listener.local_addr().unwrap();
        (park_listener(listener), addr)
    });
    assert!(never_waits(&listener));
    let mut first = std::net::TcpStream::connect(addr).unwrap();

    let (listener, stream): (_, OwnedFd) = runtime().block_on(async {
        let listener = adopt_listener(listener).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        prepare(&stream).unwrap();
        (park_listener(listener), stream.into_std().unwrap().into())
    });
    first.write_all(b"while nobody reads").unwrap();
    let mut second = std::net::TcpStream::connect(addr).unwrap();
    assert!(never_waits(&stream));

    runtime().block_on(async {
        let stream = adopt_stream(stream).unwrap();
        assert!(tcp_nodelay(&stream).unwrap() && socket_keepalive(&stream).unwrap());
        assert_eq!(tcp_keepidle(&stream).unwrap(), Duration::from_secs(60));
        stream.readable().await.unwrap();
        let mut bytes = [0; 64];
        let n = stream.try_read(&mut bytes).unwrap();
        assert_eq!(&bytes[..n], b"while nobody reads");
        let (other, _) = adopt_listener(listener).unwrap().accept().await.unwrap();
        assert_eq!(other.try_write(b"hello").unwrap(), 5);
        assert_eq!(stream.try_write(b"still here").unwrap(), 10);
    });
    let mut text = String::new();
    second.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
    text.clear();
    first.read_to_string(&mut text).unwrap();
    assert_eq!(text, "still here");
}

#[test]
fn a_socket_that_somebody_made_wait_waits_no_more() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let _peer = std::net::TcpStream::connect(addr).unwrap();
    let (stream, _) = listener.accept().unwrap();
    runtime().block_on(async {
        let stream = adopt_stream(stream.into()).unwrap();
        let error = stream.try_read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(never_waits(&park_listener(adopt_listener(listener.into()).unwrap())));
    });
}

#[test]
fn what_is_no_socket_is_refused() {
    let file = tempfile::tempfile().unwrap();
    runtime().block_on(async {
        // A plain file cannot be waited for.
        assert!(adopt_stream(file.try_clone().unwrap().into()).is_err());
        assert!(adopt_listener(file.into()).is_err());
    });
}
