//! The whole path on the real machine. The demo is that test: it asserts what it tells.

use std::process::Command;

#[test]
fn a_working_server_moves_to_the_cloud_with_every_acknowledged_commit() {
    let story = Command::new(env!("CARGO_BIN_EXE_qianyun-demo")).status().expect("the demo can be started");
    assert!(story.success(), "the story did not end well: {story}");
}
