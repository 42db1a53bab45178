//! The formats in which records come and go, and how a request names one.

/// A format of many records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A JSON object in each line.
    Jsonl,
    /// A JSON array of objects. What begins otherwise is read as lines.
    Json,
    /// Comma-separated values, the first row naming the fields.
    Csv,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Jsonl, Self::Json, Self::Csv];

    /// Its name as a parameter.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jsonl => "application/x-ndjson",
            Self::Json => "application/json",
            Self::Csv => "text/csv",
        }
    }

    /// The format with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The format of a media type, parameters left aside.
    #[must_use]
    pub fn of_media_type(value: &str) -> Option<Self> {
        let own = value.split(';').next().unwrap_or_default().trim();
        let other = [("application/jsonl", Self::Jsonl), ("application/ndjson", Self::Jsonl)];
        let known = Self::ALL.map(|format| (format.media_type(), format)).into_iter().chain(other);
        known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(own)).map(|(_, format)| format)
    }

    /// The first format that an `Accept` header names.
    #[must_use]
    pub fn accepted(header: &str) -> Option<Self> {
        header.split(',').find_map(Self::of_media_type)
    }
}
