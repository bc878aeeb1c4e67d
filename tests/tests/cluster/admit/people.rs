//! Who is who. Everyone is bound as the chart's notes say, and to nothing else.

use super::{Cluster, User};
use anyhow::Result;

/// The department whose system is to move.
pub(crate) const CIVIL: &str = "civil-affairs";
/// Another department.
pub(crate) const WATER: &str = "water";

/// (name, groups) of everyone whom the tests act as.
pub(crate) const EVERYONE: [(&str, &[&str]); 10] = [
    ("li", &["qianyun:operators"]),
    ("he", &["qianyun:operators"]),
    ("wang", &[]),
    ("zhao", &[]),
    ("chen", &[]),
    ("sun", &[]),
    ("zhou", &["qianyun:inspectors"]),
    ("cai", &["qianyun:departments"]),
    ("cloud-operator", &["qianyun:operators"]),
    ("nobody", &[]),
];

/// Binds the offices in the whole cluster, and each department in its namespace.
pub(crate) fn bind(cluster: &Cluster) -> Result<()> {
    for namespace in [CIVIL, WATER] {
        cluster.kubectl(&cluster.admin, &["create", "namespace", namespace], None)?.done()?;
    }
    for (role, user) in [("municipalGovernmentOffice", "wang"), ("smartCityOffice", "zhao")] {
        let role = format!("qianyun-approver-{role}");
        let arguments = ["create", "clusterrolebinding", &role, "--clusterrole", &role, "--user", user];
        cluster.kubectl(&cluster.admin, &arguments, None)?.done()?;
    }
    for (namespace, user) in [(CIVIL, "chen"), (WATER, "sun")] {
        for role in ["qianyun-department", "qianyun-approver-department"] {
            let arguments =
                ["--namespace", namespace, "create", "rolebinding", role, "--clusterrole", role, "--user", user];
            cluster.kubectl(&cluster.admin, &arguments, None)?.done()?;
        }
    }
    Ok(())
}

/// Someone of the list above.
pub(crate) fn person(cluster: &Cluster, name: &str) -> Result<User> {
    let groups = EVERYONE.iter().find(|(n, _)| *n == name).map(|(_, groups)| *groups).expect("a name of the list");
    cluster.user(name, groups)
}
