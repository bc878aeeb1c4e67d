//! What is kept by namespace is what the store holds, after whatever the watch said.

use super::*;
use futures::StreamExt;
use kube::ResourceExt;
use kube::runtime::watcher::Event;
use qianyun_crds::Approval;
use serde_json::json;

fn approval(namespace: &str, name: &str, role: &str) -> Approval {
    serde_json::from_value(json!({
        "apiVersion": "migration.qianyun.dev/v1alpha1", "kind": "Approval",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "subject": {"kind": "SystemMigration", "name": "registry", "uid": "u"}, "gate": "DualApproved", "role": role,
            "digest": format!("sha256:{:064}", 1), "decision": "Approve", "approvedBy": "zhang"
        }
    }))
    .unwrap()
}

fn names(objects: &Objects<Approval>, namespace: Option<&str>) -> Vec<String> {
    let mut names: Vec<String> = objects.select(namespace, |_| true).iter().map(|o| o.name_any()).collect();
    names.sort();
    names
}

#[test]
fn a_namespace_holds_what_came_and_stayed_and_nothing_of_another() {
    let mut watch = Watch::new();
    let objects = watch.objects();
    for event in
        [Event::Init, Event::InitApply(approval("civil", "a", "mgo")), Event::InitApply(approval("water", "b", "mgo"))]
    {
        watch.see(event);
        assert!(!objects.are_ready(), "not all was seen");
        assert_eq!(names(&objects, Some("civil")), [] as [&str; 0]);
    }
    watch.see(Event::InitDone);
    assert!(objects.are_ready());
    watch.see(Event::Apply(approval("civil", "c", "mgo")));
    assert_eq!(names(&objects, Some("civil")), ["a", "c"]);
    assert_eq!((names(&objects, Some("water")), names(&objects, Some("roads"))), (vec!["b".to_string()], vec![]));
    assert_eq!(names(&objects, None), ["a", "b", "c"]);
    watch.see(Event::Apply(approval("civil", "a", "sco")));
    let changed = objects.select(Some("civil"), |a| a.spec.role == "sco");
    assert_eq!(changed.iter().map(|a| a.name_any()).collect::<Vec<_>>(), ["a"]);
    watch.see(Event::Delete(approval("civil", "a", "sco")));
    assert_eq!(
        (names(&objects, Some("civil")), names(&objects, None)),
        (vec!["c".to_string()], vec!["b".into(), "c".into()])
    );
}

#[test]
fn a_new_list_takes_the_place_of_the_old_one_only_when_it_is_whole() {
    let mut watch = Watch::new();
    let objects = watch.objects();
    let first = [Event::Init, Event::InitApply(approval("civil", "a", "mgo")), Event::InitDone];
    first.into_iter().for_each(|event| watch.see(event));
    for event in [Event::Init, Event::InitApply(approval("civil", "b", "mgo"))] {
        watch.see(event);
        assert_eq!(names(&objects, Some("civil")), ["a"], "half a list is none");
    }
    watch.see(Event::InitDone);
    assert_eq!((names(&objects, Some("civil")), names(&objects, None)), (vec!["b".to_string()], vec!["b".to_string()]));
}

#[tokio::test]
async fn whoever_is_named_is_woken_for_what_is_there_at_first_comes_and_goes() {
    let mut watch = Watch::new();
    let woken = watch.wakes(|a: &Approval| Some(ObjectRef::<Approval>::new(&format!("of-{}", a.name_any()))));
    for event in [
        Event::Init,
        Event::InitApply(approval("civil", "a", "mgo")),
        Event::InitDone,
        Event::Apply(approval("civil", "b", "mgo")),
        Event::Delete(approval("civil", "a", "mgo")),
    ] {
        watch.see(event);
    }
    drop(watch);
    let names: Vec<String> = woken.map(|name| name.name).collect().await;
    assert_eq!(names, ["of-a", "of-b", "of-a"]);
}
