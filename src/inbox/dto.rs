//! What the endpoints of an inbox read and answer.

use std::collections::{BTreeMap, HashMap};

use poem_openapi::{
    Enum, Object,
    types::{Any, Example},
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json};

use super::{
    model::{Channels, Digest, Entry, Preferences},
    service::{Page, Shown},
};

const ID: &str = "0198c5f2-7b1e-7c3a-9d53-0f5f6a1f2b3c";
const TIME: &str = "2026-01-31T09:30:00Z";

/// Something that you were told.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "InboxEntry", example, skip_serializing_if_is_none)]
pub(super) struct EntryResponse {
    /// Its id.
    id: String,
    /// The template that says it.
    template: String,
    /// What it is about.
    category: String,
    /// The title.
    subject: String,
    /// What stands below it.
    text: Option<String>,
    /// Where it leads.
    link: Option<String>,
    /// What was put into the template, for programs.
    values: Any<Value>,
    /// When you were told.
    created_at: String,
    /// When you have read it; absent until then.
    read_at: Option<String>,
}

impl From<Entry> for EntryResponse {
    fn from(entry: Entry) -> Self {
        let Entry { id, template, category, subject, text, link, values, created_at, read_at } = entry;
        let (created_at, read_at) = (created_at.to_string(), read_at.map(|at| at.to_string()));
        Self { id, template, category, subject, text, link, values: Any(values), created_at, read_at }
    }
}

impl Example for EntryResponse {
    fn example() -> Self {
        Self {
            id: ID.into(),
            template: "order.sent".into(),
            category: "orders".into(),
            subject: "Your order A-1007 was sent".into(),
            text: Some("It is on its way.".into()),
            link: Some("https://example.com/orders/A-1007".into()),
            values: Any(json!({"number": "A-1007"})),
            created_at: TIME.into(),
            read_at: None,
        }
    }
}

/// An inbox, the newest first.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "Inbox", example, skip_serializing_if_is_none)]
pub(super) struct InboxResponse {
    /// The entries.
    items: Vec<EntryResponse>,
    /// How many are not read, in all.
    unread: u64,
    /// Give it as `cursor` for older ones; absent when there are none.
    next_cursor: Option<String>,
}

impl From<Page> for InboxResponse {
    fn from(page: Page) -> Self {
        let items = page.entries.into_iter().map(Into::into).collect();
        Self { items, unread: page.unread, next_cursor: page.next }
    }
}

impl Example for InboxResponse {
    fn example() -> Self {
        Self { items: vec![EntryResponse::example()], unread: 1, next_cursor: None }
    }
}

/// Whether an entry was read.
#[derive(Debug, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(rename = "InboxEntryUpdate", example)]
pub(super) struct EntryUpdate {
    /// Whether it was read.
    pub(super) read: bool,
}

impl Example for EntryUpdate {
    fn example() -> Self {
        Self { read: true }
    }
}

/// How mails are gathered.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "camelCase", rename = "NotificationDigest")]
pub(super) enum DigestName {
    /// Each is sent by itself.
    Off,
    /// Those of an hour are sent together.
    Hourly,
    /// Those of a day are sent together, at eight in the morning.
    Daily,
}

impl From<Digest> for DigestName {
    fn from(digest: Digest) -> Self {
        match digest {
            Digest::Off => Self::Off,
            Digest::Hourly => Self::Hourly,
            Digest::Daily => Self::Daily,
        }
    }
}

/// By what you want to hear of a category.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "NotificationChannels", example)]
pub(super) struct ChannelsDto {
    /// By mail.
    #[oai(default = "yes")]
    email: bool,
    /// In the inbox.
    #[oai(default = "yes")]
    inbox: bool,
}

fn yes() -> bool {
    true
}

impl From<Channels> for ChannelsDto {
    fn from(channels: Channels) -> Self {
        let Channels { email, inbox } = channels;
        Self { email, inbox }
    }
}

impl Example for ChannelsDto {
    fn example() -> Self {
        Self { email: false, inbox: true }
    }
}

/// What you want to hear of, and how.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "NotificationPreferencesUpdate", example, skip_serializing_if_is_none)]
pub(super) struct PreferencesUpdate {
    /// The language in which you read, such as `de` or `pt-BR`; absent for that of the server.
    #[oai(validator(max_length = 35))]
    locale: Option<String>,
    /// How mails are gathered, but for those that belong to something that you do; absent for `off`.
    digest: Option<DigestName>,
    /// The time zone of the morning, by its IANA name; absent for UTC.
    #[oai(validator(max_length = 64))]
    timezone: Option<String>,
    /// By category. You hear of all that are absent.
    categories: Option<HashMap<String, ChannelsDto>>,
}

impl Example for PreferencesUpdate {
    fn example() -> Self {
        Self {
            locale: Some("de".into()),
            digest: Some(DigestName::Daily),
            timezone: Some("Europe/Berlin".into()),
            categories: Some(HashMap::from([("orders".into(), ChannelsDto::example())])),
        }
    }
}

/// The same as it is read. What an answer has, a client may send back.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PreferencesInput {
    pub(super) locale: Option<String>,
    #[serde(default)]
    digest: Digest,
    timezone: Option<String>,
    #[serde(default)]
    categories: BTreeMap<String, Channels>,
    #[serde(default, rename = "knownCategories")]
    _known_categories: IgnoredAny,
}

impl PreferencesInput {
    pub(super) fn preferences(self) -> (Preferences, Option<String>) {
        let Self { locale, digest, timezone, categories, .. } = self;
        (Preferences { digest, timezone, categories }, locale)
    }
}

/// What you want to hear of, and how.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "NotificationPreferences", example, skip_serializing_if_is_none)]
pub(super) struct PreferencesResponse {
    /// The language in which you read.
    locale: Option<String>,
    /// How mails are gathered.
    digest: DigestName,
    /// The time zone of the morning.
    timezone: Option<String>,
    /// By category. You hear of all that are absent.
    categories: HashMap<String, ChannelsDto>,
    /// The categories that there are, and that you may do without.
    known_categories: Vec<String>,
}

impl From<Shown> for PreferencesResponse {
    fn from(shown: Shown) -> Self {
        let Shown { preferences, locale, known } = shown;
        let categories = preferences.categories.into_iter().map(|(name, channels)| (name, channels.into())).collect();
        let (digest, timezone) = (preferences.digest.into(), preferences.timezone);
        Self { locale, digest, timezone, categories, known_categories: known }
    }
}

impl Example for PreferencesResponse {
    fn example() -> Self {
        Self {
            locale: Some("de".into()),
            digest: DigestName::Daily,
            timezone: Some("Europe/Berlin".into()),
            categories: HashMap::from([("orders".into(), ChannelsDto::example())]),
            known_categories: vec!["orders".into(), "security".into()],
        }
    }
}
