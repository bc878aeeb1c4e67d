//! The table at the end: how long each chapter and step took, what was read, skipped and sent, what the users noticed, the hashes, the
//! commits, who decided what and when, and how to verify it again. Numbers come from the objects and the witness alone.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::stage::Stage;
use crate::cluster::SYSTEM;

impl Stage {
    /// Prints it.
    pub(crate) fn print_table(&self) -> Result<()> {
        let status = self.journey_status()?;
        println!();
        for (chapter, took) in self.teller.chapters() {
            self.teller.row(chapter, chapter, &length(*took));
        }
        if let Some(took) = self.listed_after {
            let (en, zh) = ("in the table after its enrolment", "接入后入表用时");
            self.teller.row(en, zh, &length(took));
        }
        self.print_steps(&status["steps"]);
        self.print_bytes(&status["disks"]);
        self.print_outage(&status["cutover"])?;
        self.print_hashes(&status["cutover"]["record"])?;
        self.print_decisions()?;
        let command = self.verification()?;
        let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        self.teller.row("verify the record", "验证割接记录", &words.join(" "));
        Ok(())
    }

    fn print_steps(&self, steps: &Value) {
        for step in steps.as_array().into_iter().flatten() {
            if let Some(took) = step["tookMs"].as_u64() {
                let name = step["name"].as_str().unwrap_or_default();
                self.teller.row(
                    &format!("  step {name}"),
                    &format!("  步骤 {name}"),
                    &length(Duration::from_millis(took)),
                );
            }
        }
    }

    fn print_bytes(&self, disks: &Value) {
        for disk in disks.as_array().into_iter().flatten() {
            let volume = disk["volume"].as_str().unwrap_or_default();
            let mib = |name: &str| format!("{} MiB", disk[name].as_i64().unwrap_or_default() >> 20);
            let rows = [
                ("size", "大小", "sizeBytes"),
                ("read", "读取", "readBytes"),
                ("skipped, free space", "跳过(空闲)", "skippedBytes"),
                ("zeros", "全零", "zeroBytes"),
                ("sent", "发送", "sentBytes"),
                ("on the wire", "网络传输", "wireBytes"),
            ];
            for (en, zh, field) in rows {
                self.teller.row(&format!("disk {volume}: {en}"), &format!("磁盘 {volume}:{zh}"), &mib(field));
            }
        }
    }

    fn print_outage(&self, cutover: &Value) -> Result<()> {
        let frozen = Duration::from_millis(cutover["frozenMs"].as_u64().unwrap_or_default());
        self.teller.row("filesystems frozen", "文件系统冻结", &length(frozen));
        let seen = self.seen.as_ref().context("the witness has not been asked")?;
        let longest = seen.outages.iter().map(|outage| outage.length).max().unwrap_or_default();
        self.teller.row("downtime seen by the witness", "用户感知的停机", &length(longest));
        let verdict = self.verified.as_ref().context("the witness has not verified")?;
        let en = format!("{} acknowledged, {verdict}", seen.acknowledged);
        let zh = format!("已应答 {} 笔,找到 {} 笔;存疑 {} 笔", seen.acknowledged, verdict.found, verdict.in_doubt);
        // What is wrong is told in one language, in full.
        self.teller.row("commits", "提交", if verdict.is_clean() { self.teller.words(&en, &zh) } else { &en });
        Ok(())
    }

    fn print_hashes(&self, record: &Value) -> Result<()> {
        let text = record["record"].as_str().context("no record")?;
        let record: Value = serde_json::from_str(text)?;
        for disk in record["disks"].as_array().into_iter().flatten() {
            self.teller.row("hash of the source", "源端哈希", disk["sourceRoot"].as_str().unwrap_or_default());
            self.teller.row("hash of the target", "目标端哈希", disk["targetRoot"].as_str().unwrap_or_default());
        }
        Ok(())
    }

    /// Who issued the plan.
    fn print_issue(&self) -> Result<()> {
        let approvals = self.cluster.get(&self.city.operator, &["approvals", "-n", SYSTEM])?;
        for made in approvals["items"].as_array().into_iter().flatten() {
            let text = |place: &str| made.pointer(place).and_then(Value::as_str).unwrap_or_default();
            let (gate, by, role) = (text("/spec/gate"), text("/spec/approvedBy"), text("/spec/role"));
            let at = text("/metadata/creationTimestamp");
            let (en, zh) = (format!("Approve by {by} as {role} at {at}"), format!("{by}({role})于 {at} 批准"));
            self.teller.row(gate, gate, self.teller.words(&en, &zh));
        }
        Ok(())
    }

    fn print_decisions(&self) -> Result<()> {
        self.print_issue()?;
        let scheme = self.scheme()?;
        let status = &scheme["status"];
        for made in status["decisions"].as_array().into_iter().flatten() {
            let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
            let gate = text("gate");
            let (decision, by, role, at) = (text("decision"), text("by"), text("role"), text("at"));
            let en = format!("{decision} by {by} as {role} at {at}");
            let decided = if decision == "Approve" { "批准" } else { "退回" };
            let zh = format!("{by}({role})于 {at} {decided}");
            self.teller.row(&gate, &gate, self.teller.words(&en, &zh));
        }
        let operator = scheme["spec"]["confirmation"]["by"].as_str().unwrap_or_default();
        self.teller.row("confirmed by the operator", "运维单位确认", operator);
        self.teller.row("digest of the scheme", "方案摘要", status["digest"].as_str().unwrap_or_default());
        self.teller.row("phase", "阶段", status["phase"].as_str().unwrap_or_default());
        Ok(())
    }
}

fn length(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {:02} s", time.as_secs() / 60, time.as_secs() % 60)
    }
}
