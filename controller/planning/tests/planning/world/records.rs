//! Papers of the tests' world that people make along the way: minutes, handovers, freeze periods, waivers.

use super::objects::paper;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use qianyun_crds::{
    AcceptanceMeeting, CheckWaiver, CheckWaiverSpec, Conclusion, CustodyBasis, CustodyDevice, CustodyDisposition,
    CustodyMedium, CustodyRecord, CustodyRecordSpec, DeviceCondition, FreezeEffect, FreezeOccasion, FreezePeriod,
    FreezePeriodSpec, FreezeScope, FreezeScopeKind, Handover, HandoverPerson, MediumHandling, Participant, PartyRole,
    Placement, PlacementPurpose,
};

fn present(role: PartyRole) -> Participant {
    Participant { role, unit: format!("{role:?}"), representative: Some("Wu".into()), absence_reason: None }
}

pub(crate) fn meeting(held_on: &str) -> AcceptanceMeeting {
    AcceptanceMeeting {
        held_on: held_on.into(),
        organiser: "Civil affairs".into(),
        participants: vec![
            present(PartyRole::Designer),
            present(PartyRole::Contractor),
            present(PartyRole::Supervisor),
        ],
        conclusion: Conclusion::Passed,
        minutes: paper("Minutes"),
    }
}

pub(crate) fn custody_record(name: &str, host: &str, disposition: CustodyDisposition, day: &str) -> CustodyRecord {
    let person = |name: &str| HandoverPerson { name: name.into(), unit: "unit".into() };
    let stays = disposition == CustodyDisposition::RetainedInPlace;
    let mut record = CustodyRecord::new(
        name,
        CustodyRecordSpec {
            host_ref: host.into(),
            host_uid: format!("uid-{host}"),
            system_ref: "civil-registry".into(),
            disposition,
            device: CustodyDevice {
                serial: format!("S-{host}"),
                model: "Inspur NF5270".into(),
                asset_no: None,
                owner_ref: "minzheng".into(),
                original_location: "room 3".into(),
                purchased_on: None,
                original_value_yuan: None,
            },
            handover: (!stays).then(|| Handover {
                date: day.into(),
                handed_by: person("Li"),
                received_by: person("Wang"),
                witness: person("Wu"),
                condition: DeviceCondition::Working,
                sheet_no: "J-1".into(),
                sheet_digest: format!("sha256:{:064}", 3),
            }),
            placement: (!stays).then(|| Placement {
                room: "centre".into(),
                rack: "A1".into(),
                rack_unit: Some(3),
                purpose: PlacementPurpose::Sealed,
            }),
            basis: stays.then(|| CustodyBasis { document_no: "D-1".into(), digest: format!("sha256:{:064}", 4) }),
            media: vec![CustodyMedium { serial: format!("SN-{host}"), handling: MediumHandling::Kept, erasure: None }],
            remark: None,
            recorded_by: "op-wang".into(),
        },
    );
    record.metadata.creation_timestamp = Some(Time(format!("{day}T08:00:00Z").parse().unwrap()));
    record
}

pub(crate) fn freeze_period(name: &str, from: Timestamp, until: Timestamp, mode: FreezeEffect) -> FreezePeriod {
    let spec = FreezePeriodSpec {
        title: name.into(),
        occasion: FreezeOccasion::LocalTwoSessions,
        from: Time(from),
        until: Time(until),
        mode,
        scope: FreezeScope { kind: FreezeScopeKind::Everything, departments: Vec::new(), systems: Vec::new() },
        source_document: None,
        entered_by: "op-wang".into(),
    };
    FreezePeriod::new(name, spec)
}

pub(crate) fn waiver(host: &str, check: &str, uid: &str, until: &str) -> CheckWaiver {
    let spec = CheckWaiverSpec {
        host_ref: host.into(),
        host_uid: uid.into(),
        check_id: check.into(),
        reason: "the partition is enlarged next week".into(),
        accepted_by: "op-wang".into(),
        until: until.into(),
    };
    CheckWaiver::new("waiver", spec)
}
