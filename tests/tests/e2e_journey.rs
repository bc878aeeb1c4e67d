//! The whole path on the real machine, and the same cutover again with deaths in it. The demo is the story that is told here,
//! with people's mistakes and attackers in it. `cargo xtask test kill` goes through every death at every moment.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};
use qianyun_tests::demo::{self, Checkpoint, Death, Moment, Place, Victim};
use qianyun_tests::interrupt;

/// The copy in sync. One machine at a time, in one place: what is brought back must lie where it lay.
static IN_SYNC: Mutex<Option<Checkpoint>> = Mutex::new(None);
/// Changes what the daily sample of deaths is: a number of one's own, or the same as yesterday.
const SEED: &str = "QIANYUN_KILL_SEED";

/// A moment that is over before it is seen is tried again: the shortest, the freeze, lasts less than a second.
const ATTEMPTS: usize = 4;

/// Goes through the cutover from a copy in sync; what comes back are the deaths that missed their moment. Whoever comes first
/// makes the copy, and goes on to the end of the story if it is to be `whole`.
fn cut_over(whole: bool, deaths: &[Death]) -> Result<Vec<Death>> {
    interrupt::note()?;
    // Of all the tests that come after an interrupted one, none begins.
    interrupt::check()?;
    let mut kept = IN_SYNC.lock().unwrap_or_else(PoisonError::into_inner);
    let checkpoint = match kept.take() {
        Some(checkpoint) => checkpoint,
        None => {
            let place = Place::make("journey", Path::new(env!("CARGO_BIN_EXE_qianyun-demo")))?;
            demo::rehearse(place, whole)?
        }
    };
    let survived = demo::survive(&checkpoint, deaths);
    *kept = Some(checkpoint);
    survived
}

/// Dies exactly then.
fn die(death: Death) -> Result<()> {
    for _ in 0..ATTEMPTS {
        if cut_over(false, &[death])?.is_empty() {
            return Ok(());
        }
    }
    bail!("{death}: missed its moment {ATTEMPTS} times")
}

#[test]
fn a_working_server_moves_to_the_cloud_and_the_same_cutover_survives_a_sample_of_deaths() -> Result<()> {
    let seed = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let deaths = demo::sample(seed)?;
    println!("{SEED}={seed}: {deaths:?}");
    let missed = cut_over(true, &deaths)?;
    println!("survived all; not at their very moment: {missed:?}");
    Ok(())
}

macro_rules! kill {
    ($($name:ident: $victim:ident at $at:ident;)*) => {
        $(
            #[test]
            #[ignore = "minutes each: cargo xtask test kill"]
            fn $name() -> Result<()> {
                die(Death { victim: Victim::$victim, at: Moment::$at })
            }
        )*

        #[test]
        fn every_victim_is_killed_at_every_moment_at_which_it_lives() {
            let listed = [$((Victim::$victim, Moment::$at)),*];
            for victim in [Victim::Agent, Victim::Controller, Victim::Receiver, Victim::ApiServer] {
                for at in Moment::ALL.into_iter().filter(|&at| victim.lives(at)) {
                    assert!(listed.contains(&(victim, at)), "no test kills {victim:?} at {at:?}");
                }
            }
        }
    };
}

kill! {
    kill_agent_at_quiesce: Agent at Quiesce;
    kill_agent_at_freeze: Agent at Freeze;
    kill_agent_at_final_pass: Agent at FinalPass;
    kill_agent_at_vote: Agent at Vote;
    kill_agent_at_commit: Agent at Commit;
    kill_agent_at_launch: Agent at Launch;
    kill_agent_at_arrival: Agent at Arrival;
    kill_controller_at_quiesce: Controller at Quiesce;
    kill_controller_at_freeze: Controller at Freeze;
    kill_controller_at_final_pass: Controller at FinalPass;
    kill_controller_at_vote: Controller at Vote;
    kill_controller_at_commit: Controller at Commit;
    kill_controller_at_fence: Controller at Fence;
    kill_controller_at_launch: Controller at Launch;
    kill_controller_at_arrival: Controller at Arrival;
    kill_receiver_at_quiesce: Receiver at Quiesce;
    kill_receiver_at_freeze: Receiver at Freeze;
    kill_receiver_at_final_pass: Receiver at FinalPass;
    kill_receiver_at_vote: Receiver at Vote;
    kill_receiver_at_commit: Receiver at Commit;
    kill_receiver_at_fence: Receiver at Fence;
    kill_api_server_at_quiesce: ApiServer at Quiesce;
    kill_api_server_at_freeze: ApiServer at Freeze;
    kill_api_server_at_final_pass: ApiServer at FinalPass;
    kill_api_server_at_vote: ApiServer at Vote;
    kill_api_server_at_commit: ApiServer at Commit;
    kill_api_server_at_fence: ApiServer at Fence;
    kill_api_server_at_launch: ApiServer at Launch;
    kill_api_server_at_arrival: ApiServer at Arrival;
}
