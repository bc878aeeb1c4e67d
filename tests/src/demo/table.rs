//! The table at the end: what was read, skipped and sent, how long each step took, what the users noticed, the hashes, the
//! commits, who decided what and when, and how to verify it again. Numbers come from the objects and the witness alone.

use anyhow::{Context, Result};
use serde_json::Value;

use super::stage::Stage;

impl Stage {
    /// Prints it.
    pub(crate) fn print_table(&self) -> Result<()> {
        let status = self.journey_status()?;
        println!();
        self.print_bytes(&status["disks"]);
        self.print_steps(&status["steps"]);
        self.print_outage(&status["cutover"])?;
        print_hashes(&status["cutover"]["record"])?;
        self.print_decisions()?;
        let command = self.verification()?;
        let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        row("verify the record", &words.join(" "));
        Ok(())
    }

    fn print_bytes(&self, disks: &Value) {
        for disk in disks.as_array().into_iter().flatten() {
            let mib = |name: &str| format!("{} MiB", disk[name].as_i64().unwrap_or_default() >> 20);
            let text = format!(
                "size {}, read {}, skipped {}, zeros {}, sent {}, on the wire {}",
                mib("sizeBytes"),
                mib("readBytes"),
                mib("skippedBytes"),
                mib("zeroBytes"),
                mib("sentBytes"),
                mib("wireBytes")
            );
            row(&format!("disk {}", disk["volume"].as_str().unwrap_or_default()), &text);
        }
    }

    fn print_steps(&self, steps: &Value) {
        for step in steps.as_array().into_iter().flatten() {
            if let Some(took) = step["tookMs"].as_i64() {
                row(&format!("step {}", step["name"].as_str().unwrap_or_default()), &seconds(took));
            }
        }
    }

    fn print_outage(&self, cutover: &Value) -> Result<()> {
        row("filesystems frozen", &seconds(cutover["frozenMs"].as_i64().unwrap_or_default()));
        let seen = self.seen.as_ref().context("the witness has not been asked")?;
        let longest = seen.outages.iter().map(|outage| outage.length).max().unwrap_or_default();
        row("downtime seen by the witness", &format!("{:.1} s", longest.as_secs_f64()));
        let verdict = self.verified.as_ref().context("the witness has not verified")?;
        row("commits", &format!("{} acknowledged, {verdict}", seen.acknowledged));
        Ok(())
    }

    fn print_decisions(&self) -> Result<()> {
        let status = self.scheme()?["status"].clone();
        for made in status["decisions"].as_array().into_iter().flatten() {
            let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
            row(
                &text("gate"),
                &format!("{} by {} as {} at {}", text("decision"), text("by"), text("role"), text("at")),
            );
        }
        row("scheme", status["digest"].as_str().unwrap_or_default());
        row("phase", status["phase"].as_str().unwrap_or_default());
        Ok(())
    }
}

fn print_hashes(record: &Value) -> Result<()> {
    let text = record["record"].as_str().context("no record")?;
    let record: Value = serde_json::from_str(text)?;
    for disk in record["disks"].as_array().into_iter().flatten() {
        row("source", disk["sourceRoot"].as_str().unwrap_or_default());
        row("target", disk["targetRoot"].as_str().unwrap_or_default());
    }
    Ok(())
}

fn row(name: &str, value: &str) {
    println!("{name:<30} {value}");
}

fn seconds(ms: i64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}
