//! What a ticket brings about.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{
    Flows, Registration, SignInProof, letter,
    model::{Purpose, Ticket},
    repo,
};
use crate::{
    access::{Principal, Who, secret::secret_hash},
    audit::{self, Event},
    auth::{self, Account, AuthError, Directory, Means, SignedIn, Visit},
    collections::system::USERS,
    kernel::FieldError,
    records::{Caller, RecordError},
    store::{StoreError, Tx},
    users::UserError,
};

const STALE: AuthError = AuthError::InvalidToken("the link or code is not good (any more); ask for a new one");

/// Somebody with every right, under the name of who asked for a ticket, or of whose account it is.
fn by(name: &str, who: &Who) -> Caller {
    let actor = if name.is_empty() { "registration" } else { name };
    Caller::on_behalf(&Who { actor: actor.to_owned(), ..who.clone() })
}

/// Somebody who becomes a user.
pub(in crate::users) struct Newcomer {
    /// The address, which was proven to be theirs.
    pub(in crate::users) email: String,
    /// Further fields of the record.
    pub(in crate::users) profile: BTreeMap<String, Value>,
    /// The ticket by which they come, with the hash of its token.
    pub(in crate::users) ticket: Option<Invitation>,
    /// From where they come.
    pub(in crate::users) who: Who,
}

/// A ticket by which somebody becomes a user.
pub(in crate::users) struct Invitation(String, Ticket);

impl Flows {
    /// The open invitation of an address, as long as who invited could still do so.
    pub(in crate::users) fn invitation(&self, email: &str) -> Result<Option<Invitation>, UserError> {
        let snapshot = self.parts.store.snapshot();
        let Some(hash) = repo::hash_of(&snapshot, &format!("{}/{email}", Purpose::Invite.name()))? else {
            return Ok(None);
        };
        let good = |ticket: &Ticket| ticket.email == email && self.parts.clock.now() < ticket.expires_at;
        let Some(ticket) = repo::ticket(&snapshot, &hash)?.filter(good) else { return Ok(None) };
        match self.check_inviter(&ticket) {
            Ok(()) => Ok(Some(Invitation(hash, ticket))),
            Err(UserError::Auth(AuthError::InvalidToken(_))) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a user, with what `also` writes in the same transaction.
    pub(in crate::users) async fn make_user(
        &self,
        newcomer: Newcomer,
        also: impl Fn(&mut Tx<'_>, &str) -> Result<(), RecordError> + Send + Sync + 'static,
    ) -> Result<Account, UserError> {
        let Newcomer { email, profile, ticket, who } = newcomer;
        let mut record = profile;
        record.insert("email".into(), email.clone().into());
        let (hash, by_whom) = match ticket {
            Some(Invitation(hash, ticket)) => {
                if !ticket.roles.is_empty() {
                    record.insert("roles".into(), ticket.roles.into());
                }
                (Some(hash), ticket.by)
            }
            None => (None, String::new()),
        };
        let (greeted, now) = (self.parts.policy.welcome_mail.then(|| self.parts.mail.clone()), self.parts.clock.now());
        let more = Arc::new(move |tx: &mut Tx<'_>, id: &str| {
            if let Some(hash) = &hash
                && !repo::take(tx, hash)?
            {
                return Err(RecordError::Conflict("the link was used meanwhile".into()));
            }
            auth::put_verified(tx, id, &email)?;
            if let Some(mail) = &greeted {
                mail.put(tx, letter::welcome(&email).for_user(id), now)?;
            }
            also(tx, id)
        });
        let body = Value::Object(record.into_iter().collect()).to_string();
        let shown = self.parts.records.create_with(&by(&by_whom, &who), USERS, body.as_bytes(), Some(more)).await?;
        Ok(self.parts.directory.by_id(&shown.id)?.ok_or(STALE)?)
    }

    /// The ticket of a token, while it is good for one of these purposes.
    fn ticket_of(&self, token: &str, purposes: &[Purpose]) -> Result<(String, Ticket), UserError> {
        let hash = secret_hash(token);
        let ticket = repo::ticket(&self.parts.store.snapshot(), &hash)?;
        let good = |ticket: &Ticket| purposes.contains(&ticket.purpose) && self.parts.clock.now() < ticket.expires_at;
        Ok((hash, ticket.filter(good).ok_or(STALE)?))
    }

    /// The account of a ticket, as long as it may be used.
    fn account_of(&self, ticket: &Ticket) -> Result<Account, UserError> {
        let account = ticket.user.as_deref().map_or(Ok(None), |id| self.parts.directory.by_id(id))?;
        Ok(account.filter(|account| is_for(ticket, account)).ok_or(STALE)?)
    }

    /// Makes the user whom a mail has reached, and signs in.
    ///
    /// # Errors
    /// [`AuthError::InvalidToken`], [`AuthError::WeakPassword`], [`RecordError::Invalid`].
    pub async fn register_confirmed(&self, registration: Registration, visit: Visit) -> Result<SignedIn, UserError> {
        let Registration { token, password, profile } = registration;
        let (hash, ticket) = self.ticket_of(&token, &[Purpose::Register, Purpose::Invite])?;
        match self.parts.policy.registration.as_str() {
            "open" => {}
            "invite" if ticket.purpose == Purpose::Invite => {}
            _ => return Err(AuthError::Forbidden("registration is not open here").into()),
        }
        if ticket.purpose == Purpose::Invite {
            self.check_inviter(&ticket)?;
        }
        self.check_profile(&profile)?;
        let stored = self.parts.passwords.accept(password, "/password", &ticket.email).await?;
        let (now, email, who) = (self.parts.clock.now(), ticket.email.clone(), visit.who.clone());
        let newcomer = Newcomer { email, profile, ticket: Some(Invitation(hash, ticket)), who };
        let with_password = move |tx: &mut Tx<'_>, id: &str| Ok(auth::put_password(tx, id, stored.clone(), now, None)?);
        let account = self.make_user(newcomer, with_password).await?;
        Ok(self.parts.auth.sign_in_as(&account.id, Means::new(&["otp"]), visit, |_| Ok(())).await?)
    }

    /// Refuses an invitation of somebody who could not invite like this any more.
    fn check_inviter(&self, ticket: &Ticket) -> Result<(), UserError> {
        if ticket.by == Principal::OPERATOR {
            return Ok(());
        }
        let (inviter, good) = self.parts.auth.stand_in(&ticket.by)?.ok_or(STALE)?;
        let may = good && self.check_invites(&inviter, &ticket.roles).is_ok();
        if may { Ok(()) } else { Err(STALE.into()) }
    }

    /// Refuses fields that are not the user's to give.
    pub(in crate::users) fn check_profile(&self, profile: &BTreeMap<String, Value>) -> Result<(), UserError> {
        let not_theirs = |name: &&String| !self.parts.policy.registration_fields.contains(*name);
        let detail = "you may not give this field here";
        let fault = |name: &String| FieldError::new(format!("/profile/{name}"), "forbidden", detail);
        let errors: Vec<_> = profile.keys().filter(not_theirs).map(fault).collect();
        if errors.is_empty() { Ok(()) } else { Err(AuthError::Invalid(errors).into()) }
    }

    /// Takes a ticket, and does something with the user in the same transaction.
    async fn take(
        &self,
        (hash, ticket): (String, Ticket),
        more: impl FnOnce(&mut Tx<'_>, &Ticket) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), UserError> {
        let directory = Arc::clone(&self.parts.directory);
        let taken = self.parts.store.write::<_, AuthError, _>(move |tx| {
            take(tx, &*directory, &hash, &ticket)?;
            Ok(more(tx, &ticket)?)
        });
        Ok(taken.await?)
    }

    /// Notes that the address of an account is its user's.
    ///
    /// # Errors
    /// [`AuthError::InvalidToken`].
    pub async fn email_verified(&self, token: &str, who: Who) -> Result<(), UserError> {
        let (hash, ticket) = self.ticket_of(token, &[Purpose::Verify])?;
        let account = self.account_of(&ticket)?;
        let now = self.parts.clock.now();
        self.take((hash, ticket), move |tx, ticket| {
            auth::put_verified(tx, account.id.as_str(), &ticket.email)?;
            audit::record(tx, Event::new("email.verified", &who, account.id.as_str(), now))
        })
        .await
    }

    /// Gives an account the address that a mail has reached.
    ///
    /// # Errors
    /// [`AuthError::InvalidToken`], and [`RecordError`] when the address is somebody else's by now.
    pub async fn email_changed(&self, token: &str, who: Who) -> Result<(), UserError> {
        let (hash, ticket) = self.ticket_of(token, &[Purpose::ChangeEmail])?;
        let account = self.account_of(&ticket)?;
        let (id, directory) = (account.id.as_str(), Arc::clone(&self.parts.directory));
        let body = serde_json::json!({"email": ticket.email}).to_string();
        let verified = Arc::new(move |tx: &mut Tx<'_>, id: &str| {
            take(tx, &*directory, &hash, &ticket)?;
            Ok(auth::put_verified(tx, id, &ticket.email)?)
        });
        self.parts.records.update_with(&by(id, &who), USERS, id, body.into_bytes(), verified).await?;
        Ok(())
    }

    /// Sets a new password for whom a mail has reached. All sessions end.
    ///
    /// # Errors
    /// [`AuthError::InvalidToken`], [`AuthError::WeakPassword`].
    pub async fn password_reset(&self, token: &str, password: String, who: Who) -> Result<(), UserError> {
        let (hash, ticket) = self.ticket_of(token, &[Purpose::Reset])?;
        let account = self.account_of(&ticket)?;
        let stored = self.parts.passwords.accept(password, "/password", &account.email).await?;
        let (now, email, mail) = (self.parts.clock.now(), ticket.email.clone(), self.parts.mail.clone());
        self.take((hash, ticket), move |tx, ticket| {
            let id = account.id.as_str();
            auth::put_password(tx, id, stored, now, None)?;
            auth::put_verified(tx, id, &ticket.email)?;
            mail.put(tx, auth::password_changed_letter(tx, id, &account.email)?, now)?;
            audit::record(tx, Event::new("password.reset", &who, id, now))
        })
        .await?;
        self.parts.auth.forgive(&email);
        Ok(())
    }

    /// Signs in whom a mail has reached.
    ///
    /// # Errors
    /// [`AuthError::InvalidToken`], also when a code was guessed too often.
    pub async fn signed_in_by_mail(&self, proof: SignInProof, visit: Visit) -> Result<SignedIn, UserError> {
        if !self.parts.policy.email_sign_in {
            return Err(AuthError::Forbidden("signing in by mail is off here").into());
        }
        let (hash, ticket) = match proof {
            SignInProof::Token(token) => self.ticket_of(&token, &[Purpose::SignIn])?,
            SignInProof::Code { reference, code } => self.by_code(&reference, &code, visit.who.clone()).await?,
        };
        let account = self.account_of(&ticket)?;
        let (id, directory) = (account.id.clone(), Arc::clone(&self.parts.directory));
        let taken = move |tx: &mut Tx<'_>| {
            take(tx, &*directory, &hash, &ticket)?;
            Ok(auth::put_verified(tx, id.as_str(), &ticket.email)?)
        };
        Ok(self.parts.auth.sign_in_as(&account.id, Means::new(&["otp"]), visit, taken).await?)
    }

    /// The ticket of a code. Each guess is counted before it is looked at. One that is wrong is told to the audit log whether there is a
    /// ticket or not, for writing takes time.
    async fn by_code(&self, reference: &str, code: &str, who: Who) -> Result<(String, Ticket), UserError> {
        let reference = secret_hash(reference);
        let subject = format!("{}/{reference}", Purpose::SignIn.name());
        let now = self.parts.clock.now();
        let code = code.to_owned();
        let found = self.parts.store.write::<_, StoreError, _>(move |tx| {
            let hash = repo::hash_of(tx, &subject)?.unwrap_or_default();
            let ticket = repo::ticket(tx, &hash)?.filter(|ticket| now < ticket.expires_at);
            repo::count_try(tx, &hash)?;
            let whose = ticket.as_ref().and_then(|ticket| ticket.user.clone()).unwrap_or_default();
            let found = ticket.filter(|ticket| ticket.has_code(&reference, &code)).map(|ticket| (hash, ticket));
            if found.is_none() {
                let event = Event::new("session.refused", &who, &whose, now);
                audit::record(tx, event.with(serde_json::json!({"kind": "code"})))?;
            }
            Ok(found)
        });
        Ok(found.await?.ok_or(STALE)?)
    }
}

/// Whether a ticket is for an account as it is now: open, and with the address that the mail has reached, if that is not to be its new one.
fn is_for(ticket: &Ticket, account: &Account) -> bool {
    !account.disabled && (ticket.purpose == Purpose::ChangeEmail || account.email == ticket.email)
}

/// Takes a user's ticket that is there, was made for the password of now, and is for the account as it is now.
fn take(tx: &mut Tx<'_>, directory: &dyn Directory, hash: &str, ticket: &Ticket) -> Result<(), AuthError> {
    let user = ticket.user.as_deref().unwrap_or_default();
    let good = directory.within(tx, user)?.is_some_and(|account| is_for(ticket, &account))
        && auth::password_stamp(tx, user)? == ticket.stamp;
    if repo::take(tx, hash)? && good { Ok(()) } else { Err(STALE) }
}
