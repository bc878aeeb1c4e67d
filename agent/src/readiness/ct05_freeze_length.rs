//! CT-05: the kernel bears a freeze as long as a regulation may ask for.

use super::{Check, Text, Verdict, verdict};
use crate::inventory::Machine;
use qianyun_agent_api::check::Outcome;
use qianyun_replication_io::freezer::MAX_FREEZE;
use std::time::Duration;

/// The least that a policy's `freezeLimitSeconds` can be: below it no attempt can begin.
const LEAST_LIMIT: Duration = Duration::from_secs(5);

pub(super) const CHECK: Check = Check {
    id: "CT-05",
    title: Text { en: "Length of the freeze", zh: "冻结时长" },
    required: "60 s, at least the policy's freezeLimitSeconds",
    why: Text {
        en: "While filesystems are frozen, writers wait; a kernel that panics when tasks wait takes the server down.",
        zh: "冻结期间写入须等待;若内核设为任务等待超时即崩溃,服务器会宕机。",
    },
    fix: Text {
        en: "Run: sysctl -w kernel.hung_task_panic=0 (or kernel.hung_task_timeout_secs=120), also in /etc/sysctl.d.",
        zh: "执行 sysctl -w kernel.hung_task_panic=0(或 kernel.hung_task_timeout_secs=120),并写入 /etc/sysctl.d。",
    },
    judge,
};

fn judge(machine: &Machine) -> Verdict {
    let Some(hung_task) = &machine.hung_task else {
        return verdict(Outcome::Unknown, "the kernel's settings are not shown");
    };
    // A limit above what is found here is refused when the attempt begins, which is late for a window.
    match hung_task.longest_freeze() {
        Ok(longest) => {
            let observed = format!("{} s at most", longest.as_secs_f64());
            verdict(grade(longest), observed)
        }
        Err(error) => verdict(Outcome::Unknown, error.to_string()),
    }
}

fn grade(longest: Duration) -> Outcome {
    match longest {
        longest if longest >= MAX_FREEZE => Outcome::Pass,
        longest if longest >= LEAST_LIMIT => Outcome::Warn,
        _ => Outcome::Block,
    }
}
