//! Garbage, other versions, hostile lengths and lies, said to a real target over TLS by those who have the certificate: each is
//! refused in words, none changes a byte, and the target goes on serving the right source. Needs root and tracefs.
#![allow(clippy::unwrap_used)]

mod ends;
mod relay;
mod rig;
mod tls;

use ends::{PATIENCE, SESSION, Site, assert_proved, in_sync, source_to, wait_for};
use qianyun_replication::digest::{ChunkHash, hash_bytes};
use qianyun_replication::frame::{ALPN, Codec, HEADER_BYTES, Header};
use qianyun_replication::geometry::{ChunkIndex, DeviceId};
use qianyun_replication::message::{ErrorCode, Message};
use relay::Relay;
use rig::{LoopDisk, noise};
use rustls_pki_types::ServerName;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use tls::{Authority, NAME};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

const MIB: u64 = 1 << 20;
/// Places in a header.
const VERSION_AT: usize = 2;
const TYPE_AT: usize = 3;
const CODEC_AT: usize = 6;
const RESERVED_AT: usize = 7;
const RAW_LEN_AT: usize = 32;
const WIRE_LEN_AT: usize = 36;

/// One who may connect and says what it likes.
struct Stranger {
    stream: TlsStream<TcpStream>,
}

impl Stranger {
    async fn connect(site: &Site, authority: &Authority, protocols: &[&[u8]]) -> io::Result<Self> {
        let mut tls = authority.client().as_ref().clone();
        tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let stream = TcpStream::connect(site.address()).await?;
        let name = ServerName::try_from(NAME).unwrap();
        Ok(Self { stream: tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(name, stream).await? })
    }

    async fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next message, with its header; `None` when the target has left.
    async fn hear<T>(&mut self, take: impl FnOnce(&Header, Message<'_>) -> T) -> Option<T> {
        let mut head = [0; HEADER_BYTES];
        let heard = timeout(PATIENCE, self.stream.read_exact(&mut head)).await.expect("the target says nothing");
        heard.ok()?;
        let header = Header::decode(&head).unwrap();
        let mut body = vec![0; usize::try_from(header.wire_len).unwrap()];
        self.stream.read_exact(&mut body).await.unwrap();
        Some(take(&header, Message::decode(&header, &body).unwrap()))
    }

    /// Why the target ends the connection, and that it does.
    async fn refusal(&mut self) -> (ErrorCode, String) {
        let refusal = self.hear(|_, message| match message {
            Message::Error { code, text } => (code, text),
            other => panic!("{other:?} instead of a refusal"),
        });
        let refusal = refusal.await.expect("the target left without a word");
        assert!(self.hear(|_, message| panic!("{message:?} after a refusal")).await.is_none());
        refusal
    }
}

fn frame(message: &Message<'_>, session: u64, epoch: u32) -> Vec<u8> {
    let mut frame = Vec::new();
    message.encode(session, epoch, &mut frame);
    frame
}

/// A greeting with other bytes at one place.
fn greeting_with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut frame = frame(&Message::Hello { lane: 0, lanes: 1 }, SESSION, 0);
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    frame
}

/// What is said instead of a greeting, and what the refusal is.
fn instead_of_a_greeting() -> Vec<(Vec<u8>, ErrorCode, &'static str)> {
    let most = u32::MAX.to_le_bytes();
    let hello = |lane, lanes, session, epoch| frame(&Message::Hello { lane, lanes }, session, epoch);
    let mut inverted = hello(0, 1, SESSION, 0);
    // A lane that its link cannot have.
    inverted[HEADER_BYTES] = 9;
    let zero = Message::Zero { device: DeviceId(0), offset: 0, raw_len: 4096, last: true, seq: 1 };
    let short = [&greeting_with(WIRE_LEN_AT, &3u32.to_le_bytes())[..HEADER_BYTES], &[0; 3]].concat();
    vec![
        (vec![0; 64], ErrorCode::Protocol, "frame begins with 0x0000"),
        (noise(4096, 7), ErrorCode::Protocol, "frame begins with"),
        (greeting_with(VERSION_AT, &[0]), ErrorCode::Protocol, "frame version 0, expected 1: install the same release"),
        (greeting_with(VERSION_AT, &[2]), ErrorCode::Protocol, "frame version 2, expected 1: install the same release"),
        (greeting_with(TYPE_AT, &[99]), ErrorCode::Protocol, "frame type 99 is not known"),
        (greeting_with(CODEC_AT, &[9]), ErrorCode::Protocol, "codec 9 is not known"),
        (greeting_with(RESERVED_AT, &[1]), ErrorCode::Protocol, "reserved bits are set"),
        (greeting_with(RAW_LEN_AT, &most), ErrorCode::Protocol, "the extent is 4294967295 bytes, expected at most"),
        (greeting_with(WIRE_LEN_AT, &most), ErrorCode::Protocol, "the payload is 4294967295 bytes, expected at most"),
        (short, ErrorCode::Protocol, "Hello has 3 bytes after its header"),
        (inverted, ErrorCode::Protocol, "Hello says lane = 9"),
        (frame(&zero, SESSION, 1), ErrorCode::Protocol, "anything before a hello is not allowed here"),
        (hello(0, 2, SESSION + 1, 0), ErrorCode::Fenced, "session 4, expected 3"),
        (hello(1, 2, SESSION, 7), ErrorCode::Fenced, "link 7 has been replaced"),
        (hello(0, 2, SESSION, u32::MAX), ErrorCode::Fenced, "link 4294967295 has been replaced"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_no_greeting_is_refused_in_words_and_does_not_disturb_the_right_source() {
    let authority = Arc::new(Authority::new());
    let disk = LoopDisk::noisy(8 * MIB, 1);
    let site = Site::new(&authority);
    let relay = Relay::to(site.address()).await;
    let _target = site.start(&disk.leaf()).await;
    relay.hold_after(MIB + MIB / 2);
    let replication = source_to(relay.address(), &authority, &disk.leaf(), None);
    wait_for(&replication, "the first chunk", |disk| disk.progress.remaining_bytes == 7 * MIB).await;

    for (bytes, code, words) in instead_of_a_greeting() {
        let mut stranger = Stranger::connect(&site, &authority, &[ALPN]).await.unwrap();
        stranger.say(&bytes).await;
        let refusal = stranger.refusal().await;
        assert!(refusal.0 == code && refusal.1.contains(words), "{refusal:?}, expected {code:?}: {words}");
    }
    // Another release's protocol is refused in the handshake, none at all right after it, and what is not TLS before it.
    let other = Stranger::connect(&site, &authority, &[b"qianyun-data/0"]).await;
    assert!(other.is_err_and(|error| error.to_string().contains("NoApplicationProtocol")));
    let mut none = Stranger::connect(&site, &authority, &[]).await.unwrap();
    assert!(none.hear(|_, message| panic!("{message:?}")).await.is_none());
    let mut plain = TcpStream::connect(site.address()).await.unwrap();
    plain.write_all(&noise(4096, 8)).await.unwrap();
    let ended = timeout(PATIENCE, plain.read_to_end(&mut Vec::new())).await;
    assert!(ended.is_ok(), "the target listens to what is not TLS");
    // Half a frame, and gone.
    let mut half = Stranger::connect(&site, &authority, &[ALPN]).await.unwrap();
    half.say(&greeting_with(VERSION_AT, &[1])[..20]).await;
    drop(half);

    relay.release(relay::Way::ToTarget);
    wait_for(&replication, "in sync", in_sync).await;
    assert_eq!(relay.accepted(), 2, "the source has the two lanes of its first link");
    assert_proved(&replication, &disk, &site.volume()).await;
    replication.stop().await;
}

/// What is said on a link with the volume open as device 0, and what the refusal is.
fn lies_on_a_link() -> Vec<(Message<'static>, ErrorCode, &'static str)> {
    const PAYLOAD: &[u8] = &[7; 4096];
    let bomb: &'static [u8] = zstd::bulk::compress(&vec![0; 1 << 20], 3).unwrap().leak();
    let (device, last, seq, right) = (DeviceId(0), true, 1, hash_bytes(PAYLOAD));
    let data = |device, offset, hash, codec, payload| Message::Data {
        device,
        offset,
        raw_len: 4096,
        codec,
        hash,
        last,
        seq,
        payload,
    };
    vec![
        (data(device, 0, ChunkHash([0; 32]), Codec::None, PAYLOAD), ErrorCode::Corrupt, "does not match its hash"),
        (data(device, 0, right, Codec::Zstd, PAYLOAD), ErrorCode::Corrupt, "does not match its hash"),
        (data(device, 0, hash_bytes(&[0; 4096]), Codec::Zstd, bomb), ErrorCode::Corrupt, "does not match its hash"),
        (data(device, 8 * MIB, right, Codec::None, PAYLOAD), ErrorCode::Protocol, "the extent does not fit"),
        (data(device, u64::MAX - 4095, right, Codec::None, PAYLOAD), ErrorCode::Protocol, "the extent does not fit"),
        (data(device, 1, right, Codec::None, PAYLOAD), ErrorCode::Protocol, "the extent does not fit"),
        (data(DeviceId(7), 0, right, Codec::None, PAYLOAD), ErrorCode::Protocol, "device 7 is not open"),
        (Message::Zero { device, offset: 0, raw_len: 0, last, seq }, ErrorCode::Protocol, "the extent does not fit"),
        (Message::HashRequest { device, chunk: ChunkIndex(8), seq }, ErrorCode::Protocol, "the extent does not fit"),
        (Message::RootRequest { device: DeviceId(7), seq: 1 }, ErrorCode::Protocol, "device 7 is not open"),
        (Message::Hello { lane: 0, lanes: 1 }, ErrorCode::Protocol, "a second hello is not allowed here"),
        (Message::Ack { seq, unproved_chunks: 0 }, ErrorCode::Protocol, "a receiver's message is not allowed here"),
        (
            Message::RecordProposal { record: "{}".to_owned(), signature: vec![1], certificate_pem: String::new() },
            ErrorCode::RecordRefused,
            "the record is refused",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lies_on_a_link_are_refused_in_words_change_no_byte_and_the_right_source_is_served_after_them() {
    let authority = Arc::new(Authority::new());
    let disk = LoopDisk::noisy(8 * MIB, 1);
    let site = Site::new(&authority);
    let _target = site.start(&disk.leaf()).await;
    for (lie, code, words) in lies_on_a_link() {
        let mut stranger = Stranger::connect(&site, &authority, &[ALPN]).await.unwrap();
        stranger.say(&frame(&Message::Hello { lane: 0, lanes: 1 }, SESSION, 0)).await;
        let epoch = stranger.hear(|header, message| match message {
            Message::Welcome { .. } => header.epoch,
            other => panic!("{other:?} instead of a welcome"),
        });
        let epoch = epoch.await.unwrap();
        let (volume, identity) = ("disk-0".to_owned(), disk.leaf().identity().clone());
        stranger.say(&frame(&Message::Open { device: DeviceId(0), volume, identity }, SESSION, epoch)).await;
        let opened = stranger.hear(|_, message| matches!(message, Message::Opened { .. }));
        assert_eq!(opened.await, Some(true));
        stranger.say(&frame(&lie, SESSION, epoch)).await;
        let refusal = stranger.refusal().await;
        assert!(refusal.0 == code && refusal.1.contains(words), "{refusal:?}, expected {code:?}: {words}");
    }
    assert_eq!(std::fs::metadata(site.volume()).unwrap().blocks(), 0, "something was written");
    let replication = site.source(&disk.leaf());
    wait_for(&replication, "in sync", in_sync).await;
    assert_proved(&replication, &disk, &site.volume()).await;
    replication.stop().await;
}
