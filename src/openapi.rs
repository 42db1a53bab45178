//! The OpenAPI document of the server as it is now, at `/openapi.json`.
//!
//! It is made of what never changes and of what each collection adds, and made anew when the schema's epoch has moved.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use poem::{
    Request, Response, Route, endpoint, get,
    http::{HeaderValue, StatusCode, header},
};
use serde_json::Value;

use crate::{
    collections::Catalogs,
    http::{
        ApiError, at,
        openapi::{self, Fragment},
    },
    records,
    store::StoreError,
};

/// The path of the document.
pub const PATH: &str = "/openapi.json";

/// Makes and keeps the document.
#[derive(Debug)]
pub struct LiveDocument {
    catalogs: Arc<Catalogs>,
    fixed: Value,
    plain: Vec<Fragment>,
    current: ArcSwapOption<Made>,
}

/// The document of one schema epoch.
#[derive(Debug)]
struct Made {
    epoch: u64,
    json: Bytes,
    etag: HeaderValue,
    /// The methods of each path.
    methods: Vec<(Box<str>, HeaderValue)>,
}

impl LiveDocument {
    /// The document of these collections; `spec` is what the framework says of the static operations, `public` are
    /// the paths that need no credentials, and `plain` is what plain routes say of themselves.
    ///
    /// # Errors
    /// When `spec` is not JSON.
    pub fn new(
        catalogs: Arc<Catalogs>,
        spec: &str,
        public: &[&str],
        plain: Vec<Fragment>,
    ) -> Result<Arc<Self>, serde_json::Error> {
        let fixed = openapi::raise(spec, public)?;
        Ok(Arc::new(Self { catalogs, fixed, plain, current: ArcSwapOption::empty() }))
    }

    fn current(&self) -> Result<Arc<Made>, StoreError> {
        let (_, catalog) = self.catalogs.current()?;
        if let Some(made) = self.current.load_full().filter(|made| made.epoch == catalog.epoch) {
            return Ok(made);
        }
        let fragments = self.plain.iter().cloned().chain(records::openapi::fragments(&catalog));
        let document = openapi::document(&self.fixed, fragments);
        let json = serde_json::to_vec(&document).map_err(StoreError::corrupt)?;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &json);
        let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest));
        let etag = HeaderValue::try_from(tag).map_err(StoreError::corrupt)?;
        let methods = methods(&document);
        let made = Arc::new(Made { epoch: catalog.epoch, json: json.into(), etag, methods });
        self.current.store(Some(Arc::clone(&made)));
        Ok(made)
    }

    /// The methods that a path knows. What is not in the document is a page, to be read.
    #[must_use]
    pub fn methods_of(&self, path: &str) -> HeaderValue {
        let wildcards = |template: &str| template.matches('{').count();
        let made = self.current().ok();
        let paths = made.iter().flat_map(|made| &made.methods).filter(|(template, _)| is_of(template, path));
        let found = paths.min_by_key(|(template, _)| wildcards(template));
        found.map_or(HeaderValue::from_static("GET, HEAD"), |(_, methods)| methods.clone())
    }

    fn answer(&self, request: &Request) -> Result<Response, ApiError> {
        let made = self.current()?;
        let known = request.headers().get(header::IF_NONE_MATCH).is_some_and(|known| *known == made.etag);
        let response = Response::builder().header(header::ETAG, &made.etag).header(header::CACHE_CONTROL, "no-cache");
        Ok(match known {
            true => response.status(StatusCode::NOT_MODIFIED).finish(),
            false => response.content_type("application/json").body(made.json.clone()),
        })
    }
}

/// Whether a path is one of a template's, whose parameters stand in braces.
fn is_of(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given || wanted.starts_with('{') => {}
            _ => return false,
        }
    }
}

fn methods(document: &Value) -> Vec<(Box<str>, HeaderValue)> {
    let paths = document.get("paths").and_then(Value::as_object);
    let known = |item: &Value| {
        let has = |method: &&str| item.get(method.to_ascii_lowercase()).is_some();
        let read = item.get("get").map(|_| "HEAD");
        let methods: Vec<_> = ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().filter(has).chain(read).collect();
        HeaderValue::try_from(methods.join(", ")).ok()
    };
    paths.into_iter().flatten().filter_map(|(path, item)| Some((path.as_str().into(), known(item)?))).collect()
}

/// Adds the document's route.
pub fn mount(route: Route, document: &Arc<LiveDocument>) -> Route {
    let document = Arc::clone(document);
    let answer = move |request: Request| document.answer(&request).map_err(poem::Error::from);
    route.at(PATH, at(PATH, get(endpoint::make_sync(answer))))
}
