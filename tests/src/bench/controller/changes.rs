//! How soon an edited scheme shows as planned in its status, while nobody else does anything. The time is that between the API server's
//! answer to the edit and the watch's word that the status is of the new generation.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt};
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use serde_json::json;

use super::api::{MIGRATIONS, Person};
use super::city::System;

/// Enough that the worst one in a hundred is not one alone.
const CHANGES: usize = 400;
/// Between two edits: far more than the offices of a city make.
const BETWEEN: Duration = Duration::from_millis(250);
/// Later than this is never.
const WITHIN: Duration = Duration::from_secs(60);
/// A step that goes around all systems before it comes back, since it shares no factor with round numbers.
const STEP: usize = 379;

/// What was seen.
pub(super) struct Seen {
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    pub(super) most: Duration,
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = |d: Duration| d.as_secs_f64();
        write!(f, "p50 {:.2} s, p99 {:.2} s, at most {:.2} s", seconds(self.p50), seconds(self.p99), seconds(self.most))
    }
}

/// An edit that does not show yet.
struct Edit {
    name: String,
    generation: i64,
    at: Instant,
}

/// Edits and waits.
pub(super) async fn measure(operator: &Person, systems: usize) -> Result<Seen> {
    let api = operator.all(MIGRATIONS);
    let from = api.list(&ListParams::default().limit(1)).await?.metadata.resource_version;
    let mut from = from.context("a list without version")?;
    let mut watch = api.watch(&WatchParams::default(), &from).await?.boxed();
    let mut edited: Vec<Edit> = Vec::new();
    let mut took = Vec::new();
    let mut next = tokio::time::interval(BETWEEN);
    let mut made = 0;
    while took.len() < CHANGES {
        tokio::select! {
            _ = next.tick(), if made < CHANGES => {
                let system = System(made * STEP % systems);
                let generation = edit(operator, system, made).await?;
                edited.push(Edit { name: system.name(), generation, at: Instant::now() });
                made += 1;
            }
            event = watch.try_next() => {
                match event.context("the watch")? {
                    Some(WatchEvent::Modified(scheme)) => {
                        took.extend(shown(&mut edited, &scheme));
                        from = scheme.metadata.resource_version.unwrap_or(from);
                    }
                    Some(WatchEvent::Error(error)) => bail!("the watch: {error:?}"),
                    Some(WatchEvent::Added(_) | WatchEvent::Deleted(_) | WatchEvent::Bookmark(_)) => {}
                    // The API server ends each watch after some time.
                    None => watch = api.watch(&WatchParams::default(), &from).await?.boxed(),
                }
            }
        }
        if let Some(Edit { name, generation, .. }) = edited.iter().find(|edit| edit.at.elapsed() > WITHIN) {
            bail!("generation {generation} of {name} does not show after {} s", WITHIN.as_secs());
        }
    }
    took.sort_unstable();
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    Ok(Seen { p50: at(50), p99: at(99), most: at(100) })
}

/// Edits the scheme of a system; the generation that it has then.
pub(super) async fn edit(operator: &Person, system: System, number: usize) -> Result<i64> {
    let change = json!({"spec": {"scheme": {"summary": format!("Moved with everything on it, version {number}.")}}});
    let api = operator.within(MIGRATIONS, Some(&system.namespace()));
    let edited = api.patch(&system.name(), &PatchParams::default(), &Patch::Merge(&change)).await?;
    edited.metadata.generation.context("an object without generation")
}

/// Waits until the status is of this generation.
pub(super) async fn await_shown(operator: &Person, system: System, generation: i64) -> Result<()> {
    let api = operator.within(MIGRATIONS, Some(&system.namespace()));
    let (began, mut next) = (Instant::now(), tokio::time::interval(BETWEEN));
    while api.get(&system.name()).await?.data["status"]["observedGeneration"].as_i64() < Some(generation) {
        next.tick().await;
        ensure!(began.elapsed() < WITHIN, "generation {generation} does not show after {} s", WITHIN.as_secs());
    }
    Ok(())
}

/// How long those edits took that a scheme's status knows of now.
fn shown(edited: &mut Vec<Edit>, scheme: &DynamicObject) -> Vec<Duration> {
    let observed = scheme.data["status"]["observedGeneration"].as_i64().unwrap_or(0);
    let is_known = |edit: &mut Edit| scheme.metadata.name.as_ref() == Some(&edit.name) && observed >= edit.generation;
    edited.extract_if(.., is_known).map(|edit| edit.at.elapsed()).collect()
}
