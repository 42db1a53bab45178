//! Reading the audit log, and keeping it as long as the configuration says.

use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp};

use super::{Event, repo};
use crate::{
    access::{Action, Principal},
    kernel::{Code, DomainError},
    store::{Store, StoreError},
};

/// The most events that one page looks at.
const EXAMINED_MAX: usize = 20_000;
/// The most events that one operation of the writer removes.
const PRUNE_MAX: usize = 1_000;

/// A business outcome of a request about the audit log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The caller may not read it.
    #[error("your roles do not permit this: it takes audit:list")]
    Forbidden,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DomainError for AuditError {
    fn code(&self) -> Code {
        match self {
            Self::Forbidden => Code::Forbidden,
            Self::Store(error) => error.code(),
        }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        if let Self::Store(error) = self { error.retry_after_seconds() } else { None }
    }
}

/// Which events are asked for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Events of this kind, or of this group of kinds (`session` for `session.created` and others).
    pub kind: Option<String>,
    /// Events by this actor.
    pub actor: Option<String>,
    /// Events that happened to this user or thing.
    pub subject: Option<String>,
    /// Events from then on.
    pub since: Option<Timestamp>,
    /// Events before then.
    pub until: Option<Timestamp>,
    /// Events with a smaller number.
    pub before: Option<u64>,
    /// The most events to answer.
    pub limit: usize,
}

/// The most events that a user takes along.
const OF_USER_MAX: usize = 1_000;

impl Query {
    fn fits(&self, event: &Event) -> bool {
        let is = |wanted: &Option<String>, given: &str| wanted.as_ref().is_none_or(|wanted| wanted == given);
        let of_kind = |kind: &String| {
            event.kind.strip_prefix(kind.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.kind.as_ref().is_none_or(of_kind)
            && is(&self.actor, &event.actor)
            && is(&self.subject, &event.subject)
            && self.since.is_none_or(|since| event.time >= since)
            && self.until.is_none_or(|until| event.time < until)
    }
}

/// Reads the audit log.
#[derive(Clone, Debug)]
pub struct AuditService {
    store: Store,
}

impl AuditService {
    /// The service.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Events that fit, newest first, and where to go on when there may be more.
    ///
    /// # Errors
    /// [`AuditError::Forbidden`] without `audit:list`.
    pub async fn list(&self, caller: &Principal, query: Query) -> Result<(Vec<Event>, Option<u64>), AuditError> {
        if !caller.may("audit", Action::List) {
            return Err(AuditError::Forbidden);
        }
        self.store
            .scan(move |snapshot| {
                let (mut found, mut examined, mut next) = (Vec::new(), 0, None);
                repo::visit(snapshot, query.before, &mut |event| {
                    if found.len() >= query.limit || examined >= EXAMINED_MAX {
                        next = Some(event.number + 1);
                        return ControlFlow::Break(());
                    }
                    examined += 1;
                    if query.fits(&event) {
                        found.push(event);
                    }
                    ControlFlow::Continue(())
                })?;
                Ok((found, next))
            })
            .await
    }

    /// What a user did, and what others did to the user without telling who, newest first; not what was long ago.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn of_user(&self, user: &str) -> Result<Vec<Event>, StoreError> {
        let user = user.to_owned();
        self.store
            .scan(move |snapshot| {
                let (mut found, mut examined) = (Vec::new(), 0);
                repo::visit(snapshot, None, &mut |event| {
                    examined += 1;
                    if event.actor == user {
                        found.push(event);
                    } else if event.subject == user {
                        found.push(Event { actor: String::new(), impersonator: None, address: None, ..event });
                    }
                    let enough = found.len() >= OF_USER_MAX || examined >= EXAMINED_MAX;
                    if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })?;
                Ok(found)
            })
            .await
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
