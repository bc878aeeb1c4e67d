//! The gateway: where agents enrol, report and ask what they are to be. Always called, never calls.
//!
//! It serves on every replica and answers 503 on those that do not lead. It decides nothing about a journey.

pub(crate) mod agents;
