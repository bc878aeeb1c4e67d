//! Which entries a look at a system calls for: what is now otherwise than the record has it. Called with the same facts again,
//! after they were recorded, it finds nothing.

mod host;
mod papers;
mod system;

pub use host::{failed, intended, of_host};
pub use system::{from_elsewhere, of_system};

use super::Deed;
use super::entry::{Draft, Event};
use super::state::{HOST, State};
use crate::facts::Facts;

/// The entries found so far, and what the record adds up to with them.
struct Findings<'a> {
    facts: &'a Facts,
    state: State,
    drafts: Vec<Draft>,
}

impl<'a> Findings<'a> {
    fn new(state: &State, facts: &'a Facts) -> Self {
        Self { facts, state: state.clone(), drafts: Vec::new() }
    }

    fn push(&mut self, actor: Option<&str>, subject: String, event: Event) {
        let draft = Draft {
            uid: uid(self.facts).to_owned(),
            actor: actor.map(str::to_owned),
            subject,
            scheme: Some(self.facts.digest.clone()),
            event,
        };
        self.state.add(&draft);
        self.drafts.push(draft);
    }

    fn about_host(&mut self, host: &str, event: Event) {
        self.push(None, format!("{HOST}{host}"), event);
    }

    fn about_deed(&mut self, deed: Deed, event: impl FnOnce(Deed) -> Event) {
        let subject = format!("{HOST}{}", deed.host());
        self.push(None, subject, event(deed));
    }

    fn about_scheme(&mut self, actor: Option<&str>, event: Event) {
        let name = self.facts.migration.metadata.name.as_deref().unwrap_or_default();
        self.push(actor, format!("SystemMigration/{name}"), event);
    }
}

fn uid(facts: &Facts) -> &str {
    facts.migration.metadata.uid.as_deref().unwrap_or_default()
}
