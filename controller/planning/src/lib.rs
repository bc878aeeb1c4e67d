//! Pure decisions about a migration: [`Facts`] and the time in, a plan out.
//!
//! | module | what it decides |
//! |---|---|
//! | [`gate`] | whether the journey may pass, one file per gate |
//! | [`boot`] | what decides how a server boots, in one digest |
//! | [`caution`] | what passes, but only just |
//! | [`approval`] | whether a person's decision counts |
//! | [`sequence`] | which gates each irreversible step needs, and how it is undone |
//! | [`phase`] | what to call where a system stands |
//! | [`system_migration`], [`host_migration`] | what to do next |
//! | [`plan_status`] | what to say about a plan of the whole city |
//! | [`calendar`] | which days are worked, when a time limit ends, and when servers may be cut over |
//! | [`trial`], [`time_limit`] | how long a trial run lasts, and how the clocks of the papers stand |
//! | [`waiver`], [`custody`] | whether a waiver of a check, and a record of an old server, holds |
//! | [`claim`] | whose a server is that several schemes name |
//! | [`demand`] | what a scheme takes of a platform |
//! | [`policy_notice`] | what is told of the rules themselves: not in force, gates of the law switched off, its numbers lowered |
//! | [`new_hardware`] | whether a server is newer than the rules and has to be explained |
//! | [`offices`] | which of the two offices a policy leaves out |
//! | [`domestic`] | which layers of a server are of the domestic stack |
//! | [`audit`] | what of it all is recorded, and whether a record is unbroken |
//! | [`lint`] | whether a plan is one that may never be carried out |
//! | [`report`] | every word that people read |
//! | [`preview`] | what people read of a migration before something happens |
//!
//! Never here: a clock, a random source, the network, the cluster. Whoever calls gathers facts, and carries out actions.
#![deny(clippy::wildcard_enum_match_arm)]

pub mod action;
pub mod approval;
pub mod audit;
pub mod boot;
pub mod calendar;
pub mod caution;
pub mod claim;
pub mod custody;
pub mod demand;
pub mod domestic;
pub mod facts;
pub mod gate;
pub mod host_migration;
pub mod lint;
pub mod new_hardware;
pub mod offices;
mod order;
pub mod phase;
pub mod plan_status;
pub mod policy_notice;
pub mod preview;
pub mod reason;
pub mod report;
pub mod sequence;
pub mod system_migration;
pub mod time_limit;
pub mod trial;
pub mod waiting;
pub mod waiver;

pub use action::{Action, Plan};
pub use facts::Facts;
pub use reason::{Reason, Verdict};
pub use waiting::WaitingOn;
