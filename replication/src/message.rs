//! Every message between the two ends, to and from a header and the bytes after it.
//!
//! Decoding never allocates more than the header's checked `wire_len`, and the payload of `Data` is borrowed, not
//! copied. Never here: whether a message is allowed now (`sender.rs`, `receiver.rs`).

use crate::digest::{ChunkHash, DeviceRoot};
use crate::frame::{Codec, FLAG_LAST, FrameType, Header, MAX_WIRE_BYTES};
use crate::geometry::{CHUNK_BYTES, ChunkIndex, DeviceId};
use crate::identity::{DeviceIdentity, MAX_IDENTITY_TEXT};
use std::ops::Range;

/// Bytes of the hash in front of the payload of a `Data` frame.
pub const HASH_BYTES: usize = 32;
/// The most runs in `Opened`; the receiver joins near runs until they fit, which only names more chunks than needed.
pub const MAX_OPENED_RUNS: usize = 4096;
/// The longest words of an `Error`.
pub const MAX_ERROR_TEXT: usize = 1024;

/// Why the bytes after a header are refused. The connection is of no use after that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Too few bytes, or some left over.
    #[error("{kind:?} has {found} bytes after its header, which is not what its fields need")]
    Length {
        /// Which message.
        kind: FrameType,
        /// Bytes after the header.
        found: usize,
    },
    /// A text that is not UTF-8 or beyond its bound.
    #[error("a text in {kind:?} is not utf-8 of at most {limit} bytes")]
    Text {
        /// Which message.
        kind: FrameType,
        /// The bound.
        limit: usize,
    },
    /// A field whose value makes no sense there.
    #[error("{kind:?} says {what} = {found}")]
    Value {
        /// Which message.
        kind: FrameType,
        /// Which field.
        what: &'static str,
        /// Its value.
        found: u64,
    },
}

/// Why a peer gave up; travels in [`Message::Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ErrorCode {
    /// The session or epoch has been replaced by a newer one.
    Fenced = 1,
    /// The volume was made for another disk.
    WrongDisk = 2,
    /// There is no such volume in this session.
    NoSuchVolume = 3,
    /// A message that is not allowed now, or not well formed.
    Protocol = 4,
    /// An extent did not match its hash.
    Corrupt = 5,
    /// Reading, writing or syncing a volume failed.
    Storage = 6,
    /// The record was not signed; the text says why.
    RecordRefused = 7,
}

impl ErrorCode {
    /// Every value there is.
    pub const ALL: &'static [ErrorCode] = &[
        Self::Fenced,
        Self::WrongDisk,
        Self::NoSuchVolume,
        Self::Protocol,
        Self::Corrupt,
        Self::Storage,
        Self::RecordRefused,
    ];
}

/// A message. What `S→R` and `R→S` mean stands at [`FrameType`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Message<'a> {
    /// On lane 0, which asks for a new link, `header.epoch` is the highest epoch that the sender has seen, 0 if none; on
    /// the others it is the epoch of the link.
    Hello {
        lane: u16,
        lanes: u16,
    },
    /// `header.epoch` is the epoch of the link, `previous` the highest that the receiver knew before: lower than what the
    /// sender has seen where the ledger was lost.
    Welcome {
        window_bytes: u64,
        previous: u32,
    },
    Open {
        device: DeviceId,
        volume: String,
        identity: DeviceIdentity,
    },
    /// `written` are runs of chunks that may hold something else than zeros: a superset of what is durable.
    Opened {
        device: DeviceId,
        written: Vec<Range<u64>>,
    },
    Data {
        device: DeviceId,
        offset: u64,
        raw_len: u32,
        codec: Codec,
        hash: ChunkHash,
        last: bool,
        seq: u64,
        payload: &'a [u8],
    },
    Zero {
        device: DeviceId,
        offset: u64,
        raw_len: u32,
        last: bool,
        seq: u64,
    },
    HashRequest {
        device: DeviceId,
        chunk: ChunkIndex,
        seq: u64,
    },
    HashResponse {
        device: DeviceId,
        chunk: ChunkIndex,
        seq: u64,
        hash: ChunkHash,
    },
    Barrier {
        seq: u64,
    },
    BarrierReached {
        seq: u64,
    },
    /// Numbered as the barrier before it, so that the answer to an older one is known for what it is.
    RootRequest {
        device: DeviceId,
        seq: u64,
    },
    RootResponse {
        device: DeviceId,
        seq: u64,
        root: DeviceRoot,
    },
    RecordProposal {
        record: String,
        signature: Vec<u8>,
        certificate_pem: String,
    },
    RecordAnswer {
        signature: Vec<u8>,
        certificate_pem: String,
    },
    /// `unproved_chunks`: how many chunks the receiver would have to read back before it could give its roots.
    Ack {
        seq: u64,
        unproved_chunks: u64,
    },
    Stale {
        seq: u64,
    },
    Ping {
        seq: u64,
    },
    Pong {
        seq: u64,
    },
    Error {
        code: ErrorCode,
        text: String,
    },
    Bye,
}

impl Message<'_> {
    /// Appends header and body to `out`. Texts beyond their bound are a mistake of the caller and panic.
    pub fn encode(&self, session: u64, epoch: u32, out: &mut Vec<u8>) {
        self.encode_before(&[], session, epoch, out);
    }

    /// Appends the frame but for its last bytes, which are `rest`: a payload that is sent from where it lies.
    pub fn encode_before(&self, rest: &[u8], session: u64, epoch: u32, out: &mut Vec<u8>) {
        let mut header = Header {
            kind: self.kind(),
            flags: 0,
            codec: Codec::None,
            session,
            device: DeviceId(0),
            epoch,
            offset: 0,
            raw_len: 0,
            wire_len: 0,
            seq: 0,
        };
        let start = out.len();
        out.extend_from_slice(&[0; crate::frame::HEADER_BYTES]);
        self.fill(&mut header, out);
        let body = out.len() - start - crate::frame::HEADER_BYTES + rest.len();
        header.wire_len = u32::try_from(body).ok().filter(|len| *len <= MAX_WIRE_BYTES).expect("bodies are bounded");
        out[start..start + crate::frame::HEADER_BYTES].copy_from_slice(&header.encode());
    }

    fn kind(&self) -> FrameType {
        match self {
            Message::Hello { .. } => FrameType::Hello,
            Message::Welcome { .. } => FrameType::Welcome,
            Message::Open { .. } => FrameType::Open,
            Message::Opened { .. } => FrameType::Opened,
            Message::Data { .. } => FrameType::Data,
            Message::Zero { .. } => FrameType::Zero,
            Message::HashRequest { .. } => FrameType::HashRequest,
            Message::HashResponse { .. } => FrameType::HashResponse,
            Message::Barrier { .. } => FrameType::Barrier,
            Message::BarrierReached { .. } => FrameType::BarrierReached,
            Message::RootRequest { .. } => FrameType::RootRequest,
            Message::RootResponse { .. } => FrameType::RootResponse,
            Message::RecordProposal { .. } => FrameType::RecordProposal,
            Message::RecordAnswer { .. } => FrameType::RecordAnswer,
            Message::Ack { .. } => FrameType::Ack,
            Message::Stale { .. } => FrameType::Stale,
            Message::Ping { .. } => FrameType::Ping,
            Message::Pong { .. } => FrameType::Pong,
            Message::Error { .. } => FrameType::Error,
            Message::Bye => FrameType::Bye,
        }
    }

    /// Sets the header's fields and appends the body.
    fn fill(&self, header: &mut Header, out: &mut Vec<u8>) {
        match self {
            Message::Hello { lane, lanes } => {
                out.extend_from_slice(&lane.to_le_bytes());
                out.extend_from_slice(&lanes.to_le_bytes());
            }
            Message::Welcome { window_bytes, previous } => {
                put_u64(out, *window_bytes);
                out.extend_from_slice(&previous.to_le_bytes());
            }
            Message::Open { device, volume, identity } => {
                header.device = *device;
                put_open(volume, identity, out);
            }
            Message::Opened { device, written } => {
                header.device = *device;
                for run in written {
                    put_u64(out, run.start);
                    put_u64(out, run.end);
                }
            }
            Message::Data { device, offset, raw_len, codec, hash, last, seq, payload } => {
                (header.device, header.offset, header.raw_len) = (*device, *offset, *raw_len);
                (header.codec, header.flags, header.seq) = (*codec, last_flag(*last), *seq);
                out.extend_from_slice(&hash.0);
                out.extend_from_slice(payload);
            }
            Message::Zero { device, offset, raw_len, last, seq } => {
                (header.device, header.offset, header.raw_len) = (*device, *offset, *raw_len);
                (header.flags, header.seq) = (last_flag(*last), *seq);
            }
            Message::HashRequest { device, chunk, seq } => {
                (header.device, header.offset, header.seq) = (*device, chunk.offset_bytes(), *seq);
            }
            Message::HashResponse { device, chunk, seq, hash } => {
                (header.device, header.offset, header.seq) = (*device, chunk.offset_bytes(), *seq);
                out.extend_from_slice(&hash.0);
            }
            Message::RootRequest { device, seq } => (header.device, header.seq) = (*device, *seq),
            Message::RootResponse { device, seq, root } => {
                (header.device, header.seq) = (*device, *seq);
                out.extend_from_slice(&root.0);
            }
            Message::RecordProposal { record, signature, certificate_pem } => {
                for part in [record.as_bytes(), signature, certificate_pem.as_bytes()] {
                    put_bytes(out, part);
                }
            }
            Message::RecordAnswer { signature, certificate_pem } => {
                put_bytes(out, signature);
                put_bytes(out, certificate_pem.as_bytes());
            }
            Message::Ack { seq, unproved_chunks } => {
                header.seq = *seq;
                put_u64(out, *unproved_chunks);
            }
            Message::Barrier { seq }
            | Message::BarrierReached { seq }
            | Message::Stale { seq }
            | Message::Ping { seq }
            | Message::Pong { seq } => header.seq = *seq,
            Message::Error { code, text } => {
                out.push(*code as u8);
                put_bytes(out, shortened(text).as_bytes());
            }
            Message::Bye => {}
        }
    }

    /// Reads what came with `header`. `body` is exactly its `wire_len` bytes.
    pub fn decode<'b>(header: &Header, body: &'b [u8]) -> Result<Message<'b>, MessageError> {
        let mut from = Reader { kind: header.kind, all: body.len(), left: body };
        let (device, seq) = (header.device, header.seq);
        let message = match header.kind {
            FrameType::Hello => read_hello(&mut from)?,
            FrameType::Welcome => {
                Message::Welcome { window_bytes: from.u64()?, previous: u32::from_le_bytes(from.array()?) }
            }
            FrameType::Open => read_open(device, &mut from)?,
            FrameType::Opened => Message::Opened { device, written: read_runs(&mut from)? },
            FrameType::Data => read_data(header, &mut from)?,
            FrameType::Zero => {
                let last = header.flags & FLAG_LAST != 0;
                Message::Zero { device, offset: header.offset, raw_len: header.raw_len, last, seq }
            }
            FrameType::HashRequest => Message::HashRequest { device, chunk: chunk_of(header)?, seq },
            FrameType::HashResponse => {
                Message::HashResponse { device, chunk: chunk_of(header)?, seq, hash: ChunkHash(from.array()?) }
            }
            FrameType::Barrier => Message::Barrier { seq },
            FrameType::BarrierReached => Message::BarrierReached { seq },
            FrameType::RootRequest => Message::RootRequest { device, seq },
            FrameType::RootResponse => Message::RootResponse { device, seq, root: DeviceRoot(from.array()?) },
            FrameType::RecordProposal => {
                let record = from.text(body.len())?;
                Message::RecordProposal {
                    record,
                    signature: from.bytes()?.to_vec(),
                    certificate_pem: from.text(body.len())?,
                }
            }
            FrameType::RecordAnswer => {
                Message::RecordAnswer { signature: from.bytes()?.to_vec(), certificate_pem: from.text(body.len())? }
            }
            FrameType::Ack => Message::Ack { seq, unproved_chunks: from.u64()? },
            FrameType::Stale => Message::Stale { seq },
            FrameType::Ping => Message::Ping { seq },
            FrameType::Pong => Message::Pong { seq },
            FrameType::Error => read_error(&mut from)?,
            FrameType::Bye => Message::Bye,
        };
        from.end()?;
        Ok(message)
    }
}

fn read_hello<'b>(from: &mut Reader<'b>) -> Result<Message<'b>, MessageError> {
    let lane = u16::from_le_bytes(from.array()?);
    let lanes = u16::from_le_bytes(from.array()?);
    if lane >= lanes {
        return Err(MessageError::Value { kind: from.kind, what: "lane", found: u64::from(lane) });
    }
    Ok(Message::Hello { lane, lanes })
}

fn read_open<'b>(device: DeviceId, from: &mut Reader<'b>) -> Result<Message<'b>, MessageError> {
    let logical_block_bytes = u32::from_le_bytes(from.array()?);
    let size_bytes = from.u64()?;
    let volume = from.text(MAX_IDENTITY_TEXT)?;
    let serial = from.text(MAX_IDENTITY_TEXT)?;
    let table_id = from.text(MAX_IDENTITY_TEXT)?;
    let wwn = from.text(MAX_IDENTITY_TEXT)?;
    let identity = DeviceIdentity { logical_block_bytes, serial, size_bytes, table_id, wwn };
    Ok(Message::Open { device, volume, identity })
}

fn read_runs(from: &mut Reader<'_>) -> Result<Vec<Range<u64>>, MessageError> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    while !from.left.is_empty() {
        let run = from.u64()?..from.u64()?;
        let ordered = runs.last().is_none_or(|before| before.end < run.start);
        if run.is_empty() || !ordered || runs.len() == MAX_OPENED_RUNS {
            return Err(MessageError::Value { kind: from.kind, what: "start of run", found: run.start });
        }
        runs.push(run);
    }
    Ok(runs)
}

fn read_data<'b>(header: &Header, from: &mut Reader<'b>) -> Result<Message<'b>, MessageError> {
    let Header { kind, flags, codec, device, offset, raw_len, seq, session: _, epoch: _, wire_len: _ } = *header;
    let hash = ChunkHash(from.array()?);
    let payload = std::mem::take(&mut from.left);
    let plain = usize::try_from(raw_len).is_ok_and(|len| len == payload.len());
    if payload.is_empty() || (codec == Codec::None && !plain) {
        return Err(MessageError::Length { kind, found: from.all });
    }
    Ok(Message::Data { device, offset, raw_len, codec, hash, last: flags & FLAG_LAST != 0, seq, payload })
}

fn read_error<'b>(from: &mut Reader<'b>) -> Result<Message<'b>, MessageError> {
    let [found] = from.array()?;
    let code = ErrorCode::ALL.iter().copied().find(|code| *code as u8 == found);
    let code = code.ok_or(MessageError::Value { kind: from.kind, what: "code", found: u64::from(found) })?;
    Ok(Message::Error { code, text: from.text(MAX_ERROR_TEXT)? })
}

fn chunk_of(header: &Header) -> Result<ChunkIndex, MessageError> {
    if header.offset.is_multiple_of(CHUNK_BYTES) {
        return Ok(ChunkIndex(header.offset / CHUNK_BYTES));
    }
    Err(MessageError::Value { kind: header.kind, what: "offset", found: header.offset })
}

fn last_flag(last: bool) -> u16 {
    if last { FLAG_LAST } else { 0 }
}

/// `text`, cut at a character so that it fits [`MAX_ERROR_TEXT`].
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_ERROR_TEXT)]
}

fn put_open(volume: &str, identity: &DeviceIdentity, out: &mut Vec<u8>) {
    let DeviceIdentity { logical_block_bytes, serial, size_bytes, table_id, wwn } = identity;
    out.extend_from_slice(&logical_block_bytes.to_le_bytes());
    put_u64(out, *size_bytes);
    for text in [volume, serial, table_id, wwn] {
        put_bytes(out, text.as_bytes());
    }
}

fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).expect("bodies are bounded").to_le_bytes());
    out.extend_from_slice(bytes);
}

/// The rest of a body.
struct Reader<'b> {
    kind: FrameType,
    all: usize,
    left: &'b [u8],
}

impl<'b> Reader<'b> {
    fn take(&mut self, len: usize) -> Result<&'b [u8], MessageError> {
        let (head, tail) =
            self.left.split_at_checked(len).ok_or(MessageError::Length { kind: self.kind, found: self.all })?;
        self.left = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], MessageError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn u64(&mut self) -> Result<u64, MessageError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn bytes(&mut self) -> Result<&'b [u8], MessageError> {
        let len = u32::from_le_bytes(self.array()?);
        self.take(usize::try_from(len).unwrap_or(usize::MAX))
    }

    fn text(&mut self, limit: usize) -> Result<String, MessageError> {
        let kind = self.kind;
        let bytes = self.bytes()?;
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= limit);
        Ok(text.ok_or(MessageError::Text { kind, limit })?.to_owned())
    }

    fn end(&self) -> Result<(), MessageError> {
        if self.left.is_empty() { Ok(()) } else { Err(MessageError::Length { kind: self.kind, found: self.all }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::HEADER_BYTES;
    use proptest::prelude::*;

    const PAYLOAD: &[u8] = &[5; 4096];

    fn identity() -> DeviceIdentity {
        DeviceIdentity {
            logical_block_bytes: 512,
            serial: "S1".to_owned(),
            size_bytes: 1 << 30,
            table_id: "t".to_owned(),
            wwn: "w".to_owned(),
        }
    }

    fn every_message() -> Vec<Message<'static>> {
        let (device, chunk, seq, offset, raw_len) = (DeviceId(1), ChunkIndex(3), 7, 8192, 4096);
        let (hash, last, codec) = (ChunkHash([1; 32]), true, Codec::None);
        vec![
            Message::Hello { lane: 1, lanes: 4 },
            Message::Welcome { window_bytes: 1 << 23, previous: 4 },
            Message::Open { device, volume: "disk-0".to_owned(), identity: identity() },
            Message::Opened { device, written: vec![0..1, 5..9] },
            Message::Data { device, offset, raw_len, codec, hash, last, seq, payload: PAYLOAD },
            Message::Zero { device, offset, raw_len, last: false, seq },
            Message::HashRequest { device, chunk, seq },
            Message::HashResponse { device, chunk, seq, hash },
            Message::Barrier { seq },
            Message::BarrierReached { seq },
            Message::RootRequest { device, seq },
            Message::RootResponse { device, seq, root: DeviceRoot([2; 32]) },
            Message::RecordProposal { record: "{}".to_owned(), signature: vec![1, 2], certificate_pem: "c".to_owned() },
            Message::RecordAnswer { signature: vec![3], certificate_pem: "d".to_owned() },
            Message::Ack { seq, unproved_chunks: 4 },
            Message::Stale { seq },
            Message::Ping { seq },
            Message::Pong { seq },
            Message::Error { code: ErrorCode::WrongDisk, text: "婚".to_owned() },
            Message::Bye,
        ]
    }

    fn split(bytes: &[u8]) -> (Header, &[u8]) {
        let header = Header::decode(bytes[..HEADER_BYTES].try_into().unwrap()).unwrap();
        (header, &bytes[HEADER_BYTES..])
    }

    #[test]
    fn every_message_comes_back_and_every_type_is_covered() {
        for (message, kind) in every_message().iter().zip(FrameType::ALL) {
            let mut bytes = Vec::new();
            message.encode(5, 6, &mut bytes);
            let (header, body) = split(&bytes);
            assert_eq!((header.session, header.epoch, header.kind), (5, 6, *kind));
            assert_eq!(usize::try_from(header.wire_len).unwrap(), body.len());
            assert_eq!(&Message::decode(&header, body).unwrap(), message);
        }
        assert_eq!(every_message().len(), FrameType::ALL.len());
    }

    #[test]
    fn a_byte_too_few_or_too_many_is_refused() {
        for message in every_message() {
            let mut bytes = Vec::new();
            message.encode(5, 6, &mut bytes);
            let (header, body) = split(&bytes);
            let longer = [body, &[0xff]].concat();
            assert!(Message::decode(&header, &longer).is_err(), "{:?}", header.kind);
            if let Some((_, shorter)) = body.split_last() {
                assert!(Message::decode(&header, shorter).is_err(), "{:?}", header.kind);
            }
        }
    }

    #[test]
    fn the_bytes_of_a_known_message_never_change() {
        let mut bytes = Vec::new();
        Message::Ack { seq: 7, unproved_chunks: 4 }.encode(1, 2, &mut bytes);
        let golden = "5159010f00000000010000000000000000000000020000000000000000000000000000000800000007000000000000000400000000000000";
        assert_eq!(hex::encode(bytes), golden);
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        let refused = |message: Message<'_>, offset: Option<u64>| {
            let mut bytes = Vec::new();
            message.encode(1, 1, &mut bytes);
            let (mut header, body) = split(&bytes);
            header.offset = offset.unwrap_or(header.offset);
            assert!(matches!(Message::decode(&header, body), Err(MessageError::Value { .. })), "{message:?}");
        };
        refused(Message::Hello { lane: 4, lanes: 4 }, None);
        refused(Message::HashRequest { device: DeviceId(0), chunk: ChunkIndex(0), seq: 0 }, Some(4096));
        #[allow(clippy::reversed_empty_ranges)]
        let backwards = vec![0..1, 5..2];
        refused(Message::Opened { device: DeviceId(0), written: backwards }, None);
        refused(Message::Opened { device: DeviceId(0), written: vec![0..5, 5..6] }, None);
    }

    #[test]
    fn long_words_of_an_error_are_cut_at_a_character() {
        let mut bytes = Vec::new();
        Message::Error { code: ErrorCode::Storage, text: "婚".repeat(1000) }.encode(1, 1, &mut bytes);
        let (header, body) = split(&bytes);
        let Message::Error { text, .. } = Message::decode(&header, body).unwrap() else { panic!("another message") };
        assert_eq!(text, "婚".repeat(MAX_ERROR_TEXT / 3));
    }

    proptest! {
        #[test]
        fn decoding_never_panics(kind in 0..FrameType::ALL.len(), body in prop::collection::vec(any::<u8>(), 0..200), seq: u64, offset: u64) {
            let header = Header {
                kind: FrameType::ALL[kind], flags: 0, codec: Codec::None, session: 1, device: DeviceId(0), epoch: 1, offset,
                raw_len: 4096, wire_len: u32::try_from(body.len()).unwrap(), seq,
            };
            if let Ok(message) = Message::decode(&header, &body) {
                let mut again = Vec::new();
                message.encode(1, 1, &mut again);
                let (header, body) = split(&again);
                prop_assert_eq!(Message::decode(&header, body), Ok(message));
            }
        }
    }
}
