//! The witness: clients outside the machine that commit to its database all the time and note each commit once, and only
//! once, the server has acknowledged it. What it noted is the oracle of every journey: an acknowledged commit has to be in
//! whichever side goes on, exactly once and with the bytes that were sent.
//!
//! It never knows what is being done to the server, and never counts a commit as acknowledged whose answer did not arrive:
//! that one is *in doubt* and may be there or not.

mod journal;
mod oracle;
mod writer;

pub use oracle::Verdict;

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::site::Site;

/// A pause longer than this between two acknowledgements, from whichever client, is an outage its users would notice.
const OUTAGE_FROM: Duration = Duration::from_secs(1);

/// How the witness works.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Clients, each with a connection of its own.
    pub workers: u32,
    /// A client's pause between two commits. It keeps an emulated server from doing nothing else.
    pub pause: Duration,
}

/// A span without any acknowledged commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Since the witness began.
    pub from: Duration,
    /// From the last acknowledgement before to the first one after.
    pub length: Duration,
}

/// What the witness has seen so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Commits whose acknowledgement arrived and is in the journal.
    pub acknowledged: u64,
    /// Commits whose answer did not arrive.
    pub in_doubt: u64,
    /// Every outage that has ended.
    pub outages: Vec<Outage>,
    /// Since the last acknowledgement.
    pub silent_for: Duration,
}

/// The clients at work. Dropping it stops them.
pub struct Witness {
    folder: PathBuf,
    namespace: PathBuf,
    timeline: Arc<Mutex<Timeline>>,
    clients: Vec<(Sender<()>, JoinHandle<Result<()>>)>,
}

impl Witness {
    /// Begins: the clients connect to the office server's address and stay at it, whatever happens, until `stop`. Journals
    /// that are in `folder` already are gone on with.
    pub fn begin(site: &Site, folder: &Path, load: Load) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("{}: cannot be made", folder.display()))?;
        let timeline = Arc::new(Mutex::new(Timeline::new()));
        let mut witness = Self {
            folder: folder.to_owned(),
            namespace: site.path(),
            timeline: Arc::clone(&timeline),
            clients: Vec::new(),
        };
        for worker in 0..load.workers {
            let (stop, stopped) = std::sync::mpsc::channel();
            let path = journal::path(folder, worker);
            let journal = journal::Journal::append_to(&path)?;
            let mut client = writer::Writer {
                worker,
                pause: load.pause,
                namespace: witness.namespace.clone(),
                journal,
                next: journal::next(&path)?,
                timeline: Arc::clone(&timeline),
                stopped,
            };
            let thread = std::thread::Builder::new().name(format!("witness-{worker}")).spawn(move || client.work())?;
            witness.clients.push((stop, thread));
        }
        Ok(witness)
    }

    /// What has been seen up to now.
    pub fn seen(&self) -> Seen {
        self.timeline.lock().expect("no client panics while it holds the timeline").seen()
    }

    /// Stops the clients: each finishes the commit it is in.
    pub fn stop(&mut self) -> Result<Seen> {
        for (stop, thread) in self.clients.drain(..) {
            // A client that failed has gone already and says why below.
            let _ = stop.send(());
            thread.join().map_err(|_| anyhow!("a client of the witness panicked"))??;
        }
        Ok(self.seen())
    }

    /// Reads everything that the server now at the office's address has, and compares it with the journals on disk. To be
    /// asked after `stop`.
    pub fn verify(&self) -> Result<Verdict> {
        oracle::verify(&self.folder, &self.namespace)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("witness: {error:#}");
        }
    }
}

/// When acknowledgements came, from all clients together.
struct Timeline {
    began: Instant,
    last: Option<Instant>,
    acknowledged: u64,
    in_doubt: u64,
    outages: Vec<Outage>,
}

impl Timeline {
    fn new() -> Self {
        Self { began: Instant::now(), last: None, acknowledged: 0, in_doubt: 0, outages: Vec::new() }
    }

    fn acknowledge(&mut self, now: Instant) {
        if let Some(last) = self.last {
            let length = now.duration_since(last);
            if length > OUTAGE_FROM {
                self.outages.push(Outage { from: last.duration_since(self.began), length });
            }
        }
        self.last = Some(now);
        self.acknowledged += 1;
    }

    fn seen(&self) -> Seen {
        Seen {
            acknowledged: self.acknowledged,
            in_doubt: self.in_doubt,
            outages: self.outages.clone(),
            silent_for: self.last.unwrap_or(self.began).elapsed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_runs_from_the_last_acknowledgement_before_to_the_first_one_after() {
        let mut timeline = Timeline::new();
        let began = timeline.began;
        for seconds in [0, 1, 9] {
            timeline.acknowledge(began + Duration::from_secs(seconds));
        }
        timeline.acknowledge(began + Duration::from_millis(9_300));
        let seen = timeline.seen();
        assert_eq!(seen.acknowledged, 4);
        assert_eq!(seen.outages, [Outage { from: Duration::from_secs(1), length: Duration::from_secs(8) }]);
    }
}
