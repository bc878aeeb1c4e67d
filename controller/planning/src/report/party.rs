//! Words for who can act, by the glossary (government.md 3), and for who takes part in a project.

use super::{Words, words};
use qianyun_crds::{Party, PartyRole};

/// What people call who can act.
pub(crate) fn party(party: Party) -> Words {
    match party {
        Party::Department => words("the department", "使用单位"),
        Party::Operator => words("the cloud platform operator", "云平台运维单位"),
        Party::MunicipalGovernmentOffice => words("the municipal government office", "市政府办公室"),
        Party::SmartCityOffice => words("the smart-city office", "市智慧办"),
        Party::Nobody => words("nobody has to act", "无需人工处理"),
    }
}

/// What people call a unit of a project.
pub(super) fn role(role: PartyRole) -> Words {
    match role {
        PartyRole::Owner => words("owner", "业主单位"),
        PartyRole::Designer => words("design unit", "设计单位"),
        PartyRole::Contractor => words("contractor", "承建单位"),
        PartyRole::Supervisor => words("supervision unit", "监理单位"),
        PartyRole::TenderAgent => words("tender agent", "招标代理机构"),
    }
}
