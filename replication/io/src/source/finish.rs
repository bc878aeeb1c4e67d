//! The end of a copy, from freeze to signed record, against a deadline.
//!
//! Before the freeze [`Replication::prepare_final`] opens what is needed; after it nothing here opens a file. A link that
//! breaks meanwhile is opened again by its own task, and the drain starts over. Nothing is logged: a log may wait for the
//! frozen disk. An error leaves the replication in its
//! final mode until [`Replication::resume`].

use super::tracking::{Tracking, TrackingError};
use super::{Mode, RecordReply, Replication, Shared, follow, lock, words_of};
use crate::device::arrays::Arrays;
use crate::device::{DeviceError, flush_nodes};
use crate::lane;
use crate::signer::Signer;
use qianyun_replication::digest::DeviceRoot;
use qianyun_replication::geometry::DeviceId;
use qianyun_replication::message::Message;
use qianyun_replication::record::{CutoverRecord, DiskRecord, Signature, SignedRecord};
use qianyun_replication::sender::{Audit, DiskProof, FinalError};
use std::time::{Duration, Instant};
use tokio::task::block_in_place;
use tokio::time::timeout;

/// How often a wait looks even if nothing was told.
const LOOK: Duration = Duration::from_millis(50);

/// An array is clean 0.2 s after its last write, and looks as often as that.
const ARRAYS_REST: Duration = Duration::from_millis(600);

/// Why a copy was not finished.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FinishError {
    /// [`Replication::prepare_final`] was not called, or [`Replication::resume`] was called since.
    #[error("the final attempt was not prepared before the freeze")]
    NotPrepared,
    /// Changes are not followed at this moment.
    #[error("no tracker is armed: {why}")]
    NoTracker {
        /// What the follower waits for.
        why: String,
    },
    /// The tracker failed.
    #[error("the changes of the last moments cannot be had")]
    Tracking(#[from] TrackingError),
    /// The tracker may have missed something. A rescan begins after [`Replication::resume`].
    #[error("the tracker is in doubt: {doubt}")]
    Doubt {
        /// The first doubt.
        doubt: String,
    },
    /// Free space could not be read.
    #[error("what the filesystems use cannot be read")]
    FreeMap(#[from] DeviceError),
    /// Not within the time that the freeze leaves.
    #[error("no time is left while waiting for {what}; {left_bytes} bytes were still to be sent{why}")]
    Deadline {
        /// What was waited for.
        what: &'static str,
        /// Bytes that were left.
        left_bytes: u64,
        /// Why there was no link, or what hung, as far as either is known.
        why: String,
    },
    /// Zeros were sent for what cannot be read: equal roots would say more than anybody knows.
    #[error(
        "{bytes} bytes of the disk for volume {volume:?} cannot be read, the first at byte {first}; what can be read again is \
         copied within minutes, and what is lost has to be written anew, as by restoring the file that lies there"
    )]
    Unreadable {
        /// The volume.
        volume: String,
        /// Bytes for which zeros were sent.
        bytes: u64,
        /// Where the first of them lies.
        first: u64,
    },
    /// The engine does not call it proved.
    #[error("the two ends are not proved to be the same")]
    NotProved(#[from] FinalError),
    /// Something wrote after the proof.
    #[error("a disk was written to after it was proved, under the freeze: what writes past the filesystems?")]
    Late,
    /// We could not sign.
    #[error("the record cannot be signed here: {words}")]
    Signing {
        /// Why not.
        words: String,
    },
    /// The target did not sign.
    #[error("the target does not sign the record: {words}")]
    Refused {
        /// Why not, in its words.
        words: String,
    },
}

impl Replication {
    /// That no place of the disks was lost when it was read last: with one, no attempt can come to its end. For before anything
    /// is stopped.
    pub fn check_all_read(&self) -> Result<(), FinishError> {
        check_all_read(&self.shared)
    }

    /// Opens what reading the filesystems' free space under a freeze needs, and keeps the follower from touching any
    /// filesystem until [`Replication::resume`]. To be called right before the freeze: changes wait in the tracker's rings.
    pub fn prepare_final(&self) -> Result<(), FinishError> {
        check_all_read(&self.shared)?;
        // Who wrote to a disk past the filesystems was stopped before this; what is in memory of it is to be seen and sent.
        for error in
            block_in_place(|| self.shared.disks.iter().flat_map(|disk| flush_nodes(&disk.leaf)).collect::<Vec<_>>())
        {
            tracing::warn!(error = words_of(&error), "what was written past the filesystems may not be on the disk");
        }
        let maps = block_in_place(|| follow::prepare(&self.shared.disks))?;
        *lock(&self.shared.free_maps) = maps;
        *lock(&self.shared.arrays) = block_in_place(|| Arrays::on(&self.disks()));
        // From now on the follower begins nothing; this waits until it is out of what it had begun.
        block_in_place(|| drop(lock(&self.shared.tracker)));
        Ok(())
    }

    /// Sends all that is left and proves every disk, by `deadline`. To be called while all filesystems are frozen; they must
    /// still have been frozen, without interruption, when this returns. The records are in the order of the disks.
    pub async fn finalise(&self, deadline: Instant) -> Result<Vec<DiskRecord>, FinishError> {
        let shared = &self.shared;
        if lock(&shared.free_maps).len() != shared.disks.len() {
            return Err(FinishError::NotPrepared);
        }
        shared.mode.send_replace(Mode::Final);
        shared.engine().begin_final();
        join_used(shared)?;
        arrays_at_rest(shared, deadline).await?;
        loop {
            drain_to_fixpoint(shared, deadline).await?;
            if let Some(roots) = barrier_and_roots(shared, deadline).await? {
                let audits = audits(shared)?;
                // Whatever is not frozen may have written while the ends compared what they had: equal sums only say that it
                // was counted. Then that is sent too.
                if settle(shared, deadline)? {
                    return prove(shared, &roots, &audits);
                }
            }
        }
    }

    /// Has the target sign `record`, which is over what [`Replication::finalise`] returned.
    pub async fn sign_record(
        &self,
        record: &CutoverRecord,
        signer: &dyn Signer,
        deadline: Instant,
    ) -> Result<SignedRecord, FinishError> {
        let shared = &self.shared;
        let text = record.to_canonical();
        let ours = signer.sign(text.as_bytes()).map_err(|words| FinishError::Signing { words })?;
        let certificate_pem = signer.certificate_pem();
        let source = Signature { certificate_pem: certificate_pem.clone(), signature: hex::encode(&ours) };
        let proposal = Message::RecordProposal { record: text.clone(), signature: ours, certificate_pem };
        *lock(&shared.record_reply) = None;
        let mut asked = None;
        let reply = wait(shared, deadline, "the target's signature", || {
            let linked = shared.linked();
            if let Some(epoch) = linked.filter(|_| asked != linked) {
                // On a new link the question is asked again; signing twice harms nobody.
                asked = linked;
                shared.control(0, lane::frame(&proposal, shared.session, epoch));
            }
            lock(&shared.record_reply).take()
        });
        match reply.await? {
            RecordReply::Refused { words } => Err(FinishError::Refused { words }),
            RecordReply::Signed { signature, certificate_pem } => {
                if !settle(shared, deadline)? {
                    return Err(FinishError::Late);
                }
                shared.engine().committed();
                let target = Signature { certificate_pem, signature: hex::encode(signature) };
                Ok(SignedRecord { record: text, source, target })
            }
        }
    }
}

impl Shared {
    /// The epoch of a link whose lanes take frames.
    fn linked(&self) -> Option<u32> {
        let ready = !lock(&self.controls).is_empty();
        self.engine().epoch().filter(|_| ready)
    }
}

/// Waits a moment for the arrays' own last write, so that it does not come after the proof. One that goes on being written
/// to, by what is not frozen, is not waited for.
async fn arrays_at_rest(shared: &Shared, deadline: Instant) -> Result<(), FinishError> {
    let enough = deadline.min(Instant::now() + ARRAYS_REST);
    let rest = || (lock(&shared.arrays).are_at_rest() || Instant::now() >= enough).then_some(());
    wait(shared, deadline, "the arrays to be clean", rest).await
}

/// What is used now and was never sent is to be sent.
fn join_used(shared: &Shared) -> Result<(), FinishError> {
    // The follower takes the tracker's lock before that of the maps.
    let mut used = Vec::new();
    for (disk, map) in shared.disks.iter().zip(lock(&shared.free_maps).iter()) {
        used.push(follow::used_blocks(disk.size, &block_in_place(|| map.read())?));
    }
    for (disk, used) in shared.disks.iter().zip(&used) {
        let mut joins = used.clone();
        shared.engine().domain(disk.id).into_iter().for_each(|domain| joins.subtract(domain));
        with_tracking(shared, |tracking| tracking.note(disk.id.0, &joins))?;
        shared.engine().join_used(disk.id, used);
    }
    shared.touch();
    Ok(())
}

/// Settles the tracker and sends, until the tracker has nothing new after everything was sent.
async fn drain_to_fixpoint(shared: &Shared, deadline: Instant) -> Result<(), FinishError> {
    loop {
        let empty = settle(shared, deadline)?;
        let drained = wait(shared, deadline, "the last blocks", || shared.engine().is_drained().then_some(()));
        drained.await?;
        if empty {
            return Ok(());
        }
    }
}

/// Marks what the tracker had, with every disk at rest; whether that was nothing.
fn settle(shared: &Shared, deadline: Instant) -> Result<bool, FinishError> {
    let drained = with_tracking(shared, |tracking| tracking.settle(deadline))?;
    if let Some(doubt) = drained.doubts.first().cloned() {
        *lock(&shared.doubt) = Some(doubt.clone());
        return Err(FinishError::Doubt { doubt });
    }
    follow::mark(shared, &drained.changes);
    Ok(drained.is_empty())
}

/// Waits until everything is durable and both ends know their roots; `None` if the link broke, so that it must be drained
/// again.
async fn barrier_and_roots(
    shared: &Shared,
    deadline: Instant,
) -> Result<Option<Vec<(DeviceId, DeviceRoot)>>, FinishError> {
    let Some(epoch) = shared.linked() else { return Ok(None) };
    let Some(seq) = shared.engine().begin_barrier() else { return Ok(None) };
    lock(&shared.roots).clear();
    for lane in 0..usize::from(shared.lanes) {
        shared.control(lane, lane::frame(&Message::Barrier { seq }, shared.session, epoch));
    }
    let same_link = || shared.linked() == Some(epoch);
    let passed = || if same_link() { shared.engine().barrier_passed().then_some(true) } else { Some(false) };
    if !wait(shared, deadline, "the durable barrier", passed).await? {
        return Ok(None);
    }
    for disk in &shared.disks {
        shared.control(0, lane::frame(&Message::RootRequest { device: disk.id, seq }, shared.session, epoch));
    }
    let answered = || {
        let roots = lock(&shared.roots);
        let all: Option<Vec<_>> =
            shared.disks.iter().map(|d| roots.get(&(d.id, seq)).map(|root| (d.id, *root))).collect();
        match all {
            Some(all) => Some(Some(all)),
            None if same_link() => None,
            None => Some(None),
        }
    };
    wait(shared, deadline, "the target's roots", answered).await
}

/// The tracker's sums of every disk, in their order.
fn audits(shared: &Shared) -> Result<Vec<Audit>, FinishError> {
    let counts = shared.disks.iter().map(|disk| with_tracking(shared, |tracking| tracking.counts(disk.id.0)));
    let audit =
        |c: crate::tracker::Counts| Audit { traced_sectors: c.traced_sectors, counted_sectors: c.counted_sectors };
    counts.map(|count| count.map(audit)).collect()
}

/// Asks the tracker, which the follower must not have meanwhile.
fn with_tracking<T>(
    shared: &Shared,
    ask: impl FnOnce(&mut Tracking) -> Result<T, TrackingError>,
) -> Result<T, FinishError> {
    let mut guard = lock(&shared.tracker);
    let Some(tracking) = guard.as_mut() else {
        return Err(FinishError::NoTracker { why: lock(&shared.tracker_trouble).clone() });
    };
    Ok(block_in_place(|| ask(tracking))?)
}

fn check_all_read(shared: &Shared) -> Result<(), FinishError> {
    let unread = lock(&shared.unread);
    for disk in &shared.disks {
        if let Some(first) = unread.first_bad(disk.id) {
            let (volume, bytes) = (disk.volume.clone(), unread.bad_bytes(disk.id));
            return Err(FinishError::Unreadable { volume, bytes, first });
        }
    }
    Ok(())
}

fn prove(shared: &Shared, roots: &[(DeviceId, DeviceRoot)], audits: &[Audit]) -> Result<Vec<DiskRecord>, FinishError> {
    check_all_read(shared)?;
    let mut records = Vec::new();
    for ((disk, (device, root)), audit) in shared.disks.iter().zip(roots).zip(audits) {
        let proved = shared.engine().prove(*device, *root, *audit);
        if proved.is_err() {
            // The engine compares everything now, and so must a successor: what is written down is from before.
            with_tracking(shared, Tracking::void)?;
        }
        let DiskProof { device: _, source_root, target_root, domain_bytes, audit } = proved?;
        records.push(DiskRecord {
            counted_sectors: audit.counted_sectors,
            domain_bytes,
            identity: disk.leaf.identity().clone(),
            source_root: source_root.to_string(),
            target_root: target_root.to_string(),
            traced_sectors: audit.traced_sectors,
            volume: disk.volume.clone(),
        });
    }
    Ok(records)
}

/// Waits until `look` finds something.
async fn wait<T>(
    shared: &Shared,
    deadline: Instant,
    what: &'static str,
    mut look: impl FnMut() -> Option<T>,
) -> Result<T, FinishError> {
    let mut changed = shared.changed.subscribe();
    loop {
        changed.mark_unchanged();
        if let Some(found) = look() {
            return Ok(found);
        }
        let hang = shared.disks.iter().map(|disk| shared.hangs(disk.id)).find(|words| !words.is_empty());
        if Instant::now() >= deadline {
            let link = lock(&shared.link_trouble).clone();
            let why = [link, hang.unwrap_or_default()].into_iter().filter(|words| !words.is_empty());
            let why = why.map(|words| format!("; {words}")).collect();
            return Err(FinishError::Deadline { what, left_bytes: shared.engine().remaining_bytes(), why });
        }
        let _late = timeout(LOOK, changed.changed()).await;
    }
}
