//! All routes, made twice on the same services: for the network, and for the operator's socket.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use poem::{Endpoint, EndpointExt as _, Route, endpoint::BoxEndpoint, http::Method};
use poem_openapi::OpenApiService;

use super::services::Services;
use crate::{
    access::Principal,
    audit::api::AuditApi,
    auth::{self, FactorApi, PasskeyApi, api::AuthApi},
    collections::{api::CollectionsApi, sync::api::SchemaApi},
    config::Config,
    docs, health,
    http::{Captcha, Cookies, Gate, LiveStreams, Pipeline, PipelineOptions, RateLimiter, Session},
    inbox::api::{InboxApi, UNSUBSCRIBE_PATH},
    jobs::{
        JobService,
        api::JobsApi,
        queues::api::QueuesApi,
        work::{self, api::WorkApi},
    },
    keys::api::KeysApi,
    mail::api::MailApi,
    notifications::api::NotificationsApi,
    openapi::{self, LiveDocument},
    pages,
    realtime::{self, api::RealtimeApi},
    records,
    roles::api::RolesApi,
    schedules::api::SchedulesApi,
    telemetry,
    templates::api::TemplatesApi,
    users::{
        self,
        api::UsersApi,
        flows::{self, api::FlowsApi},
        own::api::OwnApi,
        sso::{self, api::SsoApi},
    },
    webhooks::api::WebhooksApi,
};

/// The path under which the API stands.
const BASE: &str = "/api/v1";
/// Paths that anyone may call.
const PUBLIC: [&str; 18] = {
    let ([a, b, c, d, e, f, g, h, i, j, k, l, m, n], [o, p]) = (SIGN_IN, sso::api::PUBLIC);
    [auth::api::REFRESH_PATH, UNSUBSCRIBE_PATH, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
};
/// Paths where somebody may try to guess a password or a token.
const SIGN_IN: [&str; 14] = {
    let [a, b, c, d, e, f, g] = flows::api::PUBLIC;
    let ([h, i], [j, k], setup) = (auth::PASSKEY_PATHS, sso::api::SIGN_IN, users::api::SETUP_PATH);
    [auth::api::LOGIN_PATH, setup, flows::api::EMAIL_SIGN_IN_PATH, a, b, c, d, e, f, g, h, i, j, k]
};

/// Paths where anyone may try passwords, or have mails sent: there a captcha is asked for, if one is configured.
const CAPTCHA: [&str; 4] = {
    let [register, _, _, _, forgot, _, email_sign_in] = flows::api::PUBLIC;
    [auth::api::LOGIN_PATH, register, forgot, email_sign_in]
};

/// Whether a request may take any time, so that who calls is asked again meanwhile.
fn takes_long(method: &Method, path: &str) -> bool {
    records::api::takes_stream(method, path)
        || work::api::is_stream(method, path)
        || realtime::api::is_stream(method, path)
}

/// What routes are made of.
pub(super) struct Parts<'p> {
    pub(super) config: &'p Config,
    pub(super) services: &'p Services,
    pub(super) live: LiveStreams,
}

impl Parts<'_> {
    /// Everything under `/api/v1`, and what the document says of its static part.
    fn api(&self, own: Route) -> (impl Endpoint<Output = poem::Response> + use<>, String) {
        let described = (
            AuthApi { auth: Arc::clone(&self.services.auth), cookies: self.cookies() },
            FactorApi { auth: Arc::clone(&self.services.auth) },
            PasskeyApi { auth: Arc::clone(&self.services.auth), cookies: self.cookies() },
            RolesApi { roles: Arc::clone(&self.services.roles) },
            KeysApi { keys: Arc::clone(&self.services.keys) },
            AuditApi { audit: self.services.audit.clone() },
            FlowsApi { flows: Arc::clone(&self.services.flows), cookies: self.cookies() },
            OwnApi { own: self.services.own(self.config.auth.account_deletion) },
            SsoApi {
                sso: Arc::clone(&self.services.sso),
                auth: Arc::clone(&self.services.auth),
                cookies: self.cookies(),
            },
            (
                JobsApi { jobs: self.jobs() },
                QueuesApi { jobs: self.jobs() },
                WorkApi { jobs: self.jobs(), live: self.live.clone() },
                SchedulesApi { schedules: self.services.schedules.clone() },
                WebhooksApi { webhooks: self.services.webhooks.clone() },
                InboxApi { inbox: self.services.inbox.clone() },
                NotificationsApi { notifications: self.services.notifications.clone() },
                TemplatesApi { templates: self.services.mail.templates().clone() },
                RealtimeApi {
                    jobs: self.services.jobs.clone(),
                    inbox: self.services.inbox.clone(),
                    live: self.live.clone(),
                },
            ),
            MailApi { mail: self.services.mail.clone() },
            UsersApi { users: Arc::clone(&self.services.users), auth: Arc::clone(&self.services.auth) },
            CollectionsApi { collections: self.services.collections.clone() },
            SchemaApi { collections: self.services.collections.clone() },
        );
        let service = OpenApiService::new(described, "Stead", env!("CARGO_PKG_VERSION")).url_prefix(BASE);
        let spec = service.spec();
        (records::api::mount(own, &self.services.records).nest("/", service).map_to_response(), spec)
    }

    /// All routes, with those of the API that are the listener's `own`, and the document that describes them.
    fn routes(&self, own: Route, captcha: Option<Captcha>) -> anyhow::Result<(Route, Arc<LiveDocument>)> {
        let (api, spec) = self.api(own);
        let document = LiveDocument::new(
            Arc::clone(&self.services.catalogs),
            &spec,
            &PUBLIC,
            vec![
                health::fragment(),
                auth::api::fragment(),
                records::openapi::common_fragment(),
                records::openapi::archives(),
            ],
        )
        .context("the API's description is no JSON")?;
        let limiter = RateLimiter::per_minute("user", self.config.rate_limit.per_user_per_minute).map(Arc::new);
        let authenticate = Arc::clone(&self.services.auth) as Arc<dyn crate::http::Authenticate>;
        let gated = Gate::new(api, authenticate, self.cookies(), limiter, &PUBLIC, &auth::HALF, takes_long);
        let gated = gated.with_captcha(captcha);
        let open = docs::mount(health::mount(Route::new(), &self.services.health));
        let open = auth::api::mount(open, &self.services.auth);
        Ok((pages::mount(openapi::mount(open, &document)).nest(BASE, gated), document))
    }

    fn jobs(&self) -> JobService {
        JobService::new(self.services.jobs.clone(), Duration::from_millis(self.config.http.timeout_ms))
    }

    fn options(&self, config: &Config, document: Arc<LiveDocument>) -> PipelineOptions {
        PipelineOptions::new(config, &SIGN_IN, Arc::clone(&self.services.clock))
            .with_streams(records::api::takes_stream)
            .with_methods(move |path| document.methods_of(path))
    }

    fn cookies(&self) -> Cookies {
        Cookies::new(self.config.auth.cookie_secure, &self.config.http.cors_origins)
    }

    pub(super) fn public(&self) -> anyhow::Result<BoxEndpoint<'static>> {
        let captcha = Captcha::new(&self.config.captcha, &CAPTCHA, &self.services.outgoing);
        let (routes, document) = self.routes(Route::new(), captcha)?;
        let options = self.options(self.config, document);
        Ok(Pipeline::new(routes.map_to_response(), options).boxed())
    }

    /// The operator speaks through a socket in the data folder: whoever may open it owns the data.
    pub(super) fn operator(&self) -> anyhow::Result<BoxEndpoint<'static>> {
        let mut config = self.config.clone();
        config.rate_limit =
            crate::config::RateLimit { per_address_per_minute: 0, per_user_per_minute: 0, sign_in_per_minute: 0 };
        let session =
            Session { principal: Principal::operator(), tag: telemetry::user_tag("operator").into(), half: false };
        let own = records::api::mount_operator(Route::new(), &self.services.records);
        let (routes, document) = self.routes(own, None)?;
        let options = self.options(&config, document);
        Ok(Pipeline::new(routes.data(session).map_to_response(), options).boxed())
    }
}
