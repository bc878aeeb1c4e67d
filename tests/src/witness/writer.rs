//! One client of the registry: connects, commits a row, notes the acknowledgement, and so on for ever. A lost connection is
//! made again. It never sends the same row twice: a row in doubt stays in doubt.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Result;
use postgres::{Client, Config, NoTls};

use super::Timeline;
use super::journal::{Fate, Journal};
use crate::machine::DATABASE_PORT;
use crate::site::OFFICE_ADDRESS;

/// A server that does not answer on the network for this long is gone. A frozen one still answers there, only its commits wait.
const GONE_AFTER: Duration = Duration::from_secs(3);
/// Between two attempts to connect. It bounds how much later than the server the witness is, and so the downtime's error.
const CONNECT_PAUSE: Duration = Duration::from_millis(250);

pub(super) struct Writer {
    pub(super) worker: u32,
    pub(super) pause: Duration,
    pub(super) namespace: PathBuf,
    pub(super) journal: Journal,
    /// The first number to use.
    pub(super) next: i64,
    pub(super) timeline: Arc<Mutex<Timeline>>,
    pub(super) stopped: Receiver<()>,
}

/// A connection to the registry, made from inside the site.
pub(super) fn connect() -> Result<Client, postgres::Error> {
    Config::new()
        .host(&OFFICE_ADDRESS.to_string())
        .port(DATABASE_PORT)
        .user("writer")
        .password("red-seal")
        .dbname("registry")
        .connect_timeout(GONE_AFTER)
        .tcp_user_timeout(GONE_AFTER)
        .keepalives(true)
        .keepalives_idle(Duration::from_secs(1))
        .keepalives_interval(Duration::from_secs(1))
        .keepalives_retries(3)
        .connect(NoTls)
}

/// The row's content, which follows from its key: so the oracle can tell a row that came through whole. 1 KiB, as a
/// registration with its names and numbers has.
pub(super) fn payload(worker: u32, n: i64) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&worker.to_le_bytes()).update(&n.to_le_bytes());
    let mut bytes = [0_u8; 512];
    hasher.finalize_xof().fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Writer {
    pub(super) fn work(&mut self) -> Result<()> {
        crate::site::enter_thread(&self.namespace)?;
        let mut next = self.next;
        loop {
            // Every error means the same here: not there, or not there yet.
            if let Ok(mut client) = connect()
                && self.commit_until_lost(&mut client, &mut next)?
            {
                return Ok(());
            }
            if self.told_to_stop_within(CONNECT_PAUSE) {
                return Ok(());
            }
        }
    }

    /// Returns true when told to stop, false when the connection is lost.
    fn commit_until_lost(&mut self, client: &mut Client, next: &mut i64) -> Result<bool> {
        let worker = i32::try_from(self.worker)?;
        let Ok(insert) = client.prepare("insert into marriages (worker, n, payload) values ($1, $2, $3)") else {
            return Ok(false);
        };
        loop {
            let n = *next;
            *next += 1;
            let answer = client.execute(&insert, &[&worker, &n, &payload(self.worker, n)]);
            let fate = if answer.is_ok() { Fate::Acknowledged } else { Fate::InDoubt };
            self.journal.note(n, fate)?;
            let mut timeline = self.timeline.lock().expect("no client panics while it holds the timeline");
            match fate {
                Fate::Acknowledged => timeline.acknowledge(Instant::now()),
                Fate::InDoubt => timeline.in_doubt += 1,
            }
            drop(timeline);
            if fate == Fate::InDoubt {
                return Ok(false);
            }
            if self.told_to_stop_within(self.pause) {
                return Ok(true);
            }
        }
    }

    fn told_to_stop_within(&self, pause: Duration) -> bool {
        match self.stopped.recv_timeout(pause) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => true,
            Err(RecvTimeoutError::Timeout) => false,
        }
    }
}
