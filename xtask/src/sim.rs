//! `cargo xtask sim`: both replication engines in as many seeded worlds as are asked for. Never replays by itself: a seed
//! that fails is printed with the command that plays it again.

use anyhow::Result;

use crate::command::{Run, say};
use crate::layout::Layout;

/// What `replication/tests/simulation` reads its seeds from.
const SEEDS: &str = "QIANYUN_SIM_SEEDS";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The first seed
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// How many seeds; one takes about ten milliseconds
    #[arg(long, default_value_t = 10_000)]
    count: u64,
}

pub(crate) fn run(layout: &Layout, options: &Options) -> Result<()> {
    let Options { first, count } = options;
    say(format!("{count} worlds from seed {first}"));
    // The whole workspace, as everywhere: a part of it would be built with other features of its dependencies.
    Run::new("cargo")
        .args(["test", "--workspace", "--test", "simulation", "--", "--exact"])
        .args(["whatever_breaks_the_copy_is_proved_in_the_end_and_no_clean_block_ever_differs"])
        .env(SEEDS, format!("{first}+{count}"))
        .in_folder(&layout.root)
        .run()
}
