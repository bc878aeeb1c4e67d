//! What a copy takes of this machine, and how far it holds itself back for its users: in words, in both languages. Measures and
//! decides nothing.

use crate::screen::Language;
use indicatif::HumanBytes;
use qianyun_replication::governor::Held;
use qianyun_replication_io::source::OwnLoad;

/// What this process takes.
pub(crate) fn taken(language: Language, load: &OwnLoad) -> String {
    let OwnLoad { processor_thousandths, read_bytes_per_second } = *load;
    let (percent, reading) = (processor_thousandths / 10, HumanBytes(read_bytes_per_second));
    match language {
        Language::Zh => format!("本程序占用: 处理器 {percent} % (以单核计), 读盘 {reading}/s"),
        Language::En => format!("own load: {percent} % of one processor, reading {reading}/s"),
    }
}

/// Why a disk is read slower than it could be.
pub(crate) fn held_back(language: Language, held: &Held) -> String {
    let Held { answers_ms, usually_ms, percent, recovers } = *held;
    match (language, recovers) {
        (Language::Zh, false) => {
            format!("已放慢: 磁盘响应用户需 {answers_ms} 毫秒, 平时 {usually_ms} 毫秒; 读取速度 {percent} %")
        }
        (Language::Zh, true) => {
            format!("逐步恢复: 磁盘响应用户曾需 {answers_ms} 毫秒, 平时 {usually_ms} 毫秒; 读取速度 {percent} %")
        }
        (Language::En, false) => format!(
            "held back: the disk answers its users in {answers_ms} ms, usually in {usually_ms} ms; reading at {percent} %"
        ),
        (Language::En, true) => format!(
            "recovering: the disk answered its users in {answers_ms} ms, usually in {usually_ms} ms; reading at {percent} %"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holding_back_is_told_from_recovering_in_both_languages() {
        let held = Held { answers_ms: 42, usually_ms: 6, percent: 25, recovers: false };
        let recovering = Held { percent: 40, recovers: true, ..held };
        assert_eq!(
            held_back(Language::En, &held),
            "held back: the disk answers its users in 42 ms, usually in 6 ms; reading at 25 %"
        );
        assert!(held_back(Language::En, &recovering).starts_with("recovering: the disk answered its users in 42 ms"));
        for (held, word) in [(held, "已放慢"), (recovering, "逐步恢复")] {
            let text = held_back(Language::Zh, &held);
            assert!(text.starts_with(word) && text.contains("42 毫秒") && text.contains("平时 6 毫秒"), "{text}");
        }
    }

    #[test]
    fn own_load_is_of_one_processor_and_may_be_more_than_all_of_it() {
        let load = OwnLoad { processor_thousandths: 1_349, read_bytes_per_second: 120 << 20 };
        assert_eq!(taken(Language::En, &load), "own load: 134 % of one processor, reading 120.00 MiB/s");
        assert!(taken(Language::Zh, &load).contains("134 %"));
    }
}
