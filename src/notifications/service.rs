//! Telling users something: to each by what is wanted.

use std::{collections::BTreeMap, fmt, sync::Arc};

use jiff::Timestamp;
use serde_json::{json, value::to_raw_value};

use super::{
    DIGEST_KIND,
    digest::next_digest,
    order::{Channel, Done, NotificationError, Order},
};
use crate::{
    access::{Action, Principal},
    auth::{Account, Directory},
    inbox::{Digest, InboxService, Pending, Preferences, Told, api::UNSUBSCRIBE_PATH},
    kernel::{Clock, FieldError},
    mail::{Content, MailService, QUEUE},
    queue::{Collision, Jobs, NewJob, Unique},
    store::{Store, StoreError, Tx},
    templates::{Rendered, Template, TemplateError},
    webhooks::Webhooks,
};

/// The template that may be told though it is built in.
const WELCOME: &str = "user.welcome";
/// Stands for the token of each user in what is rendered once for all. No escaping changes it, and nobody writes it by chance.
const TOKEN: &str = "d41a7c0e6fTOKENOFTHEUSERd41a7c0e6f";

/// What is said in one language.
#[derive(Clone)]
struct Rendering {
    /// In an inbox, and by mails that cannot be done without.
    plain: Rendered,
    /// By mail, with a way to have no more of it.
    mail: Rendered,
}

/// What is to be told, and what was rendered of it so far.
struct Said<'s> {
    order: &'s Order,
    template: &'s Template,
    by_language: BTreeMap<String, Rendering>,
}

/// Telling users something. Cheap to clone.
#[derive(Clone)]
pub struct Notifications {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) inbox: InboxService,
    pub(super) mail: MailService,
    jobs: Jobs,
    pub(super) directory: Arc<dyn Directory>,
    webhooks: Webhooks,
    /// Where the server is, and the page to which links in mails lead.
    links: Arc<(String, String)>,
}

impl fmt::Debug for Notifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifications").finish_non_exhaustive()
    }
}

/// What notifications are told with.
pub struct Parts {
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Inboxes.
    pub inbox: InboxService,
    /// The outbox.
    pub mail: MailService,
    /// The queue.
    pub jobs: Jobs,
    /// Who the users are.
    pub directory: Arc<dyn Directory>,
    /// Webhooks.
    pub webhooks: Webhooks,
    /// The address of the server.
    pub own_url: String,
    /// The page to which links in mails lead.
    pub link_url: String,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

impl Notifications {
    /// Notifications that are told with these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { store, clock, inbox, mail, jobs, directory, webhooks, own_url, link_url } = parts;
        Self { store, clock, inbox, mail, jobs, directory, webhooks, links: Arc::new((own_url, link_url)) }
    }

    /// Tells users something, all of them or none.
    ///
    /// # Errors
    /// [`NotificationError::Forbidden`] without `notifications:create`, [`NotificationError::Invalid`], [`NotificationError::Template`].
    pub(super) async fn send(&self, caller: &Principal, order: Order) -> Result<Done, NotificationError> {
        if !caller.may("notifications", Action::Create) {
            return Err(NotificationError::Forbidden("notifications:create"));
        }
        if order.webhook.is_some() && !caller.may("webhooks", Action::Create) {
            return Err(NotificationError::Forbidden("webhooks:create, to tell a webhook"));
        }
        let own = self.clone();
        self.store.write(move |tx| own.send_in(tx, &order)).await
    }

    /// The same in a transaction, for whoever was permitted to ask for it.
    pub(super) fn send_in(&self, tx: &mut Tx<'_>, order: &Order) -> Result<Done, NotificationError> {
        let mut faults = order.faults();
        let Some(template) = self.mail.templates().find(tx, &order.template)? else {
            faults.push(FieldError::at("template", "unknown", "there is no template of this name"));
            return Err(NotificationError::Invalid(faults));
        };
        // What looks like a mail about one's account comes from the account's own flows only.
        if self.mail.templates().is_built_in(&template.name) && template.name != WELCOME {
            faults.push(FieldError::at(
                "template",
                "reserved",
                "is for the server itself to say; make one of your own",
            ));
        }
        let mut accounts = Vec::with_capacity(order.users.len());
        for (at, user) in order.users.iter().enumerate() {
            match self.directory.within(tx, user)? {
                Some(account) => accounts.push(account),
                None => faults.push(FieldError::new(format!("/users/{at}"), "unknown", "there is no user of this id")),
            }
        }
        if !faults.is_empty() {
            return Err(NotificationError::Invalid(faults));
        }
        let mut done = Done::default();
        let mut said = Said { order, template: &template, by_language: BTreeMap::new() };
        for account in accounts {
            self.tell_user(tx, &mut said, &account, &mut done)?;
        }
        for email in &order.emails {
            let rendered = self.said(tx, &mut said, None)?.plain;
            self.mail.put_content(tx, Content::of(rendered, email.clone(), &order.template), self.clock.now())?;
            done.mails += 1;
        }
        if let Some(webhook) = &order.webhook {
            let data = json!({"template": order.template, "category": template.category, "users": order.users, "values": order.values, "link": order.link});
            if !self.webhooks.tell(tx, webhook, "notification.sent", &data)? {
                let fault =
                    FieldError::at("webhook", "unknown", "there is no webhook of this id that is told anything");
                return Err(NotificationError::Invalid(vec![fault]));
            }
        }
        Ok(done)
    }

    /// What is said to a user: rendered once for each language.
    fn said(&self, tx: &Tx<'_>, said: &mut Said<'_>, user: Option<&str>) -> Result<Rendering, TemplateError> {
        let (order, templates) = (said.order, self.mail.templates());
        let language = templates.language(tx, said.template, (user, order.locale.as_deref()))?;
        if let Some(known) = said.by_language.get(&language) {
            return Ok(known.clone());
        }
        let render = |unsubscribe: Option<&str>| {
            templates.render(tx, &order.template, (None, Some(&language)), &order.values, unsubscribe)
        };
        let plain = render(None)?;
        let page = format!("{}#unsubscribe={TOKEN}", self.links.1);
        let mail = if plain.transactional { plain.clone() } else { render(Some(&page))? };
        let rendering = Rendering { plain, mail };
        said.by_language.insert(language, rendering.clone());
        Ok(rendering)
    }

    fn tell_user(
        &self,
        tx: &mut Tx<'_>,
        said: &mut Said<'_>,
        account: &Account,
        done: &mut Done,
    ) -> Result<(), NotificationError> {
        let user = account.id.as_str();
        let preferences = self.inbox.preferences(tx, user)?;
        let Rendering { plain, mail } = self.said(tx, said, Some(user))?;
        let order = said.order;
        let channels = preferences.of(&plain.category);
        let by_inbox = order.wants(Channel::Inbox) && (channels.inbox || plain.transactional);
        let by_mail = order.wants(Channel::Email) && (channels.email || plain.transactional);
        if account.disabled || !(by_inbox || by_mail) {
            done.skipped += 1;
            return Ok(());
        }
        if by_inbox {
            let told = Told {
                template: order.template.clone(),
                category: plain.category.clone(),
                subject: plain.subject.clone(),
                text: plain.inbox.clone(),
                link: order.link.clone(),
                values: order.values.clone(),
            };
            self.inbox.tell(tx, user, told)?;
            done.entries += 1;
        }
        match by_mail {
            true if preferences.digest != Digest::Off && !plain.transactional => {
                let text = plain.inbox.unwrap_or(plain.text);
                self.inbox.wait(tx, user, &Pending { subject: plain.subject, text })?;
                self.gather(tx, user, &preferences)?;
                done.gathered += 1;
            }
            true => {
                let content = self.content(tx, order, account, mail)?;
                self.mail.put_content(tx, content, self.clock.now())?;
                done.mails += 1;
            }
            false => {}
        }
        Ok(())
    }

    /// The mail to a user, with the user's own way to have no more of it.
    fn content(
        &self,
        tx: &mut Tx<'_>,
        order: &Order,
        account: &Account,
        mail: Rendered,
    ) -> Result<Content, StoreError> {
        let (is_transactional, category) = (mail.transactional, mail.category.clone());
        let mut content = Content::of(mail, account.email.clone(), &order.template);
        if !is_transactional {
            let token = self.inbox.unsubscribe_token(tx, account.id.as_str(), &category)?;
            content.text = content.text.replace(TOKEN, &token);
            content.html = content.html.map(|html| html.replace(TOKEN, &token));
            content.unsubscribe = Some(format!("{}{UNSUBSCRIBE_PATH}?token={token}", self.links.0));
        }
        Ok(content)
    }

    /// Makes the job that sends what was gathered, unless there is one.
    fn gather(&self, tx: &mut Tx<'_>, user: &str, preferences: &Preferences) -> Result<(), NotificationError> {
        let payload = to_raw_value(&json!({"user": user})).map_err(StoreError::corrupt)?;
        let job = NewJob {
            run_at: Some(next_digest(preferences, self.clock.now())),
            // One that runs has taken what waited, so the newer one is to come after it.
            unique: Some(Unique { key: user.to_owned(), collision: Collision::Replace }),
            ..NewJob::new(QUEUE, DIGEST_KIND, payload, "stead")
        };
        self.jobs.enqueue(tx, &job)?;
        Ok(())
    }

    /// The present instant.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
