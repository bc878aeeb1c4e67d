//! Service units that run or have failed.

use crate::host::{Host, LOOK_LIMIT};
use qianyun_agent_api::inventory::Unit;

pub(super) fn collect(host: &dyn Host) -> Vec<Unit> {
    let args = ["list-units", "--type=service", "--all", "--no-legend", "--plain", "--no-pager"];
    let text = host.ask("systemctl", &args, LOOK_LIMIT).unwrap_or_default();
    text.lines().filter_map(unit).collect()
}

/// `postgresql@15-main.service loaded active running PostgreSQL Cluster 15-main`.
fn unit(line: &str) -> Option<Unit> {
    let fields: Vec<&str> = line.trim_start_matches(['●', '*', ' ']).split_whitespace().collect();
    let (name, active) = (fields.first()?, fields.get(2)?);
    matches!(*active, "active" | "failed" | "activating" | "reloading")
        .then(|| Unit { name: (*name).to_owned(), state: (*active).to_owned() })
}
