//! A Rust file taken apart just far enough for the rules: strings and comments blanked, test code told from the rest,
//! functions with their lengths. No parser: what it cannot see it does not judge.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// The text with strings, characters and comments as spaces; every line break is where it was.
    blank: String,
    /// What belongs to tests, as byte ranges.
    tests: Vec<Range<usize>>,
    /// True where the whole file is test code.
    pub(super) is_test: bool,
}

/// A function with a body.
pub(super) struct Function {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) lines: usize,
}

pub(super) fn take_apart(files: &[(PathBuf, String)]) -> Vec<Source> {
    let rust = files.iter().filter(|(path, _)| path.extension().is_some_and(|extension| extension == "rs"));
    let mut sources = rust.map(|(path, text)| Source::new(path, text)).collect::<Vec<_>>();
    let test_files = sources.iter().flat_map(Source::test_modules).collect::<BTreeSet<_>>();
    for source in &mut sources {
        source.is_test = test_files.iter().any(|module| source.path.starts_with(module))
            || test_files.contains(&source.path.with_extension(""))
            || source.path.components().any(|part| part.as_os_str() == "tests")
            || source.path.components().any(|part| part.as_os_str() == "benches");
    }
    sources
}

impl Source {
    fn new(path: &Path, text: &str) -> Self {
        let blank = blank(text);
        let tests = test_blocks(&blank);
        Self { path: path.to_path_buf(), text: text.to_owned(), blank, tests, is_test: false }
    }

    /// Code that runs in production: blanked text with test blocks blanked too.
    pub(super) fn production(&self) -> String {
        if self.is_test {
            return String::new();
        }
        self.keep(|at| !self.tests.iter().any(|range| range.contains(&at)))
    }

    /// Code that runs in tests, in its lines: blanked text with everything else blanked too.
    pub(super) fn tests_only(&self) -> String {
        self.keep(|at| self.is_test || self.tests.iter().any(|range| range.contains(&at)))
    }

    fn keep(&self, wanted: impl Fn(usize) -> bool) -> String {
        self.blank.char_indices().map(|(at, c)| if c == '\n' || wanted(at) { c } else { ' ' }).collect()
    }

    /// The test code, with its strings.
    pub(super) fn test_text(&self) -> String {
        if self.is_test {
            return self.text.clone();
        }
        self.tests.iter().map(|range| &self.text[range.clone()]).collect::<Vec<_>>().join("\n")
    }

    /// Lines of code that are not blank, in production and in tests. Comments do not count.
    pub(super) fn code_lines(&self) -> (usize, usize) {
        let count = |text: &str| text.lines().filter(|line| !line.trim().is_empty()).count();
        let all = count(&self.blank);
        let production = count(&self.production());
        (production, all - production)
    }

    pub(super) fn functions(&self) -> Vec<Function> {
        let text = self.production();
        words(&text, "fn").filter_map(|at| function_at(&text, at)).collect()
    }

    /// Files without extension that `#[cfg(test)] mod name;` declares.
    fn test_modules(&self) -> Vec<PathBuf> {
        let folder = match self.path.file_name().and_then(|name| name.to_str()) {
            Some("lib.rs" | "main.rs" | "mod.rs") => self.path.parent().unwrap_or(Path::new("")).to_path_buf(),
            _ => self.path.with_extension(""),
        };
        let declared = |range: &Range<usize>| {
            let item = self.blank[range.clone()].trim_end().strip_suffix(';')?;
            let (_, name) = item.split_once("mod ")?;
            Some(folder.join(name.trim()))
        };
        self.tests.iter().filter_map(declared).collect()
    }
}

/// The line that a byte is in, counted from one.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Where `word` stands by itself in `text`.
pub(super) fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part_of_word = |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        !part_of_word(text[..*at].chars().next_back()) && !part_of_word(text[at + word.len()..].chars().next())
    })
}

fn function_at(text: &str, at: usize) -> Option<Function> {
    let name = text[at + 2..].trim_start();
    let name = &name[..name.find(|c: char| !c.is_alphanumeric() && c != '_')?];
    let mut depth = 0_usize;
    let open = text[at..].char_indices().find_map(|(offset, c)| {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '{' | ';' if depth == 0 => return Some((at + offset, c)),
            _ => {}
        }
        None
    })?;
    let (open, '{') = open else { return None };
    let close = closing_brace(text, open)?;
    let line = line_of(text, at);
    (!name.is_empty()).then(|| Function { name: name.to_owned(), line, lines: line_of(text, close) - line + 1 })
}

fn closing_brace(text: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    text[open..].char_indices().find_map(|(offset, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(open + offset)
    })
}

/// The items behind `#[cfg(test)]` and `#[cfg(all(test, …))]`, attributes included.
fn test_blocks(blank: &str) -> Vec<Range<usize>> {
    let mut blocks: Vec<Range<usize>> = Vec::new();
    for marker in ["#[cfg(test)]", "#[cfg(all(test", "#[cfg(any(test"] {
        for (at, _) in blank.match_indices(marker) {
            let end = blank[at..].find([';', '{']).map(|offset| at + offset);
            let end = match end {
                Some(open) if blank.as_bytes()[open] == b'{' => closing_brace(blank, open),
                other => other,
            };
            blocks.push(at..end.map_or(blank.len(), |end| end + 1));
        }
    }
    blocks
}

/// Replaces what stands in strings, characters and comments by spaces.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let literal = literal_length(rest, out.chars().next_back());
        if literal == 0 {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        out.extend(rest[..literal].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        rest = &rest[literal..];
    }
    out
}

/// How many bytes at the start of `rest` are a comment, a string or a character; 0 if code.
fn literal_length(rest: &str, before: Option<char>) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_length(rest);
    }
    if let Some(string) = rest.strip_prefix('"') {
        return 1 + quoted_length(string, '"');
    }
    if rest.starts_with('\'') {
        return character_length(rest);
    }
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if in_word { 0 } else { raw_string_length(rest) }
}

fn block_comment_length(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// Bytes up to and including the unescaped closing quote.
fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character literal, and not a lifetime.
fn character_length(rest: &str) -> usize {
    let mut characters = rest[1..].char_indices();
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), _) => 1 + quoted_length(&rest[1..], '\''),
        (Some(_), Some((at, '\''))) => 1 + at + 1,
        _ => 0,
    }
}

fn raw_string_length(rest: &str) -> usize {
    let Some(body) = ["br", "cr", "r"].iter().find_map(|prefix| rest.strip_prefix(prefix)) else { return 0 };
    let hashes = body.len() - body.trim_start_matches('#').len();
    if !body[hashes..].starts_with('"') {
        return 0;
    }
    let start = rest.len() - body.len() + hashes + 1;
    let end = format!("\"{}", "#".repeat(hashes));
    rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new(Path::new("a/src/lib.rs"), text)
    }

    #[test]
    fn strings_and_comments_do_not_count_as_code() {
        let text =
            "let a = \"fn {\\\" }\"; // fn }\nlet b = r#\"} \" fn\"#; /* { /* } */ fn */ let c = '}'; let d: &'a str;";
        let blanked = blank(text);
        assert_eq!(blanked.len(), text.len());
        assert!(!blanked.contains('}') && !blanked.contains("fn"), "{blanked}");
        assert!(blanked.contains("&'a str"));
        assert_eq!(blanked.matches('\n').count(), 1);
    }

    #[test]
    fn a_function_is_measured_from_its_name_to_its_closing_brace() {
        let functions = source("fn a(x: [u8; 3]) -> u8 {\n  if x { }\n  2\n}\ntrait T { fn b(); }\n").functions();
        assert_eq!(functions.len(), 1);
        assert_eq!((functions[0].name.as_str(), functions[0].line, functions[0].lines), ("a", 1, 4));
    }

    #[test]
    fn test_blocks_are_not_production_code() {
        let source = source("fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() { c.unwrap() }\n}\nfn d() {}\n");
        let production = source.production();
        assert!(!production.contains("unwrap") && production.contains("fn d"));
        assert!(source.test_text().contains("fn b"));
        assert_eq!(source.code_lines(), (2, 4));
    }

    #[test]
    fn files_of_test_modules_are_test_code() {
        let files = [
            (PathBuf::from("x/src/engine.rs"), "#[cfg(test)]\nmod tests;\n".to_owned()),
            (PathBuf::from("x/src/engine/tests.rs"), "fn a() {}".to_owned()),
            (PathBuf::from("x/src/other.rs"), "fn a() {}".to_owned()),
        ];
        let tests = take_apart(&files).iter().map(|source| source.is_test).collect::<Vec<_>>();
        assert_eq!(tests, [false, true, false]);
    }
}
