//! Pages for people: the one-time set-up link, those behind links in mails, and the admin's own. They are built into the binary, and do
//! nothing that the public API does not.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use poem::{
    Endpoint, Request, Response, Route, endpoint, get,
    http::{HeaderValue, StatusCode, header},
    web::Redirect,
};

use crate::http::at;

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file under `assets`, with the path under which it is served.
macro_rules! asset {
    ($kind:expr, $file:literal) => {
        (concat!("/", $file), $kind, include_str!(concat!("../assets/", $file)))
    };
}

/// A path, the type of what is there, and that itself.
type Asset = (&'static str, &'static str, &'static str);

const FILES: [Asset; 23] = [
    asset!(STYLE, "setup/setup.css"),
    asset!(SCRIPT, "setup/setup.js"),
    asset!(SCRIPT, "account/account.js"),
    asset!(SCRIPT, "account/sso.js"),
    asset!(SCRIPT, "admin/api.js"),
    asset!(SCRIPT, "admin/app.js"),
    asset!(SCRIPT, "admin/chart.js"),
    asset!(SCRIPT, "admin/format.js"),
    asset!(SCRIPT, "admin/job.js"),
    asset!(SCRIPT, "admin/jobs.js"),
    asset!(SCRIPT, "admin/live.js"),
    asset!(SCRIPT, "admin/new_job.js"),
    asset!(SCRIPT, "admin/queue.js"),
    asset!(SCRIPT, "admin/queues.js"),
    asset!(SCRIPT, "admin/router.js"),
    asset!(SCRIPT, "admin/schedule.js"),
    asset!(SCRIPT, "admin/schedules.js"),
    asset!(SCRIPT, "admin/sign_in.js"),
    asset!(SCRIPT, "admin/ui.js"),
    asset!(STYLE, "admin/admin.css"),
    asset!(STYLE, "admin/vendor/uplot.css"),
    asset!(SCRIPT, "admin/vendor/preact.js"),
    asset!(SCRIPT, "admin/vendor/uplot.js"),
];
const SETUP: &str = include_str!("../assets/setup/index.html");
const ACCOUNT: &str = include_str!("../assets/account/index.html");
const ADMIN: &str = include_str!("../assets/admin/index.html");

/// The pages talk to this server only, also over plain HTTP, where the first set-up often happens.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self';object-src 'none';base-uri 'self';frame-ancestors 'none'";

/// Adds the routes of the pages.
pub fn mount(route: Route) -> Route {
    let route = FILES.into_iter().fold(route, |route, (path, kind, text)| route.at(path, at(path, file(kind, text))));
    route
        .at("/setup", at("/setup", file(HTML, SETUP)))
        .at("/account", at("/account", file(HTML, ACCOUNT)))
        .at("/admin", at("/admin", get(endpoint::make_sync(|_| Redirect::see_other("/admin/queues")))))
        // What the page shows stands in the path, and is for its scripts to read.
        .at("/admin/*rest", at("/admin/*rest", file(HTML, ADMIN)))
}

/// A file, which a client keeps until it is another one.
fn file(kind: &'static str, text: &'static str) -> impl Endpoint<Output = Response> + 'static {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest));
    get(endpoint::make_sync(move |request: Request| {
        let response = Response::builder()
            .content_type(kind)
            .header(header::CACHE_CONTROL, "no-cache")
            .header(header::ETAG, &tag)
            .header(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
        let known = request.header(header::IF_NONE_MATCH).unwrap_or_default();
        if known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag) {
            return response.status(StatusCode::NOT_MODIFIED).finish();
        }
        response.body(text)
    }))
}
