//! The benchmark: our engine beside others, on the same data, in one run and in turns. Every target is compared with its
//! source by programs that are none of ours before its numbers count; one that differs is an error. It asserts nothing about
//! time: what is fast depends on the machine.
#![allow(dead_code)] // the turns, which use all of it, come last

mod certificates;
mod cost;
mod data;
mod engine;
mod role;
mod tool;

pub use role::play;
