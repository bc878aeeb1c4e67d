//! The Debian packages, each with its reason. Installs what is missing, never upgrades or removes.

use anyhow::{Context, Result, bail};

use crate::command::{Run, say};

/// Package and why it is here: what building, testing and the demo need.
pub(super) const PACKAGES: &[(&str, &str)] = &[
    ("btrfs-progs", "makes and checks the btrfs of loop devices"),
    ("build-essential", "the linker and the C compiler for aws-lc and zstd"),
    ("ca-certificates", "cargo and go verify what they download"),
    ("containernetworking-plugins", "gives the Pods of the tests' node their network"),
    ("dpkg-dev", "builds the agent's .deb"),
    ("e2fsprogs", "makes and checks the ext4 of loop devices and of the office server"),
    ("fdisk", "sfdisk partitions the office server's disk"),
    ("fio", "writes under load in the tests of the change tracker"),
    ("git", "tidy looks at what is tracked"),
    ("ipxe-qemu", "option ROMs of the network cards of QEMU machines"),
    ("iproute2", "network namespaces, bridges and taps between the machines"),
    ("kmod", "loads loop and tap drivers"),
    ("libseccomp-dev", "runc keeps Pods to the system calls that they may use"),
    ("mmdebstrap", "makes the office server's Debian from packages"),
    ("mount", "mounts the file systems of loop devices"),
    ("musl-tools", "agent and controller are one static binary each"),
    ("nftables", "kube-proxy leads Services to Pods with it"),
    ("pkg-config", "tells runc's build where libseccomp is"),
    ("qemu-system-x86", "the office server and the machine in the cloud"),
    ("qemu-utils", "qemu-img makes overlays of replicas"),
    ("seabios", "BIOS of the office server"),
    ("tzdata", "the zones that the controller's image carries"),
    ("util-linux", "losetup, nsenter, unshare, fsfreeze"),
    ("xfsprogs", "makes and checks the xfs of loop devices"),
];

/// What only the benchmark needs: those that our engine is measured beside.
pub(super) const BENCH_PACKAGES: &[(&str, &str)] = &[
    ("libnbd-bin", "nbdcopy copies a disk over NBD and TLS"),
    ("nbdkit", "the server that nbdcopy copies to"),
    ("rsync", "copies what differs between two disks"),
    ("socat", "TLS for rsync and for the pipe of dd and zstd"),
    ("zstd", "packs and unpacks in that pipe"),
];

/// Makes sure of the packages of these lists.
pub(super) fn ensure(lists: &[&[(&str, &str)]]) -> Result<()> {
    let missing = lists.iter().copied().flatten().filter(|(name, _)| !installed(name)).collect::<Vec<_>>();
    if missing.is_empty() {
        return Ok(());
    }
    for (name, reason) in &missing {
        say(format!("install {name}: {reason}"));
    }
    install(&missing.iter().map(|(name, _)| *name).collect::<Vec<_>>())
}

/// Installs packages by name, with root's rights or sudo's.
pub(super) fn install(names: &[&str]) -> Result<()> {
    let advice = || format!("as root: apt-get install --no-install-recommends {}", names.join(" "));
    apt_get(&["update", "--quiet=2"]).with_context(advice)?;
    let mut arguments = vec!["install", "--yes", "--quiet=2", "--no-install-recommends"];
    arguments.extend_from_slice(names);
    apt_get(&arguments).with_context(advice)
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let run = if rustix::process::geteuid().is_root() {
        Run::new("apt-get").args(arguments)
    } else if Run::new("sudo").args(["-n", "true"]).output().is_ok() {
        Run::new("sudo").args(["-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments)
    } else {
        bail!("packages are missing, and this is neither root nor a user with sudo");
    };
    run.env("DEBIAN_FRONTEND", "noninteractive").run()
}

fn installed(name: &str) -> bool {
    Run::new("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}", name])
        .output()
        .is_ok_and(|status| status == "installed")
}
