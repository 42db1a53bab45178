//! What users do with their inbox and their preferences, and what others put into them.

use std::{
    fmt,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

use jiff::Timestamp;
use tokio::sync::watch;

use super::{
    model::{Channels, Entry, InboxError, Pending, Preferences},
    repo, unsubscribe,
};
use crate::{
    access::{Principal, secret::random},
    kernel::{Clock, FieldError, IdSource, error::pointer_to},
    store::{Read, Store, StoreError, Tx},
    templates::{TemplateError, Templates},
};

/// Inboxes share so many numbers that move on: one of another user wakes for nothing.
const NUMBERS: usize = 64;
/// The most categories of which a user says something.
const CATEGORIES_MAX: usize = 200;

/// Inboxes in a store. Cheap to clone.
#[derive(Clone)]
pub struct InboxService {
    store: Store,
    clock: Arc<dyn Clock>,
    templates: Templates,
    ids: Arc<IdSource>,
    numbers: Arc<[Arc<watch::Sender<u64>>]>,
}

impl fmt::Debug for InboxService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboxService").finish_non_exhaustive()
    }
}

/// What is put into an inbox, but for its id and time.
#[derive(Clone, Debug)]
pub struct Told {
    /// The template that says it.
    pub template: String,
    /// What it is about.
    pub category: String,
    /// The title.
    pub subject: String,
    /// What stands below it.
    pub text: Option<String>,
    /// Where it leads.
    pub link: Option<String>,
    /// What was put into the template.
    pub values: serde_json::Value,
}

/// A page of an inbox.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) entries: Vec<Entry>,
    pub(super) unread: u64,
    pub(super) next: Option<String>,
}

/// What a user says of the preferences, and what there is to say something of.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) preferences: Preferences,
    pub(super) locale: Option<String>,
    /// The categories that there are.
    pub(super) known: Vec<String>,
}

impl InboxService {
    /// Inboxes in a store.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>, templates: Templates) -> Self {
        let numbers = std::iter::repeat_with(Arc::default).take(NUMBERS).collect();
        Self { store, clock, templates, ids: Arc::default(), numbers }
    }

    fn number_of(&self, user: &str) -> Option<&Arc<watch::Sender<u64>>> {
        let mut hasher = DefaultHasher::new();
        user.hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % NUMBERS as u64).unwrap_or(0);
        self.numbers.get(at)
    }

    /// Wakes those who watch the inbox of a user, once the transaction is on disk.
    fn move_on(&self, tx: &mut Tx<'_>, user: &str) {
        if let Some(number) = self.number_of(user) {
            tx.move_on(Arc::clone(number));
        }
    }

    /// Moves on with each change of the caller's inbox, and perhaps at other times.
    ///
    /// # Errors
    /// [`InboxError::NotInPerson`].
    pub fn changes(&self, caller: &Principal) -> Result<watch::Receiver<u64>, InboxError> {
        let number = self.number_of(own(caller)?).ok_or(InboxError::NotInPerson)?;
        Ok(number.subscribe())
    }

    /// How many entries of the caller's inbox are not read, and a number that is another one after each change.
    ///
    /// # Errors
    /// [`InboxError::NotInPerson`].
    pub fn unread(&self, caller: &Principal) -> Result<(u64, u64), InboxError> {
        let counts = repo::counts(&self.store.snapshot(), own(caller)?)?;
        Ok((counts.unread, counts.version))
    }

    /// Puts something into the inbox of a user.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tell(&self, tx: &mut Tx<'_>, user: &str, told: Told) -> Result<(), StoreError> {
        let now = self.clock.now();
        let Told { template, category, subject, text, link, values } = told;
        // Made inside the writer, ids are in the order of the commits.
        let id = self.ids.next(now).to_string();
        let entry = Entry { id, template, category, subject, text, link, values, created_at: now, read_at: None };
        self.move_on(tx, user);
        repo::add(tx, user, &entry)
    }

    /// What a user wants to hear of.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn preferences(&self, source: &impl Read, user: &str) -> Result<Preferences, StoreError> {
        repo::preferences(source, user)
    }

    /// Lets a mail to a user wait for others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn wait(&self, tx: &mut Tx<'_>, user: &str, pending: &Pending) -> Result<(), StoreError> {
        let id = self.ids.next(self.clock.now()).to_string();
        repo::add_pending(tx, user, &id, pending)
    }

    /// The mails that waited.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn take_waiting(&self, tx: &mut Tx<'_>, user: &str) -> Result<Vec<Pending>, StoreError> {
        repo::take_pending(tx, user)
    }

    /// The token by which a user asks for no more mails of a category.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unsubscribe_token(&self, tx: &mut Tx<'_>, user: &str, category: &str) -> Result<String, StoreError> {
        let secret = match repo::secret(tx)? {
            Some(secret) => secret,
            None => {
                let made = random::<32>().to_vec();
                repo::put_secret(tx, &made)?;
                made
            }
        };
        Ok(unsubscribe::token(&secret, user, category))
    }

    /// Does what a link asks for: no more mails of a category.
    ///
    /// # Errors
    /// [`InboxError::InvalidToken`].
    pub(super) async fn unsubscribe(&self, token: &str) -> Result<(), InboxError> {
        let secret = repo::secret(&self.store.snapshot())?.ok_or(InboxError::InvalidToken)?;
        let (user, category) = unsubscribe::read(&secret, token).ok_or(InboxError::InvalidToken)?;
        self.store
            .write(move |tx| {
                let mut preferences = repo::preferences(tx, &user)?;
                let channels = preferences.of(&category);
                preferences.categories.insert(category, Channels { email: false, ..channels });
                Ok(repo::put_preferences(tx, &user, &preferences)?)
            })
            .await
    }

    /// Entries of the caller's inbox, the newest first.
    ///
    /// # Errors
    /// [`InboxError::NotInPerson`].
    pub(super) fn list(
        &self,
        caller: &Principal,
        unread: bool,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Page, InboxError> {
        let (user, snapshot) = (own(caller)?, self.store.snapshot());
        let counts = repo::counts(&snapshot, user)?;
        let mut entries = repo::entries(&snapshot, user, before, if unread { usize::MAX } else { limit + 1 })?;
        entries.retain(|entry| !unread || entry.read_at.is_none());
        let more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| more).map(|entry| entry.id.clone());
        Ok(Page { entries, unread: counts.unread, next })
    }

    /// Notes that the caller has read an entry, or has not.
    ///
    /// # Errors
    /// [`InboxError::NotInPerson`], [`InboxError::NotFound`].
    pub(super) async fn mark(&self, caller: &Principal, id: String, read: bool) -> Result<(), InboxError> {
        let (user, own, now) = (own(caller)?.to_owned(), self.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                let entry = repo::entry(tx, &user, &id)?.ok_or(InboxError::NotFound(id))?;
                own.move_on(tx, &user);
                Ok(repo::mark(tx, &user, entry, read.then_some(now))?)
            })
            .await
    }

    /// Notes that the caller has read everything.
    ///
    /// # Errors
    /// [`InboxError::NotInPerson`].
    pub(super) async fn mark_all(&self, caller: &Principal) -> Result<(), InboxError> {
        let (user, own, now) = (own(caller)?.to_owned(), self.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                own.move_on(tx, &user);
                for entry in repo::entries(tx, &user, None, usize::MAX)? {
                    repo::mark(tx, &user, entry, Some(now))?;
                }
                Ok(())
            })
            .await
    }

    /// Removes an entry of the caller's inbox.
    ///
    /// # Errors
    /// [`InboxError::NotInPerson`], [`InboxError::NotFound`].
    pub(super) async fn delete(&self, caller: &Principal, id: String) -> Result<(), InboxError> {
        let (user, own) = (own(caller)?.to_owned(), self.clone());
        self.store
            .write(move |tx| {
                let entry = repo::entry(tx, &user, &id)?.ok_or(InboxError::NotFound(id))?;
                own.move_on(tx, &user);
                Ok(repo::delete(tx, &user, &entry)?)
            })
            .await
    }

    /// What the caller wants to hear of.
    ///
    /// # Errors
    /// [`InboxError::NotInPerson`].
    pub(super) fn shown(&self, caller: &Principal) -> Result<Shown, InboxError> {
        let (user, snapshot) = (own(caller)?, self.store.snapshot());
        let preferences = repo::preferences(&snapshot, user)?;
        let locale = self.templates.locale_of(&snapshot, user)?;
        Ok(Shown { preferences, locale, known: self.templates.categories()? })
    }

    /// Says what the caller wants to hear of, in the place of what was said.
    ///
    /// # Errors
    /// [`InboxError::NotInPerson`], [`InboxError::Invalid`].
    pub(super) async fn replace(
        &self,
        caller: &Principal,
        preferences: Preferences,
        locale: Option<String>,
    ) -> Result<Shown, InboxError> {
        let user = own(caller)?.to_owned();
        let faults = self.faults_of(&preferences)?;
        if !faults.is_empty() {
            return Err(InboxError::Invalid(faults));
        }
        self.store
            .write(move |tx| {
                Templates::put_locale(tx, &user, locale.as_deref()).map_err(|error| match error {
                    TemplateError::Invalid(faults) => InboxError::Invalid(faults),
                    TemplateError::Store(error) => InboxError::Store(error),
                    error => InboxError::Store(StoreError::corrupt(error)),
                })?;
                Ok::<_, InboxError>(repo::put_preferences(tx, &user, &preferences)?)
            })
            .await?;
        self.shown(caller)
    }

    fn faults_of(&self, preferences: &Preferences) -> Result<Vec<FieldError>, InboxError> {
        let mut faults = Vec::new();
        if let Some(zone) = &preferences.timezone
            && jiff::tz::TimeZone::get(zone).is_err()
        {
            faults.push(FieldError::at("timezone", "format", "must be a time zone, such as Europe/Berlin"));
        }
        if preferences.categories.len() > CATEGORIES_MAX {
            faults.push(FieldError::at("categories", "too_long", "must be at most 200"));
        }
        let known = self.templates.categories()?;
        let unknown = preferences.categories.keys().filter(|name| !known.contains(name));
        faults.extend(unknown.map(|name| {
            let why = "is no category that can be done without; see knownCategories";
            FieldError::new(format!("/categories{}", pointer_to(name)), "unknown", why)
        }));
        Ok(faults)
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// The id of the caller, who is a user in person.
fn own(caller: &Principal) -> Result<&str, InboxError> {
    match caller.session() {
        Some(_) => Ok(caller.id.as_str()),
        None => Err(InboxError::NotInPerson),
    }
}
