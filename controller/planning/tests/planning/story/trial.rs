//! What people write from the trial run to the closing: incidents, tests, the meeting, where the old server went.

use super::instant;
use crate::world::{World, custody_record, meeting, report};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{
    Acceptance, CatalogueRegistration, Conclusion, CustodyDisposition, Incident, IncidentGrade, PartyRole,
};

/// Carries out a command; `false` if it is none of these.
pub(super) fn command(world: &mut World, words: &[&str]) -> bool {
    of_the_trial(world, words) || of_the_meeting(world, words) || of_the_device(world, words)
}

fn papers(world: &mut World) -> &mut Acceptance {
    world.migration.spec.acceptance.get_or_insert(Acceptance {
        performance_test: None,
        security_assessment: None,
        meeting: None,
        issues: Vec::new(),
    })
}

fn of_the_trial(world: &mut World, words: &[&str]) -> bool {
    match words {
        ["incident", number, grade, day, time] => {
            let grade = match *grade {
                "general" => IncidentGrade::General,
                "major" => IncidentGrade::Major,
                other => panic!("no such grade: {other}"),
            };
            world.migration.spec.incidents.push(Incident {
                number: number.parse().unwrap(),
                occurred_at: Time(instant(day, time)),
                grade,
                impact: "no registration for a day".into(),
                action: "restored".into(),
                reported_to: Some("cyberspace office".into()),
                resolved_at: None,
            });
        }
        ["resolved", number, day, time] => {
            let number: i32 = number.parse().unwrap();
            let mut incidents = world.migration.spec.incidents.iter_mut();
            incidents.find(|i| i.number == number).unwrap().resolved_at = Some(Time(instant(day, time)));
        }
        ["performance-test", "failed", day] => {
            papers(world).performance_test = Some(report(Conclusion::Failed, day));
        }
        ["performance-test", "passed", day] => {
            papers(world).performance_test = Some(report(Conclusion::Passed, day));
        }
        ["security-assessment", "passed", day] => {
            papers(world).security_assessment = Some(report(Conclusion::Passed, day));
        }
        ["catalogue-registered", number, day] => {
            world.system.spec.catalogue.as_mut().unwrap().registration = Some(CatalogueRegistration {
                number: (*number).into(),
                registered_on: (*day).into(),
                confirmed_by: "Zhang".into(),
            });
        }
        _ => return false,
    }
    true
}

fn of_the_meeting(world: &mut World, words: &[&str]) -> bool {
    match words {
        ["meeting", day] => papers(world).meeting = Some(meeting(day)),
        ["meeting", day, "failed"] => {
            papers(world).meeting = Some(meeting(day));
            papers(world).meeting.as_mut().unwrap().conclusion = Conclusion::Failed;
        }
        ["meeting", day, "without-supervision"] => {
            papers(world).meeting = Some(meeting(day));
            let present = &mut papers(world).meeting.as_mut().unwrap().participants;
            present.retain(|p| p.role != PartyRole::Supervisor);
        }
        _ => return false,
    }
    true
}

fn of_the_device(world: &mut World, words: &[&str]) -> bool {
    let (host, disposition, day) = match words {
        ["taken-into-custody", host, day] => (host, CustodyDisposition::InCustody, day),
        ["reused", host, day] => (host, CustodyDisposition::Reused, day),
        ["retained-in-place", host, day] => (host, CustodyDisposition::RetainedInPlace, day),
        ["wrong-device-handed-over", host, day] => {
            let name = format!("r{}", world.custody.len());
            let mut record = custody_record(&name, host, CustodyDisposition::InCustody, day);
            record.spec.device.serial = "S-of-another".into();
            world.custody.push(record);
            return true;
        }
        _ => return false,
    };
    let name = format!("r{}", world.custody.len());
    world.custody.push(custody_record(&name, host, disposition, day));
    true
}
