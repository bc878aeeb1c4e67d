//! The whole path as a story, with assertions: a working office server is enrolled, approved, copied while it works, cut over,
//! proven identical, and serves from the cloud with every acknowledged commit. It plays the people (operator, department,
//! offices, the admin at the server's console) with their own tools and rights; it does nothing that they could not do.

mod city;
mod papers;
mod proof;
mod server;
mod stage;
mod table;
mod tell;

use anyhow::Result;

pub use stage::Stage;
pub use tell::Language;

/// How the story is told.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Leave everything running at the end and say how to look at it.
    pub keep: bool,
    /// Language of the narration.
    pub language: Language,
}

/// From a bare site to the trial run. Each line is one part of the story; each asserts what it claims.
pub fn run(options: Options) -> Result<()> {
    let mut stage = Stage::set_up(options.language)?;
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
    stage.boot_office_server()?;
    stage.write_papers()?;
    stage.issue_plan()?;
    stage.enroll_server()?;
    stage.submit_scheme()?;
    stage.assert_nothing_touched()?;
    stage.confirm_and_approve()?;
    stage.follow_copy()?;
    stage.follow_cutover()?;
    stage.prove()?;
    stage.confirm_service()?;
    stage.print_table()
}
