//! The facts for a decision, as the owner knows them now.

use super::Agent;
use crate::decision::{ArmedFacts, Facts, HooksLeft, Replication};
use crate::ledger::Armed;
use qianyun_agent_api::desired::HookMoment;

impl Agent {
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts {
            role: self.role,
            intent: self.desired.as_ref().map(|desired| &desired.intent),
            forbidden: self.forbidden.as_deref(),
            armed: self.armed_facts(),
            last_attempt: self.ledger.ledger.last_attempt,
            frozen: self.engine.frozen().is_some(),
            boot_prepared: self.boot_prepared,
            replication: match self.engine.following() {
                Some(following) => Replication::Running { session: following.session, in_sync: following.in_sync },
                None => Replication::Stopped,
            },
            fence_acknowledged: self.fence_acknowledged,
            network_adapted: self.network_adapted,
            units_up: self.units_up,
        }
    }

    pub(super) fn hooks_left(&self, armed: &Armed) -> HooksLeft {
        let left = |moment: HookMoment| {
            armed.hooks.iter().any(|hook| hook.at == moment) && !self.attempt.hooks_run.contains(&moment)
        };
        HooksLeft {
            before_stop: left(HookMoment::BeforeStop),
            before_freeze: left(HookMoment::BeforeFreeze),
            after_resume: left(HookMoment::AfterResume),
        }
    }

    fn armed_facts(&self) -> Option<ArmedFacts<'_>> {
        let armed = self.ledger.ledger.armed.as_ref()?;
        let vote = self.run.vote.as_ref().filter(|vote| vote.attempt == armed.attempt);
        Some(ArmedFacts {
            attempt: armed.attempt,
            same_boot: armed.boot_id == self.boot_id,
            same_process: self.attempt.begun_here,
            voted: vote.map(|vote| vote.digest.as_str()),
            hooks_left: self.hooks_left(armed),
            quiesced: self.attempt.quiesced,
            services_run: self.attempt.services_run,
            was_frozen: self.attempt.was_frozen,
            signed: self.attempt.signed.is_some(),
            failed: self.attempt.failed.as_deref(),
        })
    }
}
