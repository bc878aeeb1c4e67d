//! The story as `kubectl get` tells it: the tables of all kinds at each phase, against those that were agreed on
//! (`tests/tests/golden/journey.txt`). What differs from run to run (ages, days, bytes left) is masked; everything else has to
//! be so, word for word, within a deadline. `BLESS=1` writes the file anew, to be read in the diff. It never changes anything.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::city::CIVIL;
use super::stage::Stage;
use crate::wait::{self, Look};

/// The longest way to a table is from the end of the copy to a machine on the cloud that has not yet arrived.
const TOLD_WITHIN: Duration = Duration::from_secs(300);
/// Columns with what differs from run to run.
const MASKED: [&str; 4] = ["AGE", "SEEN", "DUE", "LEFT"];
/// A table that is to be agreed on has to stay as it is for so many looks: longer than the 10 s after which the plan counts its
/// systems again.
const STEADY_LOOKS: u32 = 30;

/// Everything that has a column for people.
const KINDS: &str = "mp,isys,ph,sysmig,hostmig,appr";

/// What was agreed on, or is being written.
pub(crate) struct Transcript {
    file: PathBuf,
    agreed: String,
    blessed: String,
    bless: bool,
}

impl Transcript {
    pub(crate) fn open() -> Result<Self> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/journey.txt");
        let bless = std::env::var_os("BLESS").is_some();
        let agreed = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(_) if bless => String::new(),
            Err(error) => return Err(error).with_context(|| format!("{}: cannot be read", file.display())),
        };
        Ok(Self { file, agreed, blessed: String::new(), bless })
    }

    /// The tables agreed on under a title.
    fn section(&self, title: &str) -> Option<&str> {
        let (_, rest) = self.agreed.split_once(&heading(title))?;
        Some(rest.split("\n# ").next().unwrap_or(rest).trim_end())
    }

    /// Writes what was blessed, if that was asked for.
    pub(crate) fn close(&self) -> Result<()> {
        if self.bless {
            std::fs::write(&self.file, format!("{}\n", self.blessed.trim_end()))
                .with_context(|| format!("{}", self.file.display()))?;
        }
        Ok(())
    }
}

fn heading(title: &str) -> String {
    format!("# {title}\n\n")
}

impl Stage {
    /// Waits until people see what was agreed on under `title`, at a phase and with a server that is told `intent` (none: no
    /// server is told anything yet).
    pub(crate) fn told(&mut self, transcript: &mut Transcript, title: &str, phase: &str, intent: &str) -> Result<()> {
        if transcript.bless {
            let tables = self.steady_tables(title, phase, intent)?;
            let _ = write!(transcript.blessed, "{}{tables}\n\n", heading(title));
            return Ok(());
        }
        let agreed = transcript.section(title).with_context(|| format!("nothing was agreed on as {title:?}"))?;
        wait::until(&format!("kubectl get tells {title:?}"), TOLD_WITHIN, || {
            self.controller.keep_alive()?;
            let tables = self.tables()?;
            let differs = || tables.lines().filter(|line| !agreed.contains(line)).collect::<Vec<_>>().join("\n");
            Ok(if tables == agreed { Look::Holds(()) } else { Look::NotYet(format!("\n{}", differs())) })
        })
    }

    fn steady_tables(&self, title: &str, phase: &str, intent: &str) -> Result<String> {
        let (mut last, mut looks) = (String::new(), 0);
        wait::until(&format!("{title} is steady"), TOLD_WITHIN, || {
            let journeys = self.cluster.get(&self.city.operator, &["hostmigrations", "-n", CIVIL])?;
            let told = journeys["items"][0]["spec"]["intent"].as_str().unwrap_or_default() == intent;
            let there = told && self.scheme()?["status"]["phase"] == phase;
            let tables = self.tables()?;
            looks = if there && tables == last { looks + 1 } else { 0 };
            last = tables;
            Ok(if looks >= STEADY_LOOKS { Look::Holds(()) } else { Look::NotYet(last.clone()) })
        })?;
        ensure!(!last.is_empty(), "{title}: no table");
        Ok(last)
    }

    fn tables(&self) -> Result<String> {
        let text = self.cluster.ask(&self.city.operator, &["get", KINDS, "--all-namespaces"])?;
        Ok(text.split("\n\n").map(masked).collect::<Vec<_>>().join("\n\n"))
    }
}

/// A table of kubectl with some columns masked, and all as wide as they then have to be.
fn masked(table: &str) -> String {
    let header = table.lines().next().unwrap_or_default();
    let columns: Vec<&str> = header.split_whitespace().collect();
    let starts: Vec<usize> = columns.iter().scan(0, |from, name| column_start(header, from, name)).collect();
    let rows: Vec<Vec<String>> = table.lines().map(|line| cells(line, &starts)).collect();
    let mask = |(row, line): (usize, &Vec<String>)| -> Vec<String> {
        let cell = |(column, text): (usize, &String)| match MASKED.contains(&columns[column]) {
            true if row > 0 && !text.is_empty() => "*".to_owned(),
            _ => text.clone(),
        };
        line.iter().enumerate().map(cell).collect()
    };
    let rows: Vec<Vec<String>> = rows.iter().enumerate().map(mask).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
    let line = |row: &Vec<String>| -> String {
        let padded = row.iter().enumerate().map(|(column, text)| format!("{text:<0$}", width(column)));
        padded.collect::<Vec<_>>().join("   ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn column_start(header: &str, from: &mut usize, name: &str) -> Option<usize> {
    let at = header[*from..].find(name)? + *from;
    *from = at + name.len();
    Some(at)
}

fn cells(line: &str, starts: &[usize]) -> Vec<String> {
    let ends = starts.iter().skip(1).copied().chain([usize::MAX]);
    let cell =
        |(&start, end): (&usize, usize)| line.get(start..end.min(line.len())).unwrap_or_default().trim().to_owned();
    starts.iter().zip(ends).map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_masked_and_the_columns_close_up() {
        let table = "NAME    LEFT      PHASE   AGE\nregistry 812.3 MiB Trial   3m\n";
        let shown = "NAME       LEFT        PHASE   AGE\nregistry   812.3 MiB   Trial   3m8s\nb                      Trial   1s";
        assert_eq!(
            masked(shown),
            "NAME       LEFT   PHASE   AGE\nregistry   *      Trial   *\nb                 Trial   *"
        );
        assert_eq!(cells(table.lines().next().expect("a line"), &[0, 8, 18, 26]), ["NAME", "LEFT", "PHASE", "AGE"]);
    }

    #[test]
    fn a_section_ends_where_the_next_one_begins() {
        let transcript = Transcript {
            file: PathBuf::new(),
            agreed: "# One\n\nA\nb\n\n# Two\n\nC\n\nd\n\n".into(),
            blessed: String::new(),
            bless: false,
        };
        assert_eq!((transcript.section("One"), transcript.section("Two")), (Some("A\nb"), Some("C\n\nd")));
        assert_eq!(transcript.section("Three"), None);
    }
}
