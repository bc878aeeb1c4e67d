//! Health for whoever runs the process: `/livez` says that it runs, `/readyz` that the gateway listens.
//!
//! Neither depends on the API server or on leadership: a standby is healthy, and a restart repairs no API server.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::TcpListener;

/// Whether the gateway listens; shared with whoever starts it.
#[derive(Clone, Default)]
pub(crate) struct Ready(Arc<AtomicBool>);

impl Ready {
    /// The gateway listens.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn status(&self) -> StatusCode {
        if self.0.load(Ordering::Relaxed) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    }
}

/// Serves both on `address` until it is dropped.
pub(crate) async fn serve(address: SocketAddr, ready: Ready) -> std::io::Result<()> {
    axum::serve(TcpListener::bind(address).await?, router(ready)).await
}

fn router(ready: Ready) -> Router {
    Router::new()
        .route("/livez", get(async || StatusCode::OK))
        .route("/readyz", get(move || std::future::ready(ready.status())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_only_once_its_gateway_listens() {
        let ready = Ready::default();
        assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
        ready.clone().set();
        assert_eq!(ready.status(), StatusCode::OK);
    }
}
