//! The one result type of readiness checks, wherever they run (host, controller, arrival).

use serde::{Deserialize, Serialize};

/// How a check came out. `Unknown` is never a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// The requirement is met.
    Pass,
    /// Nothing is required; the fact is worth seeing.
    Info,
    /// It may go on, but someone should look.
    Warn,
    /// It must not go on.
    Block,
    /// The facts could not be had; treated as not passed.
    Unknown,
}

/// A sentence in both languages of the product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// English, plain ASCII.
    pub en: String,
    /// Chinese.
    pub zh: String,
}

/// One check's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckResult {
    /// Catalogue id, as `BT-02`.
    pub id: String,
    /// Short title.
    pub title: Words,
    /// How it came out.
    pub outcome: Outcome,
    /// What was found, with units.
    pub observed: String,
    /// What is required, with units.
    pub required: String,
    /// Why it matters, one sentence.
    pub why: Words,
    /// How to fix it; empty for `Pass` and `Info`.
    pub fix: Words,
}
