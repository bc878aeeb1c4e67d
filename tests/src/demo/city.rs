//! The people of the story, each with a certificate and exactly the roles that the chart's notes say.

use anyhow::Result;

use crate::cluster::{Cluster, User};

/// The department's namespace.
pub(crate) const CIVIL: &str = "civil-affairs";

/// Everyone who acts.
pub(crate) struct City {
    /// 云平台运维单位.
    pub(crate) operator: User,
    /// 市政府办公室.
    pub(crate) government_office: User,
    /// 市智慧办.
    pub(crate) smart_city_office: User,
    /// 市民政局.
    pub(crate) department: User,
}

/// Roles of the two offices, and who holds each.
pub(crate) const OFFICES: [(&str, &str); 2] = [("municipalGovernmentOffice", "wang"), ("smartCityOffice", "zhao")];

impl City {
    /// Gives everyone a certificate.
    pub(crate) fn enter(cluster: &mut Cluster) -> Result<Self> {
        Ok(Self {
            operator: cluster.user("li", &["qianyun:operators"])?,
            government_office: cluster.user("wang", &[])?,
            smart_city_office: cluster.user("zhao", &[])?,
            department: cluster.user("chen", &[])?,
        })
    }

    /// Gives everyone a certificate and a role.
    pub(crate) fn found(cluster: &mut Cluster) -> Result<Self> {
        let city = Self::enter(cluster)?;
        let admin = cluster.admin().clone();
        cluster.ask(&admin, &["create", "namespace", CIVIL])?;
        for (role, person) in OFFICES {
            let role = format!("qianyun-approver-{role}");
            cluster.ask(&admin, &["create", "clusterrolebinding", &role, "--clusterrole", &role, "--user", person])?;
        }
        for role in ["qianyun-department", "qianyun-approver-department"] {
            let binding = ["create", "rolebinding", role, "-n", CIVIL, "--clusterrole", role, "--user", "chen"];
            cluster.ask(&admin, &binding)?;
        }
        Ok(city)
    }

    /// The person who holds an office's role.
    pub(crate) fn holder(&self, role: &str) -> &User {
        match role {
            "municipalGovernmentOffice" => &self.government_office,
            "smartCityOffice" => &self.smart_city_office,
            _ => &self.department,
        }
    }
}
