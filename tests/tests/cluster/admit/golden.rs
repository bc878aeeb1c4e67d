//! Texts that are kept in files and compared word for word; `BLESS=1` writes them anew, to be read in the diff.

use super::objects::with;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Where the file called `name` lies.
pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// `found` is what the file called `name` says.
#[track_caller]
pub(crate) fn is_as_it_was(name: &str, found: &str) {
    let file = file(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, found).expect("the folder of the goldens is there");
        return;
    }
    let before = std::fs::read_to_string(&file).unwrap_or_default();
    if before != found {
        let differ = before.lines().zip(found.lines()).find(|(old, new)| old != new);
        panic!("{}: {differ:?} differ; look at it, then run with BLESS=1:\n{found}", file.display());
    }
}

/// `right`, made wrong as a line of such a file asks: `POINTER = VALUE` puts JSON where the pointer leads; `null` removes what is there,
/// `long N` is a text of N characters, `twice` has a list's first item two times, and `many N KEY` N times, each with a KEY of its own.
pub(crate) fn put_wrong(right: &Value, line: &str) -> Result<Value> {
    let (pointer, value) = line.split_once(" = ").with_context(|| format!("{line}: expected POINTER = VALUE"))?;
    let value = match value.split_once(' ').unwrap_or((value, "")) {
        ("long", length) => json!("x".repeat(length.parse().with_context(|| line.to_owned())?)),
        ("twice", _) => json!(vec![first(right, pointer)?; 2]),
        ("many", of) => {
            let (many, key) = of.split_once(' ').with_context(|| format!("{line}: expected many N KEY"))?;
            let one = first(right, pointer)?;
            let own = |i: usize| json!(format!("{}{i}", one[key].as_str().unwrap_or_default()));
            (0..many.parse()?).map(|i| with(one.clone(), &format!("/{key}"), own(i))).collect()
        }
        _ => serde_json::from_str(value).with_context(|| line.to_owned())?,
    };
    Ok(with(right.clone(), pointer, value))
}

fn first(right: &Value, list: &str) -> Result<Value> {
    right.pointer(&format!("{list}/0")).cloned().with_context(|| format!("{list}: nothing there"))
}
