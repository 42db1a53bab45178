//! Gathering the configuration from its sources, and every fault in it.

use std::{fmt, path::PathBuf};

use toml::{Table, Value};

use super::{
    Config,
    keys::{FILE_SUFFIX, Keys, find_section, key_of, secrets, section_of, sections},
};

const PREFIX: &str = "STEAD_";
/// The file that is read when it is there and no other is named.
const DEFAULT_FILE: &str = "stead.toml";

/// Where the configuration comes from, besides the defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file; `stead.toml` in the current folder when it is there and none is named.
    pub file: Option<PathBuf>,
    /// Environment variables, all of them.
    pub environment: Vec<(String, String)>,
    /// Values from flags: path and text.
    pub flags: Vec<(String, String)>,
    /// The folder of systemd credentials; a file `stead.section.key` in it is the value of a secret.
    pub credentials: Option<PathBuf>,
}

impl Sources {
    /// The sources of this process.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "config is the one module that reads the environment")]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<(String, String)>) -> Self {
        let readable = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Self { file, environment: std::env::vars_os().filter_map(readable).collect(), flags, credentials }
    }
}

/// Everything that is wrong with the configuration.
#[derive(Debug, Default)]
pub struct ConfigErrors(Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the configuration is not valid:")?;
        self.0.iter().try_for_each(|error| writeln!(f, "  {error}"))
    }
}

impl std::error::Error for ConfigErrors {}

/// Gathers and checks the configuration.
///
/// # Errors
/// Every fault of every source at once, each with its key's path and where it came from.
pub fn load(sources: &Sources) -> Result<Config, ConfigErrors> {
    let mut errors = Vec::new();
    let keys = Keys::new();
    let mut merged = Table::new();
    read_file(sources, &keys, &mut merged, &mut errors);
    read_environment(sources, &keys, &mut merged, &mut errors);
    for (path, text) in &sources.flags {
        put_text(&keys, &mut merged, path, text, "a flag", &mut errors);
    }
    read_secrets(sources, &mut merged, &mut errors);
    let config = deserialize(merged, &mut errors);
    errors.extend(config.faults().into_iter().map(|(path, what)| format!("{path}: {what}")));
    if errors.is_empty() { Ok(config) } else { Err(ConfigErrors(errors)) }
}

fn read_file(sources: &Sources, keys: &Keys, merged: &mut Table, errors: &mut Vec<String>) {
    let path = sources.file.clone().unwrap_or_else(|| DEFAULT_FILE.into());
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && sources.file.is_none() => return,
        Err(error) => return errors.push(format!("{}: cannot be read: {error}", path.display())),
    };
    let table: Table = match text.parse() {
        Ok(table) => table,
        Err(error) => return errors.push(format!("{}: {error}", path.display())),
    };
    for (section, value) in sections(table) {
        let Some(given) = value.as_table().filter(|_| keys.has_section(&section)) else {
            errors.push(format!("{section}: there is no such section (in {})", path.display()));
            continue;
        };
        for (key, value) in given {
            let path_of_key = format!("{section}.{key}");
            if keys.has(&path_of_key) {
                section_of(merged, &section).insert(key.clone(), value.clone());
            } else {
                errors.push(format!("{path_of_key}: there is no such key (in {})", path.display()));
            }
        }
    }
}

fn read_environment(sources: &Sources, keys: &Keys, merged: &mut Table, errors: &mut Vec<String>) {
    for (name, text) in &sources.environment {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        match keys.path_of_variable(rest) {
            Some(path) => put_text(keys, merged, &path, text, name, errors),
            None => errors
                .push(format!("{name}: no key belongs to this environment variable; `stead config show` lists them")),
        }
    }
}

/// Puts a text as a value of the type that the key's default has.
fn put_text(keys: &Keys, merged: &mut Table, path: &str, text: &str, source: &str, errors: &mut Vec<String>) {
    let Some((section, key)) = path.rsplit_once('.') else { return };
    let value = match keys.default_of(path) {
        Some(Value::Integer(_)) => text.parse().map(Value::Integer).map_err(|_| "must be a whole number"),
        Some(Value::Boolean(_)) => text.parse().map(Value::Boolean).map_err(|_| "must be true or false"),
        Some(Value::Array(_)) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
        }
        _ => Ok(Value::String(text.to_owned())),
    };
    match value {
        Ok(value) => {
            section_of(merged, section).insert(key.to_owned(), value);
        }
        Err(what) => errors.push(format!("{path}: {what} (from {source})")),
    }
}

fn read_secrets(sources: &Sources, merged: &mut Table, errors: &mut Vec<String>) {
    for secret in secrets(merged) {
        let Some((section, key)) = secret.rsplit_once('.') else { continue };
        let named = find_section(merged, section).and_then(|section| section.remove(&format!("{key}{FILE_SUFFIX}")));
        let credential = sources.credentials.as_ref().map(|folder| folder.join(format!("stead.{secret}")));
        let file = match named {
            Some(Value::String(path)) => Some(PathBuf::from(path)),
            Some(_) => return errors.push(format!("{secret}{FILE_SUFFIX}: must be a path")),
            None => credential.filter(|path| path.exists()),
        };
        let Some(file) = file else { continue };
        match std::fs::read_to_string(&file) {
            Ok(text) => {
                section_of(merged, section).insert(key.to_owned(), Value::String(text.trim_end().to_owned()));
            }
            Err(error) => errors.push(format!("{secret}{FILE_SUFFIX}: {} cannot be read: {error}", file.display())),
        }
    }
}

/// Reads the tree; each value of a wrong type is named, left out, and the rest tried again.
fn deserialize(mut merged: Table, errors: &mut Vec<String>) -> Config {
    loop {
        let result: Result<Config, _> = serde_path_to_error::deserialize(Value::Table(merged.clone()));
        let error = match result {
            Ok(config) => return config,
            Err(error) => error,
        };
        let path = key_of(&error.path().to_string());
        let reason = error.inner().to_string();
        errors.push(format!("{path}: {}", reason.lines().next().unwrap_or_default()));
        let Some((section, key)) = path.rsplit_once('.') else { return Config::default() };
        let removed = find_section(&mut merged, section).and_then(|table| table.remove(key));
        if removed.is_none() && merged.remove(section).is_none() {
            return Config::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(toml: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> (tempfile::TempDir, Sources) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("stead.toml");
        std::fs::write(&file, toml).unwrap();
        let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let sources =
            Sources { file: Some(file), environment: owned(environment), flags: owned(flags), credentials: None };
        (folder, sources)
    }

    #[test]
    fn later_sources_win() {
        let toml = "[http]\ntimeout_ms = 1\nbody_bytes_max = 2048\n[server]\nlisten = \"127.0.0.1:1\"";
        let env = [("STEAD_HTTP_TIMEOUT_MS", "2"), ("STEAD_SERVER_LISTEN", "127.0.0.1:2"), ("OTHER", "x")];
        let (_folder, sources) = sources(toml, &env, &[("server.listen", "127.0.0.1:3")]);
        let config = load(&sources).unwrap();
        assert_eq!((config.http.timeout_ms, config.http.body_bytes_max), (2, 2048));
        assert_eq!(config.server.listen, "127.0.0.1:3");
        assert_eq!(config.http.requests_max, 1024);
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let toml = "[http]\ntimeout_ms = \"soon\"\nbody_bytes_max = 1\ntypo = 1\n[servr]\n[server]\ntrusted_proxies = [\"nowhere\"]";
        let env = [("STEAD_HTTP_COMPRESSION", "maybe"), ("STEAD_NOTHING", "1")];
        let (_folder, sources) = sources(toml, &env, &[("server.listen", "here")]);
        let text = load(&sources).unwrap_err().to_string();
        for path in [
            "http.timeout_ms",
            "http.body_bytes_max",
            "http.typo",
            "servr",
            "server.trusted_proxies",
            "http.compression",
            "STEAD_NOTHING",
            "server.listen",
        ] {
            assert!(text.contains(&format!("  {path}: ")), "{path} is missing in:\n{text}");
        }
    }

    #[test]
    fn providers_of_single_sign_on_have_sections_of_their_own() {
        let toml = "[sso.google]\nclient_id = \"g\"\n[sso.our-own]\nissuer = \"http://localhost:9/\"\nclient_id = \"o\"\nscopes = [\"openid\"]";
        let env = [
            ("STEAD_SSO_OUR_OWN_CLIENT_SECRET", "top secret"),
            ("STEAD_SSO_GITHUB_CLIENT_ID", "h"),
            ("STEAD_SSO_GITHUB_CLIENT_SECRET", "top secret"),
            ("STEAD_SSO_GITHUB_DOMAINS", "example.com, example.org"),
        ];
        let (folder, mut sources) = sources(toml, &env, &[]);
        let file = folder.path().join("secret");
        std::fs::write(&file, "from a file\n").unwrap();
        sources.environment.push(("STEAD_SSO_GOOGLE_CLIENT_SECRET_FILE".into(), file.display().to_string()));
        let config = load(&sources).unwrap();
        let names: Vec<_> = config.sso.keys().collect();
        assert_eq!(names, ["github", "google", "our-own"]);
        assert_eq!(config.sso["google"].client_secret, "from a file");
        assert_eq!(config.sso["google"].issuer("google"), "https://accounts.google.com");
        assert_eq!(config.sso["github"].domains, ["example.com", "example.org"]);
        let shown = config.redacted();
        assert!(!shown.contains("top secret") && !shown.contains("from a file"), "{shown}");
        assert!(shown.contains("[sso.our-own]"), "{shown}");
    }

    #[test]
    fn queues_have_sections_of_their_own() {
        let toml = "[queue.emails]\nconcurrency = 2\n[queue.my_news]\npause = \"constant\"";
        let (_folder, first) = sources(toml, &[("STEAD_QUEUE_NIGHT_WORK_RATE_JOBS", "7")], &[]);
        let config = load(&first).unwrap();
        let names: Vec<_> = config.queue.keys().collect();
        assert_eq!(names, ["emails", "my_news", "night-work"]);
        assert_eq!((config.queue["emails"].concurrency, config.queue["emails"].attempts_max), (2, 4));
        assert_eq!(config.queue["night-work"].rate_jobs, 7);
        let toml = "[queue.emails]\nattempts_max = 0\nrate_seconds = \"x\"\n[queue.Emails]\n[queue.a]\ntypo = 1\npause = \"x\"";
        let (_folder, second) = sources(toml, &[("STEAD_QUEUE_CONCURRENCY", "1")], &[]);
        let text = load(&second).unwrap_err().to_string();
        for path in [
            "queue.emails.attempts_max",
            "queue.emails.rate_seconds",
            "queue.Emails",
            "queue.a.typo",
            "queue.a.pause",
            "STEAD_QUEUE_CONCURRENCY",
        ] {
            assert!(text.contains(&format!("  {path}: ")), "{path} is missing in:\n{text}");
        }
    }

    #[test]
    fn faults_of_providers_are_named() {
        let toml = "[sso.google]\nscopes = \"openid\"\nclient_id = 1\n[sso.ours]\nclient_id = \"o\"\nclient_secret = \"s\"\ntypo = 1\n[sso.\"A b\"]\n[sso.apple]\nclient_id = \"a\"";
        let env =
            [("STEAD_SSO_X_TYPO", "1"), ("STEAD_SSO_CLIENT_ID", "1"), ("STEAD_SSO_OURS_ISSUER", "http://example.com")];
        let (_folder, sources) = sources(toml, &env, &[]);
        let text = load(&sources).unwrap_err().to_string();
        for path in [
            "sso.google.scopes",
            "sso.google.client_id",
            "sso.google.client_secret",
            "sso.ours.typo",
            "sso.ours.issuer",
            "sso.A b",
            "sso.apple.private_key",
            "STEAD_SSO_X_TYPO",
            "STEAD_SSO_CLIENT_ID",
        ] {
            assert!(text.contains(&format!("  {path}: ")), "{path} is missing in:\n{text}");
        }
    }

    #[test]
    fn passkeys_belong_to_a_domain_of_the_server() {
        let domain = |public: &str| {
            let toml = format!("[server]\npublic_url = \"{public}\"\n[auth]\npasskey_domain = \"example.com\"");
            let (_folder, sources) = sources(&toml, &[], &[]);
            load(&sources)
        };
        assert!(domain("https://app.example.com").is_ok() && domain("https://example.com:8443/base").is_ok());
        for public in ["", "https://example.org", "https://badexample.com", "https://192.0.2.7"] {
            let errors = domain(public).unwrap_err().to_string();
            assert!(errors.contains("auth.passkey_domain: must be the host of"), "{public}: {errors}");
        }
    }

    #[test]
    fn a_secret_comes_from_a_file_and_is_never_shown() {
        let (folder, mut sources) = sources("", &[], &[]);
        let key = folder.path().join("key.pem");
        std::fs::write(&key, "top secret\n").unwrap();
        sources.environment.push(("STEAD_AUTH_SIGNING_KEY_FILE".into(), key.display().to_string()));
        let config = load(&sources).unwrap();
        assert_eq!(config.auth.signing_key, "top secret");
        assert!(!config.redacted().contains("top secret") && config.redacted().contains("signing_key = \"***\""));
        std::fs::write(folder.path().join("stead.auth.signing_key"), "from systemd").unwrap();
        sources.environment.clear();
        sources.credentials = Some(folder.path().into());
        assert_eq!(load(&sources).unwrap().auth.signing_key, "from systemd");
    }
}
