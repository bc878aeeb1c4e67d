//! What runs the Pods of the tests' node, built from source into `target/tools`: containerd with its shim and its client, runc,
//! and the image of a Pod's first process. kubelet and its like come with the control plane. It never starts any of it.

use std::path::Path;

use anyhow::{Context, Result};

use crate::command::{Run, say};
use crate::content::{Key, ensure_tool};
use crate::image::{self, Image, Tape};
use crate::layout::Layout;
use crate::setup::go::Go;

/// Name in `target/tools`, package, and build tags: without the drivers of disks that no Pod of a test has, and with the rules
/// that keep Pods to their system calls.
const PROGRAMS: &[(&str, &str, &str)] = &[
    ("containerd", "github.com/containerd/containerd/v2/cmd/containerd", SMALL),
    ("containerd-shim-runc-v2", "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2", SMALL),
    ("ctr", "github.com/containerd/containerd/v2/cmd/ctr", SMALL),
    ("runc", "github.com/opencontainers/runc", "seccomp"),
];
const SMALL: &str = "no_btrfs,no_zfs,no_aufs,no_devmapper";
/// The image of a Pod's first process, as containerd's configuration names it.
const PAUSE: &str = "qianyun.dev/pause:1";
/// What writes it. The image is made anew when this changes.
const PAUSE_WRITERS: [&str; 2] = [include_str!("../image/bundle.rs"), include_str!("../image/tape.rs")];

pub(super) fn ensure(layout: &Layout, go: &Go) -> Result<()> {
    let module = layout.node();
    let key = |name: &str| -> Result<Key> { Key::new(name).file(&module.join("go.mod"))?.file(&module.join("go.sum")) };
    for (name, package, tags) in PROGRAMS {
        ensure_tool(layout, name, &key(name)?.text(tags).finish(), |to| {
            say(format!("build {name} from its Go module (minutes the first time)"));
            let build = go.run_in(&module).args(["build", "-tags", tags, "-ldflags", "-s -w", "-o"]);
            build.args([to]).args([package]).run()
        })?;
    }
    let source = module.join("pause/main.go");
    let pause = PAUSE_WRITERS.iter().fold(Key::new(PAUSE).file(&source)?, |key, writer| key.text(writer));
    ensure_tool(layout, "pause.oci.tar", &pause.finish(), |to| pack_pause(go.run_in(&module), to))
}

fn pack_pause(go: Run, to: &Path) -> Result<()> {
    say(format!("build and pack {PAUSE}"));
    let program = to.with_extension("program");
    go.env("CGO_ENABLED", "0").args(["build", "-ldflags", "-s -w", "-o"]).args([&program]).args(["./pause"]).run()?;
    let bytes = std::fs::read(&program).with_context(|| format!("reading {}", program.display()))?;
    std::fs::remove_file(&program).with_context(|| format!("removing {}", program.display()))?;
    let mut files = Tape::new();
    files.put("pause", 0o755, &bytes)?;
    image::write(Image { name: PAUSE, entrypoint: "/pause", user: "65535:65535", files }, to)
}
