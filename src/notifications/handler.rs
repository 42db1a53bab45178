//! Does the jobs that tell users something.

use std::{fmt, ops::ControlFlow};

use futures_util::{FutureExt as _, future::BoxFuture};
use jiff::{SignedDuration, Timestamp};
use serde_json::value::to_raw_value;

use super::{
    KIND,
    order::{NotificationError, Order},
    service::Notifications,
};
use crate::{
    kernel::DomainError as _,
    queue::{Failure, Handler, JobOutcome, Running},
    store::{Raw, Read as _, Scan, StoreError, Table, Tx},
};

/// Key: the id of a job, in the order of time. What it was to tell was told, whatever else became of it.
pub(super) const SENT: Table<str, Raw> = Table::new("notifications.sent");

/// For how long it is known that a job was done: no job is tried again after that.
const KNOWN: SignedDuration = SignedDuration::from_hours(35 * 24);
/// How many that are older are forgotten with each new one.
const FORGOTTEN_MAX: usize = 10;

/// Tells users something.
pub struct Notify {
    notifications: Notifications,
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notify")
    }
}

impl Handler for Notify {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn run<'h>(&'h self, job: &'h Running) -> BoxFuture<'h, JobOutcome> {
        self.tell(job).boxed()
    }
}

impl Notify {
    /// Tells what jobs ask for.
    #[must_use]
    pub fn new(notifications: Notifications) -> Self {
        Self { notifications }
    }

    async fn tell(&self, job: &Running) -> JobOutcome {
        let order: Order = job.payload()?;
        let id = job.job.id.to_string();
        let own = self.notifications.clone();
        let store = own.store.clone();
        let done = store.write::<_, NotificationError, _>(move |tx| {
            if tx.get(SENT, &id)?.is_some() {
                return Ok(None);
            }
            let done = own.send_in(tx, &order)?;
            tx.put(SENT, &id, &Raw(Vec::new()))?;
            forget(tx, own.now())?;
            Ok(Some(done))
        });
        let done = done.await.map_err(|error| {
            let told: Vec<_> =
                error.field_errors().iter().map(|fault| format!("{}: {}", fault.pointer, fault.detail)).collect();
            let text = format!("{error} {}", told.join("; "));
            match error {
                NotificationError::Store(_) | NotificationError::Queue(_) => Failure::new(text),
                _ => Failure::for_good(text.trim().to_owned()),
            }
        })?;
        Ok(done.and_then(|done| to_raw_value(&done).ok()))
    }
}

/// Forgets jobs that were done long ago.
fn forget(tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
    let limit = now.saturating_sub(KNOWN).unwrap_or(Timestamp::UNIX_EPOCH).as_millisecond();
    // A UUIDv7 begins with its time in milliseconds, in hexadecimal digits.
    let hex = format!("{:012x}", limit.max(0));
    let (high, low) = hex.split_at(8);
    let to = format!("{high}-{low}");
    let mut old = Vec::new();
    tx.scan::<StoreError>(SENT.name(), &[], to.as_bytes(), Scan::Forward, &mut |key, _| {
        old.extend(String::from_utf8(key.to_vec()));
        Ok(if old.len() < FORGOTTEN_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    old.iter().try_for_each(|id| tx.delete(SENT, id).map(drop))
}
