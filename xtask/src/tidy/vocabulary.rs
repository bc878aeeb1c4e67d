//! Vocabulary: each reason that people can be shown has been seen in a test at least once.

use std::collections::BTreeSet;

use super::source::words;
use super::{Complaint, Tree};

/// Where the enums are that people read.
const FOLDER: &str = "controller/planning/src";
/// Their names end like this.
const ENDINGS: &[&str] = &["Reason", "WaitingOn"];

pub(super) fn check(tree: &Tree) -> Vec<Complaint> {
    let tested = tested_words(tree);
    let mut complaints = Vec::new();
    for source in tree.rust.iter().filter(|source| source.path.starts_with(FOLDER)) {
        for (name, variants) in enums(&source.production()) {
            if !ENDINGS.iter().any(|ending| name.ends_with(ending)) {
                continue;
            }
            for variant in variants.iter().filter(|variant| !tested.contains(*variant)) {
                complaints.push(Complaint::file(&source.path, format!("no test mentions {name}::{variant}")));
            }
        }
    }
    complaints
}

/// Every word that stands in a test, in code or in a golden file.
fn tested_words(tree: &Tree) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut collect = |text: &str| {
        found.extend(text.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned));
    };
    for source in &tree.rust {
        collect(&source.test_text());
    }
    for (path, text) in &tree.files {
        if path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "golden") {
            collect(text);
        }
    }
    found
}

/// The enums of blanked code, with the names of their variants.
fn enums(text: &str) -> Vec<(String, Vec<String>)> {
    let mut enums = Vec::new();
    for at in words(text, "enum") {
        let rest = &text[at + "enum".len()..];
        let Some(open) = rest.find('{') else { continue };
        let name = rest[..open].trim().split(['<', ' ']).next().unwrap_or_default();
        enums.push((name.to_owned(), variants(&rest[open + 1..])));
    }
    enums
}

/// Names at the start of each comma-separated part, down to the closing brace. Attributes and fields are skipped.
fn variants(body: &str) -> Vec<String> {
    let mut variants = Vec::new();
    let (mut depth, mut word, mut named) = (0_usize, String::new(), false);
    for c in body.chars() {
        match c {
            '}' if depth == 0 => {
                keep(&mut variants, &mut word);
                break;
            }
            ',' if depth == 0 => {
                keep(&mut variants, &mut word);
                named = false;
            }
            '(' | '{' | '[' | '<' => {
                if depth == 0 {
                    named |= !word.is_empty();
                }
                depth += 1;
            }
            ')' | '}' | ']' | '>' => depth = depth.saturating_sub(1),
            c if depth == 0 && !named && (c.is_alphanumeric() || c == '_') => word.push(c),
            _ => named |= depth == 0 && !word.is_empty(),
        }
    }
    variants
}

fn keep(variants: &mut Vec<String>, word: &mut String) {
    if !word.is_empty() {
        variants.push(std::mem::take(word));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_found_between_attributes_and_fields() {
        let found = enums(
            "pub enum R {\n #[serde(rename)]\n A,\n B { x: Vec<u8>, y: u8 },\n C(u8, u8),\n D = 4\n}\nenum E { F }",
        );
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(found, [("R".to_owned(), names(&["A", "B", "C", "D"])), ("E".to_owned(), names(&["F"]))]);
    }
}
