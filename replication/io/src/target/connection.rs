//! One connection of the target: greeting, then frames in, acknowledgements out.
//!
//! A write and its report to the engine happen in one piece that cannot be cancelled: a permit that was lost would hold up
//! every later link. Never here: when to sync, what to read back.

use super::Shared;
use crate::device::DeviceError;
use crate::device::buffer::AlignedBuffer;
use crate::lane::{self, LaneError, LaneReader, LaneWriter, SETUP_LIMIT, SILENCE_LIMIT};
use qianyun_replication::digest::{ChunkHash, hash_bytes};
use qianyun_replication::frame::{Codec, Header, MAX_RAW_BYTES};
use qianyun_replication::geometry::DeviceId;
use qianyun_replication::message::{ErrorCode, Message};
use qianyun_replication::receiver::{Admission, ConnectionId, Incoming, Outbox, Refusal};
use qianyun_replication::record::{CutoverRecord, RecordError, Signature, SignedRecord};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::block_in_place;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum ConnectionError {
    #[error("the lane ended")]
    Lane(#[from] LaneError),
    #[error("the client is not the server whose disks arrive here: {words}")]
    NotAuthorized { words: String },
    #[error("the engine refused")]
    Refused(#[from] Refusal),
    #[error("{what} is not allowed here")]
    NotAllowed { what: &'static str },
    #[error("extent at {offset} of device {device} does not match its hash")]
    Corrupt { device: u32, offset: u64 },
    #[error("the volume cannot be written")]
    Storage(#[source] DeviceError),
    #[error("the epoch of the link cannot be stored")]
    Ledger(#[from] super::LedgerFileError),
    #[error("the record is refused")]
    Record(#[from] RecordError),
    #[error("the record cannot be signed: {words}")]
    Signing { words: String },
    #[error("the record cannot be stored")]
    RecordStore(#[from] DeviceError),
    #[error("the other end does not read what it is told")]
    NotReading,
}

impl ConnectionError {
    /// What the other end is told; `None` where it does not listen any more.
    fn code(&self) -> Option<ErrorCode> {
        match self {
            // Whoever speaks another version listens, and learns from the words which release to install.
            Self::Lane(LaneError::Frame(_) | LaneError::Message(_)) => Some(ErrorCode::Protocol),
            Self::Lane(_) | Self::NotReading => None,
            Self::Refused(refusal) => Some(refusal.code()),
            Self::NotAuthorized { .. } | Self::NotAllowed { .. } => Some(ErrorCode::Protocol),
            Self::Corrupt { .. } => Some(ErrorCode::Corrupt),
            Self::Storage(_) | Self::Ledger(_) => Some(ErrorCode::Storage),
            Self::Record(_) | Self::Signing { .. } | Self::RecordStore(_) => Some(ErrorCode::RecordRefused),
        }
    }

    /// The error and its causes on one line.
    fn words(&self) -> String {
        let mut words = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            words = format!("{words}: {error}");
            cause = error.source();
        }
        words
    }
}

/// Takes part of a connection from the handshake to its end.
pub(super) async fn run(
    shared: &Arc<Shared>,
    acceptor: &tokio_rustls::TlsAcceptor,
    stream: TcpStream,
    peer: &str,
) -> Result<(), ConnectionError> {
    let (stream, certificates) = lane::accept(acceptor, stream, peer).await?;
    let (mut reader, mut writer) = lane::split(stream);
    let (id, outbox) = shared.join();
    let _leaves = Leaving { shared, id };
    let authorized = (shared.authorize)(&certificates).map_err(|words| ConnectionError::NotAuthorized { words });
    let result = match authorized {
        Err(error) => Err(error),
        Ok(()) => converse(shared, id, &mut reader, &mut writer, outbox).await,
    };
    if let Err(error) = &result
        && let Some(code) = error.code()
    {
        let farewell = Message::Error { code, text: error.words() };
        writer.close(&lane::frame(&farewell, shared.session, 0)).await;
    }
    result
}

/// Takes the connection out of engine and outboxes, however its task ends.
struct Leaving<'a> {
    shared: &'a Shared,
    id: ConnectionId,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.shared.leave(self.id);
    }
}

async fn converse<S: AsyncRead + AsyncWrite>(
    shared: &Arc<Shared>,
    id: ConnectionId,
    reader: &mut LaneReader<S>,
    writer: &mut LaneWriter<S>,
    outbox: mpsc::Receiver<Message<'static>>,
) -> Result<(), ConnectionError> {
    let epoch = greet(shared, id, reader, writer).await?;
    let mut incoming = Frames { shared, id, scratch: AlignedBuffer::new(usize::try_from(MAX_RAW_BYTES).unwrap_or(0)) };
    tokio::try_join!(incoming.read_all(reader), send_all(writer, outbox, shared.session, epoch))?;
    Ok(())
}

/// Hello and welcome. The epoch is on the medium before it is told, and no write of an older link is under way.
async fn greet<S: AsyncRead + AsyncWrite>(
    shared: &Arc<Shared>,
    id: ConnectionId,
    reader: &mut LaneReader<S>,
    writer: &mut LaneWriter<S>,
) -> Result<u32, ConnectionError> {
    let (header, message) = reader.next(SETUP_LIMIT).await?;
    let Message::Hello { lane, lanes } = message else {
        return Err(ConnectionError::NotAllowed { what: "anything before a hello" });
    };
    let epoch = shared.engine().hello(id, header.session, header.epoch, (lane, lanes))?;
    shared.touch();
    block_in_place(|| shared.store_epoch())?;
    let mut changed = shared.changed.subscribe();
    loop {
        changed.mark_unchanged();
        {
            let engine = shared.engine();
            // A newer link may have taken its place while an old write hangs.
            engine.ensure_current(id)?;
            if engine.may_welcome(epoch) {
                break;
            }
        }
        // The sender of this signal lives in `shared`, which we hold.
        let _never_closed = changed.changed().await;
    }
    let welcome = {
        let engine = shared.engine();
        Message::Welcome { window_bytes: engine.window_bytes(), previous: engine.previous_epoch() }
    };
    writer.send(&lane::frame(&welcome, shared.session, epoch)).await?;
    Ok(epoch)
}

/// Sends what the engine says, many messages at a time where there are many.
async fn send_all<S: AsyncWrite>(
    writer: &mut LaneWriter<S>,
    mut outbox: mpsc::Receiver<Message<'static>>,
    session: u64,
    epoch: u32,
) -> Result<(), ConnectionError> {
    let (mut messages, mut frames) = (Vec::new(), Vec::new());
    while outbox.recv_many(&mut messages, 256).await > 0 {
        messages.drain(..).for_each(|message| message.encode(session, epoch, &mut frames));
        writer.send(&frames).await?;
        frames.clear();
    }
    Err(ConnectionError::NotReading)
}

/// What arrives on one connection.
struct Frames<'a> {
    shared: &'a Shared,
    id: ConnectionId,
    /// Where extents are unpacked to.
    scratch: AlignedBuffer,
}

impl Frames<'_> {
    /// Ends by an error only; the other end's leaving is one.
    async fn read_all<S: AsyncRead>(&mut self, reader: &mut LaneReader<S>) -> Result<(), ConnectionError> {
        loop {
            let (header, message) = reader.next(SILENCE_LIMIT).await?;
            self.handle(&header, message)?;
        }
    }

    fn handle(&mut self, header: &Header, message: Message<'_>) -> Result<(), ConnectionError> {
        let (shared, id) = (self.shared, self.id);
        let mut out = Outbox::new();
        match message {
            Message::Open { device, volume, identity } => {
                out.push((id, shared.engine().open(id, device, &volume, &identity)?));
            }
            Message::Data { device, offset, raw_len, codec, hash, last, seq, payload } => {
                let extent = Extent { device, epoch: header.epoch, offset, raw_len, last, seq };
                block_in_place(|| self.data(&extent, codec, hash, payload, &mut out))?;
            }
            Message::Zero { device, offset, raw_len, last, seq } => {
                let extent = Extent { device, epoch: header.epoch, offset, raw_len, last, seq };
                block_in_place(|| write(shared, id, &extent, None, &mut out))?;
            }
            Message::HashRequest { device, chunk, seq } => {
                shared.engine().hash_request(id, (device, chunk, seq), &mut out)?;
                shared.touch();
            }
            Message::Barrier { seq } => {
                shared.engine().barrier(id, seq)?;
                shared.touch();
            }
            Message::RootRequest { device, seq } => {
                shared.engine().root_request(id, (device, seq), &mut out)?;
                shared.touch();
            }
            Message::RecordProposal { record, signature, certificate_pem } => {
                let proposal = Signature { certificate_pem, signature: hex::encode(signature) };
                out.push((id, block_in_place(|| sign(shared, id, record, proposal))?));
            }
            Message::Ping { seq } => {
                out.push((id, Message::Pong { seq }));
                out.extend(shared.engine().standing(id).map(|standing| (id, standing)));
            }
            Message::Hello { .. } => return Err(ConnectionError::NotAllowed { what: "a second hello" }),
            Message::Welcome { .. }
            | Message::Opened { .. }
            | Message::HashResponse { .. }
            | Message::BarrierReached { .. }
            | Message::RootResponse { .. }
            | Message::RecordAnswer { .. }
            | Message::Ack { .. }
            | Message::Stale { .. }
            | Message::Pong { .. }
            | Message::Error { .. }
            | Message::Bye => return Err(ConnectionError::NotAllowed { what: "a receiver's message" }),
        }
        shared.deliver(out);
        Ok(())
    }

    /// Unpacks, checks against the hash, and writes.
    fn data(
        &mut self,
        extent: &Extent,
        codec: Codec,
        hash: ChunkHash,
        payload: &[u8],
        out: &mut Outbox,
    ) -> Result<(), ConnectionError> {
        let corrupt = || ConnectionError::Corrupt { device: extent.device.0, offset: extent.offset };
        let raw = match codec {
            Codec::None => payload,
            Codec::Zstd => {
                let len = usize::try_from(extent.raw_len).map_err(|_| corrupt())?;
                let room = &mut self.scratch[..len];
                let unpacked = zstd::bulk::decompress_to_buffer(payload, room).map_err(|_| corrupt())?;
                if unpacked != len {
                    return Err(corrupt());
                }
                &self.scratch[..len]
            }
        };
        if hash_bytes(raw) != hash {
            return Err(corrupt());
        }
        write(self.shared, self.id, extent, Some(raw), out)
    }
}

/// Where an extent belongs and what it is numbered.
struct Extent {
    device: DeviceId,
    epoch: u32,
    offset: u64,
    raw_len: u32,
    last: bool,
    seq: u64,
}

/// Asks the engine, writes `raw` or zeros, and tells the engine, whatever came of it.
fn write(
    shared: &Shared,
    id: ConnectionId,
    extent: &Extent,
    raw: Option<&[u8]>,
    out: &mut Outbox,
) -> Result<(), ConnectionError> {
    let Extent { device, epoch, offset, raw_len, last, seq } = *extent;
    let incoming = Incoming { device, epoch, offset, raw_len, zero: raw.is_none() };
    let admission = shared.engine().admit(id, incoming, shared.now_ms())?;
    match admission {
        Admission::Stale => {
            out.push((id, Message::Stale { seq }));
            return Ok(());
        }
        Admission::Nothing => {}
        Admission::Write(permit) => {
            let (_, volume) = &shared.volumes[permit.volume];
            // Before the first byte: a record is of what was there when it was signed.
            let written = shared.record.withdraw().and_then(|()| match raw {
                Some(raw) => volume.write(offset, raw),
                None => volume.zero(offset, u64::from(raw_len)),
            });
            shared.engine().wrote(permit);
            // A newer link may be waiting for just this write.
            shared.touch();
            written.map_err(ConnectionError::Storage)?;
        }
    }
    if last {
        shared.engine().applied(id, seq);
        shared.touch();
    }
    Ok(())
}

/// Checks the record against what this end knows by itself, signs it, and keeps it with both signatures.
fn sign(
    shared: &Shared,
    id: ConnectionId,
    text: String,
    source: Signature,
) -> Result<Message<'static>, ConnectionError> {
    let record = CutoverRecord::from_canonical(&text)?;
    let certificate_pem = shared.signer.certificate_pem();
    let mut answer = Vec::new();
    shared.record.keep(|| {
        shared.still_there()?;
        {
            let engine = shared.engine();
            // Whoever asked has asked again on a newer link.
            engine.ensure_current(id)?;
            record.check_own(shared.session, &engine.own_volumes())?;
        }
        answer = shared.signer.sign(text.as_bytes()).map_err(|words| ConnectionError::Signing { words })?;
        let target = Signature { certificate_pem: certificate_pem.clone(), signature: hex::encode(&answer) };
        let signed = SignedRecord { record: text, source, target };
        Ok::<_, ConnectionError>(serde_json::to_vec_pretty(&signed).expect("a signed record holds texts only"))
    })?;
    Ok(Message::RecordAnswer { signature: answer, certificate_pem })
}
