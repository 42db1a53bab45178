//! The pages behind links: the one-time set-up link, and those in mails.

use poem::{Response, Route, endpoint, get, http::header};

use crate::http::at;

const PAGE: (&str, &str) = ("text/html; charset=utf-8", include_str!("../assets/setup/index.html"));
const STYLE: (&str, &str) = ("text/css; charset=utf-8", include_str!("../assets/setup/setup.css"));
const SCRIPT: (&str, &str) = ("text/javascript; charset=utf-8", include_str!("../assets/setup/setup.js"));

const ACCOUNT: (&str, &str) = ("text/html; charset=utf-8", include_str!("../assets/account/index.html"));
const ACCOUNT_SCRIPT: (&str, &str) = ("text/javascript; charset=utf-8", include_str!("../assets/account/account.js"));

const SSO_SCRIPT: (&str, &str) = ("text/javascript; charset=utf-8", include_str!("../assets/account/sso.js"));

/// The pages talk to this server only, also over plain HTTP, where the first set-up often happens.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self';object-src 'none';base-uri 'self';frame-ancestors 'none'";

/// Adds the routes of the pages.
pub fn mount(route: Route) -> Route {
    let on = |(kind, text): (&'static str, &'static str)| {
        let answer = move |_| {
            let response = Response::builder().content_type(kind).header(header::CACHE_CONTROL, "no-cache");
            response.header(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY).body(text)
        };
        get(endpoint::make_sync(answer))
    };
    route
        .at("/setup", at("/setup", on(PAGE)))
        .at("/setup/setup.css", at("/setup/setup.css", on(STYLE)))
        .at("/setup/setup.js", at("/setup/setup.js", on(SCRIPT)))
        .at("/account", at("/account", on(ACCOUNT)))
        .at("/account/account.js", at("/account/account.js", on(ACCOUNT_SCRIPT)))
        .at("/account/sso.js", at("/account/sso.js", on(SSO_SCRIPT)))
}
