//! Waiting, explained: for what, since when, when next, who can act. Used by every kind that can wait.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A party that can act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Party {
    /// The department that owns the system (使用单位).
    #[serde(rename = "dept")]
    Department,
    /// The cloud platform operator (云平台运维单位).
    #[serde(rename = "operator")]
    Operator,
    /// The municipal government office (市政府办公室).
    #[serde(rename = "mgo")]
    MunicipalGovernmentOffice,
    /// The smart-city office (市智慧办).
    #[serde(rename = "sco")]
    SmartCityOffice,
    /// Nobody needs to: the machines are at work, or time has to pass.
    #[serde(rename = "-")]
    Nobody,
}

/// Why something does not go on just now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// What is waited for: the name of a gate or of a `WaitingOn` of the planner.
    #[schemars(length(max = 64))]
    pub waiting_for: String,
    /// Since when.
    pub since: Time,
    /// When the controller looks again at the latest; absent where only an event helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<Time>,
    /// Who can end the waiting.
    pub who_can_unblock: Party,
    /// The same in one English sentence.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// The same in Chinese.
    #[schemars(length(max = 1024))]
    pub message_zh: String,
}
