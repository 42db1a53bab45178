//! Gathering the configuration from its sources, and every fault in it.

use std::{fmt, path::PathBuf};

use toml::{Table, Value};

use super::{Config, SECRETS};

const PREFIX: &str = "STEAD_";
const FILE_SUFFIX: &str = "_file";
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
    let known = Table::try_from(Config::default()).unwrap_or_default();
    let mut merged = Table::new();
    read_file(sources, &known, &mut merged, &mut errors);
    read_environment(sources, &known, &mut merged, &mut errors);
    for (path, text) in &sources.flags {
        put_text(&known, &mut merged, path, text, "a flag", &mut errors);
    }
    read_secrets(sources, &mut merged, &mut errors);
    let config = deserialize(merged, &mut errors);
    errors.extend(config.faults().into_iter().map(|(path, what)| format!("{path}: {what}")));
    if errors.is_empty() { Ok(config) } else { Err(ConfigErrors(errors)) }
}

fn read_file(sources: &Sources, known: &Table, merged: &mut Table, errors: &mut Vec<String>) {
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
    for (section, value) in table {
        let (Some(Value::Table(own)), Value::Table(given)) = (known.get(&section), value) else {
            errors.push(format!("{section}: there is no such section (in {})", path.display()));
            continue;
        };
        for (key, value) in given {
            let path_of_key = format!("{section}.{key}");
            if own.contains_key(&key) || is_secret_file(&path_of_key) {
                section_of(merged, &section).insert(key, value);
            } else {
                errors.push(format!("{path_of_key}: there is no such key (in {})", path.display()));
            }
        }
    }
}

fn is_secret_file(path: &str) -> bool {
    path.strip_suffix(FILE_SUFFIX).is_some_and(|secret| SECRETS.contains(&secret))
}

fn section_of<'t>(table: &'t mut Table, section: &str) -> &'t mut Table {
    let entry = table.entry(section.to_owned()).or_insert_with(|| Value::Table(Table::new()));
    if !entry.is_table() {
        *entry = Value::Table(Table::new());
    }
    match entry {
        Value::Table(table) => table,
        _ => unreachable!("made a table above"),
    }
}

fn read_environment(sources: &Sources, known: &Table, merged: &mut Table, errors: &mut Vec<String>) {
    for (name, text) in &sources.environment {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        match paths(known).into_iter().find(|path| path.replace('.', "_").to_uppercase() == rest) {
            Some(path) => put_text(known, merged, &path, text, name, errors),
            None => errors
                .push(format!("{name}: no key belongs to this environment variable; `stead config show` lists them")),
        }
    }
}

/// The paths of all keys, with those that name a secret's file.
fn paths(known: &Table) -> Vec<String> {
    let tables = known.iter().filter_map(|(section, value)| Some((section, value.as_table()?)));
    let keys = tables.flat_map(|(section, keys)| keys.keys().map(move |key| format!("{section}.{key}")));
    keys.chain(SECRETS.iter().map(|secret| format!("{secret}{FILE_SUFFIX}"))).collect()
}

/// Puts a text as a value of the type that the key's default has.
fn put_text(known: &Table, merged: &mut Table, path: &str, text: &str, source: &str, errors: &mut Vec<String>) {
    let Some((section, key)) = path.split_once('.') else { return };
    let value = match known.get(section).and_then(|section| section.get(key)) {
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
    for secret in SECRETS {
        let Some((section, key)) = secret.split_once('.') else { continue };
        let named = section_of(merged, section).remove(&format!("{key}{FILE_SUFFIX}"));
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
        let path = error.path().to_string();
        let mut parts = path.split(['.', '[']);
        let (section, key) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let reason = error.inner().to_string();
        errors.push(format!("{section}.{key}: {}", reason.lines().next().unwrap_or_default()));
        let removed = merged.get_mut(section).and_then(Value::as_table_mut).and_then(|table| table.remove(key));
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
