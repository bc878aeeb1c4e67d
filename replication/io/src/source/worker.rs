//! One lane's worker: takes a job, reads, hashes, packs, sends, reports. The bytes never leave its thread on the way.
//!
//! Frames go out in the order in which the engine numbered the jobs: an acknowledgement covers all before it. Never here:
//! which job is next.

use super::load;
use super::pack::Packer;
use super::{Disk, LOOK_EVERY, Mode, Shared, lock, words_of};
use crate::device::DeviceError;
use crate::device::buffer::AlignedBuffer;
use crate::lane::{self, LaneError, LaneWriter, PING_EVERY};
use qianyun_replication::digest::{ChunkHash, hash_bytes, is_zero};
use qianyun_replication::frame::Codec;
use qianyun_replication::geometry::{BLOCK_BYTES, CHUNK_BYTES, ChunkMask, MAX_EXTENT_BYTES};
use qianyun_replication::message::Message;
use qianyun_replication::progress::Counters;
use qianyun_replication::sender::{Copied, Job, Work};
use qianyun_replication::subtree::Subtrees;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;
use tokio::task::block_in_place;
use tokio::time::{sleep, timeout};

/// Blocks between two runs that are read with them rather than skipped: 64 KiB cost a flash disk less than another
/// request does.
const READ_OVER_BLOCKS: u64 = 16;
/// After a disk did not answer: it will not at once.
const FAILED_PAUSE: Duration = Duration::from_secs(1);

/// What a timer can do.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);
/// A freeze waits no longer than this.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);
/// How often a lane that rests looks whether it is over: a tenth of the shortest part of a rest that it may disturb.
const REST_LOOK: Duration = Duration::from_millis(20);

pub(super) struct Worker {
    shared: Arc<Shared>,
    lane: u16,
    epoch: u32,
    buffer: AlignedBuffer,
    frames: Vec<u8>,
    /// What is sent after the frames, and is the end of the last: a payload in the buffer.
    payload: Range<usize>,
    packer: Packer,
    /// What the governor still wants to be waited: pauses are shorter than what can be slept.
    owed: Duration,
}

/// What a job came to, before its frames are sent.
enum Outcome {
    Copied(Copied),
    Digested(Subtrees),
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, lane: u16, epoch: u32) -> Self {
        let chunk = usize::try_from(CHUNK_BYTES).expect("a chunk is a MiB");
        Self {
            shared,
            lane,
            epoch,
            buffer: AlignedBuffer::new(chunk),
            frames: Vec::new(),
            payload: 0..0,
            packer: Packer::new(),
            owed: Duration::ZERO,
        }
    }

    /// Works until the lane breaks.
    pub(super) async fn run<S: AsyncWrite>(
        mut self,
        mut writer: LaneWriter<S>,
        mut controls: mpsc::Receiver<Vec<u8>>,
    ) -> Result<(), LaneError> {
        let mut changed = self.shared.changed.subscribe();
        let mut last_sent = Instant::now();
        loop {
            changed.mark_unchanged();
            while let Ok(frame) = controls.try_recv() {
                writer.send(&frame).await?;
                last_sent = Instant::now();
            }
            if last_sent.elapsed() >= PING_EVERY {
                writer.send(&lane::frame(&Message::Ping { seq: 0 }, self.shared.session, self.epoch)).await?;
                last_sent = Instant::now();
            }
            let job = self.shared.engine().next_job(self.lane, self.shared.now_ms());
            match job {
                Some(job) => {
                    let began = Instant::now();
                    if self.work(&job, &mut writer).await? {
                        last_sent = Instant::now();
                    }
                    self.throttle(&job, began.elapsed()).await;
                }
                None => {
                    let _late = timeout(LOOK_EVERY, changed.changed()).await;
                }
            }
        }
    }

    /// Does one job; says whether anything was sent.
    async fn work<S: AsyncWrite>(&mut self, job: &Job, writer: &mut LaneWriter<S>) -> Result<bool, LaneError> {
        if job.work == Work::Compare {
            // First the question, so that both ends read at the same time.
            let question = Message::HashRequest { device: job.device, chunk: job.chunk, seq: job.seq };
            writer.send(&lane::frame(&question, self.shared.session, job.epoch)).await?;
        }
        let began = Instant::now();
        let outcome = block_in_place(|| self.perform(job));
        let shared = Arc::clone(&self.shared);
        match outcome {
            Ok(Outcome::Copied(copied)) => {
                writer.send_both(&self.frames, &self.buffer[self.payload.clone()]).await?;
                self.packer.measured(copied.counters.sent_bytes, began.elapsed());
                shared.engine().copied(job, copied, shared.now_ms());
            }
            Ok(Outcome::Digested(subtrees)) if job.work == Work::Compare => {
                shared.engine().compared(job, subtrees, shared.now_ms());
            }
            Ok(Outcome::Digested(subtrees)) => shared.engine().proved(job, subtrees, shared.now_ms()),
            Err(error) => {
                if shared.may_log() {
                    tracing::warn!(error = words_of(&error), chunk = job.chunk.0, "a disk cannot be read");
                }
                lock(&shared.unread).failed(job.device, words_of(&error));
                shared.engine().failed(job);
                sleep(FAILED_PAUSE).await;
            }
        }
        shared.touch();
        Ok(job.work != Work::Prove)
    }

    /// Waits for the budget and as the governor says, whichever is longer, and while the copy rests.
    async fn throttle(&mut self, job: &Job, busy: Duration) {
        if self.shared.mode() == Mode::Final {
            self.owed = Duration::ZERO;
            return;
        }
        let pace = self.shared.load.pace(job.device);
        self.owed += load::pause(pace, busy);
        let bound_ms = lock(&self.shared.budget).spend(pace.charge(bytes_of(job)), self.shared.now_ms());
        let wait = Duration::from_millis(bound_ms).max(self.owed);
        let mut waited = Duration::ZERO;
        // In steps, so that a freeze does not wait for a bound that no longer holds.
        while self.shared.mode() == Mode::Following {
            let step = match wait.saturating_sub(waited) {
                left if left >= SHORTEST_SLEEP => left.min(LONGEST_SLEEP),
                _ if self.shared.load.rests(waited) => REST_LOOK,
                _ => break,
            };
            sleep(step).await;
            waited += step;
        }
        self.owed = self.owed.saturating_sub(waited);
    }

    fn perform(&mut self, job: &Job) -> Result<Outcome, DeviceError> {
        self.frames.clear();
        self.payload = 0..0;
        let read_bytes = self.read(job, &job.reads())?;
        let subtrees = job.digest(&mut self.buffer[..place(job.len)]);
        Ok(match job.work {
            Work::Copy { blocks } => Outcome::Copied(self.copy(job, &blocks, subtrees, read_bytes)),
            Work::Compare | Work::Prove => Outcome::Digested(subtrees),
        })
    }

    fn copy(&mut self, job: &Job, blocks: &ChunkMask, subtrees: Subtrees, read_bytes: u64) -> Copied {
        let mut counters = Counters { read_bytes, ..Counters::default() };
        let extents = extents(&blocks.runs(), job.len);
        let full = blocks.count() * BLOCK_BYTES >= job.len && !self.any_zero(&extents);
        let full = subtrees.hash().filter(|_| full);
        if let Some(hash) = full {
            // One extent, whose hash is the chunk's: hashed once.
            self.put_data(job, &(0..job.len), true, hash, &mut counters);
        } else {
            for (n, extent) in extents.iter().enumerate() {
                self.put_extent(job, extent, n + 1 == extents.len(), &mut counters);
            }
        }
        counters.wire_bytes = (self.frames.len() + self.payload.len()) as u64;
        Copied { subtrees, counters }
    }

    /// Appends the frame of one extent, which is bytes of the chunk.
    fn put_extent(&mut self, job: &Job, extent: &Range<u64>, last: bool, counters: &mut Counters) {
        let (device, seq) = (job.device, job.seq);
        let offset = job.chunk.offset_bytes() + extent.start;
        let raw = &self.buffer[place(extent.start)..place(extent.end)];
        if is_zero(raw) {
            let raw_len = u32::try_from(raw.len()).expect("an extent is at most 256 KiB");
            counters.zero_bytes += u64::from(raw_len);
            Message::Zero { device, offset, raw_len, last, seq }.encode(
                self.shared.session,
                job.epoch,
                &mut self.frames,
            );
            return;
        }
        let hash = hash_bytes(raw);
        self.put_data(job, extent, last, hash, counters);
    }

    /// Whether an extent is zeros, which costs nothing on the wire.
    fn any_zero(&self, extents: &[Range<u64>]) -> bool {
        extents.iter().any(|extent| is_zero(&self.buffer[place(extent.start)..place(extent.end)]))
    }

    /// Appends the frame of an extent that is not zeros.
    fn put_data(&mut self, job: &Job, extent: &Range<u64>, last: bool, hash: ChunkHash, counters: &mut Counters) {
        let raw = &self.buffer[place(extent.start)..place(extent.end)];
        let raw_len = u32::try_from(raw.len()).expect("an extent is at most a chunk");
        let offset = job.chunk.offset_bytes() + extent.start;
        counters.sent_bytes += u64::from(raw_len);
        let packed = self.packer.pack(raw);
        let (device, seq) = (job.device, job.seq);
        let (codec, payload) = packed.as_deref().map_or((Codec::None, raw), |packed| (Codec::Zstd, packed));
        let (session, epoch) = (self.shared.session, job.epoch);
        let data = |payload| Message::Data { device, offset, raw_len, codec, hash, last, seq, payload };
        if last && packed.is_none() {
            // Nothing comes after it: it need not be copied to the others.
            data(&[]).encode_before(raw, session, epoch, &mut self.frames);
            self.payload = place(extent.start)..place(extent.end);
        } else {
            data(payload).encode(session, epoch, &mut self.frames);
        }
    }

    /// Reads the blocks to their places in the buffer, and small gaps with them. What cannot be read is zeros, and counted.
    fn read(&mut self, job: &Job, blocks: &ChunkMask) -> Result<u64, DeviceError> {
        let shared = Arc::clone(&self.shared);
        let disk =
            shared.disks.iter().find(|disk| disk.id == job.device).expect("the engine has the disks of `shared`");
        let (mut read, mut bad) = (0, Vec::new());
        for span in spans(&blocks.runs(), job.len) {
            let bytes = &mut self.buffer[place(span.start)..place(span.end)];
            bad.extend(disk.leaf.read(job.chunk.offset_bytes() + span.start, bytes)?);
            read += span.end - span.start;
        }
        note_read(&shared, disk, job.chunk.offset_bytes(), &blocks.runs(), &bad);
        Ok(read)
    }
}

/// Notes that runs of blocks were read of the chunk that begins at `chunk`. A bad place in a gap between them is nobody's.
fn note_read(shared: &Shared, disk: &Disk, chunk: u64, runs: &[Range<u64>], bad: &[Range<u64>]) {
    if !bad.is_empty() && shared.may_log() {
        tracing::warn!(disk = disk.leaf.name(), ?bad, "places cannot be read, zeros are sent for what is used of them");
    }
    let mut unread = lock(&shared.unread);
    for run in runs {
        unread.read(disk.id, &(chunk + run.start * BLOCK_BYTES..chunk + run.end * BLOCK_BYTES), bad);
    }
}

/// Bytes that a job reads, which is what its bound is about.
fn bytes_of(job: &Job) -> u64 {
    job.reads().count() * BLOCK_BYTES
}

fn place(byte: u64) -> usize {
    usize::try_from(byte).expect("a place in a chunk is below a MiB")
}

/// Runs of blocks as bytes of a chunk of `len` bytes, joined over small gaps.
fn spans(runs: &[Range<u64>], len: u64) -> Vec<Range<u64>> {
    let mut spans: Vec<Range<u64>> = Vec::new();
    for run in runs {
        let bytes = run.start * BLOCK_BYTES..(run.end * BLOCK_BYTES).min(len);
        match spans.last_mut() {
            Some(last) if bytes.start - last.end <= READ_OVER_BLOCKS * BLOCK_BYTES => last.end = bytes.end,
            Some(_) | None => spans.push(bytes),
        }
    }
    spans
}

/// Runs of blocks as bytes of a chunk of `len` bytes, cut to what one frame may hold.
fn extents(runs: &[Range<u64>], len: u64) -> Vec<Range<u64>> {
    let mut extents = Vec::new();
    for run in runs {
        let (mut at, end) = (run.start * BLOCK_BYTES, (run.end * BLOCK_BYTES).min(len));
        while at < end {
            let to = end.min((at / MAX_EXTENT_BYTES + 1) * MAX_EXTENT_BYTES);
            extents.push(at..to);
            at = to;
        }
    }
    extents
}

#[cfg(test)]
mod tests {
    use super::*;

    const K: u64 = 1024;

    #[test]
    fn near_runs_are_read_together_and_far_ones_apart() {
        assert_eq!(spans(&[0..1, 2..3, 20..21], CHUNK_BYTES), vec![0..12 * K, 80 * K..84 * K]);
        assert_eq!(spans(&[0..1, 17..18], CHUNK_BYTES).len(), 1);
        assert_eq!(spans(&[0..1, 18..19], CHUNK_BYTES).len(), 2);
    }

    #[test]
    fn extents_are_at_most_one_frame_and_end_where_the_device_ends() {
        assert_eq!(extents(&[0..65, 70..71], CHUNK_BYTES), vec![0..256 * K, 256 * K..260 * K, 280 * K..284 * K]);
        assert_eq!(extents(&[0..3, 5..6], 21 * K), vec![0..12 * K, 20 * K..21 * K]);
        assert_eq!(
            extents(&[32..96, 255..256], CHUNK_BYTES),
            vec![128 * K..256 * K, 256 * K..384 * K, 1020 * K..1024 * K]
        );
    }
}
