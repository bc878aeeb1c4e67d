//! Links that fall silent, are cut in the middle of a frame, or deliver what nobody waits for any more: the copy goes on, what
//! was acknowledged is not sent again, and both ends are equal. Over real TLS, through a relay that counts; needs root.
#![allow(clippy::unwrap_used)]

mod ends;
mod relay;
mod rig;
mod tls;

use ends::{Site, assert_proved, in_sync, source_to, wait_for};
use qianyun_replication_io::source::Replication;
use relay::{ALL, Relay, Way};
use rig::{LoopDisk, noise};
use std::sync::Arc;
use tls::Authority;

const MIB: u64 = 1 << 20;
/// Below a stripe: all of it goes over the first of the two lanes, in order.
const DISK_BYTES: u64 = 24 * MIB;
/// What a lane may have sent and not heard of, which is what the target grants.
const WINDOW_BYTES: u64 = 16 * MIB;
/// Lanes of the source.
const LANES: u64 = 2;

/// A disk of noise, its target, and the wire between them.
struct World {
    authority: Arc<Authority>,
    disk: LoopDisk,
    site: Site,
    relay: Relay,
}

impl World {
    async fn new() -> Self {
        let authority = Arc::new(Authority::new());
        let site = Site::new(&authority);
        let relay = Relay::to(site.address()).await;
        Self { disk: LoopDisk::noisy(DISK_BYTES, 1), authority, site, relay }
    }

    fn source(&self) -> Replication {
        source_to(self.relay.address(), &self.authority, &self.disk.leaf(), None)
    }

    /// Waits until the first `chunks` are durable, and the source knows.
    async fn acknowledged(&self, replication: &Replication, chunks: u64) {
        let left = DISK_BYTES - chunks * MIB;
        wait_for(replication, "the acknowledgements", |disk| disk.progress.remaining_bytes == left).await;
    }

    /// Waits until all is sent, proves it, and compares what the wire has carried with what it had to, in bytes of the disk.
    async fn finished(self, replication: Replication, had_to_carry: u64) {
        wait_for(&replication, "in sync", in_sync).await;
        assert_proved(&replication, &self.disk, &self.site.volume()).await;
        replication.stop().await;
        let carried = self.relay.carried(Way::ToTarget);
        // Frames and TLS add less than a hundredth, the handshakes of all lanes less than the rest.
        let most = had_to_carry + had_to_carry / 100 + MIB / 4;
        assert!(
            (had_to_carry..=most).contains(&carried),
            "{carried} bytes were sent, expected {had_to_carry} to {most}"
        );
    }
}

/// How a link can fall silent while both sockets stay open.
#[derive(Debug, Clone, Copy)]
enum Silence {
    /// Nothing passes, either way.
    BothWays,
    /// The target is not reached, but could be heard.
    ToTarget,
    /// The target hears everything, and its answers are lost.
    ToSource,
    /// The target's machine has lost its power, and is back.
    TargetGone,
}

/// All at the same time: a silent link is believed in for half a minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_link_that_falls_silent_is_given_up_and_what_was_acknowledged_is_not_sent_again() {
    let kinds = [Silence::BothWays, Silence::ToTarget, Silence::ToSource, Silence::TargetGone];
    for given_up in kinds.map(|kind| (kind, tokio::spawn(is_given_up(kind)))) {
        let (kind, ended) = given_up;
        assert!(ended.await.is_ok(), "{kind:?}: its panic is above");
    }
}

async fn is_given_up(kind: Silence) {
    let world = World::new().await;
    let (relay, leaf) = (&world.relay, world.disk.leaf());
    let target = world.site.start(&leaf).await;
    relay.hold_after(5 * MIB + MIB / 2);
    let replication = world.source();
    world.acknowledged(&replication, 5).await;

    // The next link is kept waiting, so that the words about this one can be read.
    relay.set_open(false);
    relay.hold_after(ALL);
    let half_a_chunk = MIB / 2;
    let sent_again = match kind {
        Silence::BothWays => {
            relay.hold(Way::ToTarget);
            relay.hold(Way::ToSource);
            half_a_chunk
        }
        Silence::ToTarget => {
            relay.hold(Way::ToTarget);
            half_a_chunk
        }
        Silence::ToSource => {
            relay.hold(Way::ToSource);
            relay.release(Way::ToTarget);
            WINDOW_BYTES
        }
        Silence::TargetGone => {
            relay.hold(Way::ToSource);
            target.abort();
            half_a_chunk
        }
    };
    let noticed = |words: &str| match kind {
        // The target hears nothing either, and can still say that it leaves.
        Silence::ToTarget => words.contains("was silent for 30 s") || words.contains("has left"),
        Silence::BothWays | Silence::ToSource | Silence::TargetGone => words.contains("was silent for 30 s"),
    };
    wait_for(&replication, "the silence is noticed", |disk| noticed(&disk.message)).await;
    let _target = match kind {
        Silence::TargetGone => world.site.start(&leaf).await,
        Silence::BothWays | Silence::ToTarget | Silence::ToSource => target,
    };
    relay.set_open(true);
    wait_for(&replication, "in sync", in_sync).await;
    assert_eq!(relay.accepted(), 2 * LANES, "{kind:?}: one link, and one more");
    world.finished(replication, DISK_BYTES + sent_again).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_link_that_is_cut_in_the_middle_of_a_frame_again_and_again_gets_everything_across() {
    /// The pauses between links grow: eight seconds for all of these.
    const CUTS: u64 = 4;
    const CHUNKS_PER_LINK: u64 = 4;
    let world = World::new().await;
    let _target = world.site.start(&world.disk.leaf()).await;
    let cut_after = CHUNKS_PER_LINK * MIB + MIB / 2;
    world.relay.hold_after(cut_after);
    let replication = world.source();
    for cut in 1..=CUTS {
        world.acknowledged(&replication, cut * CHUNKS_PER_LINK).await;
        world.relay.hold_after(if cut == CUTS { ALL } else { cut_after });
        world.relay.cut();
    }
    wait_for(&replication, "in sync", in_sync).await;
    assert_eq!(world.relay.accepted(), (CUTS + 1) * LANES, "a link for each cut, and the first");
    world.finished(replication, DISK_BYTES + CUTS * MIB / 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_link_delivers_after_its_source_has_another_changes_nothing() {
    let world = World::new().await;
    let (relay, late) = (&world.relay, 4 * MIB);
    let _target = world.site.start(&world.disk.leaf()).await;
    relay.hold_after(late + MIB / 2);
    let replication = world.source();
    world.acknowledged(&replication, 4).await;
    wait_for(&replication, "the rest is on its way", |_| relay.held(Way::ToTarget) >= MIB).await;
    relay.set_open(false);
    relay.hold_after(ALL);
    // The source's side breaks; the target hears nothing of it and waits for the rest of the fifth chunk.
    relay.hold(Way::ToTarget);
    relay.part();
    world.disk.write_bytes(late, &noise(usize::try_from(MIB).unwrap(), 2));
    relay.set_open(true);
    wait_for(&replication, "in sync", in_sync).await;

    let (carried, ended) = (relay.carried(Way::ToTarget), relay.ended_by_target());
    relay.release(Way::ToTarget);
    wait_for(&replication, "the end of the old lanes", |_| relay.ended_by_target() == ended + LANES).await;
    let arrived = relay.carried(Way::ToTarget) - carried;
    assert!(arrived >= MIB / 2, "{arrived} bytes came late, not the rest of a chunk");
    assert_proved(&replication, &world.disk, &world.site.volume()).await;
    replication.stop().await;
}
