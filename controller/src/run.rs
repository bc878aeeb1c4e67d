//! What runs in the process, and in which order it starts and ends.
//!
//! | part | from | until |
//! |---|---|---|
//! | health | start | end |
//! | gateway | start; answers 503 before leadership | end |
//! | lease | start | end; lost means end, with a failure |
//! | reconcilers | leadership | end |
//!
//! Receivers and machines are not parts of the process: they go on.

use crate::args::{Args, Invocation};
use crate::audit::command::{self, AuditArgs};
use crate::ca::Authority;
use crate::gateway::agents::Agents;
use crate::gateway::{Listening, Shared};
use crate::health::{self, Ready};
use crate::hosting::qemu::Qemu;
use crate::lease::Elector;
use crate::preview::{self, PreviewArgs};
use crate::reconcile::{self, Parts};
use crate::telemetry;
use anyhow::Context;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Calls to the API server that are waited for at the end: longer than one needs, shorter than a pod's 30 s.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Held by whatever acts for the leader; nothing is ever sent.
pub(crate) type Acting = mpsc::Sender<Infallible>;

/// Does what was asked.
pub(crate) fn run(asked: Invocation) -> anyhow::Result<()> {
    match asked {
        Invocation::Control(args) => control(*args),
        Invocation::Audit(args) => audit(args),
        Invocation::Preview(args) => look_ahead(&args),
    }
}

fn look_ahead(args: &PreviewArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Whoever asks is a person at a screen, with the same access as kubectl has.
        let config = match args.kubeconfig() {
            Some(path) => client_config(Some(path)).await?,
            None => Config::infer().await.context("no --kubeconfig was given, and none is at its usual place")?,
        };
        let client = Client::try_from(config)?;
        Ok(preview::print(client, args, jiff::Timestamp::now(), &mut std::io::stdout().lock()).await?)
    })
}

fn audit(args: AuditArgs) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let Some(wanted) = args.run_offline(&mut out)? else { return Ok(()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::try_from(client_config(wanted.kubeconfig.as_deref()).await?)?;
        Ok(command::export(client, &wanted, &mut out).await?)
    })
}

/// Runs the controller until it is asked to end, or has to.
fn control(args: Args) -> anyhow::Result<()> {
    telemetry::init(&args.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(supervise(args));
    // A leader that lost must be gone, whatever still hangs in a blocking call.
    runtime.shutdown_timeout(END_WITHIN);
    result
}

async fn supervise(args: Args) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let config = client_config(args.kubeconfig.as_deref()).await?;
    let client = Elector::client(&config)?;
    let elector = Arc::new(Elector::new(client, &args.namespace, &args.lease_name, &args.identity()));
    let (acting, mut ended) = mpsc::channel(1);
    let result = tokio::select! {
        result = serve(&args, &config, &elector, acting) => result,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    if result.is_ok() {
        // Whatever acted for this leader ends with `serve`; each task at its next pause.
        let _: Result<Option<Infallible>, _> = tokio::time::timeout(END_WITHIN, ended.recv()).await;
        elector.release().await;
    }
    result
}

/// All parts together; ends when the first of them ends.
async fn serve(args: &Args, config: &Config, elector: &Arc<Elector>, acting: Acting) -> anyhow::Result<()> {
    let client = Client::try_from(config.clone()).context("no client for the api server can be made")?;
    let secrets = Api::namespaced(client.clone(), &args.namespace);
    let authority = Arc::new(Authority::ensure(&secrets, &format!("{}-ca", args.lease_name)).await?);
    let agents = Arc::new(Agents::new());
    let asking = gateway_client(config, args.gateway_user.as_deref())?;
    let shared = Arc::new(Shared::new(Arc::clone(&agents), Arc::clone(&authority), asking));
    let gateway = Listening::open(shared, args.gateway_listen, &args.gateway_url).await?;
    tracing::info!(listen = %args.gateway_listen, url = args.gateway_url, ca_hash = authority.ca_hash(), "gateway");
    let ready = Ready::default();
    ready.set();
    let parts = {
        let (agents, server_url) = (Arc::clone(&agents), args.gateway_url.clone());
        let hosting = Qemu::new(args.state_dir.clone(), args.agent_binary.clone(), Arc::clone(&authority));
        move |epoch| {
            let hosting = Arc::new(hosting);
            let clock = jiff::Timestamp::now;
            Parts { client, agents, hosting, authority, epoch, server_url, clock, acting }
        }
    };
    tokio::select! {
        served = health::serve(args.health_listen, ready) => served.context("health cannot be served"),
        () = gateway.serve() => Err(anyhow::anyhow!("the gateway ended")),
        result = lead(Arc::clone(elector), agents, parts) => result,
    }
}

/// Waits for leadership, then runs what needs it. The renewal is a task of its own: a reconciler that holds its thread
/// must not cost the lease.
async fn lead(elector: Arc<Elector>, agents: Arc<Agents>, parts: impl FnOnce(u64) -> Parts) -> anyhow::Result<()> {
    let leadership = elector.acquire().await;
    tracing::info!(epoch = leadership.epoch, "leading");
    agents.lead(leadership.epoch);
    let mut tasks = JoinSet::new();
    let parts = parts(leadership.epoch);
    tasks.spawn(async move {
        Box::pin(reconcile::run(parts)).await;
        anyhow::anyhow!("a reconciler ended")
    });
    tasks.spawn(async move { elector.hold(&leadership).await.into() });
    match tasks.join_next().await {
        Some(Ok(error)) => Err(error),
        Some(Err(panicked)) => Err(panicked).context("a reconciler panicked"),
        None => Ok(()),
    }
}

/// What the gateway asks the API server by: as a user that may do less than the controller, where one is named.
fn gateway_client(config: &Config, user: Option<&str>) -> anyhow::Result<Client> {
    let mut config = config.clone();
    config.auth_info.impersonate = user.map(str::to_owned);
    Client::try_from(config).context("no client for the gateway can be made")
}

async fn client_config(kubeconfig: Option<&Path>) -> anyhow::Result<Config> {
    match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path).with_context(|| format!("reading {}", path.display()))?;
            Ok(Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?)
        }
        None => Config::incluster().context("no --kubeconfig was given, and this is not a pod"),
    }
}
