//! A preview as plain text: short lines, the same in every place and at every time. Whatever came from outside is shown without
//! what could move a cursor or turn a line around.

use super::{Point, Preview};
use crate::report::{Words, words};

/// Columns of a line: what every terminal has, and what an office prints on one page.
const COLUMNS: usize = 80;

/// The mark of a notice. Plain, since a sign of warning is as wide as each terminal likes.
const NOTICE: &str = "[!] ";

/// Marks that no line begins with.
const CLOSING: &str = ",。;:、!?)》”";

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Chinese, simplified.
    Chinese,
}

impl Language {
    fn of(self, words: &Words) -> &str {
        match self {
            Language::English => &words.en,
            Language::Chinese => &words.zh,
        }
    }
}

impl Preview {
    /// The whole of it in a language.
    pub fn text(&self, language: Language) -> String {
        let mut out = String::new();
        put(&mut out, "", language.of(&self.title));
        put(
            &mut out,
            "",
            language.of(&words("A look ahead. Reading it changes nothing.", "仅供预览,阅读不产生任何操作。")),
        );
        for notice in &self.notices {
            put(&mut out, NOTICE, language.of(notice));
        }
        for (i, section) in self.sections.iter().enumerate() {
            out.push('\n');
            put(&mut out, &format!("{}. ", i + 1), language.of(&section.title));
            for Point { text, under } in &section.points {
                put(&mut out, "   - ", language.of(text));
                for words in under {
                    put(&mut out, "       ", language.of(words));
                }
            }
        }
        out
    }
}

/// A paragraph behind its mark, in lines that are not longer than [`COLUMNS`] where its words allow it.
fn put(out: &mut String, mark: &str, text: &str) {
    let mut left = mark.to_string();
    let indent = " ".repeat(mark.len());
    for line in lines(&clean(text), COLUMNS - mark.len()) {
        out.push_str(&left);
        out.push_str(&line);
        out.push('\n');
        left.clone_from(&indent);
    }
}

/// Without control characters and marks of direction.
fn clean(text: &str) -> String {
    let directs = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = text.chars().map(|c| if c.is_control() || directs(c) { ' ' } else { c });
    shown.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Splits between words, and between any two Chinese characters.
fn lines(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for piece in pieces(text) {
        if !line.is_empty() && width(&line) + width(piece.trim_end()) > columns {
            lines.push(line.trim_end().to_string());
            line.clear();
        }
        line.push_str(piece);
    }
    lines.push(line.trim_end().to_string());
    lines
}

/// What is not split: a word with the space behind it, or a Chinese character with the marks behind it.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut begin = 0;
    let mut before: Option<char> = None;
    for (at, c) in text.char_indices() {
        let splits = before.is_some_and(|b| b == ' ' || (wide(b) || wide(c)) && !"(“《".contains(b));
        if at > begin && splits && c != ' ' && !CLOSING.contains(c) {
            pieces.push(&text[begin..at]);
            begin = at;
        }
        before = Some(c);
    }
    pieces.push(&text[begin..]);
    pieces
}

/// Terminals show everything beyond Latin here as two columns.
fn wide(c: char) -> bool {
    !c.is_ascii()
}

fn width(text: &str) -> usize {
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}
