//! The table of functions: names, what they take and give, and what they do.

use std::borrow::Cow;

use super::{Kind, Term, Value, Values};

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
}

/// What a function accepts in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Param {
    /// One text.
    Text,
    /// One text, or a field with many values of any kind.
    TextOrMany,
}

impl Param {
    /// The parameter as messages call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::TextOrMany => "text or a field with many values",
        }
    }
}

impl Function {
    /// Every function.
    pub const ALL: &'static [Self] = &[Self::Lower, Self::Upper, Self::Length, Self::StartsWith, Self::EndsWith];

    /// The table: the name in the source, the parameters, the kind of the result.
    fn signature(self) -> (&'static str, &'static [Param], Kind) {
        match self {
            Self::Lower => ("lower", &[Param::Text], Kind::Str),
            Self::Upper => ("upper", &[Param::Text], Kind::Str),
            Self::Length => ("length", &[Param::TextOrMany], Kind::Int),
            Self::StartsWith => ("startsWith", &[Param::Text, Param::Text], Kind::Bool),
            Self::EndsWith => ("endsWith", &[Param::Text, Param::Text], Kind::Bool),
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
