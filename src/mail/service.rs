//! Reading the outbox, waking its sender, and keeping it as long as the configuration says.

use std::{ops::ControlFlow, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use super::{Mail, MailState, repo};
use crate::{
    access::{Action, Permissions, Principal},
    kernel::{Code, DomainError},
    store::{Store, StoreError},
};

/// The most mails that one page looks at.
const EXAMINED_MAX: usize = 20_000;
/// The most mails that one operation of the writer removes.
const PRUNE_MAX: usize = 1_000;

/// A business outcome of a request about mail.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The caller may not see the outbox.
    #[error("your roles do not permit this: it takes mail:{0}")]
    Forbidden(&'static str),
    /// There is no such mail.
    #[error("there is no mail {0}")]
    NotFound(u64),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DomainError for MailError {
    fn code(&self) -> Code {
        match self {
            Self::Forbidden(_) => Code::Forbidden,
            Self::NotFound(_) => Code::NotFound,
            Self::Store(error) => error.code(),
        }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        if let Self::Store(error) = self { error.retry_after_seconds() } else { None }
    }
}

/// Which mails are asked for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Mails that are this far.
    pub state: Option<MailState>,
    /// Mails to this address.
    pub to: Option<String>,
    /// Mails with a smaller number.
    pub before: Option<u64>,
    /// The most mails to answer.
    pub limit: usize,
}

/// The outbox as others use it.
#[derive(Clone, Debug)]
pub struct MailService {
    store: Store,
    wake: Arc<Notify>,
}

impl MailService {
    /// The outbox in a store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, wake: Arc::default() }
    }

    /// What wakes the sender.
    #[must_use]
    pub fn wake_handle(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Tells the sender that there is a new mail.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Mails that fit, newest first, without their texts, and where to go on when there may be more.
    ///
    /// # Errors
    /// [`MailError::Forbidden`] without `mail:list`.
    pub async fn list(&self, caller: &Principal, query: Query) -> Result<(Vec<Mail>, Option<u64>), MailError> {
        if !caller.may("mail", Action::List) {
            return Err(MailError::Forbidden("list"));
        }
        let fits = move |mail: &Mail| {
            query.state.is_none_or(|state| state == mail.state) && query.to.as_ref().is_none_or(|to| *to == mail.to)
        };
        self.store
            .scan(move |snapshot| {
                let (mut found, mut examined, mut next) = (Vec::new(), 0, None);
                repo::visit(snapshot, query.before, &mut |mail| {
                    if found.len() >= query.limit || examined >= EXAMINED_MAX {
                        next = Some(mail.number + 1);
                        return ControlFlow::Break(());
                    }
                    examined += 1;
                    if fits(&mail) {
                        found.push(Mail { text: String::new(), ..mail });
                    }
                    ControlFlow::Continue(())
                })?;
                Ok((found, next))
            })
            .await
    }

    /// One mail. Its text may hold a link that signs in as somebody, so it is for those only who may do everything anyway.
    ///
    /// # Errors
    /// [`MailError::Forbidden`] without `mail:read`, [`MailError::NotFound`].
    pub fn read(&self, caller: &Principal, number: u64) -> Result<Mail, MailError> {
        if !caller.may("mail", Action::Read) {
            return Err(MailError::Forbidden("read"));
        }
        let mail = repo::mail(&self.store.snapshot(), number)?.ok_or(MailError::NotFound(number))?;
        let sees_text = caller.covers(&Permissions::everything());
        Ok(if sees_text { mail } else { Mail { text: String::new(), ..mail } })
    }

    /// Removes what is older than `days`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prune(&self, now: Timestamp, days: u32) -> Result<(), StoreError> {
        let limit = now.saturating_sub(SignedDuration::from_hours(i64::from(days) * 24)).unwrap_or(Timestamp::MIN);
        // The writer is not asked for nothing.
        while repo::oldest(&self.store.snapshot())?.is_some_and(|oldest| oldest < limit) {
            self.store.write(move |tx| repo::prune(tx, limit, PRUNE_MAX)).await?;
        }
        Ok(())
    }
}
