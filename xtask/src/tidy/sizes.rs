//! Sizes: a file that opens with what it is, and that one can read in one sitting.

use super::source::Source;
use super::{Complaint, Tree};

/// A reader holds a file of this length in mind; the best code bases of our field stay below it with few exceptions.
const FILE_LINES: usize = 700;
/// One screen.
const FUNCTION_LINES: usize = 70;
/// A function that says `Long because …` in its comment may have this many, and none may have more.
const EXCUSED_FUNCTION_LINES: usize = 120;

pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (path, text) in &tree.files {
        let is_code =
            path.extension().is_some_and(|extension| ["rs", "go", "sh"].iter().any(|code| extension == *code));
        let lines = text.lines().count();
        if is_code && lines > FILE_LINES {
            complaints.push(Complaint::file(path, format!("{lines} lines, at most {FILE_LINES}: split it by idea")));
        }
    }
    for source in &tree.rust {
        if !source.text.starts_with("//!") {
            complaints
                .push(Complaint::file(&source.path, "must open with a //! comment: what it is, what it never does"));
        }
        complaints.extend(long_functions(source));
    }
    complaints
}

fn long_functions(source: &Source) -> Vec<Complaint> {
    let lines = source.text.lines().collect::<Vec<_>>();
    let excused = |line: usize| {
        let above = lines[..line - 1].iter().rev();
        above.take_while(|line| line.trim_start().starts_with(['/', '#'])).any(|line| line.contains("Long because"))
    };
    let mut complaints = Vec::new();
    for function in source.functions() {
        let limit = if excused(function.line) { EXCUSED_FUNCTION_LINES } else { FUNCTION_LINES };
        if function.lines > limit {
            let what = format!("fn {} has {} lines, at most {limit}", function.name, function.lines);
            complaints.push(Complaint::line(&source.path, function.line, what));
        }
    }
    complaints
}
