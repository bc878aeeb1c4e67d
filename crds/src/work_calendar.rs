//! `WorkCalendar`: one yearly notice of the State Council on days off, as an operator copies it from the paper.

use crate::bounds::{Date, DocumentNo, Text, Url};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The notice of the State Council on the days off of one year (国务院办公厅关于…年部分节假日安排的通知). Time limits in working days are
/// counted by it (Art. 18); a year without one is estimated by the law alone, and shown as such.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "migration.qianyun.dev",
    version = "v1alpha1",
    kind = "WorkCalendar",
    shortname = "wcal",
    category = "qianyun",
    status = "WorkCalendarStatus",
    derive = "PartialEq",
    doc = "The notice of the State Council on the days off of one year; a year without one is estimated.",
    printcolumn(name = "YEAR", type_ = "integer", json_path = ".spec.year"),
    printcolumn(name = "DOCUMENT", type_ = "string", json_path = ".spec.documentNo"),
    printcolumn(name = "READY", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "SOURCE", type_ = "string", json_path = ".spec.source", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new(
    "self.holidays.all(h, [h.from, h.until].all(d, d.getFullYear() == self.year || (d.getFullYear() == self.year - 1 && d.getMonth() == 11)))"
).message(
    "spec.holidays has a day of another year than spec.year: enter it in the calendar of its own year; only the December before may be named"
))]
#[x_kube(validation = Rule::new(
    "!has(self.makeUpDays) || self.makeUpDays.all(d, d.getFullYear() == self.year || (d.getFullYear() == self.year - 1 && d.getMonth() == 11))"
).message(
    "spec.makeUpDays has a day of another year than spec.year: enter it in the calendar of its own year; only the December before may be named"
))]
#[x_kube(validation = Rule::new("!has(self.makeUpDays) || self.makeUpDays.all(d, d.getDayOfWeek() in [0, 6])").message(
    "spec.makeUpDays has a day from Monday to Friday, which works anyway: enter the Saturday or Sunday of the notice"
))]
#[x_kube(validation = Rule::new(
    "!has(self.makeUpDays) || self.makeUpDays.all(d, !self.holidays.exists(h, h.from <= d && d <= h.until))"
).message(
    "a day of spec.makeUpDays lies in one of spec.holidays: keep the one that the notice says"
))]
#[x_kube(validation = Rule::new(
    "self.holidays.all(a, self.holidays.all(b, a.name == b.name || a.until < b.from || b.until < a.from))"
).message(
    "two of spec.holidays have a day in common: enter holidays that the notice joins as one, as 国庆节、中秋节"
))]
#[serde(rename_all = "camelCase")]
pub struct WorkCalendarSpec {
    /// The year in the title of the notice, from the year of the Measures on (Art. 37). The object is named after it.
    #[schemars(range(min = 2018, max = 2100))]
    pub year: i32,
    /// Number of the notice (发文字号), as 国办发明电〔2025〕7号. A due date is explained with it.
    #[schemars(with = "DocumentNo")]
    pub document_no: String,
    /// Where the notice can be read, as `https://www.gov.cn/…`.
    #[schemars(with = "Url")]
    pub source: String,
    /// The holidays: days off in a row, weekends among them.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub holidays: Vec<CalendarHoliday>,
    /// Saturdays and Sundays that are working days (调休上班), YYYY-MM-DD.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Date>", length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub make_up_days: Vec<String>,
}

/// Days off in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("self.until >= self.from").message(
    "a holiday's until is before its from: enter the first and the last day off"
))]
#[x_kube(validation = Rule::new("self.until - self.from < duration('360h')").message(
    "a holiday has more than 15 days, which none ever had: correct its until"
))]
#[serde(rename_all = "camelCase")]
pub struct CalendarHoliday {
    /// Name, as 春节.
    #[schemars(with = "Text<32>")]
    pub name: String,
    /// First day off, YYYY-MM-DD.
    #[schemars(with = "Date")]
    pub from: String,
    /// Last day off, YYYY-MM-DD; the same as `from` for a single day.
    #[schemars(with = "Date")]
    pub until: String,
}

/// What the controller says about a work calendar.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkCalendarStatus {
    /// Generation of the spec that the status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// `Ready`: the copy holds together, with every day that is off by law, and time limits are counted by it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "crate::bounds::Conditions")]
    pub conditions: Vec<Condition>,
}
