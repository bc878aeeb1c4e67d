//! What the record of a system has to say about the papers that open its gates and are no decisions: the rehearsal, the word on
//! security products, incidents, the acceptance, waivers of checks, and where its old servers went. A paper is known by its
//! digest; its text stays where it is.

use super::Findings;
use crate::audit::entry::Event;
use crate::facts::{Facts, HostFacts, Known};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

/// A paper as it stands.
struct Paper {
    subject: String,
    digest: String,
    /// Who put their name to it; absent where the paper names nobody.
    actor: Option<String>,
}

impl Paper {
    fn new(subject: String, paper: &impl Serialize, actor: Option<&str>) -> Option<Self> {
        // What has no canonical form cannot have come from the API server.
        let digest = qianyun_crds::digest_of(paper).ok()?;
        Some(Self { subject, digest, actor: actor.map(str::to_owned) })
    }
}

/// Papers that are new, were edited, or are gone.
pub(super) fn papers(found: &mut Findings<'_>) {
    let facts = found.facts;
    compare(found, &of_migration(facts), |subject| !subject.starts_with(WAIVER) && !subject.starts_with(CUSTODY));
    if let Some(papers) = waivers(&facts.hosts) {
        compare(found, &papers, |subject| subject.starts_with(WAIVER));
    }
    if let Some(papers) = custody(facts) {
        compare(found, &papers, |subject| subject.starts_with(CUSTODY));
    }
}

const WAIVER: &str = "CheckWaiver/";
const CUSTODY: &str = "CustodyRecord/";

fn of_migration(facts: &Facts) -> Vec<Paper> {
    let spec = &facts.migration.spec;
    let rehearsal = spec.rehearsal.iter().map(|r| Paper::new("Rehearsal".into(), r, Some(&r.recorded_by)));
    let security = spec.security_in_use.iter().map(|s| Paper::new("SecurityInUse".into(), s, Some(&s.confirmed_by)));
    let incidents = spec.incidents.iter().map(|i| Paper::new(format!("Incident/{}", i.number), i, None));
    let acceptance = spec.acceptance.iter().map(|a| Paper::new("Acceptance".into(), a, None));
    rehearsal.chain(security).chain(incidents).chain(acceptance).flatten().collect()
}

/// `None` where those of a server cannot be read: that one was withdrawn is never said out of ignorance.
fn waivers(hosts: &[HostFacts]) -> Option<Vec<Paper>> {
    let mut papers = Vec::new();
    for host in hosts {
        let waivers = match &host.waivers {
            Known::Is(waivers) => waivers.as_slice(),
            Known::Absent => &[],
            Known::Unknown => return None,
        };
        let paper = |w: &qianyun_crds::CheckWaiver| {
            Paper::new(format!("{WAIVER}{}", name(&w.metadata)), &w.spec, Some(&w.spec.accepted_by))
        };
        papers.extend(waivers.iter().filter(|w| w.spec.host_ref == host.name).filter_map(paper));
    }
    Some(papers)
}

fn custody(facts: &Facts) -> Option<Vec<Paper>> {
    let Known::Is(records) = &facts.custody else { return None };
    let of_system = records.iter().filter(|r| facts.host(&r.spec.host_ref).is_some());
    let paper = |r: &qianyun_crds::CustodyRecord| {
        Paper::new(format!("{CUSTODY}{}", name(&r.metadata)), &r.spec, Some(&r.spec.recorded_by))
    };
    Some(of_system.filter_map(paper).collect())
}

fn name(of: &ObjectMeta) -> &str {
    of.name.as_deref().unwrap_or_default()
}

/// Says what differs from the record, of the papers of one sort.
fn compare(found: &mut Findings<'_>, papers: &[Paper], is_of_sort: impl Fn(&str) -> bool) {
    for Paper { subject, digest, actor } in papers {
        if found.state.papers.get(subject) != Some(digest) {
            found.push(actor.as_deref(), subject.clone(), Event::PaperEntered { digest: digest.clone() });
        }
    }
    let is_gone = |subject: &&String| is_of_sort(subject) && !papers.iter().any(|paper| paper.subject == **subject);
    let gone: Vec<String> = found.state.papers.keys().filter(is_gone).cloned().collect();
    for subject in gone {
        found.push(None, subject, Event::PaperWithdrawn {});
    }
}
