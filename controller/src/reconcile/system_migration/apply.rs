//! Makes the journeys that the plan asks for.

use crate::reconcile::Context;
use crate::reconcile::driver::LookError;
use crate::reconcile::write::{MANAGER, beside};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, ResourceExt};
use qianyun_crds::{HostIntent, HostMigration, HostMigrationSpec, SystemMigration};
use qianyun_planning::{Action, Facts, Plan};

/// Carries a plan out.
pub(super) async fn carry_out(ctx: &Context, facts: &Facts, plan: &Plan) -> Result<(), LookError> {
    for action in &plan.actions {
        match action {
            Action::CreateJourney { host, digest } => create(ctx, &facts.migration, host, digest).await?,
            Action::SetIntent { .. }
            | Action::EnsureVolumes { .. }
            | Action::EnsureReceiver { .. }
            | Action::StopReceiver { .. }
            | Action::Decide { .. }
            | Action::EnsureTarget { .. }
            | Action::RunProbes { .. } => tracing::error!(?action, "a plan of a system acts on a host: left out"),
        }
    }
    Ok(())
}

/// Made once. It has no owner that could take it down: what was decided in it is kept.
async fn create(ctx: &Context, migration: &SystemMigration, host: &str, digest: &str) -> Result<(), LookError> {
    let journeys: Api<HostMigration> = beside(ctx.client(), migration);
    let name = format!("{}-{host}", migration.name_any());
    let spec = HostMigrationSpec {
        migration_ref: migration.name_any(),
        host_ref: host.to_string(),
        scheme_digest: digest.to_string(),
        intent: HostIntent::Idle,
        session: 1,
        attempt: 0,
    };
    let metadata = ObjectMeta { name: Some(name.clone()), namespace: migration.namespace(), ..ObjectMeta::default() };
    let journey = HostMigration { metadata, spec, status: None };
    let params = PostParams { field_manager: Some(MANAGER.to_string()), ..PostParams::default() };
    match journeys.create(&params, &journey).await {
        Ok(_) => {
            tracing::info!(journey = name, host, digest, "a journey begins");
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            let found = journeys.get(&name).await.map_err(LookError::api(format!("reading the journey {name}")))?;
            let ours = found.spec.migration_ref == migration.name_any() && found.spec.host_ref == host;
            if ours { Ok(()) } else { Err(LookError::Taken { what: format!("the HostMigration {name}") }) }
        }
        Err(error) => Err(LookError::api(format!("making the journey {name}"))(error)),
    }
}
