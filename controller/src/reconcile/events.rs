//! Events: what a status says that it did not say before, told once to whoever watches. Nothing rests on them: one that cannot be
//! written is in the log, and is not written again.

use super::Context;
use super::driver::chain;
use kube::Resource;
use kube::runtime::events::{Event, EventType};
use qianyun_planning::report::notice::Notice;

/// Tells what is new about an object.
pub(super) async fn tell<K: Resource<DynamicType = ()>>(ctx: &Context, about: &K, notices: Vec<Notice>) {
    for Notice { is_warning, reason, note } in notices {
        let type_ = if is_warning { EventType::Warning } else { EventType::Normal };
        let event = Event { type_, reason, note: Some(note), action: "Look".to_owned(), secondary: None };
        if let Err(error) = ctx.recorder.publish(&event, &about.object_ref(&())).await {
            tracing::warn!(reason = event.reason, error = %chain(&error), "an event cannot be written");
        }
    }
}
