//! The narration: one line per event, in the language asked for, with the time since the story began, and how long each of its
//! chapters took. It never decides anything.

use std::time::{Duration, Instant};

/// Language of the narration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// Chinese.
    Zh,
}

/// Tells the story on standard output.
pub(crate) struct Teller {
    language: Language,
    began: Instant,
    /// Name and length of the chapters that have ended.
    chapters: Vec<(&'static str, Duration)>,
}

/// Names of a row in the table at the end are as wide as this on the screen.
const NAME_WIDTH: usize = 34;

impl Teller {
    /// Begins to count the time.
    pub(crate) fn new(language: Language) -> Self {
        Self { language, began: Instant::now(), chapters: Vec::new() }
    }

    /// The words in the language of the narration.
    pub(crate) fn words<'a>(&self, en: &'a str, zh: &'a str) -> &'a str {
        match self.language {
            Language::En => en,
            Language::Zh => zh,
        }
    }

    /// One event.
    pub(crate) fn tell(&self, en: &str, zh: &str) {
        let seconds = self.began.elapsed().as_secs();
        println!("[{:02}:{:02}] {}", seconds / 60, seconds % 60, self.words(en, zh));
    }

    /// A chapter has ended; the next one begins.
    pub(crate) fn end_chapter(&mut self, en: &'static str, zh: &'static str) {
        let before: Duration = self.chapters.iter().map(|(_, took)| *took).sum();
        let took = self.began.elapsed().saturating_sub(before);
        self.chapters.push((self.words(en, zh), took));
    }

    /// The chapters, and how long each took.
    pub(crate) fn chapters(&self) -> &[(&'static str, Duration)] {
        &self.chapters
    }

    /// A row of the table at the end.
    pub(crate) fn row(&self, en: &str, zh: &str, value: &str) {
        let name = self.words(en, zh);
        let space = " ".repeat(NAME_WIDTH.saturating_sub(screen_width(name)));
        println!("{name}{space} {value}");
    }

    /// What someone sees on the screen, indented.
    pub(crate) fn show(&self, text: &str) {
        for line in text.lines() {
            println!("        {line}");
        }
    }
}

/// Chinese characters and their punctuation are twice as wide as others (Unicode Standard Annex 11); the first of them is at
/// U+2E80.
fn screen_width(text: &str) -> usize {
    text.chars().map(|letter| if letter >= '\u{2e80}' { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_words_are_twice_as_wide_as_they_are_long() {
        assert_eq!((screen_width("record"), screen_width("割接 1"), screen_width("")), (6, 6, 0));
    }

    #[test]
    fn chapters_add_up_to_the_time_since_the_story_began() {
        let mut teller = Teller::new(Language::Zh);
        teller.end_chapter("boot", "启动");
        teller.end_chapter("copy", "复制");
        let names: Vec<_> = teller.chapters().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["启动", "复制"]);
        assert!(teller.chapters().iter().map(|(_, took)| *took).sum::<Duration>() <= teller.began.elapsed());
    }
}
