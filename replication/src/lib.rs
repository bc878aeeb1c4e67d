//! The replication engine: what is to be copied, what is proved, and when the two ends agree.
//!
//! Two state machines, [`sender::Sender`] on the server that is being moved and [`receiver::Receiver`] where its disks
//! arrive, and the nouns that they share. Worker threads ask for a job, do it, and report; the payload never passes
//! through here, so that one mutex around an engine is enough. `docs/design/0001-one-running-server.md` fixes the
//! rules; `tests/simulation` breaks links, processes and trackers at every point and checks them.
//!
//! Never in this crate: async, threads, clocks (time is an argument), randomness, files, sockets.
#![deny(missing_docs)]

mod ages;
pub mod block_set;
pub mod budget;
pub mod checkpoint;
pub mod digest;
pub mod frame;
pub mod geometry;
pub mod governor;
pub mod identity;
pub mod ledger;
pub mod message;
pub mod pass;
pub mod progress;
pub mod receiver;
pub mod record;
pub mod sender;
pub mod subtree;
