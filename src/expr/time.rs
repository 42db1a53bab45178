//! Days and instants: reading them from literals, and comparing a day (its midnight in UTC) with an instant.

use std::cmp::Ordering;

use jiff::{
    Timestamp,
    civil::{Date, Time},
    tz::TimeZone,
};

/// How the midnight of `day` compares with `instant`. Holds also for the days whose midnight is no [`Timestamp`].
pub(super) fn order(day: Date, instant: Timestamp) -> Ordering {
    day.to_datetime(Time::midnight()).cmp(&TimeZone::UTC.to_datetime(instant))
}

/// The midnight of `day`, where the range of [`Timestamp`] has it.
pub(super) fn midnight(day: Date) -> Option<Timestamp> {
    TimeZone::UTC.to_timestamp(day.to_datetime(Time::midnight())).ok()
}

/// The day of `instant`, and whether the instant is its midnight.
pub(super) fn day_of(instant: Timestamp) -> (Date, bool) {
    let moment = TimeZone::UTC.to_datetime(instant);
    (moment.date(), moment.time() == Time::midnight())
}

/// Reads `2026-01-31`.
pub(super) fn read_day(text: &str) -> Option<Date> {
    if matches_shape(text, "0000-00-00") { text.parse().ok() } else { None }
}

/// Reads an instant of [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339#section-5.6), or a day as its midnight.
///
/// The shape is checked here because jiff reads more than that: other separators, time zones in brackets.
pub(super) fn read_instant(text: &str) -> Option<Timestamp> {
    if let Some(day) = read_day(text) {
        return midnight(day);
    }
    let (moment, rest) = text.split_at_checked(19)?;
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|char: char| char.is_ascii_digit());
            if zone.len() == fraction.len() {
                return None;
            }
            zone
        }
        None => rest,
    };
    let zoned = zone.eq_ignore_ascii_case("z") || matches_shape(zone, "+00:00") || matches_shape(zone, "-00:00");
    let fits = matches_shape(&moment.to_ascii_uppercase(), "0000-00-00T00:00:00");
    if fits && zoned { text.parse().ok() } else { None }
}

/// Whether `text` is `shape`, where each `0` stands for a digit.
fn matches_shape(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, model)| match model {
            b'0' => byte.is_ascii_digit(),
            _ => byte == model,
        })
}
