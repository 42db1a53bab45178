//! What is wrong with values that have the right types.

use super::{Config, is_secure};

/// What was found, as `(path, what)`.
#[derive(Default)]
struct Faults(Vec<(String, String)>);

impl Faults {
    fn check(&mut self, fits: bool, path: &str, what: &str) {
        if !fits {
            self.0.push((path.to_owned(), what.to_owned()));
        }
    }
}

impl Config {
    /// Everything that is wrong with the values together, as `(path, what)`.
    pub(super) fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Faults::default();
        check_server(self, &mut faults);
        check_auth(self, &mut faults);
        for (name, provider) in &self.sso {
            let found = provider.faults(name);
            faults.0.extend(found.into_iter().map(|(key, what)| (format!("sso.{name}.{key}"), what.to_owned())));
        }
        for (name, queue) in &self.queue {
            let found = queue.faults();
            faults.0.extend(found.into_iter().map(|(key, what)| (format!("queue.{name}.{key}"), what.to_owned())));
        }
        check_parts(self, &mut faults);
        faults.0
    }
}

/// The server, requests and the store.
fn check_server(config: &Config, faults: &mut Faults) {
    let listen = config.server.listen.rsplit_once(':');
    let listen = listen.filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    faults.check(listen.is_some(), "server.listen", "must be HOST:PORT, such as 127.0.0.1:8090");
    faults.check(!config.server.data.as_os_str().is_empty(), "server.data", "must name a folder");
    faults.check((1..=1024).contains(&(config.server.threads.max(1))), "server.threads", "must be from 0 to 1024");
    faults.check(
        (1024..=1 << 30).contains(&config.http.body_bytes_max),
        "http.body_bytes_max",
        "must be from 1024 to 1073741824",
    );
    faults.check((1..=1 << 20).contains(&config.http.requests_max), "http.requests_max", "must be from 1 to 1048576");
    faults.check((1..=1 << 20).contains(&config.http.live_max), "http.live_max", "must be from 1 to 1048576");
    faults.check(config.http.timeout_ms > 0, "http.timeout_ms", "must be greater than 0");
    faults.check(config.http.stream_idle_ms > 0, "http.stream_idle_ms", "must be greater than 0");
    let origin = |origin: &String| origin == "*" || origin.starts_with("http://") || origin.starts_with("https://");
    faults.check(
        config.http.cors_origins.iter().all(origin),
        "http.cors_origins",
        "each must be \"*\" or start with http:// or https://",
    );
    faults.check((1..=1 << 20).contains(&config.store.queue_max), "store.queue_max", "must be from 1 to 1048576");
    faults.check((1..=100_000).contains(&config.store.batch_max), "store.batch_max", "must be from 1 to 100000");
    faults.check((1..=1024).contains(&config.store.scans_max), "store.scans_max", "must be from 1 to 1024");
}

/// Sign-in.
fn check_auth(config: &Config, faults: &mut Faults) {
    faults.check(
        (60..=86_400).contains(&config.auth.access_token_seconds),
        "auth.access_token_seconds",
        "must be from 60 to 86400",
    );
    faults.check(
        (config.auth.access_token_seconds..=366 * 86_400).contains(&config.auth.refresh_token_seconds),
        "auth.refresh_token_seconds",
        "must be from auth.access_token_seconds to 31622400",
    );
    faults.check(
        (config.auth.refresh_token_seconds..=3660 * 86_400).contains(&config.auth.session_seconds_max),
        "auth.session_seconds_max",
        "must be from auth.refresh_token_seconds to 316224000",
    );
    faults.check(config.auth.refresh_grace_seconds <= 60, "auth.refresh_grace_seconds", "must be from 0 to 60");
    let registration = matches!(config.auth.registration.as_str(), "open" | "invite" | "closed");
    faults.check(registration, "auth.registration", "must be open, invite or closed");
    let closed = ["id", "email", "roles", "disabled", "createdAt", "updatedAt", "version"];
    let fields = config.auth.registration_fields.iter().all(|name| !closed.contains(&name.as_str()));
    faults.check(fields, "auth.registration_fields", "must not name fields that are not the user's to give");
    faults.check(
        config.auth.passkey_domain.is_empty() || !config.passkey_origins().1.is_empty(),
        "auth.passkey_domain",
        "must be the host of server.public_url or of one of http.cors_origins, or a domain above it",
    );
    let redirect = |url: &String| url.contains(':') && !url.contains('#') && !url.starts_with("javascript:");
    faults.check(
        config.auth.redirect_urls.iter().all(redirect),
        "auth.redirect_urls",
        "each must be an address without #, such as com.example.app:/signed-in",
    );
    faults.check(!config.auth.issuer.is_empty(), "auth.issuer", "must not be empty");
    faults.check(!config.auth.audience.is_empty(), "auth.audience", "must not be empty");
    faults.check(
        (8..=128).contains(&config.auth.password_length_min),
        "auth.password_length_min",
        "must be from 8 to 128",
    );
}

/// Mail, the audit log, queries and the log.
fn check_parts(config: &Config, faults: &mut Faults) {
    let url = |text: &str| text.is_empty() || text.starts_with("http://") || text.starts_with("https://");
    faults.check(url(&config.server.public_url), "server.public_url", "must start with http:// or https://");
    faults.check(url(&config.mail.link_url), "mail.link_url", "must start with http:// or https://");
    let tls = matches!(config.mail.smtp_tls.as_str(), "starttls" | "tls" | "none");
    faults.check(tls, "mail.smtp_tls", "must be starttls, tls or none");
    let name = &config.server.name;
    let is_name = (1..=100).contains(&name.len()) && !name.chars().any(char::is_control);
    faults.check(is_name, "server.name", "must have 1 to 100 bytes on one line");
    let locale = &config.mail.locale;
    let is_locale =
        (2..=35).contains(&locale.len()) && locale.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    faults.check(is_locale, "mail.locale", "must be a language, such as en or pt-BR");
    faults.check(config.mail.smtp_port > 0, "mail.smtp_port", "must be from 1 to 65535");
    faults.check(config.mail.from.contains('@'), "mail.from", "must be an address, such as Stead <stead@example.com>");
    faults.check((1..=3_650).contains(&config.mail.retention_days), "mail.retention_days", "must be from 1 to 3650");
    let timeout = (1_000..=60_000).contains(&config.outgoing.timeout_ms);
    faults.check(timeout, "outgoing.timeout_ms", "must be from 1000 to 60000");
    faults.check(
        (1..=36_500).contains(&config.audit.retention_days),
        "audit.retention_days",
        "must be from 1 to 36500",
    );
    faults.check(config.records.examined_max > 0, "records.examined_max", "must be greater than 0");
    let depth = config.records.relation_depth_max;
    faults.check((1..=6).contains(&depth), "records.relation_depth_max", "must be from 1 to 6");
    let format = matches!(config.log.format.as_str(), "auto" | "json" | "pretty");
    faults.check(format, "log.format", "must be auto, json or pretty");
    let captcha = &config.captcha;
    faults.check((0.0..=1.0).contains(&captcha.score_min), "captcha.score_min", "must be from 0 to 1");
    faults.check(
        captcha.verify_url.is_empty() || is_secure(&captcha.verify_url),
        "captcha.verify_url",
        "must start with https://, or with http:// and an address of this machine",
    );
    faults.check(
        captcha.verify_url.is_empty() == captcha.secret.is_empty(),
        "captcha.secret",
        "must be given with captcha.verify_url, and not without",
    );
    let level = config.log.level.parse::<tracing_subscriber::EnvFilter>();
    faults.check(level.is_ok(), "log.level", "must be a level such as info, or a list such as info,stead::store=debug");
}
