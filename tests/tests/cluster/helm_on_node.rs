//! The chart on a real node: its Deployment serves, a server joins through its Service, and nothing of what it holds is lost by
//! an upgrade, a rollout, the death of its leader, or its removal. One story, because a node takes longer to start than any of its
//! parts to be told.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use qianyun_tests::demo::Place;
use qianyun_tests::installation::{Chart, Installation};
use qianyun_tests::interrupt;
use qianyun_tests::node::remains_of;
use qianyun_tests::wait::{self, Look};

/// One node at a time: two are more than two cores can start in time.
static TURN: Mutex<()> = Mutex::new(());
/// What a node does on two cores that are busy with something else.
const SOON: Duration = Duration::from_secs(180);

#[test]
fn what_the_chart_holds_outlives_upgrade_rollout_leader_and_release() -> Result<()> {
    interrupt::note()?;
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let place = Place::make("helm-on-node", Path::new(env!("CARGO_BIN_EXE_qianyun-node")))?;
    let mut here = Installation::begin(&place)?;
    if let Err(error) = tell(&mut here) {
        here.leave_evidence();
        return Err(error);
    }
    drop(here);
    Ok(std::fs::remove_dir_all(place.folder)?)
}

fn tell(here: &mut Installation) -> Result<()> {
    let began = Instant::now();
    let after = |what| println!("{:3} s: {what}", began.elapsed().as_secs());
    join_at_the_first_journey(here)?;
    after("the first journey's chart serves, and a server has joined through its Service");
    upgrade(here)?;
    after("upgraded, with two replicas");
    roll_out(here)?;
    after("rolled out");
    lose_the_leader(here)?;
    after("the leader's Pod has died");
    remove_and_return(here)?;
    after("removed, and installed again");
    Ok(())
}

fn join_at_the_first_journey(here: &mut Installation) -> Result<()> {
    here.install(Chart::FirstJourney)?;
    here.write_papers()?;
    here.invite("joined-before")?;
    let invitation = here.await_invitation("joined-before")?;
    here.enroll_server(&invitation)?;
    let held = here.holdings()?;
    for (kind, least) in [
        ("CustomResourceDefinition", 14),
        ("HostEnrollment", 1),
        ("PhysicalHost", 1),
        ("Secret", 2),
        ("PersistentVolumeClaim", 1),
        ("file", 1),
    ] {
        ensure!(held.count(kind) >= least, "expected at least {least} of {kind} to be held, found {held:?}");
    }
    Ok(())
}

fn upgrade(here: &Installation) -> Result<()> {
    let held = here.holdings()?;
    here.upgrade(Chart::Current, &["replicas=2"])?;
    held.ensure_all_in(&here.holdings()?)?;
    // Not before: today's controller, which is what ran all the time, says more of a server than the first kinds have fields for.
    here.await_inventory()?;
    here.await_answer()
}

/// Whatever was asked for while no Pod, or another one, led is done by the next.
fn roll_out(here: &Installation) -> Result<()> {
    let (held, before) = (here.holdings()?, here.leader()?);
    here.roll_out(|| here.invite("asked-in-rollout"))?;
    here.await_invitation("asked-in-rollout")?;
    let now = here.leader()?;
    ensure!(now.epoch > before.epoch, "the leader's Pod was replaced, but {now:?} is not after {before:?}");
    held.ensure_all_in(&here.holdings()?)?;
    here.await_answer()
}

fn lose_the_leader(here: &Installation) -> Result<()> {
    let held = here.holdings()?;
    let (leader, took) = here.lose_leader(|| here.invite("asked-without-leader"))?;
    println!("{} leads {:.1} s after the death of the one before", leader.pod, took.as_secs_f64());
    here.await_invitation("asked-without-leader")?;
    held.ensure_all_in(&here.holdings()?)?;
    here.await_answer()
}

fn remove_and_return(here: &Installation) -> Result<()> {
    let held = here.holdings()?;
    here.uninstall()?;
    held.ensure_all_in(&here.holdings()?)?;
    here.install(Chart::Current)?;
    held.ensure_all_in(&here.holdings()?)?;
    here.await_answer()
}

#[test]
fn of_a_node_whose_runner_is_killed_nothing_stays() -> Result<()> {
    interrupt::note()?;
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut runner =
        Command::new(env!("CARGO_BIN_EXE_qianyun-node")).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let (pid, folder) = (runner.id(), Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/node"));
    let kubelet = folder.join(pid.to_string()).join("node/kubelet.log");
    let started = wait::until("a node with everything that leaves traces", SOON, || {
        if let Some(status) = runner.try_wait()? {
            bail!("the runner ended with {status}");
        }
        let said = std::fs::read_to_string(&kubelet).unwrap_or_default();
        // By then it has made control groups for its Pods, below the node's.
        Ok(if said.contains("Successfully registered node") { Look::Holds(()) } else { Look::NotYet(said) })
    });
    runner.kill()?;
    runner.wait()?;
    started?;
    wait::until("nothing is left of it", SOON, || {
        let remains = remains_of(pid)?;
        Ok(if remains.is_empty() { Look::Holds(()) } else { Look::NotYet(remains.join(", ")) })
    })?;
    // Its files are for whoever asks why it was killed, until the next one starts.
    Ok(std::fs::remove_dir_all(folder.join(pid.to_string()))?)
}
