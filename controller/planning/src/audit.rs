//! The audit record of a system (操作留痕): every decision and every action, each entry bound to the one before it by its hash.
//!
//! | module | what it is |
//! |---|---|
//! | [`entry`] | what an entry says, and the bytes that its hash is of |
//! | [`chain`] | whether entries follow each other unbroken |
//! | [`deed`] | an action of the planner as the record keeps it, and whether its effect is seen |
//! | [`state`] | what the entries so far add up to, so that nothing is recorded twice |
//! | [`found`] | which entries a look at a system calls for |
//! | [`segment`] | the objects in the cluster that hold the entries |
//! | [`export`] | files that were taken out of the cluster, verified |
//!
//! An action is recorded as *intended* before it is carried out, and as *done* once its effect is seen, by this controller or by
//! the next one. So a crash in between loses nothing and records nothing twice: whoever comes next finds the intention open, and
//! sees for itself what became of it.
//!
//! What a chain of hashes cannot show by itself is that its end was cut off, or that all of it was written anew. For that, its
//! head is noted elsewhere.

pub mod chain;
pub mod deed;
pub mod entry;
pub mod export;
pub mod found;
pub mod segment;
pub mod state;

pub use chain::{Break, Chain};
pub use deed::Deed;
pub use entry::{Draft, Entry, Event};
pub use export::{Export, Verified};
pub use state::State;
