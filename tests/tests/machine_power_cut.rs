//! The office server and the witness together, with nothing of Qianyun between them: the oracle has to hold for a plain
//! server before it can judge a migration. It never looks at how the database keeps its promise, only whether it does.

use std::time::{Duration, Instant};

use qianyun_tests::machine::OfficeServer;
use qianyun_tests::office_image;
use qianyun_tests::site::Site;
use qianyun_tests::wait::{self, Look};
use qianyun_tests::witness::{Load, Witness};

const LOAD: Load = Load { workers: 3, pause: Duration::from_millis(20) };
const COMMITS_WITHIN: Duration = Duration::from_secs(300);

fn wait_for_commits(witness: &Witness, count: u64) -> anyhow::Result<()> {
    wait::until(&format!("{count} commits are acknowledged"), COMMITS_WITHIN, || {
        let seen = witness.seen();
        Ok(if seen.acknowledged >= count { Look::Holds(()) } else { Look::NotYet(format!("{seen:?}")) })
    })
}

#[test]
fn every_acknowledged_commit_is_there_after_the_power_was_cut() -> anyhow::Result<()> {
    let start = Instant::now();
    let folder = tempfile::tempdir()?;
    let image = office_image::ensure_built()?;
    println!("image ready after {:.1?}", start.elapsed());

    let site = Site::create()?;
    let mut server = OfficeServer::install(&site, &image, &folder.path().join("office"))?;
    let mut witness = Witness::begin(&site, &folder.path().join("witness"), LOAD)?;

    let on = Instant::now();
    server.power_on()?;
    server.wait_until_serving()?;
    println!("database listens {:.1?} after power-on", on.elapsed());
    wait_for_commits(&witness, 100)?;

    let cut = Instant::now();
    server.cut_power()?;
    server.power_on()?;
    server.wait_until_serving()?;
    println!("database listens again {:.1?} after the power was cut", cut.elapsed());
    wait_for_commits(&witness, witness.seen().acknowledged + 50)?;

    let seen = witness.stop()?;
    let verdict = witness.verify()?;
    println!("{verdict}; {seen:?}; {:.1?} in all", start.elapsed());
    assert!(verdict.is_clean(), "{verdict}");
    assert_eq!(verdict.acknowledged, seen.acknowledged, "the journals hold what the clients saw");
    assert!(!seen.outages.is_empty(), "a power cut is an outage");
    Ok(())
}
