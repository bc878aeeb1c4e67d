//! Numbers about the whole tree: what a usual file and a usual function are like, how much is depended on, and how much test
//! code stands against the code where it matters most. Single outliers are `sizes`' business.

use std::path::Path;

use super::source::Source;
use super::{Complaint, Tree};

/// Production lines of files and functions that half of them, and nine of ten, may have at most: the best code bases of our
/// field are like that.
const FILES: (usize, usize) = (150, 450);
const FUNCTIONS: (usize, usize) = (10, 35);
/// Of a thousand functions, so many may be longer than a screen.
const LONG_FUNCTIONS: (usize, usize) = (20, 70);
/// Packages in the lock file, ours among them. Each is code that runs on government servers.
const PACKAGES: usize = 350;
/// Folder, the least proportion of test code to code, and the one that the best reach for the same kind of code.
const TESTED: &[(&str, u32, u32)] = &[("replication", 80, 100), ("controller/planning", 80, 100), ("agent", 50, 70)];

pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let root = Path::new(".");
    let mut complaints = Vec::new();
    let mut complain = |what: String| complaints.push(Complaint::file(root, what));
    let production = || tree.rust.iter().filter(|source| !source.is_test);
    let files: Vec<usize> = production().map(|source| source.code_lines().0).collect();
    let functions: Vec<usize> = production().flat_map(Source::functions).map(|function| function.lines).collect();
    for (what, lines, (half, most)) in [("files", files, FILES), ("functions", functions.clone(), FUNCTIONS)] {
        for (share, limit) in [(50, half), (90, most)] {
            let found = percentile(lines.clone(), share);
            if found > limit {
                complain(format!("{share} % of the {what} have up to {found} lines, expected up to {limit}"));
            }
        }
    }
    let (per_thousand, screen) = LONG_FUNCTIONS;
    let long = functions.iter().filter(|&&lines| lines > screen).count() * 1000 / functions.len().max(1);
    if long > per_thousand {
        complain(format!("{long} of 1000 functions have more than {screen} lines, expected at most {per_thousand}"));
    }
    let packages = tree.text("Cargo.lock").unwrap_or_default().lines().filter(|line| *line == "[[package]]").count();
    if packages > PACKAGES {
        complain(format!("{packages} packages in Cargo.lock, expected at most {PACKAGES}: which one can go?"));
    }
    for &(folder, least, target) in TESTED {
        let (code, tests) = lines_of(tree, folder);
        let found = u32::try_from(tests * 100 / code.max(1)).unwrap_or(u32::MAX);
        if found < least {
            complain(format!(
                "{folder}: {tests} lines of tests to {code} of code are {found} %, expected at least {least}, better {target}: \
                 which behaviour is not pinned?"
            ));
        }
    }
    complaints
}

/// Lines of code and of tests below a folder, without the crates in it that are counted apart.
fn lines_of(tree: &Tree, folder: &str) -> (usize, usize) {
    let nested =
        |path: &Path| ["replication/io", "agent/api"].iter().any(|inner| *inner != folder && path.starts_with(inner));
    let of_folder = tree.rust.iter().filter(|source| source.path.starts_with(folder) && !nested(&source.path));
    of_folder.map(Source::code_lines).fold((0, 0), |sum, lines| (sum.0 + lines.0, sum.1 + lines.1))
}

/// The smallest number that so many percent of them do not exceed.
fn percentile(mut numbers: Vec<usize>, percent: usize) -> usize {
    numbers.sort_unstable();
    let at = (numbers.len() * percent).div_ceil(100).saturating_sub(1);
    numbers.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn a_percentile_is_one_of_the_numbers() {
        assert_eq!(percentile(vec![], 50), 0);
        assert_eq!(percentile(vec![3, 1, 2], 50), 2);
        assert_eq!(percentile((1..=10).collect(), 90), 9);
        assert_eq!(percentile((1..=10).collect(), 91), 10);
    }
}
