//! The gates: one table, one file each. A gate looks at facts and says whether the journey may pass, and if not, why.
//!
//! A gate never acts. What is not known never passes. Which steps a gate blocks is in [`crate::sequence`].
//!
//! A city switches a gate of the *regulation* off in its policy profile. The gates of the *sequence* cannot be switched
//! off: without the office's approvals nothing may touch a server at all (Art. 23, and what this product stands for), and
//! without sync, window, record, fence and probes the sequence would not be the one that is safe.

mod cutover_confirmed;
mod department_confirmed;
mod dual_approved;
mod hosts_ready;
mod in_window;
mod inventory_complete;
mod non_classified_declared;
mod plan_issued;
mod probes_passed;
mod record_verified;
mod replication_in_sync;
mod scheme_valid;
mod source_fenced;
mod system_graded;
mod target_level_sufficient;

pub(crate) use in_window::{attempt_seconds as attempt_limit_seconds, room_for_attempt};
pub(crate) use replication_in_sync::REPORT_FRESH_MS;
pub(crate) use source_fenced::{acknowledged as fence_acknowledged, of_host as host_fenced};

use crate::facts::{Facts, Known};
use crate::reason::{Asked, Found, Obstacle, Reason, Verdict};
use jiff::Timestamp;
use qianyun_crds::{GateName, Party, PolicyProfileSpec};

/// A gate of the table.
pub struct Definition {
    /// Name in the API.
    pub name: GateName,
    /// Name in Chinese.
    pub zh: &'static str,
    /// Article it comes from, or `practice`.
    pub basis: &'static str,
    /// Who can usually open it.
    pub party: Party,
    /// Whether a policy profile can switch it off.
    pub switchable: bool,
    look: fn(&Facts, &PolicyProfileSpec, Timestamp) -> Found,
}

macro_rules! gates {
    ($($name:ident $file:ident $zh:literal $basis:literal $party:ident $switchable:literal;)*) => {
        /// All gates, in the order of the journey.
        pub const GATES: &[Definition] = &[$(Definition {
            name: GateName::$name, zh: $zh, basis: $basis, party: Party::$party, switchable: $switchable, look: $file::look,
        }),*];
    };
}

gates! {
    // name                  file                    Chinese        basis       who opens it               can be switched off
    PlanIssued               plan_issued             "计划下达"     "Art. 23"   MunicipalGovernmentOffice  true;
    NonClassifiedDeclared    non_classified_declared "非涉密声明"   "Art. 22"   Department                 false;
    InventoryComplete        inventory_complete      "清查完成"     "Art. 22"   Department                 true;
    HostsReady               hosts_ready             "迁移就绪"     "practice"  Department                 true;
    SchemeValid              scheme_valid            "方案有效"     "Art. 34"   Operator                   false;
    SystemGraded             system_graded           "定级备案"     "Art. 29"   Department                 true;
    TargetLevelSufficient    target_level_sufficient "平台等保满足" "Art. 28"   Operator                   true;
    DepartmentConfirmed      department_confirmed    "部门确认方案" "Art. 23"   Department                 true;
    DualApproved             dual_approved           "两办审批通过" "Art. 23"   MunicipalGovernmentOffice  false;
    ReplicationInSync        replication_in_sync     "数据同步"     "practice"  Nobody                     false;
    InWindow                 in_window               "在割接窗口内" "practice"  Operator                   false;
    RecordVerified           record_verified         "数据一致"     "practice"  Operator                   false;
    SourceFenced             source_fenced           "源端已隔离"   "practice"  Department                 false;
    ProbesPassed             probes_passed           "业务验证"     "practice"  Operator                   false;
    CutoverConfirmed         cutover_confirmed       "割接确认"     "practice"  Operator                   false;
}

/// The table's entry for a gate.
pub fn definition(name: GateName) -> &'static Definition {
    GATES.iter().find(|d| d.name == name).expect("every gate name has an entry in the table, as a test checks")
}

/// Judges one gate.
pub fn judge(name: GateName, facts: &Facts, now: Timestamp) -> Verdict {
    let gate = definition(name);
    let policy = match (&facts.policy, &facts.plan) {
        (Known::Is(policy), _) => &policy.spec,
        (Known::Unknown, _) => return crate::reason::unknown(Asked::Policy),
        (Known::Absent, Known::Absent) => {
            return Verdict::Closed(Reason::NotFound {
                what: Asked::Plan,
                name: facts.migration.spec.plan_ref.clone(),
            });
        }
        (Known::Absent, plan) => {
            let name = plan.get().map(|p| p.spec.policy_ref.clone()).unwrap_or_default();
            return Verdict::Closed(Reason::NotFound { what: Asked::Policy, name });
        }
    };
    if gate.switchable && policy.gates.iter().any(|s| s.name == name && !s.enabled) {
        return Verdict::Off;
    }
    match (gate.look)(facts, policy, now) {
        Ok(()) => Verdict::Open,
        Err(verdict) => verdict,
    }
}

/// The first of `gates` that does not pass: a closed one before one that is not known, because it can be acted on.
pub fn first_obstacle(gates: &[GateName], facts: &Facts, now: Timestamp) -> Option<Obstacle> {
    let mut not_known = None;
    for &gate in gates {
        match judge(gate, facts, now) {
            Verdict::Open | Verdict::Off => {}
            Verdict::Closed(reason) => return Some(Obstacle { gate, known: true, reason }),
            Verdict::Unknown(reason) => {
                not_known = not_known.or(Some(Obstacle { gate, known: false, reason }));
            }
        }
    }
    not_known
}

/// The value, or why there is none.
fn need<'a, T>(known: &'a Known<T>, what: Asked, name: &str) -> Result<&'a T, Verdict> {
    match known {
        Known::Is(value) => Ok(value),
        Known::Absent => Err(Verdict::Closed(Reason::NotFound { what, name: name.to_string() })),
        Known::Unknown => Err(crate::reason::unknown(what)),
    }
}
