//! Asks the site what it can do.

use crate::hosting::Capabilities;
use crate::reconcile::Context;
use crate::reconcile::driver::chain;

/// What the site can do, or why it does not say.
pub(super) async fn capabilities(ctx: &Context) -> Result<Capabilities, String> {
    ctx.hosting.capabilities().await.map_err(|error| chain(&error))
}
