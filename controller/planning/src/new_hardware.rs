//! Whether a server has to be explained, since by its firmware it was made while a policy was in force under which departments buy
//! none of their own (Art. 10). Firmware is renewed on old machines too, and an agent sees no purchase: this asks, and no gate
//! rests on the answer.

use crate::calendar::parse_day;
use crate::report::{Words, words};
use jiff::civil::Date;
use qianyun_crds::{CustodyState, HardwareExemption, HostInventory, PolicyProfile, PolicyProfileSpec};

/// What is to be said of a server. The names are the reasons of its condition `NewHardwareToExplain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hardware {
    /// Its firmware tells no day, or the server has not described itself yet.
    DayUnknown,
    /// It stands in the centre, or serves no more.
    NotInUseOutside,
    /// No policy was in force on that day.
    OlderThanPolicy,
    /// A document that holds allows it.
    Exempted {
        /// Number of the document.
        document_no: String,
    },
    /// Somebody should say why it stands where it is.
    NewerThanPolicy {
        /// Day of its firmware.
        day: Date,
        /// Serial number that an exemption would name; empty if it has none.
        serial: String,
        /// The policy in force on that day, English and Chinese.
        policy: (String, String),
        /// Last day of an exemption that held.
        expired: Option<String>,
    },
}

/// Judges a server by its inventory, by where it is, by all policies and by its system's exemptions. `today` is the day by the
/// clocks of a policy's offices.
pub fn judge(
    inventory: Option<&HostInventory>,
    custody: CustodyState,
    policies: &[PolicyProfile],
    exemptions: &[HardwareExemption],
    today: impl Fn(&PolicyProfile) -> Date,
) -> Hardware {
    match custody {
        CustodyState::InCustody | CustodyState::Reused | CustodyState::Scrapped => return Hardware::NotInUseOutside,
        CustodyState::InService | CustodyState::Retired | CustodyState::RetainedInPlace => {}
    }
    let dated = inventory.and_then(|found| Some((found, parse_day(found.firmware_date.as_deref()?)?)));
    let Some((found, day)) = dated else {
        return Hardware::DayUnknown;
    };
    let Some(policy) = policies.iter().filter(|p| is_in_force(&p.spec, day)).min_by_key(|p| &p.spec.effective_from)
    else {
        return Hardware::OlderThanPolicy;
    };
    let named = exemptions.iter().find(|e| !found.serial.is_empty() && e.serial == found.serial);
    match named {
        Some(e) if parse_day(&e.valid_until).is_some_and(|until| today(policy) <= until) => {
            Hardware::Exempted { document_no: e.document_no.clone() }
        }
        _ => Hardware::NewerThanPolicy {
            day,
            serial: found.serial.clone(),
            policy: (policy.spec.title.clone(), policy.spec.title_zh.clone()),
            expired: named.map(|e| e.valid_until.clone()),
        },
    }
}

/// Whether a profile is in force on a day; not where one of its own days is none.
pub fn is_in_force(policy: &PolicyProfileSpec, day: Date) -> bool {
    let from = parse_day(&policy.effective_from);
    let until = policy.effective_until.as_deref().map(parse_day);
    from.is_some_and(|from| from <= day) && until.is_none_or(|until| until.is_some_and(|until| day <= until))
}

impl Hardware {
    /// Whether it is to be explained; `None` where that is not known.
    pub fn is_to_explain(&self) -> Option<bool> {
        match self {
            Self::DayUnknown => None,
            Self::NotInUseOutside | Self::OlderThanPolicy | Self::Exempted { .. } => Some(false),
            Self::NewerThanPolicy { .. } => Some(true),
        }
    }

    /// Reason of the condition.
    pub fn name(&self) -> &'static str {
        match self {
            Self::DayUnknown => "DayUnknown",
            Self::NotInUseOutside => "NotInUseOutside",
            Self::OlderThanPolicy => "OlderThanPolicy",
            Self::Exempted { .. } => "Exempted",
            Self::NewerThanPolicy { .. } => "NewerThanPolicy",
        }
    }

    /// What people read: neutral, for nobody knows yet.
    pub fn words(&self) -> Words {
        match self {
            Self::DayUnknown => words("the day of the firmware is not known", "固件日期未知"),
            Self::NotInUseOutside => words("it is not in use outside the centre", "不在中心以外使用"),
            Self::OlderThanPolicy => words("its firmware is older than every policy here", "固件日期早于现有各项规定"),
            Self::Exempted { document_no } => {
                words(format!("allowed by {document_no}"), format!("依据{document_no}豁免"))
            }
            Self::NewerThanPolicy { day, serial, policy: (title, title_zh), expired } => {
                let since =
                    expired.as_ref().map_or_else(String::new, |until| format!(" (one until {until} has ended)"));
                let since_zh = expired.as_ref().map_or_else(String::new, |until| format!("(原豁免至{until},已到期)"));
                words(
                    format!(
                        "to be verified: its firmware is of {day}, when \"{title}\" was in force; an old machine may have been \
                         updated. If a law, a rule or a document of state allows it, enter that under the serial number \
                         {serial:?} in spec.hardwareExemptions of its InformationSystem{since}. Nothing waits for it"
                    ),
                    format!(
                        "待核实:固件日期为{day},当时“{title_zh}”已施行;也可能是旧设备更新过固件。法律、法规、规章或国家文件\
                         另有规定的,请在信息系统 spec.hardwareExemptions 中按序列号{serial:?}登记{since_zh}。不影响迁移"
                    ),
                )
            }
        }
    }
}
