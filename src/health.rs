//! Health: is the process alive, is it ready for requests, has it started.

use std::{sync::Arc, time::Instant};

use poem::{
    Response, Route, endpoint, get,
    http::{HeaderValue, StatusCode, header},
};
use serde::Serialize;
use serde_json::json;

use crate::{
    collections::Catalogs,
    http::{
        at, json_response,
        openapi::{Fragment, Tag, shared},
    },
    store::Store,
};

/// What health looks at.
#[derive(Debug)]
pub struct Health {
    catalogs: Arc<Catalogs>,
    started: Instant,
}

#[derive(Serialize)]
struct Body {
    status: &'static str,
    checks: Checks,
    version: &'static str,
    /// Seconds since the process started.
    uptime: u64,
}

#[derive(Default, Serialize)]
struct Checks {
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    writer: Option<WriterCheck>,
}

/// One dependency. The latency is in milliseconds.
#[derive(Serialize)]
struct Check {
    status: &'static str,
    latency: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WriterCheck {
    status: &'static str,
    latency: f64,
    waiting: usize,
    waiting_max: usize,
}

impl Health {
    /// Health of a server on these collections, started now.
    #[must_use]
    pub fn new(catalogs: Arc<Catalogs>) -> Arc<Self> {
        Arc::new(Self { catalogs, started: Instant::now() })
    }

    fn store(&self) -> &Store {
        self.catalogs.store()
    }

    fn body(&self, checks: Checks, up: bool) -> Response {
        let status = if up { "ok" } else { "unavailable" };
        let body =
            Body { status, checks, version: env!("CARGO_PKG_VERSION"), uptime: self.started.elapsed().as_secs() };
        let code = if up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let mut response = json_response(code, serde_json::to_vec(&body).unwrap_or_default());
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// The process answers: nothing else is asked.
    fn live(&self) -> Response {
        self.body(Checks::default(), true)
    }

    /// Requests can be served: the store can be read and written.
    fn ready(&self) -> Response {
        let began = Instant::now();
        let readable = self.catalogs.current().is_ok();
        let read_ms = began.elapsed().as_secs_f64() * 1000.0;
        let (waiting, waiting_max) = self.store().queue_depth();
        let writable = self.store().is_open() && waiting < waiting_max;
        let word = |up: bool| if up { "ok" } else { "unavailable" };
        let checks = Checks {
            store: Some(Check { status: word(readable), latency: read_ms }),
            writer: Some(WriterCheck {
                status: word(writable),
                latency: self.store().commit_time().as_secs_f64() * 1000.0,
                waiting,
                waiting_max,
            }),
        };
        self.body(checks, readable && writable)
    }
}

/// The routes of health.
pub fn mount(route: Route, health: &Arc<Health>) -> Route {
    let on = |answer: fn(&Health) -> Response| {
        let health = Arc::clone(health);
        get(endpoint::make_sync(move |_| answer(&health)))
    };
    route
        .at("/health/live", at("/health/live", on(Health::live)))
        .at("/health/ready", at("/health/ready", on(Health::ready)))
        // The port opens when everything has started, so whoever reaches this reaches a started server.
        .at("/health/startup", at("/health/startup", on(Health::ready)))
}

/// What the OpenAPI document says of health.
#[must_use]
pub fn fragment() -> Fragment {
    let operations = [
        ("live", "checkLiveness", "Is the process alive", "The process answers."),
        ("ready", "checkReadiness", "Can requests be served", "The store can be read and written."),
        ("startup", "checkStartup", "Has the server started", "The server has started."),
    ];
    let operation = |(name, id, summary, description): (&str, &str, &str, &str)| {
        let content = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Health" } } });
        let get = json!({
            "operationId": id,
            "summary": summary,
            "description": "Anyone may call this.",
            "tags": ["Health"],
            "security": [],
            "responses": shared::with_problems([
                (200, json!({ "description": description, "content": content })),
                (503, json!({ "description": "It is not so; the checks tell why.", "content": content })),
            ], &[429]),
        });
        (format!("/health/{name}"), json!({ "get": get }))
    };
    let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let status = json!({ "type": "string", "enum": ["ok", "unavailable"], "description": "Whether it is well." });
    let check = json!({ "type": "object", "description": "One dependency.", "required": ["status", "latency"], "properties": {
        "status": reference("HealthStatus"),
        "latency": { "type": "number", "description": "Milliseconds: of a read of the store, or of the writer's newest commit." },
    } });
    let health = json!({ "type": "object", "required": ["status", "checks", "version", "uptime"], "properties": {
        "status": reference("HealthStatus"),
        "checks": { "type": "object", "additionalProperties": reference("HealthCheck") },
        "version": { "type": "string" },
        "uptime": { "type": "integer", "format": "int64", "description": "Seconds." },
    } });
    let schemas = [("Health", health), ("HealthCheck", check), ("HealthStatus", status)];
    Fragment {
        paths: operations.into_iter().map(operation).collect(),
        schemas: schemas.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect(),
        tags: vec![Tag { name: "Health".into(), description: "Is the server alive, ready, started.".into() }],
    }
}
