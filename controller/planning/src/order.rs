//! The order among the servers of a scheme: who is launched after whom, and who stops before whom. What depends on another
//! stops first and comes up last.
//! Never looks at how far a server is: that is `host_migration/stage.rs`.

use qianyun_crds::{HookMoment, Scheme, SchemeHost};

/// The hosts as they are launched: in the order of the list, but each after all that it depends on. `Err` with hosts each of which
/// depends on the next one, the last on the first.
pub(crate) fn launch_order(scheme: &Scheme) -> Result<Vec<&SchemeHost>, Vec<&str>> {
    let mut placed: Vec<&SchemeHost> = Vec::new();
    while placed.len() < scheme.hosts.len() {
        let is_placed = |name: &str| placed.iter().any(|h| h.host_ref == name);
        let is_next = |h: &&SchemeHost| !is_placed(&h.host_ref) && h.depends_on.iter().all(|d| is_placed(d));
        match scheme.hosts.iter().find(is_next) {
            Some(next) => placed.push(next),
            None => return Err(circle(scheme, &placed)),
        }
    }
    Ok(placed)
}

/// From a host that cannot be placed along its dependencies, until one is met again.
fn circle<'a>(scheme: &'a Scheme, placed: &[&SchemeHost]) -> Vec<&'a str> {
    let is_open = |name: &str| placed.iter().all(|h| h.host_ref != name);
    let open = |name: &str| scheme.hosts.iter().find(|h| h.host_ref == name).filter(|h| is_open(&h.host_ref));
    let mut seen: Vec<&str> = Vec::new();
    let mut next = scheme.hosts.iter().find(|h| is_open(&h.host_ref));
    while let Some(host) = next {
        if let Some(begin) = seen.iter().position(|name| *name == host.host_ref) {
            return seen.split_off(begin);
        }
        seen.push(&host.host_ref);
        next = host.depends_on.iter().find_map(|d| open(d));
    }
    seen
}

/// The hosts that cannot work without this one.
pub(crate) fn dependents<'a>(scheme: &'a Scheme, host: &'a str) -> impl Iterator<Item = &'a SchemeHost> {
    scheme.hosts.iter().filter(move |h| h.depends_on.iter().any(|d| d == host))
}

/// How long a host's services take at most to stop, seconds.
pub(crate) fn stop_seconds(host: &SchemeHost) -> i64 {
    host.quiesce.iter().map(|q| i64::from(q.deadline_seconds)).sum()
}

/// How long its hooks of these moments take at most, seconds.
pub(crate) fn hook_seconds(host: &SchemeHost, moments: &[HookMoment]) -> i64 {
    host.hooks.iter().filter(|hook| moments.contains(&hook.at)).map(|hook| i64::from(hook.deadline_seconds)).sum()
}

/// How long users are without the system at most until all its hosts have stopped, seconds: what runs while everything still serves
/// is not counted.
pub(crate) fn down_seconds(scheme: &Scheme) -> i64 {
    let own = |host: &SchemeHost| {
        // While it still serves, what depends on it is down already.
        let first = dependents(scheme, &host.host_ref).next().is_none();
        let before = if first { 0 } else { hook_seconds(host, &[HookMoment::BeforeStop]) };
        before + stop_seconds(host) + hook_seconds(host, &[HookMoment::BeforeFreeze])
    };
    longest_stop(scheme, own)
}

/// How long it takes at most until all hosts have stopped, seconds, where one takes `own` and those that depend on it stop before
/// it. Hosts that depend on each other in a circle begin no attempt.
pub(crate) fn longest_stop(scheme: &Scheme, own: impl Fn(&SchemeHost) -> i64) -> i64 {
    let Ok(order) = launch_order(scheme) else { return scheme.hosts.iter().map(own).sum() };
    let mut stopped: Vec<(&str, i64)> = Vec::new();
    for host in order.into_iter().rev() {
        let is_before = |name: &str| dependents(scheme, &host.host_ref).any(|h| h.host_ref == name);
        let before = stopped.iter().filter(|(name, _)| is_before(name)).map(|(_, at)| *at).max();
        stopped.push((&host.host_ref, before.unwrap_or(0) + own(host)));
    }
    stopped.into_iter().map(|(_, at)| at).max().unwrap_or(0)
}
