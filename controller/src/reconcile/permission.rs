//! Whether a person holds a role now: the API server's authoriser is asked, never a list of ours.

use super::Context;
use super::memory::Holder;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use qianyun_crds::Approval;
use qianyun_planning::facts::{ApprovalFact, Authorisation};
use std::time::Duration;

/// One question. An answer that takes longer is no answer.
const LIMIT: Duration = Duration::from_secs(3);

/// Whether an answer of a moment ago will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// It will: nothing irreversible rests on it.
    Recent,
    /// Ask again.
    Now,
}

/// The approvals, each with the answer about its maker.
pub(super) async fn judge_all(ctx: &Context, approvals: Vec<Approval>, freshness: Freshness) -> Vec<ApprovalFact> {
    let asked = approvals.into_iter().map(|approval| async move {
        let authorised = authorise(ctx, &approval, freshness).await;
        ApprovalFact { approval, authorised }
    });
    futures::future::join_all(asked).await
}

/// Whether the maker of an approval holds the verb `approve` on `approvalgates` of the role's name: in the namespace of a
/// scheme, and in the whole cluster for a plan, which is the city's.
async fn authorise(ctx: &Context, approval: &Approval, freshness: Freshness) -> Authorisation {
    let own = approval.spec.subject.kind.is_of_migration();
    let namespace = if own { approval.namespace().unwrap_or_default() } else { String::new() };
    let holder = Holder { namespace, person: approval.spec.approved_by.clone(), role: approval.spec.role.clone() };
    if freshness == Freshness::Recent
        && let Some(known) = ctx.memory.permission(&holder)
    {
        return known;
    }
    let answer = ask(ctx, &holder).await;
    ctx.memory.keep_permission(holder, answer);
    answer
}

async fn ask(ctx: &Context, holder: &Holder) -> Authorisation {
    let review = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: Some(holder.person.clone()),
            resource_attributes: Some(ResourceAttributes {
                group: Some(qianyun_crds::GROUP.to_string()),
                resource: Some("approvalgates".to_string()),
                name: Some(holder.role.clone()),
                namespace: Some(holder.namespace.clone()).filter(|n| !n.is_empty()),
                verb: Some("approve".to_string()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let reviews = Api::<SubjectAccessReview>::all(ctx.client.clone());
    match tokio::time::timeout(LIMIT, reviews.create(&PostParams::default(), &review)).await {
        Ok(Ok(answer)) => match answer.status {
            Some(status) if status.allowed => Authorisation::Allowed,
            Some(status) if status.evaluation_error.is_some() => Authorisation::Unknown,
            Some(_) => Authorisation::Denied,
            None => Authorisation::Unknown,
        },
        Ok(Err(error)) => {
            tracing::warn!(person = holder.person, role = holder.role, %error, "a permission cannot be asked");
            Authorisation::Unknown
        }
        Err(_) => Authorisation::Unknown,
    }
}
