//! What a plain copy shows: a bar for each disk, or a line now and then where nobody watches, and a table at the end.
//!
//! During a freeze nothing is drawn: the terminal may be a log on the frozen disk.

use super::finish::{AttemptError, Finished};
use crate::engine::replication::sentence;
use crate::own_load;
use crate::screen::{Language, pad, width};
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};
use qianyun_replication::progress::{Progress, ReplicationState};
use qianyun_replication_io::source::{DiskProgress, OwnLoad};
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The bars, or the lines.
pub(super) struct Screen {
    language: Language,
    follow: bool,
    bars: MultiProgress,
    disks: Vec<ProgressBar>,
    /// Below the disks: what all of it takes of this machine.
    load: Option<ProgressBar>,
    terminal: bool,
    line_due: Instant,
}

impl Screen {
    /// `follow`: the copy goes on until Enter is pressed, which is said once all is in sync.
    pub(super) fn new(language: Language, follow: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let (bars, disks, load) = (MultiProgress::new(), Vec::new(), None);
        Self { language, follow, bars, disks, load, terminal, line_due: Instant::now() }
    }

    /// How far it has come, and what that takes of this machine.
    pub(super) fn show(&mut self, disks: &[DiskProgress], load: &OwnLoad) {
        let taken = own_load::taken(self.language, load);
        if !self.terminal {
            if Instant::now() >= self.line_due {
                self.line_due = Instant::now() + LINE_EVERY;
                disks.iter().for_each(|disk| self.say(&format!("{} {}", disk.volume, line(self.language, disk))));
                self.say(&taken);
            }
            return;
        }
        let new_bar = |template: &str| {
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            self.bars.add(ProgressBar::new(0).with_style(style))
        };
        while self.disks.len() < disks.len() {
            self.disks.push(new_bar("{prefix} [{bar:24}] {percent:>3}% {msg}"));
        }
        self.load.get_or_insert_with(|| new_bar("{msg}")).set_message(taken);
        for (disk, bar) in disks.iter().zip(&self.disks) {
            let (done, all) = done(&disk.progress);
            bar.set_prefix(disk.volume.clone());
            bar.set_length(all);
            bar.set_position(done);
            let in_sync = disk.progress.state == ReplicationState::InSync;
            let hint = match (self.follow && in_sync, self.language) {
                (false, _) => "",
                (true, Language::Zh) => ",按回车键冻结并完成",
                (true, Language::En) => "; press Enter to freeze and finish",
            };
            bar.set_message(format!("{}{hint}", line(self.language, disk)));
        }
    }

    /// A freeze begins.
    pub(super) fn freezing(&mut self) {
        self.say(self.language.pick("冻结文件系统,校验两端", "freezing the filesystems, proving both ends"));
    }

    /// What is not held still by a freeze.
    pub(super) fn not_frozen(&mut self, mounts: &[String]) {
        if !mounts.is_empty() {
            let words = self.language.pick(
                "以下文件系统无法冻结,仅在校验前落盘,请停止其写入",
                "flushed and not frozen, as they cannot be; stop what writes to them",
            );
            self.say(&format!("{words}: {}", mounts.join(", ")));
        }
    }

    /// An attempt failed.
    pub(super) fn failed(&mut self, error: &AttemptError) {
        let failed = self.language.pick("未完成,文件系统已解冻,继续同步", "not finished, thawed, following again");
        self.say(&format!("{failed}: {}", sentence(error)));
    }

    fn say(&self, text: &str) {
        if self.terminal {
            // A terminal that is gone is noticed by its signal.
            let _ = self.bars.println(text);
        } else {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.bars.clear();
    }
}

/// Bytes that are the same at both ends, of those that have to be.
fn done(progress: &Progress) -> (u64, u64) {
    let all = progress.size_bytes.saturating_sub(progress.counters.skipped_bytes);
    (all.saturating_sub(progress.remaining_bytes.max(progress.unverified_bytes)), all)
}

fn state(language: Language, state: ReplicationState) -> &'static str {
    match state {
        ReplicationState::Idle => language.pick("等待连接", "waiting"),
        ReplicationState::InitialCopy => language.pick("首次复制", "first copy"),
        ReplicationState::CatchingUp => language.pick("追赶变化", "catching up"),
        ReplicationState::InSync => language.pick("已同步", "in sync"),
        ReplicationState::Suspect => language.pick("按哈希重新比对", "comparing by hash"),
        ReplicationState::Verifying => language.pick("校验", "verifying"),
        ReplicationState::Final => language.pick("最后一遍", "last pass"),
        ReplicationState::Committed => language.pick("已完成", "complete"),
    }
}

/// State, rates, what is left, and why it waits.
fn line(language: Language, disk: &DiskProgress) -> String {
    let progress = &disk.progress;
    let mut text = state(language, progress.state).to_owned();
    let (done, all) = done(progress);
    let _ = write!(text, " {}/{}", HumanBytes(done), HumanBytes(all));
    let (sending, changing) =
        (HumanBytes(progress.send_bytes_per_second), HumanBytes(progress.change_bytes_per_second));
    let _ = match language {
        Language::Zh => write!(text, ",发送 {sending}/s,变化 {changing}/s"),
        Language::En => write!(text, ", sending {sending}/s, changing {changing}/s"),
    };
    if let Some((low, high)) = progress.eta_seconds.filter(|(_, high)| *high > 0) {
        let _ = match language {
            Language::Zh => write!(text, ",还需 {low} 至 {high} 秒"),
            Language::En => write!(text, ", {low} to {high} s left"),
        };
    }
    if !disk.message.is_empty() {
        let _ = write!(text, "; {}", disk.message);
    }
    if let Some(held) = &disk.held {
        let _ = write!(text, "; {}", own_load::held_back(language, held));
    }
    text
}

/// The table at the end.
pub(super) fn summary(language: Language, progress: &[DiskProgress], finished: &Finished) -> String {
    let heads = match language {
        Language::Zh => ["磁盘", "大小", "读取", "跳过", "全零", "发送", "线路"],
        Language::En => ["disk", "size", "read", "skipped", "zeros", "sent", "wire"],
    };
    let mut rows = vec![heads.map(str::to_owned)];
    for disk in progress {
        let found = &disk.progress.counters;
        let bytes =
            [disk.progress.size_bytes, found.read_bytes, found.skipped_bytes, found.zero_bytes, found.sent_bytes];
        let [size, read, skipped, zeros, sent] = bytes.map(|bytes| HumanBytes(bytes).to_string());
        rows.push([disk.volume.clone(), size, read, skipped, zeros, sent, HumanBytes(found.wire_bytes).to_string()]);
    }
    let widest = |column: usize| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(widest);
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| pad(cell, width)).collect();
        let _ = writeln!(text, "  {}", cells.join("  ").trim_end());
    }
    for disk in &finished.text.disks {
        let equal = language.pick("两端一致", "equal at both ends");
        let _ = writeln!(text, "  {} {equal}: {}", disk.volume, disk.target_root);
    }
    let frozen = finished.frozen_for.as_secs_f64();
    let _ = match language {
        Language::Zh => writeln!(text, "  文件系统冻结 {frozen:.2} 秒"),
        Language::En => writeln!(text, "  filesystems frozen for {frozen:.2} s"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use qianyun_replication::governor::Held;
    use qianyun_replication::identity::DeviceIdentity;
    use qianyun_replication::progress::Counters;

    fn disk() -> DiskProgress {
        let counters = Counters { skipped_bytes: 4 << 30, sent_bytes: 3 << 30, ..Counters::default() };
        let progress = Progress {
            state: ReplicationState::InitialCopy,
            counters,
            remaining_bytes: 3 << 30,
            send_bytes_per_second: 100 << 20,
            eta_seconds: Some((30, 60)),
            ..Progress::idle(10 << 30)
        };
        let identity = DeviceIdentity {
            logical_block_bytes: 512,
            serial: String::new(),
            size_bytes: 10 << 30,
            table_id: String::new(),
            wwn: String::new(),
        };
        DiskProgress { volume: "sda".into(), identity, progress, message: "no link".into(), held: None }
    }

    #[test]
    fn a_line_says_where_it_stands_how_fast_how_long_and_why_it_waits() {
        let english = line(Language::En, &disk());
        assert_eq!(
            english,
            "first copy 3.00 GiB/6.00 GiB, sending 100.00 MiB/s, changing 0 B/s, 30 to 60 s left; no link"
        );
        assert!(line(Language::Zh, &disk()).starts_with("首次复制 3.00 GiB/6.00 GiB"));
    }

    #[test]
    fn a_line_says_why_the_copy_is_held_back() {
        let held = Held { answers_ms: 42, usually_ms: 6, percent: 25, recovers: false };
        let disk = DiskProgress { held: Some(held), message: String::new(), ..disk() };
        let english = line(Language::En, &disk);
        assert!(
            english.ends_with("left; held back: the disk answers its users in 42 ms, usually in 6 ms; reading at 25 %"),
            "{english}"
        );
        assert!(line(Language::Zh, &disk).contains("42 毫秒"), "in both languages");
    }
}
