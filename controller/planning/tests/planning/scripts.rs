//! Scripts against the small world, with their transcripts kept beside them: what people would see, second by second.
//!
//! A transcript that differs fails the test; `BLESS=1` writes it anew, to be read in the diff.
// A script that cannot be read is a mistake of whoever wrote it.
#![allow(clippy::unwrap_used)]

#[test]
fn transcripts_are_as_they_were() {
    let scripts = crate::story::scripts();
    assert!(scripts.len() >= 40, "a script is missing");
    let blessed = std::env::var_os("BLESS").is_some();
    let mut differ = Vec::new();
    for script in scripts {
        let found = crate::story::tell(&std::fs::read_to_string(&script).unwrap(), |_| {});
        assert!(!found.contains(crate::story::LOST) || blessed, "{}\n{found}", script.display());
        let golden = script.parent().unwrap().with_file_name("transcripts").join(script.file_name().unwrap());
        if blessed {
            std::fs::write(&golden, &found).unwrap();
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != found {
            differ.push(format!("{}\n{found}", golden.display()));
        }
    }
    assert!(differ.is_empty(), "transcripts differ; look at them, then run with BLESS=1:\n{}", differ.join("\n"));
}
