//! What the end-to-end tests, the demo and the benchmark are made of: a network of their own, an office server that is a
//! whole machine, and a witness outside it. It never mocks a part that the tests are about, and never leaves a run's
//! processes, namespaces or loop devices behind.

pub mod agent;
pub mod bench;
pub mod cluster;
pub mod controller;
pub mod daybook;
pub mod demo;
pub mod file_shelf;
pub mod image;
pub mod installation;
pub mod interrupt;
pub mod machine;
pub mod node;
pub mod office_image;
pub mod room;
pub mod site;
pub mod stacked_image;
pub mod wait;
pub mod witness;
