//! All that has to be known beside the profile: which day it is.

use crate::reconcile::Context;
use jiff::civil::Date;

/// Today, in Beijing.
pub(super) fn today(ctx: &Context) -> Date {
    qianyun_planning::calendar::day((ctx.clock)())
}
