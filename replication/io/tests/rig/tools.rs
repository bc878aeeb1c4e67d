//! The tools of the filesystems, and what they call free: what our own answers are compared with.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // each test uses its part; a panic fails the test

use std::ops::Range;
use std::path::Path;
use std::process::Command;

/// Runs a tool and returns what it prints; panics with its message if it fails.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {message}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// In order; those that touch become one.
pub fn merged(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_by_key(|range| range.start);
    let mut out: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match out.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => out.push(range),
        }
    }
    out
}

/// The whole 4 KiB blocks in merged ranges that begin `shift` bytes into a disk.
pub fn as_blocks(ranges: Vec<Range<u64>>, shift: u64) -> Vec<Range<u64>> {
    let whole = |range: Range<u64>| (range.start + shift).next_multiple_of(4096)..(range.end + shift) / 4096 * 4096;
    ranges.into_iter().map(whole).filter(|range| !range.is_empty()).collect()
}

/// The free blocks that `dumpe2fs` lists, in bytes, merged. Of clusters it names the first block alone.
pub fn free_by_dumpe2fs(image: &Path) -> Vec<Range<u64>> {
    let text = run("dumpe2fs", &[image.to_str().unwrap()]);
    let field =
        |name: &str| -> Option<u64> { text.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok() };
    let block = field("Block size:").unwrap();
    let (cluster, end) = (field("Cluster size:").unwrap_or(block), field("Block count:").unwrap() * block);
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u64, u64) = (first.trim().parse().unwrap(), last.trim().parse().unwrap());
        first * block..(last * block + cluster).min(end)
    };
    let lists = text.lines().filter_map(|line| line.strip_prefix("  Free blocks: "));
    merged(lists.flat_map(|list| list.split(", ")).filter(|part| !part.is_empty()).map(range).collect())
}

/// The free blocks that `xfs_db` finds in the trees of all groups, in bytes, merged. It adds those of the free lists, which
/// trees grow from, and which count as used.
pub fn free_by_xfs_db(image: &Path) -> Vec<Range<u64>> {
    let ask = |commands: &[&str]| {
        let each = commands.iter().flat_map(|command| ["-c", command]);
        run("xfs_db", &["-r"].into_iter().chain(each).chain([image.to_str().unwrap()]).collect::<Vec<_>>())
    };
    let field = |text: &str, name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
        line.unwrap_or_else(|| panic!("{name} in {text}")).parse().unwrap()
    };
    let superblock = ask(&["sb 0", "p agcount agblocks blocksize"]);
    let (block, group) = (field(&superblock, "blocksize"), field(&superblock, "agblocks"));
    let bytes = |at: u64, len: u64| at * block..(at + len) * block;
    let rows: Vec<Vec<u64>> = ask(&["freesp -d"])
        .lines()
        .skip(1)
        .map_while(|line| line.split_whitespace().map(|number| number.parse().ok()).collect::<Option<_>>())
        .filter(|row: &Vec<u64>| row.len() == 3)
        .collect();
    let mut free: Vec<_> = rows.iter().map(|row| bytes(row[0] * group + row[1], row[2])).collect();
    for number in 0..field(&superblock, "agcount") {
        let header = ask(&[&format!("agf {number}"), "p flfirst fllast flcount"]);
        let list = ask(&[&format!("agfl {number}"), "p bno"]);
        let (first, count) = (field(&header, "flfirst"), field(&header, "flcount"));
        let entries: Vec<Option<u64>> = list
            .split(" = ")
            .nth(1)
            .unwrap()
            .split_whitespace()
            .map(|entry| entry.split(':').nth(1).unwrap().parse().ok())
            .collect();
        for index in 0..count {
            let at = usize::try_from(first + index).unwrap() % entries.len();
            let listed = bytes(number * group + entries[at].unwrap(), 1);
            let place = free.iter().position(|range| *range == listed).expect("listed as free by itself");
            free.swap_remove(place);
        }
    }
    merged(free)
}
