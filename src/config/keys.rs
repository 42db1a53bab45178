//! Which keys there are, and where they stand: `section.key`, and `sso.NAME.key`, `queue.NAME.key` for each provider of single
//! sign-on and each queue.

use toml::{Table, Value};

use super::{Config, QueueSettings, SsoProvider};

/// What stands behind the path of a secret that is read from a file.
pub(super) const FILE_SUFFIX: &str = "_file";
/// Paths of keys whose values are secret.
const SECRETS: [&str; 3] = ["auth.signing_key", "captcha.secret", "mail.smtp_password"];
/// Keys of each provider whose values are secret.
const PROVIDER_SECRETS: [&str; 2] = ["client_secret", "private_key"];
/// The section of providers.
const PROVIDERS: &str = "sso";
/// The section of queues.
const QUEUES: &str = "queue";
/// Sections that have one of their own for each name.
const NAMED: [&str; 2] = [PROVIDERS, QUEUES];

/// All keys, with their defaults.
pub(super) struct Keys {
    sections: Table,
    /// Those of each section of [`NAMED`].
    named: [Table; 2],
}

impl Keys {
    pub(super) fn new() -> Self {
        let sections = Table::try_from(Config::default()).unwrap_or_default();
        let provider = Table::try_from(SsoProvider::default()).unwrap_or_default();
        let queue = Table::try_from(QueueSettings::default()).unwrap_or_default();
        Self { sections, named: [provider, queue] }
    }

    /// The keys of a section, with their defaults.
    fn section(&self, section: &str) -> Option<&Table> {
        match section.split_once('.') {
            Some((kind, name)) => self.named(kind).filter(|_| is_name(kind, name)),
            None => self.sections.get(section)?.as_table().filter(|_| !NAMED.contains(&section)),
        }
    }

    /// The keys of each section under this one.
    fn named(&self, kind: &str) -> Option<&Table> {
        NAMED.iter().zip(&self.named).find(|(known, _)| **known == kind).map(|(_, keys)| keys)
    }

    /// The default of a key.
    pub(super) fn default_of(&self, path: &str) -> Option<&Value> {
        let (section, key) = path.rsplit_once('.')?;
        self.section(section)?.get(key)
    }

    pub(super) fn has_section(&self, section: &str) -> bool {
        self.section(section).is_some()
    }

    /// Whether there is such a key, or one for the file of a secret.
    pub(super) fn has(&self, path: &str) -> bool {
        let secret = path.strip_suffix(FILE_SUFFIX).filter(|secret| is_secret(secret));
        self.default_of(secret.unwrap_or(path)).is_some()
    }

    /// The path that an environment variable means, without the prefix that all of them have.
    pub(super) fn path_of_variable(&self, variable: &str) -> Option<String> {
        let sections = self.sections.iter().filter_map(|(section, keys)| Some((section, keys.as_table()?)));
        let mut plain = sections.flat_map(|(section, keys)| keys.keys().map(move |key| format!("{section}.{key}")));
        let files = SECRETS.iter().map(|secret| format!("{secret}{FILE_SUFFIX}"));
        let same = |path: &String| path.replace('.', "_").to_uppercase() == variable;
        let named = || NAMED.iter().find_map(|kind| self.path_of_named(kind, variable));
        plain.find(same).or_else(|| files.into_iter().find(same)).or_else(named)
    }

    fn path_of_named(&self, kind: &str, variable: &str) -> Option<String> {
        let rest = variable.to_lowercase();
        let rest = rest.strip_prefix(kind)?.strip_prefix('_')?;
        let files = PROVIDER_SECRETS.iter().filter(|_| kind == PROVIDERS);
        let files = files.map(|secret| format!("{secret}{FILE_SUFFIX}"));
        let keys = self.named(kind)?.keys().cloned().chain(files);
        let found = keys.filter_map(|key| Some((rest.strip_suffix(&format!("_{key}"))?.replace('_', "-"), key)));
        let (name, key) = found.filter(|(name, _)| is_name(kind, name)).min_by_key(|(name, _)| name.len())?;
        Some(format!("{kind}.{name}.{key}"))
    }
}

/// Whether a provider or a queue can have this name.
fn is_name(kind: &str, name: &str) -> bool {
    if kind == QUEUES {
        return is_queue_name(name);
    }
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(fits)
}

/// Whether a queue can have this name: 1 to 50 of `a-z 0-9 - _`, a letter first.
#[must_use]
pub fn is_queue_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=50).contains(&name.len()) && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.bytes().all(fits)
}

/// Whether the value of a key is secret.
fn is_secret(path: &str) -> bool {
    let of_provider = |key: &str| PROVIDER_SECRETS.contains(&key);
    let parts: Vec<_> = path.split('.').collect();
    SECRETS.contains(&path) || matches!(parts[..], [PROVIDERS, _, key] if of_provider(key))
}

/// The paths of all secrets that there may be in a table: those of providers are there for each that it names.
pub(super) fn secrets(table: &Table) -> Vec<String> {
    let providers = table.get(PROVIDERS).and_then(Value::as_table).into_iter().flat_map(|all| all.keys());
    let theirs = providers.flat_map(|name| PROVIDER_SECRETS.iter().map(move |key| format!("{PROVIDERS}.{name}.{key}")));
    SECRETS.iter().map(|path| (*path).to_owned()).chain(theirs).collect()
}

/// The sections of a file, each provider and each queue as one of its own.
pub(super) fn sections(table: Table) -> Vec<(String, Value)> {
    let split = |(section, value): (String, Value)| match value {
        Value::Table(all) if NAMED.contains(&section.as_str()) => {
            all.into_iter().map(|(name, value)| (format!("{section}.{name}"), value)).collect()
        }
        value => vec![(section, value)],
    };
    table.into_iter().flat_map(split).collect()
}

/// A section of a table, made when it is not there.
pub(super) fn section_of<'t>(table: &'t mut Table, section: &str) -> &'t mut Table {
    let (first, rest) = section.split_once('.').map_or((section, None), |(first, rest)| (first, Some(rest)));
    let entry = table.entry(first.to_owned()).or_insert_with(|| Value::Table(Table::new()));
    if !entry.is_table() {
        *entry = Value::Table(Table::new());
    }
    match (entry, rest) {
        (Value::Table(table), None) => table,
        (Value::Table(table), Some(rest)) => section_of(table, rest),
        _ => unreachable!("made a table above"),
    }
}

/// A section of a table, when it is there.
pub(super) fn find_section<'t>(table: &'t mut Table, section: &str) -> Option<&'t mut Table> {
    section.split('.').try_fold(table, |table, part| table.get_mut(part)?.as_table_mut())
}

/// The path of a key in the path of something inside its value.
pub(super) fn key_of(path: &str) -> String {
    let is_named = path.split_once('.').is_some_and(|(section, _)| NAMED.contains(&section));
    let count = if is_named { 3 } else { 2 };
    path.split(['.', '[']).take(count).collect::<Vec<_>>().join(".")
}
