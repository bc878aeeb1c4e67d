//! How much test code stands against how much code, for the crates where it matters most. A report, not a rule: a rule would
//! be met with tests that ask nothing.

use super::Tree;

/// Folder and the proportion that the best of our field reach for the same kind of code.
const CRATES: &[(&str, f64)] = &[("replication", 1.0), ("controller/planning", 1.0), ("agent", 0.7)];

pub(super) fn report(tree: &Tree) {
    for (folder, target) in CRATES {
        let nested = |path: &std::path::Path| {
            ["replication/io", "agent/api"].iter().any(|inner| inner != folder && path.starts_with(inner))
        };
        let (mut code, mut tests) = (0, 0);
        for source in tree.rust.iter().filter(|source| source.path.starts_with(folder) && !nested(&source.path)) {
            let (production, test) = source.code_lines();
            code += production;
            tests += test;
        }
        println!("  {folder}: {tests} lines of tests to {code} of code, {:.2} (target {target})", ratio(tests, code));
    }
}

fn ratio(tests: usize, code: usize) -> f64 {
    let float = |lines: usize| u32::try_from(lines).map_or(f64::MAX, f64::from);
    float(tests) / float(code.max(1))
}
