//! Mails that are gathered: when they are sent, and the job that does it.

use std::fmt;

use futures_util::{FutureExt as _, future::BoxFuture};
use jiff::{Timestamp, ToSpan as _, Unit, ZonedRound, tz::TimeZone};
use serde::Deserialize;
use serde_json::json;

use super::{DIGEST_KIND, order::NotificationError, service::Notifications};
use crate::{
    inbox::{Digest, Preferences},
    mail::Content,
    queue::{Failure, Handler, JobOutcome, Running},
};

/// The hour of the morning.
const MORNING: i8 = 8;
/// The template.
const TEMPLATE: &str = "notification.digest";

/// When what is gathered from now on is sent.
pub(super) fn next_digest(preferences: &Preferences, now: Timestamp) -> Timestamp {
    let zone = preferences.timezone.as_deref().and_then(|zone| TimeZone::get(zone).ok()).unwrap_or(TimeZone::UTC);
    let here = now.to_zoned(zone);
    let next = match preferences.digest {
        Digest::Off => return now,
        Digest::Hourly => here
            .round(ZonedRound::new().smallest(Unit::Hour).mode(jiff::RoundMode::Floor))
            .and_then(|hour| hour.checked_add(1.hour())),
        Digest::Daily => here
            .with()
            .hour(MORNING)
            .minute(0)
            .second(0)
            .subsec_nanosecond(0)
            .build()
            .and_then(|morning| if morning > here { Ok(morning) } else { morning.checked_add(1.day()) }),
    };
    next.map_or(now, |next| next.timestamp())
}

/// Sends what was gathered for a user.
pub struct SendDigest {
    notifications: Notifications,
}

impl fmt::Debug for SendDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendDigest")
    }
}

/// For whom.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    user: String,
}

impl Handler for SendDigest {
    fn kind(&self) -> &'static str {
        DIGEST_KIND
    }

    fn run<'h>(&'h self, job: &'h Running) -> BoxFuture<'h, JobOutcome> {
        self.send(job).boxed()
    }
}

impl SendDigest {
    /// Sends what these notifications have gathered.
    #[must_use]
    pub fn new(notifications: Notifications) -> Self {
        Self { notifications }
    }

    /// What waits is taken in the transaction that writes the mail, so a second run finds nothing to send.
    async fn send(&self, job: &Running) -> JobOutcome {
        let Payload { user } = job.payload()?;
        let own = self.notifications.clone();
        let store = own.store.clone();
        let sent = store.write::<_, NotificationError, _>(move |tx| {
            let waiting = own.inbox.take_waiting(tx, &user)?;
            let account = own.directory.within(tx, &user)?.filter(|account| !account.disabled);
            let Some(account) = account.filter(|_| !waiting.is_empty()) else { return Ok(0) };
            let items: Vec<_> =
                waiting.iter().map(|item| json!({"subject": item.subject, "text": item.text})).collect();
            let values = json!({"items": items, "count": items.len()});
            let templates = own.mail.templates();
            let rendered = templates.render(tx, TEMPLATE, (Some(&user), None), &values, None)?;
            own.mail.put_content(tx, Content::of(rendered, account.email, TEMPLATE), own.clock.now())?;
            Ok(items.len())
        });
        let count = sent.await.map_err(|error| Failure::new(error.to_string()))?;
        Ok(serde_json::value::to_raw_value(&json!({"gathered": count})).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_sent_at_the_next_hour_or_the_next_morning() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (digest, zone, now, next) in [
            (Digest::Hourly, None, "2026-01-31T09:30:00Z", "2026-01-31T10:00:00Z"),
            (Digest::Hourly, Some("Asia/Kolkata"), "2026-01-31T09:10:00Z", "2026-01-31T09:30:00Z"),
            (Digest::Daily, None, "2026-01-31T07:59:59Z", "2026-01-31T08:00:00Z"),
            (Digest::Daily, None, "2026-01-31T08:00:00Z", "2026-02-01T08:00:00Z"),
            (Digest::Daily, Some("Europe/Berlin"), "2026-01-31T06:00:00Z", "2026-01-31T07:00:00Z"),
            // The night in which the clocks change.
            (Digest::Daily, Some("Europe/Berlin"), "2026-03-28T12:00:00Z", "2026-03-29T06:00:00Z"),
            (Digest::Daily, Some("nowhere"), "2026-01-31T06:00:00Z", "2026-01-31T08:00:00Z"),
        ] {
            let preferences = Preferences { digest, timezone: zone.map(Into::into), ..Preferences::default() };
            assert_eq!(next_digest(&preferences, at(now)), at(next), "{digest:?} {zone:?} {now}");
        }
    }
}
