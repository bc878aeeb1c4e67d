//! The narration: one line per event, in the language asked for, with the time since the story began. It never decides anything.

use std::time::Instant;

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
}

impl Teller {
    /// Begins to count the time.
    pub(crate) fn new(language: Language) -> Self {
        Self { language, began: Instant::now() }
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

    /// What someone sees on the screen, indented.
    pub(crate) fn show(&self, text: &str) {
        for line in text.lines() {
            println!("        {line}");
        }
    }
}
