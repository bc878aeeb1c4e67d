//! Logging: to standard error, as the level filter says. Set up once, by `run`.

use tracing_subscriber::EnvFilter;

/// Logs what `filter` lets through, as `info` or `info,qianyun_controller=debug`.
pub(crate) fn init(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter)?;
    let logged = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    logged.try_init().map_err(|error| anyhow::anyhow!("logging cannot be set up: {error}"))
}
