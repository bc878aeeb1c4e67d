//! The whole path as a story, with assertions: a working office server is enrolled, approved, copied while it works, cut over,
//! proven identical, and serves from the cloud with every acknowledged commit. It plays the people (operator, department,
//! offices, the admin at the server's console) with their own tools and rights; it does nothing that they could not do.

mod attack;
mod checkpoint;
mod city;
mod kill;
mod mistakes;
mod papers;
mod proof;
mod server;
mod stage;
mod table;
mod tell;

use anyhow::Result;

pub use checkpoint::Checkpoint;
pub use kill::{Death, Moment, Victim, sample};
pub use stage::{Place, Stage};
pub use tell::Language;

/// How the story is told.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Leave everything running at the end and say how to look at it.
    pub keep: bool,
    /// Language of the narration.
    pub language: Language,
}

/// From a bare site to the trial run, in a place of its own. Each line is one part of the story; each asserts what it claims.
pub fn run(place: Place, options: Options) -> Result<()> {
    let mut stage = Stage::set_up(place, options.language)?;
    let told = tell_all(&mut stage);
    if let Err(error) = &told {
        stage.leave_evidence(error);
    }
    if options.keep {
        stage.keep()?;
    }
    told
}

fn tell_all(stage: &mut Stage) -> Result<()> {
    stage.tell_until_scheme(false)?;
    stage.assert_nothing_touched()?;
    stage.confirm_and_approve()?;
    stage.follow_copy()?;
    stage.tell_until_trial()
}

impl Stage {
    /// From the first boot to a scheme that can be decided on; `wrong` lets people make their mistakes on the way.
    fn tell_until_scheme(&mut self, wrong: bool) -> Result<()> {
        self.boot_office_server()?;
        self.write_papers()?;
        self.issue_plan()?;
        self.install_agent()?;
        if wrong {
            self.refuse_wrong_enrolments()?;
        }
        self.enroll_server()?;
        self.submit_scheme()
    }

    /// From a copy in sync to the trial run.
    fn tell_until_trial(&mut self) -> Result<()> {
        self.follow_cutover()?;
        self.prove()?;
        self.confirm_service()?;
        self.print_table()
    }
}

/// The same story for the tests: people make mistakes, attackers try their ways, and the run is kept as it was when the copy
/// was in sync, so that the cutover can be gone through again. It goes on from there with [`finish`].
pub fn tell_until_cutover(place: Place) -> Result<(Stage, Checkpoint)> {
    let mut stage = Stage::set_up(place, Language::En)?;
    let told = (|| {
        stage.tell_until_scheme(true)?;
        stage.refuse_wrong_schemes()?;
        stage.attack()?;
        stage.confirm_and_approve()?;
        stage.hold_when_begun()?;
        stage.follow_copy()?;
        Checkpoint::take(&mut stage)
    })();
    if let Err(error) = &told {
        stage.leave_evidence(error);
    }
    Ok((stage, told?))
}

/// The rest of the story.
pub fn finish(mut stage: Stage) -> Result<()> {
    let told = stage.suspend(false).and_then(|()| stage.tell_until_trial());
    if let Err(error) = &told {
        stage.leave_evidence(error);
    }
    told
}

/// From a checkpoint through these deaths to a system that serves.
pub fn survive(checkpoint: &Checkpoint, deaths: &[Death]) -> Result<()> {
    let mut stage = checkpoint.restore(Language::En)?;
    let survived = stage.survive(deaths);
    if let Err(error) = &survived {
        stage.leave_evidence(error);
    }
    survived
}
