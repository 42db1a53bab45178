//! The table of functions: names, what they take and give, and what they do.

use std::borrow::Cow;

use jiff::{civil::Time, tz::TimeZone};

use super::{Kind, Term, Value, Values, geo};

/// A function of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    /// `lower(text)`: the text in lower case.
    Lower,
    /// `upper(text)`: the text in upper case.
    Upper,
    /// `length(text)`, `length(field)`: how many characters, or how many items.
    Length,
    /// `startsWith(text, part)`: whether the text begins with the part; case matters.
    StartsWith,
    /// `endsWith(text, part)`: whether the text ends with the part; case matters.
    EndsWith,
    /// `date(time)`: the day, in UTC.
    Date,
    /// `year(time)`: the year, in UTC.
    Year,
    /// `month(time)`: the month, 1 to 12, in UTC.
    Month,
    /// `day(time)`: the day of the month, in UTC.
    Day,
    /// `hour(time)`: the hour, 0 to 23, in UTC.
    Hour,
    /// `weekday(time)`: the day of the week, Monday is 1, in UTC.
    Weekday,
    /// `distance(place, lat, lon)`: how many metres from a place to a point, along the surface of the Earth.
    Distance,
}

/// What a function accepts in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Param {
    /// One text.
    Text,
    /// One text, or a field with many values of any kind.
    TextOrMany,
    /// One instant or day.
    Time,
    /// A place: JSON with `lat` and `lon`. It becomes two arguments.
    Place,
    /// One number.
    Number,
}

impl Param {
    /// The parameter as messages call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::TextOrMany => "text or a field with many values",
            Self::Time => "a date or time",
            Self::Place => "a place",
            Self::Number => "a number",
        }
    }
}

impl Function {
    /// Every function.
    pub const ALL: &'static [Self] = &[
        Self::Lower,
        Self::Upper,
        Self::Length,
        Self::StartsWith,
        Self::EndsWith,
        Self::Date,
        Self::Year,
        Self::Month,
        Self::Day,
        Self::Hour,
        Self::Weekday,
        Self::Distance,
    ];

    /// The table: the name in the source, the parameters, the kind of the result.
    fn signature(self) -> (&'static str, &'static [Param], Kind) {
        match self {
            Self::Lower => ("lower", &[Param::Text], Kind::Str),
            Self::Upper => ("upper", &[Param::Text], Kind::Str),
            Self::Length => ("length", &[Param::TextOrMany], Kind::Int),
            Self::StartsWith => ("startsWith", &[Param::Text, Param::Text], Kind::Bool),
            Self::EndsWith => ("endsWith", &[Param::Text, Param::Text], Kind::Bool),
            Self::Date => ("date", &[Param::Time], Kind::Date),
            Self::Year => ("year", &[Param::Time], Kind::Int),
            Self::Month => ("month", &[Param::Time], Kind::Int),
            Self::Day => ("day", &[Param::Time], Kind::Int),
            Self::Hour => ("hour", &[Param::Time], Kind::Int),
            Self::Weekday => ("weekday", &[Param::Time], Kind::Int),
            Self::Distance => ("distance", &[Param::Place, Param::Number, Param::Number], Kind::Float),
        }
    }

    /// The function that the source calls `name`.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|function| function.name() == name)
    }

    /// The name in the source.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.signature().0
    }

    /// The kind of what it gives.
    #[must_use]
    pub fn result(self) -> Kind {
        self.signature().2
    }

    pub(super) fn params(self) -> &'static [Param] {
        self.signature().1
    }

    /// What it gives for `args`. An absent text gives null, or false where the result is a condition.
    pub(super) fn apply<'a>(self, args: &'a [Term], values: &'a dyn Values) -> Value<'a> {
        let mut args = args.iter();
        let first = args.next();
        let text = first.map_or(Value::Null, |term| term.value(values));
        match self {
            Self::Lower => map_text(&text, str::to_lowercase),
            Self::Upper => map_text(&text, str::to_uppercase),
            Self::Length => length(&text, first.is_some_and(Term::is_many)),
            Self::StartsWith | Self::EndsWith => {
                let part = args.next().map_or(Value::Null, |term| term.value(values));
                let (Value::Str(text), Value::Str(part)) = (text, part) else { return Value::Bool(false) };
                Value::Bool(match self {
                    Self::StartsWith => text.starts_with(&*part),
                    _ => text.ends_with(&*part),
                })
            }
            Self::Date | Self::Year | Self::Month | Self::Day | Self::Hour | Self::Weekday => self.of_time(&text),
            Self::Distance => {
                let mut rest = args.map(|term| term.value(values).to_float());
                match (text.to_float(), rest.next(), rest.next(), rest.next()) {
                    (Some(lat), Some(Some(lon)), Some(Some(to_lat)), Some(Some(to_lon))) => {
                        Value::Float(geo::distance((lat, lon), (to_lat, to_lon)))
                    }
                    _ => Value::Null,
                }
            }
        }
    }
}

impl Function {
    /// A part of an instant or day.
    fn of_time(self, time: &Value<'_>) -> Value<'static> {
        let moment = match time {
            Value::DateTime(instant) => TimeZone::UTC.to_datetime(*instant),
            Value::Date(day) => day.to_datetime(Time::midnight()),
            _ => return Value::Null,
        };
        match self {
            Self::Year => Value::Int(moment.year().into()),
            Self::Month => Value::Int(moment.month().into()),
            Self::Day => Value::Int(moment.day().into()),
            Self::Hour => Value::Int(moment.hour().into()),
            Self::Weekday => Value::Int(moment.weekday().to_monday_one_offset().into()),
            _ => Value::Date(moment.date()),
        }
    }
}

fn map_text(text: &Value<'_>, map: fn(&str) -> String) -> Value<'static> {
    match text {
        Value::Str(text) => Value::Str(Cow::Owned(map(text))),
        _ => Value::Null,
    }
}

fn length(value: &Value<'_>, many: bool) -> Value<'static> {
    let count = match value {
        Value::Str(text) => text.chars().count(),
        Value::Many(items) => items.len(),
        Value::Null if many => 0,
        _ => return Value::Null,
    };
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}
