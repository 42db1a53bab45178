//! Configuration: defaults < `stead.toml` < `STEAD_*` environment < flags; typed, and checked as a whole before
//! anything is opened.
//!
//! The tree below is the reference: a key's path is `section.field`, its environment variable `STEAD_SECTION_FIELD`.

mod check;
mod keys;
mod load;
mod queue;
mod sso;

use std::{collections::BTreeMap, path::PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use keys::is_queue_name;
pub use load::{ConfigErrors, Sources, load};
pub use queue::QueueSettings;
pub use sso::{PRESETS, SsoProvider, TENANTS, is_of_many_tenants, is_secure, is_shared};

/// The whole configuration.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where the server listens and keeps its data.
    pub server: Server,
    /// What is done with every request and answer.
    pub http: Http,
    /// How many requests a client may make.
    pub rate_limit: RateLimit,
    /// The store.
    pub store: Store,
    /// Sign-in.
    pub auth: Auth,
    /// Providers of single sign-on, by name: `[sso.google]`, `[sso.our-own]`.
    pub sso: BTreeMap<String, SsoProvider>,
    /// Queues that are as their section says: `[queue.emails]`, `[queue.newsletters]`.
    pub queue: BTreeMap<String, QueueSettings>,
    /// Captchas.
    pub captcha: Captcha,
    /// Requests to addresses that users name.
    pub outgoing: Outgoing,
    /// The audit log.
    pub audit: Audit,
    /// Mail.
    pub mail: Mail,
    /// Queries.
    pub records: Records,
    /// The log.
    pub log: Log,
}

/// Where the server listens and keeps its data.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Server {
    /// The address and port to listen on; port 0 takes a free one.
    pub listen: String,
    /// The folder of everything that is stored.
    pub data: PathBuf,
    /// What the application is called, in mails.
    pub name: String,
    /// The address at which clients reach the server, such as `https://api.example.com`; empty for `http://` and `server.listen`.
    pub public_url: String,
    /// Addresses whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// After how long a connection without any traffic is closed, in seconds.
    pub idle_timeout_seconds: u64,
    /// How long requests may go on after the signal to stop, in seconds.
    pub shutdown_timeout_seconds: u64,
    /// Threads that serve requests; 0 for one for each core.
    pub threads: usize,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8090".into(),
            data: "stead-data".into(),
            name: "Stead".into(),
            public_url: String::new(),
            trusted_proxies: Vec::new(),
            idle_timeout_seconds: 120,
            shutdown_timeout_seconds: 30,
            threads: 0,
        }
    }
}

/// What is done with every request and answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Http {
    /// The greatest size of a request's body, in bytes; of an import, which has no greatest size, that of each record.
    pub body_bytes_max: usize,
    /// The most requests that are worked on at once; one more is answered 503.
    pub requests_max: usize,
    /// The most streams of events that are open at once; one more is answered 503.
    pub live_max: usize,
    /// How long a request may take, its body included, in milliseconds; an import may take any time.
    pub timeout_ms: u64,
    /// How long the body of an import may stand still, in milliseconds.
    pub stream_idle_ms: u64,
    /// Whether answers are compressed for clients that accept it.
    pub compression: bool,
    /// The size from which answers are compressed, in bytes.
    pub compression_bytes_min: usize,
    /// Whether answers carry security headers.
    pub security_headers: bool,
    /// Origins whose pages may call the API; `*` for all.
    pub cors_origins: Vec<String>,
    /// How long a browser may keep the answer to a preflight request, in seconds.
    pub cors_max_age_seconds: u64,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 20,
            requests_max: 1024,
            live_max: 4096,
            timeout_ms: 30_000,
            stream_idle_ms: 30_000,
            compression: true,
            compression_bytes_min: 1024,
            security_headers: true,
            cors_origins: Vec::new(),
            cors_max_age_seconds: 600,
        }
    }
}

/// How many requests a client may make; 0 turns a limit off.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct RateLimit {
    /// Requests a minute from one address (IPv6: from one /64).
    pub per_address_per_minute: u32,
    /// Requests a minute by one user.
    pub per_user_per_minute: u32,
    /// Attempts a minute to sign in from one address.
    pub sign_in_per_minute: u32,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { per_address_per_minute: 0, per_user_per_minute: 0, sign_in_per_minute: 20 }
    }
}

/// The store.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Store {
    /// The most memory for cached pages, in bytes; 0 takes a 64th of the machine's, from 32 to 256 MiB. The system's page cache
    /// answers what is not in it.
    pub cache_bytes: usize,
    /// The most writes that wait; one more is answered 503.
    pub queue_max: usize,
    /// The most writes that share a commit.
    pub batch_max: usize,
    /// After how long without a write the file is sealed, so that it opens quickly after a crash, in milliseconds.
    pub seal_after_ms: u64,
    /// The most long reads at once.
    pub scans_max: usize,
}

impl Default for Store {
    fn default() -> Self {
        Self { cache_bytes: 0, queue_max: 4096, batch_max: 512, seal_after_ms: 200, scans_max: 4 }
    }
}

/// Sign-in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Auth {
    /// How long an access token is good for, in seconds.
    pub access_token_seconds: u64,
    /// How long a refresh token is good for, in seconds.
    pub refresh_token_seconds: u64,
    /// How long a session lasts, however often it is refreshed, in seconds.
    pub session_seconds_max: u64,
    /// For how long a refresh token that was used gets the same answer once more, in seconds, for clients that lost it.
    pub refresh_grace_seconds: u64,
    /// Whether cookies of sessions are sent over TLS only; browsers take `localhost` for that.
    pub cookie_secure: bool,
    /// The domain to which passkeys belong, such as `example.com` for pages of `app.example.com`; empty takes the host of
    /// `server.public_url`. Passkeys are good for no other one, so it does not change.
    pub passkey_domain: String,
    /// Who issues tokens: their `iss`.
    pub issuer: String,
    /// For whom tokens are: their `aud`.
    pub audience: String,
    /// Who may become a user by themselves: `open` for anyone with an address, `invite` for those who were invited, `closed` for nobody.
    pub registration: String,
    /// The fields of a user's record that somebody who registers, or follows an invitation, fills in.
    pub registration_fields: Vec<String>,
    /// Addresses to which single sign-on may lead back, besides `/account`, each as it is: pages of yours, and those of apps, such as
    /// `com.example.app:/signed-in`. Each is compared as a whole.
    pub redirect_urls: Vec<String>,
    /// Whether users may delete their own account.
    pub account_deletion: bool,
    /// Whether users get a mail when they sign in from a device that was not seen before, unless they do not want to hear of it.
    pub new_device_notice: bool,
    /// Whether who has become a user by registering, by an invitation or by single sign-on is greeted by a mail.
    pub welcome_mail: bool,
    /// Whether a mail with a link and a code may sign in.
    pub email_sign_in: bool,
    /// The least length of a password, in characters.
    pub password_length_min: usize,
    /// Passwords that are hashed at once; 0 for one for each core.
    pub hashes_max: usize,
    /// The key that signs tokens: an Ed25519 key in PKCS#8 PEM; further ones after it only verify. Empty: a key is made and
    /// kept in the data folder.
    pub signing_key: String,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            access_token_seconds: 900,
            refresh_token_seconds: 30 * 86_400,
            session_seconds_max: 90 * 86_400,
            refresh_grace_seconds: 10,
            cookie_secure: true,
            passkey_domain: String::new(),
            issuer: "stead".into(),
            audience: "stead-api".into(),
            registration: "invite".into(),
            registration_fields: vec!["name".into()],
            redirect_urls: Vec::new(),
            account_deletion: true,
            new_device_notice: true,
            welcome_mail: false,
            email_sign_in: true,
            password_length_min: 10,
            hashes_max: 0,
            signing_key: String::new(),
        }
    }
}

/// Captchas: before signing in with a password, registering, and asking for a mail.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Captcha {
    /// Where answers are verified: `https://challenges.cloudflare.com/turnstile/v0/siteverify`, `https://api.hcaptcha.com/siteverify`,
    /// `https://www.google.com/recaptcha/api/siteverify`; empty asks for none.
    pub verify_url: String,
    /// The secret that the provider gives with the key of your site.
    pub secret: String,
    /// The least score that passes, from 0 to 1, of a provider that gives scores, as reCAPTCHA v3 does: it calls any answer good.
    pub score_min: f64,
}

impl Default for Captcha {
    fn default() -> Self {
        Self { verify_url: String::new(), secret: String::new(), score_min: 0.5 }
    }
}

/// Mail.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Mail {
    /// The server for outgoing mail; empty keeps all mail in the outbox, where admins read it.
    pub smtp_host: String,
    /// Its port: usually 587 with `starttls`, 465 with `tls`.
    pub smtp_port: u16,
    /// How the connection is kept secret: `starttls`, `tls` from the start, or `none`, for a server on this machine.
    pub smtp_tls: String,
    /// The name to sign in there with; empty for none.
    pub smtp_user: String,
    /// The password to sign in there with.
    pub smtp_password: String,
    /// The sender: an address, or a name and an address in angle brackets.
    pub from: String,
    /// The page to which links in mails lead, with what they are for behind `#`; empty for the server's own at `/account`.
    pub link_url: String,
    /// The language of mails to those of whom no other one is known, such as `en` or `pt-BR`.
    pub locale: String,
    /// For how many days the outbox tells of a mail.
    pub retention_days: u32,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            smtp_host: String::new(),
            smtp_port: 587,
            smtp_tls: "starttls".into(),
            smtp_user: String::new(),
            smtp_password: String::new(),
            from: "Stead <stead@localhost>".into(),
            link_url: String::new(),
            locale: "en".into(),
            retention_days: 30,
        }
    }
}

/// Requests to addresses that users name: webhooks, and pulls.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Outgoing {
    /// Whether they may go to addresses of this machine and of private networks, and over plain HTTP.
    pub allow_private: bool,
    /// How long an exchange may take, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self { allow_private: false, timeout_ms: 15_000 }
    }
}

/// The audit log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Audit {
    /// For how many days events are kept.
    pub retention_days: u32,
}

impl Default for Audit {
    fn default() -> Self {
        Self { retention_days: 365 }
    }
}

/// Queries.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Records {
    /// The most records and index entries that one query looks at.
    pub examined_max: u64,
    /// How many relations a path of a filter, or an expansion, may follow; at most 6.
    pub relation_depth_max: usize,
    /// The most memory that answered pages take while no record of their collection changes, in bytes; 0 keeps none.
    pub pages_bytes_max: u64,
}

impl Default for Records {
    fn default() -> Self {
        Self { examined_max: 2_000_000, relation_depth_max: 3, pages_bytes_max: 16 << 20 }
    }
}

/// The log, which goes to standard error.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Log {
    /// What is logged: a level, or a list such as `info,stead::store=debug`.
    pub level: String,
    /// `json`, `pretty`, or `auto`: pretty on a terminal.
    pub format: String,
    /// Whether each request is logged.
    pub requests: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info,poem=warn".into(), format: "auto".into(), requests: true }
    }
}

impl Config {
    /// Where clients reach the server, without a slash at the end.
    #[must_use]
    pub fn own_url(&self) -> String {
        match self.server.public_url.trim_end_matches('/') {
            "" => format!("http://{}", self.server.listen),
            public => public.to_owned(),
        }
    }

    /// The page to which links in mails lead.
    #[must_use]
    pub fn link_url(&self) -> String {
        if self.mail.link_url.is_empty() { format!("{}/account", self.own_url()) } else { self.mail.link_url.clone() }
    }

    /// The domain to which passkeys belong, and the origins whose pages may use them: none where the server is known by an address
    /// only.
    #[must_use]
    pub fn passkey_origins(&self) -> (&str, Vec<&str>) {
        let public = match self.server.public_url.as_str() {
            "" if self.auth.passkey_domain.is_empty() => "http://localhost",
            public => public,
        };
        let domain = match self.auth.passkey_domain.as_str() {
            "" => host_of(public).unwrap_or_default(),
            given => given,
        };
        let is_below =
            |host: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        let named = [public].into_iter().chain(self.http.cors_origins.iter().map(String::as_str));
        (domain, named.filter(|origin| !domain.is_empty() && host_of(origin).is_some_and(is_below)).collect())
    }

    /// The configuration as TOML, with secrets hidden.
    #[must_use]
    pub fn redacted(&self) -> String {
        let mut table = toml::Table::try_from(self).unwrap_or_default();
        for path in keys::secrets(&table) {
            let Some((section, key)) = path.rsplit_once('.') else { continue };
            let value = keys::find_section(&mut table, section).and_then(|section| section.get_mut(key));
            if let Some(toml::Value::String(secret)) = value.filter(|value| value.as_str() != Some("")) {
                *secret = "***".into();
            }
        }
        toml::to_string(&table).unwrap_or_default()
    }
}

/// The host in a URL, unless it is an address.
fn host_of(url: &str) -> Option<&str> {
    let host = url.split_once("://")?.1.split('/').next()?;
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let is_name = !host.is_empty() && !host.starts_with('[') && host.parse::<std::net::IpAddr>().is_err();
    is_name.then_some(host)
}
