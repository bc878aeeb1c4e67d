//! Texts that are kept in files and compared word for word; `BLESS=1` writes them anew, to be read in the diff.

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
