//! The link: all lanes to the receiver, opened together and ended together, again and again.
//!
//! One lane that breaks ends the link: its number, the epoch, is what keeps late frames out, and there is one for all lanes.
//! Never here: what is sent.

use super::worker::Worker;
use super::{Mode, RecordReply, Shared, lock, words_of};
use crate::lane::{self, LaneError, LaneReader, LaneWriter, SETUP_LIMIT, SILENCE_LIMIT};
use qianyun_replication::message::Message;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

/// The first and the longest pause between two links. Under a freeze every second counts, so it stays at the first.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long the receiver's last words may take: they came before the lane broke, and only a reader has to get to them.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Control frames that may wait for a worker: barriers, roots and a record, for at most 256 disks.
const CONTROLS: usize = 1024;

type Reader = LaneReader<TlsStream<TcpStream>>;
type Writer = LaneWriter<TlsStream<TcpStream>>;

struct Lane {
    reader: Reader,
    writer: Writer,
}

/// Opens links until the replication is stopped.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut pause = FIRST_PAUSE;
    while shared.mode() != Mode::Stopped {
        let began = Instant::now();
        let error = one_link(&shared).await;
        lock(&shared.controls).clear();
        shared.engine().link_down();
        shared.touch();
        let Some(error) = error else { break };
        if began.elapsed() > LONGEST_PAUSE || shared.mode() == Mode::Final {
            pause = FIRST_PAUSE;
        }
        let words = format!("no link to the receiver at {}: {}", shared.address, words_of(&error));
        if shared.may_log() {
            tracing::warn!(pause_ms = u64::try_from(pause.as_millis()).unwrap_or(0), "{words}");
        }
        *lock(&shared.link_trouble) = words;
        if let LaneError::Refused { code, text } = &error {
            shared.refused(*code, text);
        }
        let mut mode = shared.mode.subscribe();
        let _changed = timeout(pause, mode.changed()).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One link from greeting to break; `None` if the replication was stopped.
async fn one_link(shared: &Arc<Shared>) -> Option<LaneError> {
    let mut mode = shared.mode.subscribe();
    let stopped = async move {
        // The sender of this signal lives in `shared`.
        let _never_closed = mode.wait_for(|mode| *mode == Mode::Stopped).await;
    };
    tokio::select! {
        () = stopped => None,
        Err(error) = connect_and_work(shared) => Some(error),
        else => None,
    }
}

async fn connect_and_work(shared: &Arc<Shared>) -> Result<(), LaneError> {
    // What is free must be known, and followed, before anything is asked for. The sender of this signal lives in `shared`.
    let _never_closed = shared.armed.subscribe().wait_for(|armed| *armed).await.is_ok();
    let highest = shared.engine().highest_epoch();
    let (mut first, Welcome { epoch, previous, window_bytes }) = greet(shared, 0, highest).await?;
    let mut lanes = Vec::new();
    for lane in 1..shared.lanes {
        lanes.push(greet(shared, lane, epoch).await?.0);
    }
    shared.engine().link_up((epoch, previous), window_bytes, shared.lanes);
    open_all(shared, &mut first, epoch).await?;
    lanes.insert(0, first);
    lock(&shared.link_trouble).clear();
    if shared.may_log() {
        tracing::info!(epoch, lanes = shared.lanes, receiver = shared.address, "linked");
    }
    work(shared, lanes, epoch).await
}

/// What the receiver says to a lane that it takes.
struct Welcome {
    epoch: u32,
    previous: u32,
    window_bytes: u64,
}

/// Connects one lane and introduces it.
async fn greet(shared: &Arc<Shared>, lane: u16, epoch: u32) -> Result<(Lane, Welcome), LaneError> {
    let stream = lane::connect(&shared.tls, &shared.address, &shared.name).await?;
    let (mut reader, mut writer) = lane::split(stream);
    let hello = Message::Hello { lane, lanes: shared.lanes };
    writer.send(&lane::frame(&hello, shared.session, epoch)).await?;
    let (header, message) = reader.next(SETUP_LIMIT).await?;
    match message {
        Message::Welcome { window_bytes, previous } if header.session == shared.session => {
            Ok((Lane { reader, writer }, Welcome { epoch: header.epoch, previous, window_bytes }))
        }
        other => Err(unexpected(&other, "a welcome to our session")),
    }
}

/// Opens every volume, on the first lane.
async fn open_all(shared: &Arc<Shared>, first: &mut Lane, epoch: u32) -> Result<(), LaneError> {
    for disk in &shared.disks {
        let (device, volume) = (disk.id, disk.volume.clone());
        let open = Message::Open { device, volume, identity: disk.leaf.identity().clone() };
        first.writer.send(&lane::frame(&open, shared.session, epoch)).await?;
        match first.reader.next(SETUP_LIMIT).await?.1 {
            Message::Opened { device: opened, written } if opened == device => {
                shared.engine().opened(device, &written);
            }
            other => return Err(unexpected(&other, "the opened volume")),
        }
    }
    Ok(())
}

/// Runs a worker and a reader on every lane until the first of them fails.
async fn work(shared: &Arc<Shared>, lanes: Vec<Lane>, epoch: u32) -> Result<(), LaneError> {
    let mut tasks = JoinSet::new();
    let mut controls = Vec::new();
    for (number, Lane { reader, writer }) in (0u16..).zip(lanes) {
        let (sender, receiver) = mpsc::channel(CONTROLS);
        controls.push(sender);
        let worker = Worker::new(Arc::clone(shared), number, epoch);
        tasks.spawn(async move { Ended { lane: number, reads: false, result: worker.run(writer, receiver).await } });
        let reading = read_all(Arc::clone(shared), number, reader);
        tasks.spawn(async move { Ended { lane: number, reads: true, result: reading.await } });
    }
    *lock(&shared.controls) = controls;
    shared.touch();
    let reason = reason(&mut tasks).await;
    tasks.shutdown().await;
    reason
}

/// One task of a lane, and how it ended.
struct Ended {
    lane: u16,
    reads: bool,
    result: Result<(), LaneError>,
}

/// Why the first task ended. A worker may find its lane broken before the lane's reader has come to the words with which the
/// receiver broke it: then these are the reason.
async fn reason(tasks: &mut JoinSet<Ended>) -> Result<(), LaneError> {
    let Some(first) = next_end(tasks).await else { return Err(LaneError::Left) };
    if first.reads || !matches!(first.result, Err(LaneError::Io(_))) {
        return first.result;
    }
    let last_words = async {
        loop {
            let ended = next_end(tasks).await?;
            if ended.reads && ended.lane == first.lane {
                return Some(ended.result);
            }
        }
    };
    match timeout(LAST_WORDS, last_words).await {
        Ok(Some(refused @ Err(LaneError::Refused { .. }))) => refused,
        Ok(Some(_) | None) | Err(_) => first.result,
    }
}

async fn next_end(tasks: &mut JoinSet<Ended>) -> Option<Ended> {
    match tasks.join_next().await {
        Some(Ok(ended)) => Some(ended),
        Some(Err(panicked)) if panicked.is_panic() => std::panic::resume_unwind(panicked.into_panic()),
        Some(Err(_)) | None => None,
    }
}

/// Tells the engine what the receiver says on one lane.
async fn read_all(shared: Arc<Shared>, lane: u16, mut reader: Reader) -> Result<(), LaneError> {
    loop {
        let (_, message) = reader.next(SILENCE_LIMIT).await?;
        let now_ms = shared.now_ms();
        match message {
            Message::Ack { seq, unproved_chunks } => shared.engine().acked(lane, seq, unproved_chunks, now_ms),
            Message::Stale { seq } => shared.engine().stale(lane, seq),
            Message::HashResponse { seq, hash, .. } => shared.engine().target_hash(lane, seq, hash, now_ms),
            Message::BarrierReached { seq } => shared.engine().barrier_reached(lane, seq),
            Message::RootResponse { device, seq, root } => drop(lock(&shared.roots).insert((device, seq), root)),
            Message::RecordAnswer { signature, certificate_pem } => {
                *lock(&shared.record_reply) = Some(RecordReply::Signed { signature, certificate_pem });
            }
            Message::Pong { .. } => {}
            other => return Err(unexpected(&other, "a receiver's message")),
        }
        shared.touch();
    }
}

/// Names what came by its kind: contents may be long.
fn unexpected(found: &Message<'_>, expected: &'static str) -> LaneError {
    let found = format!("{found:?}");
    let kind = found.split([' ', '{']).next().unwrap_or_default().to_owned();
    LaneError::Unexpected { found: kind, expected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use qianyun_replication::message::ErrorCode;

    #[test]
    fn an_unexpected_message_is_named_without_its_content() {
        let error = unexpected(&Message::Ping { seq: 5 }, "a welcome");
        assert_eq!(error.to_string(), "the other end sent Ping where a welcome was expected");
    }

    fn ends(tasks: &mut JoinSet<Ended>, lane: u16, reads: bool, error: LaneError) {
        tasks.spawn(async move {
            if reads {
                // Later than any worker, by the paused clock.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ended { lane, reads, result: Err(error) }
        });
    }

    #[tokio::test(start_paused = true)]
    async fn the_receivers_words_are_the_reason_also_where_the_worker_finds_the_lane_broken_first() {
        let broken = || LaneError::Io(std::io::ErrorKind::BrokenPipe.into());
        let refused = || LaneError::Refused { code: ErrorCode::Storage, text: "full".to_owned() };
        for (lane, last, told) in [(1, refused(), true), (1, LaneError::Left, false), (0, refused(), false)] {
            let mut tasks = JoinSet::new();
            ends(&mut tasks, 1, false, broken());
            ends(&mut tasks, lane, true, last);
            let reason = reason(&mut tasks).await.unwrap_err();
            assert_eq!(matches!(reason, LaneError::Refused { .. }), told, "{lane}: {reason:?}");
        }
    }
}
