//! Carries out what was asked for: looks who it is for, makes the ticket, writes the mail.

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;

use super::{
    Flows, letter,
    model::{Purpose, Request, Ticket},
    repo,
};
use crate::{
    access::secret::{random, secret_hash, secret_text},
    audit::{self, Event},
    auth::{Account, password_stamp},
    mail::{MailService, Message},
    store::{StoreError, Tx},
    telemetry,
};

/// The most requests that are looked at in one turn.
const TURN_MAX: usize = 100;
/// The most mails of one kind that an address gets in an hour.
const MAILS_MAX: u32 = 5;
/// After how long requests are looked for unasked.
const IDLE: Duration = Duration::from_secs(30);
/// How long to wait when the store could not be read.
const PAUSE: Duration = Duration::from_secs(5);

/// What comes of a request.
enum Outcome {
    /// A ticket, under the hash of its token and its subject, and the mail that brings it.
    Ticket { hash: String, subject: String, ticket: Box<Ticket>, message: Message },
    /// Only a mail.
    Mail(Message),
    /// Nothing: there is nobody for whom it could be.
    Nothing,
}

impl Flows {
    /// Carries out requests, for as long as the task lives.
    pub async fn run(self: Arc<Self>) {
        loop {
            match self.turn().await {
                Ok(true) => {}
                // Whoever wrote a request may be gone before it could wake this.
                Ok(false) => drop(tokio::time::timeout(IDLE, self.wake.notified()).await),
                Err(error) => {
                    tracing::warn!(%error, "requests of users that wait for a mail were not carried out");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Carries out a few. Answers whether there may be more.
    async fn turn(&self) -> Result<bool, StoreError> {
        let requests = self.parts.store.scan(|snapshot| repo::requests(snapshot, TURN_MAX)).await?;
        let some = !requests.is_empty();
        for (number, request) in requests {
            let outcome = self.outcome(&request)?;
            let (now, mail) = (self.parts.clock.now(), self.parts.mail.clone());
            self.parts.store.write(move |tx| settle(tx, &mail, (number, &request), outcome, now)).await?;
            self.done_with_one();
        }
        Ok(some)
    }

    fn outcome(&self, request: &Request) -> Result<Outcome, StoreError> {
        let email = request.email.as_str();
        // What guests ask for does not use up the mails of who is signed in, or of who is invited; nor do mails of one kind those of
        // another: a flood of one must not keep users from signing in by the other.
        let by = if request.who.actor.is_empty() { "guest" } else { "user" };
        let counted = format!("{by}/{}/{email}", request.purpose.name());
        let count = self.mails.get(&counted).unwrap_or(0);
        if count >= MAILS_MAX {
            tracing::info!(
                user = telemetry::user_tag(email),
                purpose = request.purpose.name(),
                "an address got its mails for this hour; one more was not written"
            );
            return Ok(Outcome::Nothing);
        }
        self.mails.insert(counted, count + 1);
        let known = self.parts.directory.by_email(email)?;
        let good = |account: &Account| !account.disabled;
        let asker = match &request.user {
            Some(id) => self.parts.directory.by_id(id)?.filter(good),
            None => None,
        };
        Ok(match request.purpose {
            Purpose::Register | Purpose::Invite if known.is_some() => Outcome::Mail(letter::known_already(email)),
            Purpose::Register | Purpose::Invite => self.ticket(request, None)?,
            Purpose::ChangeEmail if known.is_some() => Outcome::Mail(letter::known_already(email)),
            Purpose::ChangeEmail => {
                asker.map_or(Ok(Outcome::Nothing), |account| self.ticket(request, Some(account)))?
            }
            Purpose::Verify => {
                let same = asker.filter(|account| account.email == email);
                same.map_or(Ok(Outcome::Nothing), |account| self.ticket(request, Some(account)))?
            }
            Purpose::Reset | Purpose::SignIn => {
                known.filter(good).map_or(Ok(Outcome::Nothing), |account| self.ticket(request, Some(account)))?
            }
        })
    }

    fn ticket(&self, request: &Request, account: Option<Account>) -> Result<Outcome, StoreError> {
        let token = secret_text();
        let code = request.reference.as_ref().map(|reference| (reference, code()));
        let life = SignedDuration::from_mins(request.purpose.minutes());
        let now = self.parts.clock.now();
        let snapshot = self.parts.store.snapshot();
        let of_now = |user: &Account| password_stamp(&snapshot, user.id.as_str());
        let stamp = match &request.stamp {
            Some(stamp) => stamp.clone(),
            None => account.as_ref().map_or(Ok(String::new()), of_now)?,
        };
        let ticket = Ticket {
            stamp,
            purpose: request.purpose,
            email: request.email.clone(),
            user: account.map(|account| account.id.to_string()),
            roles: request.roles.clone(),
            by: request.who.actor.clone(),
            code: code.as_ref().map(|(reference, code)| Ticket::code_hash(reference, code)),
            tries: 0,
            expires_at: now.saturating_add(life).unwrap_or(now),
        };
        let link = format!("{}#{}={token}", self.parts.link_url, request.purpose.name());
        let message = letter::ticket(&ticket, &link, code.as_ref().map(|(_, code)| code.as_str()));
        let subject = ticket.subject(request.reference.as_deref());
        Ok(Outcome::Ticket { hash: secret_hash(&token), subject, ticket: Box::new(ticket), message })
    }
}

/// Writes what comes of a request in the place of it.
fn settle(
    tx: &mut Tx<'_>,
    mail: &MailService,
    (number, request): (u64, &Request),
    outcome: Outcome,
    now: jiff::Timestamp,
) -> Result<(), StoreError> {
    repo::delete_request(tx, number)?;
    let message = match outcome {
        Outcome::Ticket { hash, subject, ticket, message } => {
            repo::put_ticket(tx, &hash, &subject, &ticket)?;
            let whose = ticket.user.unwrap_or_default();
            let detail = serde_json::json!({"purpose": request.purpose.name()});
            audit::record(tx, Event::new("mail.linkSent", &request.who, &whose, now).with(detail))?;
            message
        }
        Outcome::Mail(message) => message,
        Outcome::Nothing => return Ok(()),
    };
    mail.put(tx, message, now)
}

/// A code of eight digits, each as likely as any other.
fn code() -> String {
    // The remainder favours no code by more than one in 10^11.
    let number = u64::from_be_bytes(random()) % 100_000_000;
    format!("{number:08}")
}
