//! Operating system, kernel, host name, clock.

use crate::host::{Host, LOOK_LIMIT};
use qianyun_agent_api::inventory::Os;

pub(super) fn collect(host: &dyn Host) -> Os {
    let release = host.text("/etc/os-release").or_else(|| host.text("/usr/lib/os-release")).unwrap_or_default();
    Os {
        id: field(&release, "ID"),
        version: field(&release, "VERSION_ID"),
        name: field(&release, "PRETTY_NAME"),
        kernel: host.kernel().0,
        hostname: host.text("/proc/sys/kernel/hostname").unwrap_or_default(),
        clock_unix_ms: host.now_unix_ms(),
        clock_synchronised: is_synchronised(host),
    }
}

fn field(release: &str, name: &str) -> String {
    let value = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
}

/// What the kernel's clock discipline says; it is the same whichever time service runs.
fn is_synchronised(host: &dyn Host) -> bool {
    let newer = host.ask("timedatectl", &["show", "--property=NTPSynchronized", "--value"], LOOK_LIMIT);
    match newer {
        Ok(answer) => answer.trim() == "yes",
        // systemd before 239 has no `show`.
        Err(_) => host
            .ask("timedatectl", &["status"], LOOK_LIMIT)
            .is_ok_and(|text| text.lines().any(|line| line.contains("synchronized: yes"))),
    }
}
