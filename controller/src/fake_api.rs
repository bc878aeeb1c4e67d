//! A small API server for tests, over real HTTP on loopback: objects as JSON, `resourceVersion`, conflicts, switches for
//! faults. It knows no schema, no watch and no RBAC; the tests against the real one are elsewhere.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use kube::{Client, Config};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The server. Clones share the objects.
#[derive(Clone, Default)]
pub(crate) struct FakeApi {
    state: Arc<Mutex<Objects>>,
}

#[derive(Default)]
struct Objects {
    by_path: BTreeMap<String, Value>,
    version: u64,
    down: bool,
}

impl FakeApi {
    /// Starts it; gives a client configuration for it.
    pub(crate) async fn start() -> (Self, Config) {
        let api = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(handle).with_state(api.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut config = Config::new(url.parse().unwrap());
        config.default_retry = false;
        (api, config)
    }

    /// A client for it.
    pub(crate) async fn with_client() -> (Self, Client) {
        let (api, config) = Self::start().await;
        (api, Client::try_from(config).unwrap())
    }

    /// Puts an object at `collection` (as `/api/v1/namespaces/n/secrets`), whatever is there.
    pub(crate) fn put(&self, collection: &str, object: Value) {
        let mut state = self.state.lock().unwrap();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        state.store(format!("{collection}/{name}"), object);
    }

    /// Removes an object.
    pub(crate) fn remove(&self, path: &str) {
        self.state.lock().unwrap().by_path.remove(path);
    }

    /// The object at `path`.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.state.lock().unwrap().by_path.get(path).cloned()
    }

    /// Every object whose path ends in `/<plural>/<name>`.
    pub(crate) fn all(&self, plural: &str) -> Vec<Value> {
        self.state.lock().unwrap().of(None, plural)
    }

    /// From here it answers 500 to everything, or works again.
    pub(crate) fn set_down(&self, down: bool) {
        self.state.lock().unwrap().down = down;
    }
}

impl Objects {
    fn store(&mut self, path: String, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if let Some((_, rest)) = path.split_once("/namespaces/") {
            object["metadata"]["namespace"] = json!(rest.split('/').next().unwrap());
        }
        self.by_path.insert(path, object.clone());
        object
    }

    fn of(&self, namespace: Option<&str>, plural: &str) -> Vec<Value> {
        let fits = |path: &&String| {
            let parts: Vec<&str> = path.rsplit('/').collect();
            parts[1] == plural && namespace.is_none_or(|namespace| parts[2] == namespace)
        };
        self.by_path.iter().filter(|(path, _)| fits(path)).map(|(_, object)| object.clone()).collect()
    }
}

async fn handle(State(api): State<FakeApi>, method: Method, uri: Uri, body: Bytes) -> Response {
    let mut state = api.state.lock().unwrap();
    if state.down {
        return status(StatusCode::INTERNAL_SERVER_ERROR, "InternalError");
    }
    let path = uri.path().to_owned();
    let object = || serde_json::from_slice::<Value>(&body).unwrap();
    if method == Method::GET {
        return get(&state, &path);
    }
    if method == Method::POST {
        let object = object();
        let path = format!("{path}/{}", object["metadata"]["name"].as_str().unwrap());
        if state.by_path.contains_key(&path) {
            return status(StatusCode::CONFLICT, "AlreadyExists");
        }
        return (StatusCode::CREATED, axum::Json(state.store(path, object))).into_response();
    }
    if method == Method::PUT {
        let object = object();
        let Some(old) = state.by_path.get(&path) else { return status(StatusCode::NOT_FOUND, "NotFound") };
        if old["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"] {
            return status(StatusCode::CONFLICT, "Conflict");
        }
        return axum::Json(state.store(path, object)).into_response();
    }
    status(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed")
}

fn get(state: &Objects, path: &str) -> Response {
    if let Some(object) = state.by_path.get(path) {
        return axum::Json(object).into_response();
    }
    let parts: Vec<&str> = path.split('/').collect();
    let items = match parts.as_slice() {
        // /apis/<group>/<version>/<plural>
        ["", "apis", _, _, plural] => state.of(None, plural),
        ["", "apis", _, _, "namespaces", namespace, plural] => state.of(Some(namespace), plural),
        _ => return status(StatusCode::NOT_FOUND, "NotFound"),
    };
    axum::Json(json!({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items})).into_response()
}

fn status(code: StatusCode, reason: &str) -> Response {
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": code.as_u16()});
    (code, axum::Json(body)).into_response()
}
