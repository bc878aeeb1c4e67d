//! What the elector promises, as decisions and against a small API server.

use super::*;
use crate::fake_api::FakeApi;
use serde_json::json;

const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/qianyun/leases/qy";
const COLLECTION: &str = "/apis/coordination.k8s.io/v1/namespaces/qianyun/leases";

fn lease(holder: &str, version: &str, transitions: i32) -> Lease {
    serde_json::from_value(json!({
        "metadata": {"name": "qy", "resourceVersion": version},
        "spec": {"holderIdentity": holder, "leaseTransitions": transitions}
    }))
    .unwrap()
}

#[test]
fn there_is_none_so_it_is_created() {
    assert_eq!(decide("me", None, &mut Seen::default(), Instant::now()), Move::Create);
}

#[test]
fn anothers_lease_is_taken_only_after_it_was_seen_unchanged_for_its_whole_time() {
    let (mut seen, start) = (Seen::default(), Instant::now());
    let other = lease("other", "1", 4);
    assert_eq!(decide("me", Some(&other), &mut seen, start), Move::Wait);
    let almost = start + LEASE - Duration::from_millis(1);
    assert_eq!(decide("me", Some(&other), &mut seen, almost), Move::Wait);
    assert_eq!(decide("me", Some(&other), &mut seen, start + LEASE), Move::Take { epoch: 5 });
}

#[test]
fn each_renewal_starts_the_time_again() {
    let (mut seen, start) = (Seen::default(), Instant::now());
    assert_eq!(decide("me", Some(&lease("other", "1", 4)), &mut seen, start), Move::Wait);
    let late = start + LEASE;
    assert_eq!(decide("me", Some(&lease("other", "2", 4)), &mut seen, late), Move::Wait);
    assert_eq!(decide("me", Some(&lease("other", "2", 4)), &mut seen, late + LEASE / 2), Move::Wait);
}

#[test]
fn a_released_lease_is_taken_at_once_with_a_new_epoch() {
    assert_eq!(decide("me", Some(&lease("", "1", 4)), &mut Seen::default(), Instant::now()), Move::Take { epoch: 5 });
}

#[test]
fn a_lease_without_transitions_still_gives_an_epoch_of_at_least_one() {
    let mut bare = lease("", "1", 0);
    bare.spec.as_mut().unwrap().lease_transitions = None;
    assert_eq!(decide("me", Some(&bare), &mut Seen::default(), Instant::now()), Move::Take { epoch: 1 });
}

fn elector(config: &Config, identity: &str) -> Elector {
    Elector::new(Elector::client(config).unwrap(), "qianyun", "qy", identity)
}

#[tokio::test]
async fn every_process_that_takes_over_has_a_higher_epoch_also_with_the_same_identity() {
    let (_api, config) = FakeApi::start().await;
    let first = elector(&config, "pod");
    assert_eq!(first.acquire().await.epoch, 1);
    first.release().await;
    let second = elector(&config, "pod");
    assert_ne!(first.me, second.me);
    assert_eq!(second.acquire().await.epoch, 2);
}

#[tokio::test]
async fn a_leader_whose_lease_was_taken_or_deleted_has_lost() {
    let (api, config) = FakeApi::start().await;
    let elector = elector(&config, "pod");
    let leadership = elector.acquire().await;
    let mut other = api.get(PATH).unwrap();
    other["spec"]["holderIdentity"] = json!("other");
    api.put(COLLECTION, other);
    let lost = elector.hold(&leadership).await.to_string();
    assert!(lost.contains("another process"), "{lost}");
    api.remove(PATH);
    assert!(elector.hold(&leadership).await.to_string().contains("another process"));
}

#[tokio::test]
async fn a_leader_that_cannot_renew_has_lost_before_anyone_can_take_over() {
    let (api, config) = FakeApi::start().await;
    let elector = elector(&config, "pod");
    let leadership = elector.acquire().await;
    api.set_down(true);
    let started = Instant::now();
    let lost = elector.hold(&leadership).await.to_string();
    assert!(lost.contains("lost"), "{lost}");
    assert!(started.elapsed() < LEASE, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_leader_that_can_renew_goes_on_and_a_lost_race_is_not_an_error() {
    let (api, config) = FakeApi::start().await;
    let one = elector(&config, "one");
    assert_eq!(one.attempt(&mut Seen::default()).await.unwrap(), Some(1));
    assert!(one.renew(1).await.unwrap());
    assert!(!one.renew(2).await.unwrap(), "another epoch is not ours");
    let stale = serde_json::from_value(api.get(PATH).unwrap()).unwrap();
    assert!(one.renew(1).await.unwrap());
    let lost = elector(&config, "two").write(stale, Some(2)).await;
    assert!(matches!(lost, Err(kube::Error::Api(status)) if status.is_conflict()));
}
