//! The controller: reconcilers, the agents' gateway, and the hosting backend, in one process.

mod gateway;
mod hosting;

fn main() {}
