//! The digests of the tests' world, each worked out again only after an edit: facts are gathered many thousand times, and
//! writing the same scheme as JSON each time was nine tenths of what the stories took.

use qianyun_crds::{MigrationPlanSpec, SystemMigrationSpec};
use std::cell::RefCell;

/// What was worked out last.
#[derive(Clone, Default)]
pub(crate) struct Digests {
    papers: Last<SystemMigrationSpec, Papers>,
    plan: Last<MigrationPlanSpec, String>,
}

type Last<K, V> = RefCell<Option<(K, V)>>;

/// The digests of a migration's papers.
#[derive(Clone)]
pub(crate) struct Papers {
    pub(crate) scheme: String,
    pub(crate) application: String,
    pub(crate) acceptance: String,
}

impl Digests {
    pub(crate) fn papers(&self, spec: &SystemMigrationSpec) -> Papers {
        of(&self.papers, spec, |spec| {
            let scheme = qianyun_crds::scheme_digest("uid-scheme", spec).unwrap();
            Papers {
                application: qianyun_crds::application_digest("uid-scheme", &scheme, spec).unwrap(),
                acceptance: qianyun_crds::acceptance_digest("uid-scheme", &scheme, spec).unwrap(),
                scheme,
            }
        })
    }

    pub(crate) fn plan(&self, spec: &MigrationPlanSpec) -> String {
        of(&self.plan, spec, |spec| qianyun_crds::plan_digest("uid-plan", spec).unwrap())
    }
}

fn of<K: Clone + PartialEq, V: Clone>(last: &Last<K, V>, of: &K, work_out: impl FnOnce(&K) -> V) -> V {
    let mut last = last.borrow_mut();
    if let Some((key, value)) = last.as_ref()
        && key == of
    {
        return value.clone();
    }
    let value = work_out(of);
    *last = Some((of.clone(), value.clone()));
    value
}
