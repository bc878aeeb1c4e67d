//! What the source and its tracker's process say to each other: a length, a kind, fields. Pure; every length is bounded.
//!
//! ```text
//! length u32 | kind u8 | fields, little-endian; texts as length u16 and bytes; sets as `BlockSet` writes them
//! ```

use super::TrackdError;
use crate::tracker::Counts;
use qianyun_replication::block_set::BlockSet;
use std::io::{Read, Write};

/// Version of the protocol. It must be kept: the process outlives the release that started it.
pub(super) const VERSION: u16 = 1;
/// The longest text: a sentence with the path of a mount.
const MAX_TEXT: usize = 4096;
/// Doubts that are told; one is enough to act on.
const MAX_DOUBTS: usize = 8;
/// All fields of fixed length and all texts.
const FIXED_BYTES: u64 = 64 + (MAX_DOUBTS * (MAX_TEXT + 2)) as u64;

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// First: who asks, about which disks and copy.
    Hello { version: u16, subject: [u8; 32] },
    /// All changes after a batch.
    Since { batch: u64 },
    /// The changes that were not told yet; `close` ends the batch that they are in.
    Drain { close: bool },
    /// As `Drain`, with every disk at rest.
    Settle { limit_ms: u32 },
    /// A checkpoint that states this batch is safe.
    Forget { batch: u64 },
    /// Checkpoints from before are worth nothing any more.
    Void,
    /// Blocks to be told to the next client as changed.
    Note { disk: u32, blocks: BlockSet },
    /// Someone else doubts.
    Doubt { words: String },
    /// The sums of a disk.
    Counts { disk: u32 },
    /// The end; needs no `Hello`.
    End,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    /// The generation, whether there is a doubt.
    Welcome { generation: [u8; 16], doubted: bool },
    /// The newest closed batch, the doubts, and the changes of each disk.
    Changes { closed: u64, doubts: Vec<String>, blocks: Vec<BlockSet> },
    /// It was done.
    Done,
    /// The sums.
    Counts(Counts),
    /// It was not done.
    Failed { words: String },
}

/// The longest body, for disks of so many blocks.
pub(super) fn max_body(ends: &[u64]) -> u64 {
    FIXED_BYTES + ends.iter().map(|end| BlockSet::max_encoded_bytes(*end)).sum::<u64>()
}

/// Sends a body with its length before it.
pub(super) fn send(mut stream: impl Write, body: &[u8]) -> Result<(), TrackdError> {
    let failed = |source| TrackdError::Io { action: "write to", source };
    let len = u32::try_from(body.len()).map_err(|_| TrackdError::Malformed { what: "length" })?;
    let frame = [&len.to_le_bytes(), body].concat();
    stream.write_all(&frame).map_err(failed)
}

/// Receives a body of at most `max` bytes.
pub(super) fn receive(mut stream: impl Read, max: u64) -> Result<Vec<u8>, TrackdError> {
    let failed = |source| TrackdError::Io { action: "read from", source };
    let mut len = [0; 4];
    stream.read_exact(&mut len).map_err(failed)?;
    let len = u32::from_le_bytes(len);
    if u64::from(len) > max {
        return Err(TrackdError::Malformed { what: "length" });
    }
    let mut body = vec![0; usize::try_from(len).map_err(|_| TrackdError::Malformed { what: "length" })?];
    stream.read_exact(&mut body).map_err(failed)?;
    Ok(body)
}

impl Request {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Hello { version, subject } => fields(&mut out, 1, &[&version.to_le_bytes(), subject]),
            Self::Since { batch } => fields(&mut out, 2, &[&batch.to_le_bytes()]),
            Self::Drain { close } => fields(&mut out, 3, &[&[u8::from(*close)]]),
            Self::Settle { limit_ms } => fields(&mut out, 4, &[&limit_ms.to_le_bytes()]),
            Self::Forget { batch } => fields(&mut out, 5, &[&batch.to_le_bytes()]),
            Self::Void => fields(&mut out, 6, &[]),
            Self::Note { disk, blocks } => {
                fields(&mut out, 7, &[&disk.to_le_bytes()]);
                blocks.encode(&mut out);
            }
            Self::Doubt { words } => {
                fields(&mut out, 8, &[]);
                put_text(&mut out, words);
            }
            Self::Counts { disk } => fields(&mut out, 9, &[&disk.to_le_bytes()]),
            Self::End => fields(&mut out, 10, &[]),
        }
        out
    }

    /// Reads a request about disks of so many blocks.
    pub(super) fn decode(body: &[u8], ends: &[u64]) -> Result<Self, TrackdError> {
        let mut from = Fields(body);
        let request = match from.take("kind")? {
            [1] => Self::Hello { version: u16::from_le_bytes(from.take("version")?), subject: from.take("subject")? },
            [2] => Self::Since { batch: u64::from_le_bytes(from.take("batch")?) },
            [3] => Self::Drain { close: from.flag("close")? },
            [4] => Self::Settle { limit_ms: u32::from_le_bytes(from.take("limit")?) },
            [5] => Self::Forget { batch: u64::from_le_bytes(from.take("batch")?) },
            [6] => Self::Void,
            [7] => {
                let (disk, end) = from.disk(ends)?;
                Self::Note { disk, blocks: from.blocks(end)? }
            }
            [8] => Self::Doubt { words: from.text()? },
            [9] => Self::Counts { disk: from.disk(ends)?.0 },
            [10] => Self::End,
            _unknown => return Err(TrackdError::Malformed { what: "kind" }),
        };
        from.end(request)
    }
}

impl Reply {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Welcome { generation, doubted } => fields(&mut out, 1, &[generation, &[u8::from(*doubted)]]),
            Self::Changes { closed, doubts, blocks } => {
                let told = &doubts[..doubts.len().min(MAX_DOUBTS)];
                let count = u8::try_from(told.len()).expect("at most eight");
                fields(&mut out, 2, &[&closed.to_le_bytes(), &[count]]);
                told.iter().for_each(|words| put_text(&mut out, words));
                blocks.iter().for_each(|set| set.encode(&mut out));
            }
            Self::Done => fields(&mut out, 3, &[]),
            Self::Counts(Counts { traced_sectors, counted_sectors }) => {
                fields(&mut out, 4, &[&traced_sectors.to_le_bytes(), &counted_sectors.to_le_bytes()]);
            }
            Self::Failed { words } => {
                fields(&mut out, 5, &[]);
                put_text(&mut out, words);
            }
        }
        out
    }

    /// Reads a reply about disks of so many blocks.
    pub(super) fn decode(body: &[u8], ends: &[u64]) -> Result<Self, TrackdError> {
        let mut from = Fields(body);
        let reply = match from.take("kind")? {
            [1] => Self::Welcome { generation: from.take("generation")?, doubted: from.flag("doubt")? },
            [2] => {
                let closed = u64::from_le_bytes(from.take("batch")?);
                let [count] = from.take("number of doubts")?;
                if usize::from(count) > MAX_DOUBTS {
                    return Err(TrackdError::Malformed { what: "number of doubts" });
                }
                let doubts = (0..count).map(|_| from.text()).collect::<Result<Vec<_>, _>>()?;
                let blocks = ends.iter().map(|end| from.blocks(*end)).collect::<Result<Vec<_>, _>>()?;
                Self::Changes { closed, doubts, blocks }
            }
            [3] => Self::Done,
            [4] => {
                let traced_sectors = u64::from_le_bytes(from.take("traced")?);
                Self::Counts(Counts { traced_sectors, counted_sectors: u64::from_le_bytes(from.take("counted")?) })
            }
            [5] => Self::Failed { words: from.text()? },
            _unknown => return Err(TrackdError::Malformed { what: "kind" }),
        };
        from.end(reply)
    }
}

fn fields(out: &mut Vec<u8>, kind: u8, fields: &[&[u8]]) {
    out.push(kind);
    fields.iter().for_each(|field| out.extend_from_slice(field));
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let text = &text[..text.floor_char_boundary(MAX_TEXT)];
    out.extend_from_slice(&u16::try_from(text.len()).expect("at most 4096").to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// What is left of a body.
struct Fields<'b>(&'b [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], TrackdError> {
        let (head, tail) = self.0.split_first_chunk().ok_or(TrackdError::Malformed { what })?;
        self.0 = tail;
        Ok(*head)
    }

    fn flag(&mut self, what: &'static str) -> Result<bool, TrackdError> {
        match self.take(what)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _neither => Err(TrackdError::Malformed { what }),
        }
    }

    /// The number of a disk, and its blocks.
    fn disk(&mut self, ends: &[u64]) -> Result<(u32, u64), TrackdError> {
        let disk = u32::from_le_bytes(self.take("disk")?);
        let end = usize::try_from(disk).ok().and_then(|place| ends.get(place));
        Ok((disk, *end.ok_or(TrackdError::Malformed { what: "disk" })?))
    }

    fn blocks(&mut self, end: u64) -> Result<BlockSet, TrackdError> {
        BlockSet::decode(&mut self.0, end).ok_or(TrackdError::Malformed { what: "blocks" })
    }

    fn text(&mut self) -> Result<String, TrackdError> {
        let refuse = TrackdError::Malformed { what: "text" };
        let len = usize::from(u16::from_le_bytes(self.take("text")?));
        match self.0.split_at_checked(len).filter(|_| len <= MAX_TEXT) {
            Some((head, tail)) => {
                self.0 = tail;
                String::from_utf8(head.to_vec()).map_err(|_| refuse)
            }
            None => Err(refuse),
        }
    }

    fn end<T>(&self, read: T) -> Result<T, TrackdError> {
        if self.0.is_empty() { Ok(read) } else { Err(TrackdError::Malformed { what: "end" }) }
    }
}

/// Reads bytes as a request and as a reply, for the fuzz target: what can be read is written and read again as the same.
#[cfg(fuzzing)]
pub(crate) fn read_both(body: &[u8], ends: &[u64]) {
    if let Ok(request) = Request::decode(body, ends) {
        assert_eq!(Request::decode(&request.encode(), ends).ok(), Some(request));
    }
    if let Ok(reply) = Reply::decode(body, ends) {
        assert_eq!(Reply::decode(&reply.encode(), ends).ok(), Some(reply));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ENDS: [u64; 2] = [1000, 50_000];

    fn requests() -> Vec<Request> {
        let blocks: BlockSet = [3..9, 40_000..40_001].into_iter().collect();
        vec![
            Request::Hello { version: VERSION, subject: [7; 32] },
            Request::Since { batch: 9 },
            Request::Drain { close: true },
            Request::Settle { limit_ms: 500 },
            Request::Forget { batch: 1 << 40 },
            Request::Void,
            Request::Note { disk: 1, blocks },
            Request::Doubt { words: "怀疑".to_owned() },
            Request::Counts { disk: 0 },
            Request::End,
        ]
    }

    fn replies() -> Vec<Reply> {
        let blocks = vec![std::iter::once(0..1000).collect(), BlockSet::new()];
        vec![
            Reply::Welcome { generation: [9; 16], doubted: true },
            Reply::Changes { closed: 3, doubts: vec!["a ring was full".to_owned(); 2], blocks },
            Reply::Done,
            Reply::Counts(Counts { traced_sectors: 8, counted_sectors: 9 }),
            Reply::Failed { words: "no".to_owned() },
        ]
    }

    #[test]
    fn everything_that_is_said_is_understood_and_whatever_is_cut_off_is_not() {
        for request in requests() {
            let body = request.encode();
            assert_eq!(Request::decode(&body, &ENDS).unwrap(), request);
            (0..body.len()).for_each(|cut| assert!(Request::decode(&body[..cut], &ENDS).is_err(), "{request:?} {cut}"));
        }
        for reply in replies() {
            let body = reply.encode();
            assert_eq!(Reply::decode(&body, &ENDS).unwrap(), reply);
            assert!(body.len() as u64 <= max_body(&ENDS));
            (0..body.len()).for_each(|cut| assert!(Reply::decode(&body[..cut], &ENDS).is_err(), "{reply:?} {cut}"));
        }
    }

    #[test]
    fn what_is_too_long_is_cut_where_it_is_written_and_refused_where_it_is_read() {
        let long = Reply::Changes { closed: 1, doubts: vec!["x".repeat(9000); 20], blocks: vec![BlockSet::new(); 2] };
        let Reply::Changes { doubts, .. } = Reply::decode(&long.encode(), &ENDS).unwrap() else { panic!() };
        assert_eq!((doubts.len(), doubts[0].len()), (MAX_DOUBTS, MAX_TEXT));
        let mut frame = Vec::new();
        send(&mut frame, &[0; 100]).unwrap();
        assert_eq!(receive(&frame[..], 100).unwrap().len(), 100);
        assert!(matches!(receive(&frame[..], 99), Err(TrackdError::Malformed { what: "length" })));
        let of_no_disk = Request::Note { disk: 2, blocks: BlockSet::new() }.encode();
        assert!(Request::decode(&of_no_disk, &ENDS).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(body in prop::collection::vec(any::<u8>(), 0..80)) {
            let _either = (Request::decode(&body, &ENDS), Reply::decode(&body, &ENDS));
        }
    }
}
