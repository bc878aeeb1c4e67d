//! Events: what a status says that it did not say before, told once to whoever watches. Nothing rests on them and nothing waits for
//! them: one that cannot be written is in the log, and is not written again.

use super::driver::chain;
use super::{Context, MANAGER};
use kube::Resource;
use kube::runtime::events::{Event, EventType, Recorder};
use qianyun_planning::report::notice::Notice;

/// Tells what is new about an object, beside whatever comes next.
pub(super) fn tell<K: Resource<DynamicType = ()>>(ctx: &Context, about: &K, notices: Vec<Notice>) {
    let uid = about.meta().uid.as_deref().unwrap_or_default();
    for notice in notices {
        // A watch that is behind shows the status of before once more.
        if !ctx.memory().is_news(uid, &notice) {
            continue;
        }
        let Notice { is_warning, reason, note, .. } = notice;
        let type_ = if is_warning { EventType::Warning } else { EventType::Normal };
        let event = Event { type_, reason, note: Some(note), action: "Look".to_owned(), secondary: None };
        // A recorder of its own: one that knew the reason from before would count it up and keep the old sentence.
        let (recorder, reference) = (Recorder::new(ctx.client().clone(), MANAGER.into()), about.object_ref(&()));
        tokio::spawn(async move {
            if let Err(error) = recorder.publish(&event, &reference).await {
                tracing::warn!(reason = event.reason, error = %chain(&error), "an event cannot be written");
            }
        });
    }
}
