//! A wire between source and target that a test holds, cuts or breaks in two. Never looks at what it carries.
//!
//! ```text
//!   source ──► collect ──► pieces ──► deliver, as far as it is allowed ──► target      and the same way back
//! ```
//!
//! What is held stays in the relay with both sockets open, as bytes that a network has lost for good or for a while.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // each test file uses its part; a panic fails the test

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};

/// What is read at once.
const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that wait in the relay, each way: 4 MiB where the wire is backed up, more than the rest of any frame.
const PIECES: usize = 64;
/// Everything may pass.
pub const ALL: u64 = u64::MAX;

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    ToTarget,
    ToSource,
}

/// Listens in front of a target until it is dropped.
pub struct Relay {
    address: SocketAddr,
    wire: Arc<Wire>,
    listening: JoinHandle<()>,
}

struct Wire {
    target: SocketAddr,
    /// How many bytes each new connection may carry to the target.
    allowance: AtomicU64,
    /// Whether new connections are led on to the target.
    open: watch::Sender<bool>,
    connections: Mutex<Vec<Connection>>,
    accepted: AtomicU64,
    /// Bytes that came in and that went out, by way.
    taken: [AtomicU64; 2],
    carried: [AtomicU64; 2],
    ended_by_target: AtomicU64,
}

struct Connection {
    /// How many bytes may pass in all, by way.
    allowed: [watch::Sender<u64>; 2],
    /// The tasks that have the socket to the source, and those that have the one to the target.
    at_source: [AbortHandle; 2],
    at_target: [AbortHandle; 2],
}

impl Relay {
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let wire = Arc::new(Wire {
            target,
            allowance: AtomicU64::new(ALL),
            open: watch::Sender::new(true),
            connections: Mutex::default(),
            accepted: AtomicU64::new(0),
            taken: Default::default(),
            carried: Default::default(),
            ended_by_target: AtomicU64::new(0),
        });
        let listening = tokio::spawn(listen(listener, Arc::clone(&wire)));
        Self { address, wire, listening }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections that were ever made by the source.
    pub fn accepted(&self) -> u64 {
        self.wire.accepted.load(Ordering::SeqCst)
    }

    /// Bytes that were carried, over all connections.
    pub fn carried(&self, way: Way) -> u64 {
        self.wire.carried[way as usize].load(Ordering::SeqCst)
    }

    /// Bytes that came in and were not carried on, over all connections.
    pub fn held(&self, way: Way) -> u64 {
        self.wire.taken[way as usize].load(Ordering::SeqCst) - self.carried(way)
    }

    /// Connections that the target has ended.
    pub fn ended_by_target(&self) -> u64 {
        self.wire.ended_by_target.load(Ordering::SeqCst)
    }

    /// Connections that come from now on carry so many bytes to the target, and hold the rest.
    pub fn hold_after(&self, bytes: u64) {
        self.wire.allowance.store(bytes, Ordering::SeqCst);
    }

    /// New connections are kept waiting before the target, or led on to it.
    pub fn set_open(&self, open: bool) {
        self.wire.open.send_replace(open);
    }

    /// Nothing more passes this way on the connections that there are.
    pub fn hold(&self, way: Way) {
        self.allow(way, 0);
    }

    /// Everything passes this way on the connections that there are, beginning with what was held.
    pub fn release(&self, way: Way) {
        self.allow(way, ALL);
    }

    fn allow(&self, way: Way, bytes: u64) {
        for connection in self.wire.connections().iter() {
            connection.allowed[way as usize].send_replace(bytes);
        }
    }

    /// Closes both sockets of every connection.
    pub fn cut(&self) {
        for Connection { at_source, at_target, .. } in self.wire.connections().drain(..) {
            at_source.iter().chain(&at_target).for_each(AbortHandle::abort);
        }
    }

    /// Closes the source's socket of every connection; the target's stays open, and what is held stays in front of it.
    pub fn part(&self) {
        for connection in self.wire.connections().iter() {
            connection.at_source.iter().for_each(AbortHandle::abort);
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut();
    }
}

impl Wire {
    fn connections(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn listen(listener: TcpListener, wire: Arc<Wire>) {
    while let Ok((source, _)) = listener.accept().await {
        wire.accepted.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(lead_on(source, Arc::clone(&wire)));
    }
}

/// Connects a source to the target. Where there is no target the source is left alone at once.
async fn lead_on(source: TcpStream, wire: Arc<Wire>) {
    let mut open = wire.open.subscribe();
    if open.wait_for(|open| *open).await.is_err() {
        return;
    }
    let Ok(target) = TcpStream::connect(wire.target).await else { return };
    for stream in [&source, &target] {
        stream.set_nodelay(true).unwrap();
    }
    let (from_source, to_source) = source.into_split();
    let (from_target, to_target) = target.into_split();
    let allowed = [wire.allowance.load(Ordering::SeqCst), ALL].map(watch::Sender::new);
    let [forth, back] = [Way::ToTarget, Way::ToSource].map(|way| {
        let (pieces, waiting) = mpsc::channel(PIECES);
        let carrier = || Carrier { wire: Arc::clone(&wire), way };
        (carrier(), pieces, carrier(), waiting, allowed[way as usize].subscribe())
    });
    let (taking, pieces, giving, waiting, may_pass) = forth;
    let forth = (
        tokio::spawn(taking.collect(from_source, pieces)).abort_handle(),
        tokio::spawn(giving.deliver(waiting, to_target, may_pass)).abort_handle(),
    );
    let (taking, pieces, giving, waiting, may_pass) = back;
    let back = (
        tokio::spawn(taking.collect(from_target, pieces)).abort_handle(),
        tokio::spawn(giving.deliver(waiting, to_source, may_pass)).abort_handle(),
    );
    let (at_source, at_target) = ([forth.0, back.1], [forth.1, back.0]);
    wire.connections().push(Connection { allowed, at_source, at_target });
}

/// One half of one way of one connection.
struct Carrier {
    wire: Arc<Wire>,
    way: Way,
}

impl Carrier {
    /// Takes in what one end sends, until it has left. Reads on also where nobody wants it any more: an end that is not heard
    /// does not notice.
    async fn collect(self, mut from: OwnedReadHalf, pieces: mpsc::Sender<Vec<u8>>) {
        let mut buffer = vec![0; PIECE_BYTES];
        while let Some(count) = from.read(&mut buffer).await.ok().filter(|count| *count > 0) {
            self.wire.taken[self.way as usize].fetch_add(count as u64, Ordering::SeqCst);
            let _unwanted = pieces.send(buffer[..count].to_vec()).await;
        }
        if self.way == Way::ToSource {
            self.wire.ended_by_target.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Passes pieces on as far as they may, and then the news that the other end has left.
    async fn deliver(
        self,
        mut pieces: mpsc::Receiver<Vec<u8>>,
        mut to: OwnedWriteHalf,
        mut may_pass: watch::Receiver<u64>,
    ) {
        let mut passed = 0;
        while let Some(piece) = pieces.recv().await {
            let mut rest = &piece[..];
            while !rest.is_empty() {
                let Some(most) = more_than(&mut may_pass, passed).await else { return };
                let room = usize::try_from(most - passed).unwrap_or(usize::MAX);
                let (now, later) = rest.split_at(room.min(rest.len()));
                if to.write_all(now).await.is_err() {
                    return;
                }
                passed += now.len() as u64;
                self.wire.carried[self.way as usize].fetch_add(now.len() as u64, Ordering::SeqCst);
                rest = later;
            }
        }
        if more_than(&mut may_pass, passed).await.is_some() {
            let _gone = to.shutdown().await;
        }
    }
}

/// How much may pass, once it is more than `passed`; `None` when the relay has forgotten the connection.
async fn more_than(may_pass: &mut watch::Receiver<u64>, passed: u64) -> Option<u64> {
    may_pass.wait_for(|most| *most > passed).await.ok().map(|most| *most)
}
