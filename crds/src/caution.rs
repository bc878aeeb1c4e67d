//! What passes, but only just: worth a look before a cutover. Never a reason to wait.

use crate::bounds::Text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that is worth a look before the cutover.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Caution {
    /// What it is.
    pub kind: CautionKind,
    /// One English sentence.
    #[schemars(with = "Text<1024>")]
    pub message: String,
    /// The same in Chinese.
    #[schemars(with = "Text<1024>")]
    pub message_zh: String,
}

/// Kinds of things that are worth a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CautionKind {
    /// 存储余量偏紧: the volumes fit, and less than a fifth of their size is left beside them.
    RoomTight,
    /// 停机时长偏紧: more than half of the interruption that the department accepts is to be expected.
    DowntimeTight,
    /// 须现场开机: the servers can be switched on again only by people beside them.
    SourceOnSiteOnly,
}
