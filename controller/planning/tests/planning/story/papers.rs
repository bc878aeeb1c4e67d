//! What people write before a cutover: the scheme, the project and its evaluation, rehearsal, security, and what the department
//! says of its system.

use super::instant;
use crate::world::{World, paper, report};
use jiff::ToSpan;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{
    Assessment, Certificate, ClockPause, Conclusion, FreezeException, HookMoment, HookStep, PartyRole, ProjectDuty,
    ProjectParty, SchemeReceipt, SourceAccess, SystemDependency, SystemMigrationSpec, SystemProtection,
};
use qianyun_planning::facts::{DependencyFact, Known};

/// Carries out a command; `false` if it is none of these.
pub(super) fn command(world: &mut World, words: &[&str]) -> bool {
    of_the_scheme(world, words)
        || of_the_proofs(world, words)
        || of_the_project(world, words)
        || of_the_system(world, words)
}

fn of_the_scheme(world: &mut World, words: &[&str]) -> bool {
    let scheme = &mut world.migration.spec.scheme;
    match words {
        ["window", from_day, from, until_day, until] => {
            scheme.window.start = Time(instant(from_day, from));
            scheme.window.end = Time(instant(until_day, until));
            scheme.rollback.latest_at = Time(instant(until_day, until).checked_add(22.hours()).unwrap());
        }
        ["no-way-back"] => scheme.rollback.source_access = None,
        ["way-back", "remote"] => scheme.rollback.source_access = Some(SourceAccess::RemoteConsole),
        ["way-back", "on-site"] => scheme.rollback.source_access = Some(SourceAccess::OnSite),
        ["no-emergency-plan"] => scheme.emergency_plan = None,
        ["emergency-plan"] => scheme.emergency_plan = Some(paper("Emergency plan")),
        ["downtime-budget", minutes] => scheme.downtime_budget_minutes = minutes.parse().unwrap(),
        ["except-from", freeze] => {
            let reason = "the roof of the machine room leaks".to_string();
            scheme.freeze_exceptions.push(FreezeException { freeze_ref: (*freeze).into(), reason });
        }
        ["shrink-target"] => scheme.hosts[0].disks[0].volume_bytes -= 1 << 30,
        ["grow-target"] => scheme.hosts[0].disks[0].volume_bytes += 1 << 30,
        ["hook", host, hook, at, seconds] => {
            let moments = [HookMoment::BeforeStop, HookMoment::BeforeFreeze, HookMoment::AfterResume];
            let at = moments.into_iter().find(|moment| format!("{moment:?}") == *at).unwrap();
            let step = HookStep { name: (*hook).into(), at, deadline_seconds: seconds.parse().unwrap() };
            scheme.hosts.iter_mut().find(|h| h.host_ref == *host).unwrap().hooks.push(step);
        }
        ["depends", host, "on", needed] => {
            let host = scheme.hosts.iter_mut().find(|h| h.host_ref == *host).unwrap();
            host.depends_on.push((*needed).into());
        }
        ["depends", host, "on-none"] => {
            scheme.hosts.iter_mut().find(|h| h.host_ref == *host).unwrap().depends_on.clear();
        }
        ["security-works"] => scheme.security_works = true,
        ["no-probe"] => scheme.probes.clear(),
        ["both-offices-have-it", day] => {
            let digest = world.digest();
            world.migration.spec.receipt =
                Some(SchemeReceipt { received_on: (*day).into(), digest, pauses: Vec::new() });
        }
        _ => return false,
    }
    true
}

fn of_the_proofs(world: &mut World, words: &[&str]) -> bool {
    match words {
        ["prove"] => world.prove(),
        ["rehearse", "failed"] => rehearse(world, Conclusion::Failed),
        ["rehearse", "passed"] => rehearse(world, Conclusion::Passed),
        ["rehearsed-without-stopping"] => {
            rehearse(world, Conclusion::Passed);
            world.migration.spec.rehearsal.as_mut().unwrap().services_stopped = false;
        }
        ["rehearsed-without-rollback"] => {
            rehearse(world, Conclusion::Passed);
            world.migration.spec.rehearsal.as_mut().unwrap().rollback_rehearsed = false;
        }
        ["rehearsed-on-an-open-network"] => {
            rehearse(world, Conclusion::Passed);
            world.migration.spec.rehearsal.as_mut().unwrap().leak_found = true;
        }
        ["rehearsed-without", host] => {
            rehearse(world, Conclusion::Passed);
            world.migration.spec.rehearsal.as_mut().unwrap().hosts.retain(|h| h.host_ref != *host);
        }
        ["rehearsal-network", network] => {
            let is_there = *network != "none";
            world.platform.spec.rehearsal_network = is_there.then(|| (*network).to_string());
        }
        ["rehearsed-downtime", minutes] => {
            rehearse(world, Conclusion::Passed);
            world.migration.spec.rehearsal.as_mut().unwrap().downtime_minutes = minutes.parse().unwrap();
        }
        ["security-not-in-use"] => world.migration.spec.security_in_use = None,
        ["security-in-use"] => {
            let rehearsal = world.migration.spec.rehearsal.clone();
            world.prove();
            world.migration.spec.rehearsal = rehearsal;
        }
        _ => return false,
    }
    true
}

fn rehearse(world: &mut World, conclusion: Conclusion) {
    let security = world.migration.spec.security_in_use.clone();
    world.prove();
    world.migration.spec.security_in_use = security;
    world.migration.spec.rehearsal.as_mut().unwrap().conclusion = conclusion;
}

fn of_the_project(world: &mut World, words: &[&str]) -> bool {
    let spec = &mut world.migration.spec;
    match words {
        ["project", "not-said"] => spec.scheme.project = None,
        ["project", contained] => {
            let contained = *contained == "yes";
            let reason = (!contained).then(|| "moved as it is, nothing built or bought".to_string());
            spec.scheme.project = Some(ProjectDuty { contained, reason, funding_source: None });
        }
        ["party", role, "no-certificate"] => spec.scheme.parties.push(party(role, None)),
        ["party", role, "certificate-until", day] => {
            spec.scheme.parties.retain(|p| format!("{:?}", p.role) != *role);
            spec.scheme.parties.push(party(role, Some(day)));
        }
        ["file-project", day] => {
            spec.assessment = Some(Assessment {
                submitted_on: (*day).into(),
                accepted_on: None,
                pauses: Vec::new(),
                report: None,
                city_approval_no: None,
            });
        }
        ["accept-filing", day] => filed(spec).accepted_on = Some((*day).into()),
        ["pause-evaluation", day] => {
            let reason = "the department corrects its papers".to_string();
            filed(spec).pauses.push(ClockPause { from: (*day).into(), until: None, reason });
        }
        ["resume-evaluation", last] => filed(spec).pauses.last_mut().unwrap().until = Some((*last).into()),
        ["evaluation-failed", day] => filed(spec).report = Some(report(Conclusion::Failed, day)),
        ["evaluation-passed", day] => filed(spec).report = Some(report(Conclusion::Passed, day)),
        ["city-approves", number] => filed(spec).city_approval_no = Some((*number).into()),
        _ => return false,
    }
    true
}

fn filed(spec: &mut SystemMigrationSpec) -> &mut Assessment {
    spec.assessment.as_mut().unwrap()
}

fn party(role: &str, until: Option<&str>) -> ProjectParty {
    let roles =
        [PartyRole::Owner, PartyRole::Designer, PartyRole::Contractor, PartyRole::Supervisor, PartyRole::TenderAgent];
    let certificate = until.map(|day| Certificate {
        name: format!("{role}'s certificate"),
        number: "C-1".into(),
        grade: None,
        valid_until: day.into(),
    });
    ProjectParty {
        role: roles.into_iter().find(|r| format!("{r:?}") == role).unwrap(),
        name: format!("{role} unit"),
        credit_code: None,
        no_certificate_basis: certificate.is_none().then(|| "the qualification was abolished".into()),
        certificate,
    }
}

fn of_the_system(world: &mut World, words: &[&str]) -> bool {
    let system = &mut world.system.spec;
    match words {
        ["not-graded"] => system.mlps = None,
        ["graded", level] => {
            let level = level.parse().unwrap();
            system.mlps = Some(SystemProtection { level, filing_no: "F-2".into(), filed_on: None, assessed_on: None });
        }
        ["catalogue-entries", count] => system.catalogue.as_mut().unwrap().item_count = count.parse().unwrap(),
        ["declaration-unsigned"] => system.declaration.declared_by.clear(),
        ["declaration-signed", person] => system.declaration.declared_by = (*person).into(),
        ["needs", name] => {
            system.dependencies = vec![SystemDependency {
                namespace: "minzheng".into(),
                name: (*name).into(),
                reachable_across_boundary: false,
            }];
            world.dependencies =
                vec![DependencyFact { namespace: "minzheng".into(), name: (*name).into(), serves: Known::Is(false) }];
        }
        ["needed-system-serves-from-cloud"] => world.dependencies[0].serves = Known::Is(true),
        _ => return false,
    }
    true
}
