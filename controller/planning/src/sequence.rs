//! The order of the journey on one screen: each step that cannot simply be repeated, the gates that it needs, and its undo; and
//! before all of them the papers that an approval needs.

use qianyun_crds::GateName::{
    self, Accepted, AllHostsDisposed, AssessmentPassed, CataloguePrepared, CatalogueRegistered, CutoverConfirmed,
    DepartmentConfirmed, DependenciesReady, DowntimeWithinBudget, DualApproved, EmergencyPlanReady, HostsReady,
    InWindow, InventoryComplete, NonClassifiedDeclared, PartiesQualified, PerformanceTested, PlanIssued,
    PreAcceptanceApproved, ProbesPassed, RecordVerified, RehearsalPassed, ReplicationInSync, RollbackReady,
    SchemeValid, SecurityAssessed, SecurityInUse, SourceFenced, SystemGraded, TargetLevelSufficient, TrialElapsed,
};

/// A step of a system's journey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The first that touches a server: boot prepared, disks copied and followed.
    Replicate,
    /// Services stopped, filesystems frozen, last changes sent, record signed. The source votes.
    Cutover,
    /// The decision. From here the target goes on.
    Commit,
    /// The machine on the cloud is started, once the source is fenced.
    Launch,
    /// The system serves from the cloud, confirmed.
    Trial,
    /// The trial run is over, and the system accepted.
    Accept,
    /// Every old server is where it belongs: 办结.
    Close,
}

/// How a step is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undo {
    /// Intent `Idle`: copying stops. The prepared boot entry also boots the old hardware; the copy is kept.
    StopCopying,
    /// Decision `Abort`, intent `Resume`: thaw, start the services, follow again.
    Abort,
    /// None: the source never serves again from this attempt on.
    Irreversible,
    /// Nothing was done to a machine: other papers, other step.
    Papers,
}

/// One line of the sequence.
pub struct Line {
    /// The step.
    pub step: Step,
    /// Gates that must pass, in the order in which they are looked at.
    pub needs: &'static [GateName],
    /// How it is taken back.
    pub undo: Undo,
}

/// Gates that block the approval itself (Art. 18, 19, 22, 23, 27, 28, 29, 33), in the order in which they are looked at. Both offices
/// may decide at any time, and what they decided counts; it takes effect once all of these pass. Whoever looks at a gate of this
/// list must not look at `DualApproved` in turn.
pub const APPROVAL_NEEDS: &[GateName] = &[
    NonClassifiedDeclared,
    InventoryComplete,
    SystemGraded,
    TargetLevelSufficient,
    EmergencyPlanReady,
    CataloguePrepared,
    PartiesQualified,
    AssessmentPassed,
    DepartmentConfirmed,
];

/// The sequence.
///
/// `HostsReady` and `ReplicationInSync` are not asked again at the commit: they are about the machine at work, and the
/// record says more about the copy than they do; nor are the forecasts and rehearsals of what is now behind. Everything else is. The launch asks for the approvals again and, of the
/// source, only that it is fenced: a decision that was written is carried out even if the window has closed meanwhile.
pub const SEQUENCE: [Line; 7] = [
    Line {
        step: Step::Replicate,
        needs: &[
            PlanIssued,
            NonClassifiedDeclared,
            InventoryComplete,
            HostsReady,
            SchemeValid,
            SystemGraded,
            TargetLevelSufficient,
            EmergencyPlanReady,
            RollbackReady,
            CataloguePrepared,
            PartiesQualified,
            AssessmentPassed,
            DepartmentConfirmed,
            DualApproved,
        ],
        undo: Undo::StopCopying,
    },
    Line {
        step: Step::Cutover,
        needs: &[
            PlanIssued,
            NonClassifiedDeclared,
            InventoryComplete,
            HostsReady,
            SchemeValid,
            SystemGraded,
            TargetLevelSufficient,
            EmergencyPlanReady,
            RollbackReady,
            CataloguePrepared,
            PartiesQualified,
            AssessmentPassed,
            DepartmentConfirmed,
            DualApproved,
            DependenciesReady,
            RehearsalPassed,
            DowntimeWithinBudget,
            SecurityInUse,
            ReplicationInSync,
            InWindow,
        ],
        undo: Undo::Abort,
    },
    Line {
        step: Step::Commit,
        needs: &[
            PlanIssued,
            NonClassifiedDeclared,
            InventoryComplete,
            SchemeValid,
            SystemGraded,
            TargetLevelSufficient,
            EmergencyPlanReady,
            CataloguePrepared,
            PartiesQualified,
            AssessmentPassed,
            DepartmentConfirmed,
            DualApproved,
            SecurityInUse,
            InWindow,
            RecordVerified,
        ],
        undo: Undo::Irreversible,
    },
    Line { step: Step::Launch, needs: &[DualApproved, SourceFenced], undo: Undo::Irreversible },
    Line { step: Step::Trial, needs: &[ProbesPassed, CutoverConfirmed], undo: Undo::Irreversible },
    Line {
        step: Step::Accept,
        needs: &[
            TrialElapsed,
            PerformanceTested,
            SecurityAssessed,
            CatalogueRegistered,
            PreAcceptanceApproved,
            Accepted,
        ],
        undo: Undo::Papers,
    },
    Line { step: Step::Close, needs: &[AllHostsDisposed], undo: Undo::Papers },
];

/// The gates that a step needs.
pub fn needs(step: Step) -> &'static [GateName] {
    match step {
        Step::Replicate => SEQUENCE[0].needs,
        Step::Cutover => SEQUENCE[1].needs,
        Step::Commit => SEQUENCE[2].needs,
        Step::Launch => SEQUENCE[3].needs,
        Step::Trial => SEQUENCE[4].needs,
        Step::Accept => SEQUENCE[5].needs,
        Step::Close => SEQUENCE[6].needs,
    }
}

#[cfg(test)]
mod tests {
    use super::{APPROVAL_NEEDS, SEQUENCE, Step, needs};
    use crate::gate::GATES;
    use qianyun_crds::GateName;

    #[test]
    fn the_lines_are_in_the_order_of_the_steps() {
        for line in &SEQUENCE {
            assert_eq!(needs(line.step), line.needs, "{:?}", line.step);
        }
    }

    #[test]
    fn every_step_before_the_trial_needs_both_offices() {
        for line in SEQUENCE.iter().filter(|l| l.step < Step::Trial) {
            assert!(line.needs.contains(&GateName::DualApproved), "{:?}", line.step);
        }
    }

    #[test]
    fn what_an_approval_needs_is_asked_before_it_and_again_until_the_commit() {
        assert!(!APPROVAL_NEEDS.contains(&GateName::DualApproved), "it would wait for itself");
        for step in [Step::Replicate, Step::Cutover, Step::Commit] {
            let before = needs(step).iter().take_while(|gate| **gate != GateName::DualApproved);
            let before: Vec<_> = before.filter(|gate| APPROVAL_NEEDS.contains(gate)).copied().collect();
            assert_eq!(before, APPROVAL_NEEDS, "{step:?}");
        }
    }

    #[test]
    fn every_gate_of_the_table_blocks_something() {
        for gate in GATES {
            assert!(SEQUENCE.iter().any(|l| l.needs.contains(&gate.name)), "{:?}", gate.name);
        }
    }
}
