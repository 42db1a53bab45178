//! Buckets of time: the year, quarter, month, week, day or hour in which a moment lies, in a time zone.
//!
//! A day knows no time zone: it lies where the calendar says.

use jiff::{
    Timestamp,
    civil::{Date, Weekday},
    tz::TimeZone,
};

use crate::{
    expr::{Kind, Value},
    kernel::Scalar,
};

/// How long a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::records) enum Unit {
    Year,
    Quarter,
    Month,
    /// From Monday on, as ISO 8601 counts weeks.
    Week,
    Day,
    Hour,
}

impl Unit {
    /// Every unit with its name.
    pub(in crate::records) const ALL: [(&'static str, Self); 6] = [
        ("year", Self::Year),
        ("quarter", Self::Quarter),
        ("month", Self::Month),
        ("week", Self::Week),
        ("day", Self::Day),
        ("hour", Self::Hour),
    ];

    /// The unit with this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, unit)| *unit)
    }

    /// Whether values of a kind lie in such buckets.
    pub(super) fn fits(self, kind: Kind) -> bool {
        kind == Kind::DateTime || (kind == Kind::Date && self != Self::Hour)
    }

    /// The kind of the column.
    pub(super) fn kind(self) -> Kind {
        if self == Self::Hour { Kind::DateTime } else { Kind::Str }
    }

    /// Where the bucket of a value begins: a day, or for an hour an instant. Null for what is no time.
    pub(super) fn start(self, value: &Value<'_>, zone: &TimeZone) -> Scalar {
        match value {
            Value::DateTime(instant) if self == Self::Hour => Scalar::DateTime(start_of_hour(*instant, zone)),
            Value::DateTime(instant) => {
                Scalar::Date(self.first_day(zone.to_offset(*instant).to_datetime(*instant).date()))
            }
            Value::Date(day) => Scalar::Date(self.first_day(*day)),
            _ => Scalar::Null,
        }
    }

    fn first_day(self, day: Date) -> Date {
        let first_of = |month: i8| Date::new(day.year(), month, 1).unwrap_or(day);
        match self {
            Self::Year => first_of(1),
            Self::Quarter => first_of((day.month() - 1) / 3 * 3 + 1),
            Self::Month => first_of(day.month()),
            Self::Week => {
                let since = day.weekday().since(Weekday::Monday);
                day.checked_sub(jiff::Span::new().days(since)).unwrap_or(day)
            }
            Self::Day | Self::Hour => day,
        }
    }

    /// The bucket that begins here, as it is shown; an hour stays an instant.
    pub(super) fn label(self, start: Scalar) -> Scalar {
        let Scalar::Date(day) = start else { return start };
        let year = day.year();
        Scalar::Str(match self {
            Self::Year => format!("{year:04}"),
            Self::Quarter => format!("{year:04}-Q{}", (day.month() - 1) / 3 + 1),
            Self::Month => format!("{year:04}-{:02}", day.month()),
            Self::Week => {
                let week = day.iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Self::Day | Self::Hour => day.to_string(),
        })
    }
}

/// The full hour on the clocks of the zone. An hour that a change of the clocks repeats has two, told apart by the
/// offset.
fn start_of_hour(instant: Timestamp, zone: &TimeZone) -> Timestamp {
    let offset = zone.to_offset(instant);
    let moment = offset.to_datetime(instant);
    let full = moment.date().at(moment.hour(), 0, 0, 0);
    offset.to_timestamp(full).unwrap_or(instant)
}

/// An instant as RFC 3339, with the offset of the zone at that instant.
pub(super) fn show_hour(instant: Timestamp, zone: &TimeZone) -> String {
    if *zone == TimeZone::UTC {
        return instant.to_string();
    }
    instant.display_with_offset(zone.to_offset(instant)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(unit: &str, moment: &str, zone: &str) -> String {
        let (unit, zone) = (Unit::named(unit).unwrap(), TimeZone::get(zone).unwrap());
        match unit.label(unit.start(&Value::DateTime(moment.parse().unwrap()), &zone)) {
            Scalar::Str(text) => text,
            Scalar::DateTime(instant) => show_hour(instant, &zone),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_moment_lies_where_the_clocks_of_the_zone_say() {
        let rows = [
            ("year", "2020-12-31T23:30:00Z", "UTC", "2020"),
            ("year", "2020-12-31T23:30:00Z", "Europe/Berlin", "2021"),
            ("quarter", "2021-03-31T23:30:00Z", "Europe/Berlin", "2021-Q2"),
            ("quarter", "2021-12-31T22:30:00Z", "Europe/Berlin", "2021-Q4"),
            ("month", "2021-01-31T23:00:00Z", "Europe/Berlin", "2021-02"),
            ("month", "2021-07-31T21:59:59.999Z", "Europe/Berlin", "2021-07"),
            ("week", "2021-01-03T12:00:00Z", "UTC", "2020-W53"),
            ("week", "2021-01-04T00:00:00Z", "UTC", "2021-W01"),
            ("week", "2024-12-30T00:00:00Z", "UTC", "2025-W01"),
            ("week", "2021-01-31T23:00:00Z", "Europe/Berlin", "2021-W05"),
            ("day", "2021-03-27T23:00:00Z", "Europe/Berlin", "2021-03-28"),
            ("day", "2021-03-28T21:59:00Z", "Europe/Berlin", "2021-03-28"),
            ("day", "2021-03-28T22:00:00Z", "Europe/Berlin", "2021-03-29"),
            // Spring: two o'clock does not exist. Autumn: two o'clock is there twice.
            ("hour", "2021-03-28T00:59:00Z", "Europe/Berlin", "2021-03-28T01:00:00+01:00"),
            ("hour", "2021-03-28T01:00:00Z", "Europe/Berlin", "2021-03-28T03:00:00+02:00"),
            ("hour", "2021-10-31T00:30:00Z", "Europe/Berlin", "2021-10-31T02:00:00+02:00"),
            ("hour", "2021-10-31T01:30:00Z", "Europe/Berlin", "2021-10-31T02:00:00+01:00"),
            ("hour", "2021-06-01T10:15:00Z", "Asia/Kolkata", "2021-06-01T15:00:00+05:30"),
            ("hour", "2021-06-01T10:45:00Z", "UTC", "2021-06-01T10:00:00Z"),
        ];
        for (unit, moment, zone, expected) in rows {
            assert_eq!(label(unit, moment, zone), expected, "{unit} of {moment} in {zone}");
        }
    }

    #[test]
    fn the_ends_of_time_have_buckets() {
        for moment in [Timestamp::MIN, Timestamp::MAX] {
            for (name, unit) in Unit::ALL {
                for zone in ["Pacific/Apia", "America/Los_Angeles", "UTC"] {
                    let zone = TimeZone::get(zone).unwrap();
                    let start = unit.start(&Value::DateTime(moment), &zone);
                    assert!(!unit.label(start).is_null(), "{name} of {moment}");
                }
            }
        }
    }
}
