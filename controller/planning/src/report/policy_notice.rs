//! Words for what is told of the rules themselves. Never decides what is told.

use super::{Words, gate, words};
use crate::gate::definition;
use crate::policy_notice::PolicyNotice;

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
        }
    }
}
