//! What the record of a system has to say about the papers that open its gates and are no decisions: the declaration, the catalogue,
//! its grading and its platform's, the way to each system that it depends on, the evaluation, the rehearsal, the word on security
//! products, incidents, the acceptance, waivers of checks, where its old servers went, the freeze periods that hold it back, and
//! the rules themselves. A paper is known by its digest; its text stays where it is.

use super::Findings;
use crate::audit::entry::Event;
use crate::calendar::entered::concerns;
use crate::facts::{Facts, HostFacts, Known};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use qianyun_crds::{CloudPlatform, FreezePeriod, SystemDependency};
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

/// Papers that are new, were edited, or are gone. Of a sort that cannot be read nothing is said.
pub(super) fn papers(found: &mut Findings<'_>) {
    let facts = found.facts;
    let sorts: [(&[&str], Option<Vec<Paper>>); 7] = [
        (&["Rehearsal", "SecurityInUse", "Incident", "Acceptance", "Assessment", "Receipt"], Some(of_migration(facts))),
        (&["Declaration", "Catalogue", "Grading", "Dependency"], of_system(facts)),
        (&["PlatformProtection"], of_platform(facts)),
        (&["PolicyProfile"], of_policy(facts)),
        (&["FreezePeriod"], freezes(facts)),
        (&["CheckWaiver"], waivers(&facts.hosts)),
        (&["CustodyRecord"], custody(facts)),
    ];
    for (names, papers) in sorts {
        if let Some(papers) = papers {
            compare(found, &papers, names);
        }
    }
}

fn of_migration(facts: &Facts) -> Vec<Paper> {
    let spec = &facts.migration.spec;
    let rehearsal = spec.rehearsal.iter().map(|r| Paper::new("Rehearsal".into(), r, Some(&r.recorded_by)));
    let security = spec.security_in_use.iter().map(|s| Paper::new("SecurityInUse".into(), s, Some(&s.confirmed_by)));
    let incidents = spec.incidents.iter().map(|i| Paper::new(format!("Incident/{}", i.number), i, None));
    let acceptance = spec.acceptance.iter().map(|a| Paper::new("Acceptance".into(), a, None));
    let assessment = spec.assessment.iter().map(|a| Paper::new("Assessment".into(), a, None));
    let receipt = spec.receipt.iter().map(|r| Paper::new("Receipt".into(), r, None));
    let of_cutover = rehearsal.chain(security).chain(incidents);
    of_cutover.chain(acceptance).chain(assessment).chain(receipt).flatten().collect()
}

/// What the department declared of the system, its catalogue, its grading, and which systems it depends on by which way: one that is
/// struck off the list opens a gate as well.
fn of_system(facts: &Facts) -> Option<Vec<Paper>> {
    let spec = &facts.system.get()?.spec;
    let declaration = Paper::new("Declaration".into(), &spec.declaration, Some(&spec.declaration.declared_by));
    let catalogue = spec.catalogue.iter().map(|c| Paper::new("Catalogue".into(), c, None));
    let grading = spec.mlps.iter().map(|m| Paper::new("Grading".into(), m, None));
    let dependency = |d: &SystemDependency| Paper::new(format!("Dependency/{}/{}", d.namespace, d.name), d, None);
    let of_department = std::iter::once(declaration).chain(catalogue).chain(grading);
    Some(of_department.chain(spec.dependencies.iter().map(dependency)).flatten().collect())
}

/// How well the platform is protected. What else is said of it opens no gate.
fn of_platform(facts: &Facts) -> Option<Vec<Paper>> {
    let protection = |p: &CloudPlatform| {
        Paper::new(format!("PlatformProtection/{}", name(&p.metadata)), &p.spec.mlps, None).into_iter().collect()
    };
    match &facts.platform {
        Known::Is(platform) => Some(protection(platform)),
        Known::Absent => Some(Vec::new()),
        Known::Unknown => None,
    }
}

/// Those that concern the system, those as well that its scheme names an exception from. One that is deleted, or is made to
/// concern others only, is gone. `None` where the system cannot be read: its department may be concerned or not.
fn freezes(facts: &Facts) -> Option<Vec<Paper>> {
    let (Known::Is(periods), Known::Is(system)) = (&facts.freezes, &facts.system) else { return None };
    let namespace = facts.migration.metadata.namespace.as_deref().unwrap_or_default();
    let (department, system) = (&system.spec.department_ref, &facts.migration.spec.system_ref);
    let of_system = periods.iter().filter(|f| concerns(&f.spec.scope, department, namespace, system));
    let paper =
        |f: &FreezePeriod| Paper::new(format!("FreezePeriod/{}", name(&f.metadata)), &f.spec, Some(&f.spec.entered_by));
    Some(of_system.filter_map(paper).collect())
}

/// The rules: who decides, and what is asked.
fn of_policy(facts: &Facts) -> Option<Vec<Paper>> {
    let policy = facts.policy.get()?;
    Some(Paper::new(format!("PolicyProfile/{}", name(&policy.metadata)), &policy.spec, None).into_iter().collect())
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
            Paper::new(format!("CheckWaiver/{}", name(&w.metadata)), &w.spec, Some(&w.spec.accepted_by))
        };
        papers.extend(waivers.iter().filter(|w| w.spec.host_ref == host.name).filter_map(paper));
    }
    Some(papers)
}

fn custody(facts: &Facts) -> Option<Vec<Paper>> {
    let Known::Is(records) = &facts.custody else { return None };
    let of_system = records.iter().filter(|r| facts.host(&r.spec.host_ref).is_some());
    let paper = |r: &qianyun_crds::CustodyRecord| {
        Paper::new(format!("CustodyRecord/{}", name(&r.metadata)), &r.spec, Some(&r.spec.recorded_by))
    };
    Some(of_system.filter_map(paper).collect())
}

fn name(of: &ObjectMeta) -> &str {
    of.name.as_deref().unwrap_or_default()
}

/// Says what differs from the record, of the papers of these names.
fn compare(found: &mut Findings<'_>, papers: &[Paper], names: &[&str]) {
    for Paper { subject, digest, actor } in papers {
        if found.state.papers.get(subject) != Some(digest) {
            found.push(actor.as_deref(), subject.clone(), Event::PaperEntered { digest: digest.clone() });
        }
    }
    let is_of_them = |subject: &str| names.contains(&subject.split('/').next().unwrap_or_default());
    let is_gone = |subject: &&String| is_of_them(subject) && !papers.iter().any(|paper| paper.subject == **subject);
    let gone: Vec<String> = found.state.papers.keys().filter(is_gone).cloned().collect();
    for subject in gone {
        found.push(None, subject, Event::PaperWithdrawn {});
    }
}
