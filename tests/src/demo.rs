//! The whole path as a story, with assertions: a working office server is enrolled, approved, copied while it works, cut over,
//! proven identical, and serves from the cloud with every acknowledged commit. It plays the people (operator, department,
//! offices, the admin at the server's console) with their own tools and rights; it does nothing that they could not do.

mod attack;
mod checkpoint;
pub(crate) mod city;
mod kill;
mod late_card;
mod mistakes;
pub(crate) mod papers;
mod place;
mod proof;
mod server;
mod stage;
mod table;
mod tell;
mod transcript;

use anyhow::Result;
use transcript::Transcript;

use crate::interrupt;

pub use checkpoint::Checkpoint;
pub use kill::{Death, Moment, Victim, sample};
pub use place::Place;
pub use server::Invitation;
pub use stage::Stage;
pub(crate) use stage::install_chart;
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
/// What stays is the signed record and what it is verified with; of a story that ended early, all the evidence, until the
/// next one begins.
pub fn run(place: Place, options: Options) -> Result<()> {
    place.clear_dead_runs()?;
    let mut stage = Stage::set_up(place.clone(), options.language)?;
    let told = tell_all(&mut stage);
    if let Err(error) = &told
        && !interrupt::is_noted()
    {
        stage.leave_evidence(error);
    }
    if options.keep && !interrupt::is_noted() {
        stage.keep()?;
    }
    drop(stage);
    if told.is_ok() || interrupt::is_noted() {
        place.keep_only(&[proof::RECORD, proof::AUTHORITY])?;
    }
    told
}

fn tell_all(stage: &mut Stage) -> Result<()> {
    stage.tell_until_scheme(false)?;
    stage.assert_nothing_touched()?;
    stage.confirm()?;
    stage.approve()?;
    stage.teller.end_chapter("scheme and approvals", "方案与审批");
    stage.follow_copy()?;
    stage.teller.end_chapter("boot preparation and copy, at work", "引导准备与不停机复制");
    stage.tell_until_trial()
}

impl Stage {
    /// From the first boot to a scheme that can be decided on; `wrong` lets people make their mistakes on the way.
    fn tell_until_scheme(&mut self, wrong: bool) -> Result<()> {
        self.teller.end_chapter("control plane and chart", "控制面与部署");
        self.boot_office_server()?;
        self.teller.end_chapter("boot of the office server", "单位服务器启动");
        self.write_papers()?;
        self.issue_plan()?;
        self.install_agent()?;
        if wrong {
            self.refuse_wrong_enrolments()?;
        }
        self.enroll_server()?;
        self.teller.end_chapter("papers, package and enrolment", "立项、安装与接入");
        self.submit_scheme()
    }

    /// From a copy in sync to the trial run.
    fn tell_until_trial(&mut self) -> Result<()> {
        self.follow_cutover()?;
        self.teller.end_chapter("cutover, until it serves again", "割接至恢复服务");
        self.prove()?;
        self.confirm_service()?;
        self.teller.end_chapter("proof and confirmation", "核验与确认");
        self.print_table()
    }
}

/// The same story for the tests: people make mistakes, attackers try their ways, what `kubectl get` shows at each phase is
/// what was agreed on, and the run is kept as it was when the copy was in sync, so that the cutover can be gone through
/// again. It goes on from there to the end if it is to be `whole`; if not, everybody dies once during the copy.
pub fn rehearse(place: Place, whole: bool) -> Result<Checkpoint> {
    let mut transcript = Transcript::open()?;
    let mut stage = Stage::set_up(place, Language::En)?;
    let told = stage.rehearse(&mut transcript, whole);
    if let Err(error) = &told {
        stage.leave_evidence(error);
    }
    told
}

impl Stage {
    fn rehearse(&mut self, transcript: &mut Transcript, whole: bool) -> Result<Checkpoint> {
        self.tell_until_scheme(true)?;
        self.refuse_wrong_schemes()?;
        self.told(transcript, "Drafting: the operator has written the scheme", "Drafting", "")?;
        self.attack()?;
        self.confirm()?;
        self.told(transcript, "Review: the department has confirmed it", "Review", "")?;
        self.suspend(true)?;
        self.approve()?;
        self.told(transcript, "Approved: by both offices, and held", "Approved", "")?;
        self.suspend(false)?;
        self.hold_when_begun()?;
        self.told(transcript, "Replicating: the server is copied while it works", "Replicating", "Replicate")?;
        if !whole {
            self.survive_the_copy()?;
        }
        self.follow_copy()?;
        self.told(transcript, "Scheduled: in sync, and held", "Scheduled", "Replicate")?;
        let checkpoint = Checkpoint::take(self)?;
        if whole {
            self.suspend(false)?;
            self.told(transcript, "CuttingOver: the machine on the cloud starts", "CuttingOver", "Serve")?;
            self.follow_cutover()?;
            self.told(transcript, "Provisional: it serves, and the operator has to confirm", "Provisional", "Serve")?;
            self.prove()?;
            self.confirm_service()?;
            self.told(transcript, "Trial: confirmed", "Trial", "Serve")?;
            transcript.close()?;
            self.survive_a_late_card()?;
        }
        Ok(checkpoint)
    }
}

/// From a checkpoint through these deaths to a system that serves; what comes back are those that missed their moment.
pub fn survive(checkpoint: &Checkpoint, deaths: &[Death]) -> Result<Vec<Death>> {
    let mut stage = checkpoint.restore(Language::En)?;
    let survived = stage.survive(deaths);
    if let Err(error) = &survived {
        stage.leave_evidence(error);
    }
    survived
}
