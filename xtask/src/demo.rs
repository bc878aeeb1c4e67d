//! `cargo xtask demo`: everything it takes on a bare machine, then the story itself, which is a program of the crate
//! `qianyun-tests`. Knows nothing about the story.

use anyhow::Result;
use clap::ValueEnum;

use crate::command::{Run, say};
use crate::layout::Layout;
use crate::{dist, setup};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave everything running at the end and say how to look at it
    #[arg(long)]
    keep: bool,
    /// Language of the narration
    #[arg(long, value_enum, default_value_t = Language::En)]
    lang: Language,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    En,
    Zh,
}

pub(crate) fn run(layout: &Layout, options: &Options) -> Result<()> {
    setup::run(layout)?;
    dist::run(layout)?;
    say("build the demo");
    Run::new("cargo")
        .args(["build", "--quiet", "--workspace", "--bin", "qianyun-demo"])
        .in_folder(&layout.root)
        .run()?;
    let mut story = Run::new(layout.cargo_target.join("debug/qianyun-demo")).in_folder(&layout.root);
    if options.keep {
        story = story.args(["--keep"]);
    }
    if options.lang == Language::Zh {
        story = story.args(["--lang", "zh"]);
    }
    story.run_at_terminal()
}
