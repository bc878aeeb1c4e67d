//! `PhysicalHost`: says what the agents said, and tells a host without a journey to stay idle.

mod apply;
mod observe;
mod status;

use super::Context;
use super::driver::{Later, LookError};
use qianyun_agent_api::report::Role;
use qianyun_crds::PhysicalHost;
use std::sync::Arc;
use std::time::Duration;

/// Reports wake it; this is for what comes of silence.
const AGAIN: Duration = Duration::from_secs(20);
/// Of a server that this leader never heard only the age of its silence changes, and its records and journey.
const AGAIN_UNHEARD: Duration = Duration::from_secs(60);

/// One look.
pub(super) async fn reconcile(host: Arc<PhysicalHost>, ctx: Arc<Context>) -> Result<Later, LookError> {
    let heard = observe::observe(&ctx, &host).await?;
    if heard.without_journey {
        ctx.agents.set_desired(&heard.key, Role::Source, qianyun_agent_api::desired::Intent::Idle {});
    }
    ctx.agents.set_journey(&heard.key, heard.view.clone());
    apply::apply(&ctx, &host, &status::status(&host, &heard, (ctx.clock)())).await?;
    Ok(Later(if heard.source.is_some() { AGAIN } else { AGAIN_UNHEARD }))
}
