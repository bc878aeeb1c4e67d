//! A port for a server that dies and comes back at the same address. Never listens itself.
#![allow(unreachable_pub, clippy::unwrap_used)] // a panic fails the test

use std::net::SocketAddr;
use tokio::net::TcpSocket;

/// Ours until it is dropped: as long as a socket is bound to it, the kernel gives the port to nobody who asks for any port, be
/// it to listen or to connect. Only who names the port and reuses addresses, as servers do, may listen there.
pub struct Port {
    address: SocketAddr,
    _held: TcpSocket,
}

impl Port {
    pub fn new() -> Self {
        let held = TcpSocket::new_v4().unwrap();
        held.set_reuseaddr(true).unwrap();
        held.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self { address: held.local_addr().unwrap(), _held: held }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
