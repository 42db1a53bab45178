//! What is to be done when a schedule is due: for which times jobs are made, which were missed, and when it is due next.

use jiff::{SignedDuration, Timestamp};

use super::model::{Missed, Schedule};

/// How late a run may be before its time counts as missed.
const GRACE: SignedDuration = SignedDuration::from_secs(60);
/// The most missed times that are made up for.
const CAUGHT_UP_MAX: usize = 1_000;

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// The times for which jobs are made.
    pub(super) runs: Vec<Timestamp>,
    /// The first and the last of the times that were missed for good.
    pub(super) missed: Option<(Timestamp, Timestamp)>,
    /// When it is due next.
    pub(super) next: Option<Timestamp>,
}

impl Due {
    /// What a schedule has to do now.
    pub(super) fn of(schedule: &Schedule, now: Timestamp) -> Self {
        let Schedule { timing, missed, next_at, .. } = schedule;
        let Some(first) = next_at.filter(|first| *first <= now) else {
            return Self { next: *next_at, ..Self::default() };
        };
        let next = timing.next_after(now);
        let until = now.checked_add(SignedDuration::from_nanos(1)).unwrap_or(now);
        let last = timing.last_before(until).filter(|last| *last >= first).unwrap_or(first);
        let is_late = now.duration_since(last) > GRACE;
        let mut runs = match missed {
            Missed::Skip if is_late => Vec::new(),
            Missed::Skip | Missed::Once => vec![last],
            Missed::All => {
                let earlier = std::iter::successors(Some(last), |at| timing.last_before(*at));
                earlier.take_while(|at| *at >= first).take(CAUGHT_UP_MAX).collect()
            }
        };
        runs.reverse();
        // What lies before the first of them, or all.
        let left = match runs.first() {
            Some(run) => timing.last_before(*run).filter(|left| *left >= first),
            None => Some(last),
        };
        Self { runs, missed: left.map(|left| (first, left)), next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedules::{Timing, tests::schedule};

    fn due(missed: Missed, next_at: &str, now: &str) -> (Vec<String>, Option<(String, String)>, Option<String>) {
        let timing = Timing::Cron { cron: "0 * * * *".into(), timezone: "UTC".into() };
        let schedule = Schedule { missed, next_at: next_at.parse().ok(), ..schedule(timing) };
        let Due { runs, missed, next } = Due::of(&schedule, now.parse().unwrap());
        let hour = |at: Timestamp| at.strftime("%d %H").to_string();
        let missed = missed.map(|(from, to)| (hour(from), hour(to)));
        (runs.into_iter().map(hour).collect(), missed, next.map(hour))
    }

    fn hours(hours: &[&str]) -> Vec<String> {
        hours.iter().map(|hour| (*hour).to_owned()).collect()
    }

    fn range(from: &str, to: &str) -> Option<(String, String)> {
        Some((from.into(), to.into()))
    }

    #[test]
    fn missed_times_are_made_up_for_as_the_schedule_says() {
        let (first, now) = ("2026-01-01T03:00:00Z", "2026-01-01T07:30:00Z");
        let next = Some("01 08".to_owned());
        assert_eq!(due(Missed::Skip, first, now), (hours(&[]), range("01 03", "01 07"), next.clone()));
        assert_eq!(due(Missed::Once, first, now), (hours(&["01 07"]), range("01 03", "01 06"), next.clone()));
        let all = hours(&["01 03", "01 04", "01 05", "01 06", "01 07"]);
        assert_eq!(due(Missed::All, first, now), (all, None, next));
    }

    #[test]
    fn a_run_in_time_is_none_that_was_missed() {
        for missed in [Missed::Skip, Missed::Once, Missed::All] {
            let in_time = due(missed, "2026-01-01T03:00:00Z", "2026-01-01T03:01:00Z");
            assert_eq!(in_time, (hours(&["01 03"]), None, Some("01 04".into())));
            let too_early = due(missed, "2026-01-01T03:00:00Z", "2026-01-01T02:59:59Z");
            assert_eq!(too_early, (hours(&[]), None, Some("01 03".into())));
        }
        let late = due(Missed::Skip, "2026-01-01T03:00:00Z", "2026-01-01T03:01:01Z");
        assert_eq!(late, (hours(&[]), range("01 03", "01 03"), Some("01 04".into())));
        let last_in_time = due(Missed::Skip, "2026-01-01T03:00:00Z", "2026-01-01T05:00:30Z");
        assert_eq!(last_in_time, (hours(&["01 05"]), range("01 03", "01 04"), Some("01 06".into())));
    }

    #[test]
    fn a_long_time_is_made_up_for_in_part() {
        let (runs, missed, next) = due(Missed::All, "2026-01-01T00:00:00Z", "2026-12-01T00:00:00Z");
        assert_eq!((runs.len(), runs.last().unwrap().as_str(), next.as_deref()), (1_000, "01 00", Some("01 01")));
        // 1000 hours before the first of December begins at nine in the morning of the twentieth of October.
        assert_eq!((runs[0].as_str(), missed), ("20 09", range("01 00", "20 08")));
    }
}
