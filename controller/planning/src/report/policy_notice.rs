//! Words for what is told of the rules themselves. Never decides what is told.

use super::{Words, gate, words};
use crate::gate::definition;
use crate::policy_notice::{LawNumber, Lowered, PolicyNotice};

impl PolicyNotice {
    /// One sentence.
    pub fn words(&self) -> Words {
        match self {
            PolicyNotice::Expired { until } => words(
                format!(
                    "The rules of the policy profile expired on {until}: check which apply now. It blocks nothing."
                ),
                format!("制度依据已过有效期(至 {until}),请核实现行规定;不阻断办理。"),
            ),
            PolicyNotice::NotYet { from } => words(
                format!(
                    "The rules of the policy profile are in force from {from} only: check which apply now. It blocks nothing."
                ),
                format!("制度依据自 {from} 起方才生效,请核实现行规定;不阻断办理。"),
            ),
            PolicyNotice::OfficesLeftOut { offices } => {
                let (en, zh): (Vec<_>, Vec<_>) =
                    offices.iter().map(|missing| missing.words()).map(|words| (words.en, words.zh)).unzip();
                words(
                    format!("The policy profile leaves out whom Art. 23 asks: {}. It blocks nothing.", en.join("; ")),
                    format!("制度配置缺少第二十三条要求的单位:{};不阻断办理。", zh.join("、")),
                )
            }
            PolicyNotice::GatesOff { gates } => {
                let (mut en, mut zh) = (Vec::new(), Vec::new());
                for (name, by) in gates {
                    let basis = gate::basis(*name);
                    en.push(format!("{name:?} ({}) by {by}", basis.en));
                    zh.push(format!("{}({},依据:{by})", definition(*name).zh, basis.zh));
                }
                words(
                    format!(
                        "The policy profile switches off what the law asks for: {}. It blocks nothing.",
                        en.join("; ")
                    ),
                    format!("制度配置关闭了法规要求的条件:{};不阻断办理。", zh.join("、")),
                )
            }
            PolicyNotice::NumbersLowered { numbers } => {
                let (en, zh): (Vec<_>, Vec<_>) =
                    numbers.iter().map(Lowered::words).map(|words| (words.en, words.zh)).unzip();
                words(
                    format!("The policy profile asks less than the law: {}. It blocks nothing.", en.join("; ")),
                    format!("制度配置的数值宽于法规要求:{};不阻断办理。", zh.join("、")),
                )
            }
        }
    }
}

impl Lowered {
    /// The field, what it says, and what the article asks.
    pub fn words(&self) -> Words {
        let (law, article) = (self.number.of_the_law(), self.number.article());
        let asked = match self.number {
            LawNumber::Assessment => words(
                format!("gives {law} working days for the evaluation of a project"),
                format!("论证评估 {law} 个工作日内"),
            ),
            LawNumber::Trial => {
                words(format!("asks for a trial run of {law} months"), format!("试运行 {law} 个月以上"))
            }
            LawNumber::PlatformLevel => {
                words(format!("asks for a platform of level {law}"), format!("平台等保第 {law} 级"))
            }
        };
        let (field, found) = (self.number.field(), self.found);
        words(
            format!("{field} is {found}, where Art. {article} {}", asked.en),
            format!("{field} 为 {found}(办法第{article}条:{})", asked.zh),
        )
    }
}
