//! Settings of the chart, as helm judges them before anything reaches a cluster: what is misspelt or impossible is refused at its
//! place, and what depends on a setting is there exactly with it.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use qianyun_tests::cluster::built;

/// A setting that is refused, and what helm says.
const REFUSED: &[(&str, &str)] = &[
    ("replica=2", "at '': additional properties 'replica' not allowed"),
    ("replicas=3", "at '/replicas': maximum: got 3, want 2"),
    ("replicas=2", "Set persistence.accessMode to ReadWriteMany, or replicas to 1"),
    ("image.pulPolicy=Never", "at '/image': additional properties 'pulPolicy' not allowed"),
    ("image.digest=sha256:1", "at '/image/digest': 'sha256:1' does not match"),
    ("gateway.url=http://gateway", "at '/gateway/url': 'http://gateway' does not match"),
    ("gateway.service.type=Ingress", "at '/gateway/service/type': value must be one of"),
    ("networkPolicy.agent={10.0.0.0/8}", "at '/networkPolicy': additional properties 'agent' not allowed"),
    ("networkPolicy.agents={everyone}", "at '/networkPolicy/agents/0': 'everyone' does not match"),
    ("persistence.size=much", "at '/persistence/size': 'much' does not match"),
    ("resources.limit.cpu=1", "at '/resources': additional properties 'limit' not allowed"),
    ("tolerations[0].operater=Exists", "at '/tolerations/0': additional properties 'operater' not allowed"),
    ("affinity.podAfinity.weight=1", "at '/affinity': additional properties 'podAfinity' not allowed"),
    ("controller.env[0].value=x", "at '/controller/env/0': missing property 'name'"),
    ("access.approvers[0].role=mayor", "names role mayor, which is not in approverRoles: add it there"),
    ("access.approvers[0].role=department", "bind qianyun-approver-department in its namespace"),
    (
        "access.approvers[0].role=smartCityOffice,access.approvers[0].groups={offices}",
        "access.approvers binds role smartCityOffice to groups: set users",
    ),
    ("approverRoles={one}", "at '/approverRoles': minItems: got 1, want 2"),
];

fn template(settings: &[&str]) -> Result<Output> {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/qianyun");
    let mut helm = Command::new(built("tools/helm")?);
    helm.args(["template", "qianyun", "--namespace", "qianyun-system"]).arg(chart);
    helm.args(settings.iter().flat_map(|setting| ["--set", setting]));
    helm.env("HELM_CACHE_HOME", env!("CARGO_TARGET_TMPDIR")).output().context("running helm")
}

#[test]
fn what_is_misspelt_or_impossible_is_refused_at_its_place() -> Result<()> {
    let mut wrong = Vec::new();
    for (setting, message) in REFUSED {
        let said = template(&[setting])?;
        let error = String::from_utf8_lossy(&said.stderr).into_owned();
        if said.status.success() || !error.contains(message) {
            wrong.push(format!("{setting}: expected {message:?}, found {error:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn what_depends_on_a_setting_is_there_exactly_with_it() -> Result<()> {
    let rendered = |settings: &[&str]| -> Result<String> {
        let said = template(settings)?;
        ensure!(said.status.success(), "{settings:?}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).context("helm writes UTF-8")
    };
    let (one, two) = (rendered(&[])?, rendered(&["replicas=2", "persistence.accessMode=ReadWriteMany"])?);
    for (text, with_two, with_one) in [
        ("kind: PodDisruptionBudget", 1, 0),
        ("podAntiAffinity:", 1, 0),
        ("type: RollingUpdate", 1, 0),
        ("type: Recreate", 0, 1),
        ("kind: NetworkPolicy", 1, 1),
    ] {
        let found = (two.matches(text).count(), one.matches(text).count());
        assert_eq!(found, (with_two, with_one), "{text:?} with two replicas and with one");
    }
    assert!(!rendered(&["networkPolicy.enabled=false"])?.contains("kind: NetworkPolicy"));
    let narrow = rendered(&["networkPolicy.agents={10.20.0.0/16,fd00::/8}"])?;
    assert!(narrow.contains(r#"cidr: "10.20.0.0/16""#) && narrow.contains(r#"cidr: "fd00::/8""#), "{narrow}");
    Ok(())
}
