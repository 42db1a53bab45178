//! When a schedule is due: the times of a cron expression in a time zone, of an interval, or a single one.

use croner::{
    Cron, Direction,
    parser::{CronParser, Seconds, Year},
};
use jiff::{SignedDuration, Timestamp, Zoned, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// When a schedule is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Timing {
    /// By a cron expression of five fields, or six with seconds in front. Where clocks are put forward, a fixed time that is left out comes
    /// right after; where they are put back, it comes once. Times of `*` and `*/n` follow the clock.
    #[serde(rename_all = "camelCase")]
    Cron {
        /// The expression.
        cron: String,
        /// The time zone, by its IANA name.
        timezone: String,
    },
    /// Again and again after so many seconds.
    #[serde(rename_all = "camelCase")]
    Every {
        /// So many.
        seconds: u32,
        /// The first time.
        from: Timestamp,
    },
    /// Once.
    Once {
        /// Then.
        at: Timestamp,
    },
}

impl Timing {
    /// The first time after another one.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron { cron, timezone } => occurrence(cron, timezone, after, Direction::Forward),
            Self::Every { from, .. } if after < *from => Some(*from),
            Self::Every { seconds, from } => step(*from, *seconds, passed(*from, *seconds, after) + 1),
            Self::Once { at } => Some(*at).filter(|at| *at > after),
        }
    }

    /// The last time before another one.
    #[must_use]
    pub fn last_before(&self, before: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron { cron, timezone } => occurrence(cron, timezone, before, Direction::Backward),
            Self::Every { from, .. } if before <= *from => None,
            Self::Every { seconds, from } => {
                let just = before.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(before);
                step(*from, *seconds, passed(*from, *seconds, just))
            }
            Self::Once { at } => Some(*at).filter(|at| *at < before),
        }
    }

    /// The next times after one, at most `max`.
    #[must_use]
    pub fn upcoming(&self, after: Timestamp, max: usize) -> Vec<Timestamp> {
        std::iter::successors(self.next_after(after), |at| self.next_after(*at)).take(max).collect()
    }
}

/// How many whole steps lie between a first time and another one.
fn passed(from: Timestamp, seconds: u32, at: Timestamp) -> i64 {
    // Whole seconds, rounded down: the first time may have a fraction, which all have then.
    let between = at.duration_since(from);
    between.as_secs().checked_div(i64::from(seconds)).unwrap_or(0)
}

fn step(from: Timestamp, seconds: u32, steps: i64) -> Option<Timestamp> {
    from.checked_add(SignedDuration::from_secs(steps.checked_mul(i64::from(seconds))?)).ok()
}

fn occurrence(cron: &str, timezone: &str, at: Timestamp, direction: Direction) -> Option<Timestamp> {
    let (whole, cron) = (Timestamp::from_second(at.as_second()).ok()?, parse(cron).ok()?);
    let from = whole.to_zoned(zone(timezone)?);
    let found: Result<Zoned, _> = match direction {
        Direction::Forward => cron.find_next_occurrence(&from, false),
        // The whole second lies before one of its fractions.
        Direction::Backward => cron.find_previous_occurrence(&from, whole < at),
    };
    found.ok().map(|found| found.timestamp())
}

/// The time zone of a name.
pub(super) fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

/// Reads a cron expression.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(cron: &str) -> Result<Cron, String> {
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
    parser.parse(cron).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn cron(cron: &str, timezone: &str) -> Timing {
        Timing::Cron { cron: cron.into(), timezone: timezone.into() }
    }

    fn upcoming(timing: &Timing, after: &str, max: usize) -> Vec<String> {
        timing.upcoming(at(after), max).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn cron_follows_the_clock_of_its_zone() {
        let daily = cron("30 2 * * *", "Europe/Berlin");
        // On 2026-03-29 the clock goes from 02:00 to 03:00: half past two is left out, and made up for at three.
        assert_eq!(
            upcoming(&daily, "2026-03-27T12:00:00Z", 3),
            ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        // On 2026-10-25 it goes from 03:00 back to 02:00: half past two comes twice, and counts once.
        assert_eq!(upcoming(&daily, "2026-10-24T12:00:00Z", 2), ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
        let quarters = cron("*/30 * * * *", "Europe/Berlin");
        assert_eq!(
            upcoming(&quarters, "2026-10-25T00:15:00Z", 4),
            ["2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"]
        );
        assert_eq!(upcoming(&cron("15 30 9 * * MON-FRI", "UTC"), "2026-01-30T10:00:00Z", 1), ["2026-02-02T09:30:15Z"]);
        assert_eq!(upcoming(&cron("0 0 L * *", "UTC"), "2026-02-01T00:00:00Z", 1), ["2026-02-28T00:00:00Z"]);
        assert_eq!(upcoming(&cron("@daily", "UTC"), "2026-02-01T00:00:00Z", 1), ["2026-02-02T00:00:00Z"]);
    }

    #[test]
    fn what_never_comes_has_no_time() {
        assert_eq!(cron("0 0 30 2 *", "UTC").next_after(at("2026-01-01T00:00:00Z")), None);
        let once = Timing::Once { at: at("2026-01-01T00:00:00Z") };
        assert_eq!(once.next_after(at("2026-01-01T00:00:00Z")), None);
        assert_eq!(once.last_before(at("2026-01-01T00:00:01Z")), Some(at("2026-01-01T00:00:00Z")));
        for wrong in ["", "*", "* * * *", "60 * * * *", "* * * * * * *", "a b c d e"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn next_and_last_are_neighbours(
            which in 0..5_usize,
            seconds in 1..5_000_u32,
            from in 1_760_000_000_000_i64..1_800_000_000_000,
            after in 1_760_000_000_000_i64..1_800_000_000_000,
        ) {
            let time = |millis| Timestamp::from_millisecond(millis).unwrap();
            let timing = [
                Timing::Every { seconds, from: time(from) },
                Timing::Once { at: time(from) },
                cron("*/7 * * * *", "America/New_York"),
                cron("30 2 * * *", "Europe/Berlin"),
                cron("5 0 12 * * FRI", "Asia/Kolkata"),
            ];
            let timing = &timing[which];
            let after = time(after);
            if let Some(next) = timing.next_after(after) {
                prop_assert!(next > after);
                let before_next = timing.last_before(next);
                prop_assert!(before_next.is_none_or(|last| last <= after), "{last:?} lies between {after} and {next}", last = before_next);
                let just = next.checked_add(SignedDuration::from_nanos(1)).unwrap();
                prop_assert_eq!(timing.last_before(just), Some(next));
            }
        }
    }
}
