//! Record ids: 1 to 64 URL-safe characters, a UUIDv7 when Stead makes them.

use std::{fmt, sync::Mutex};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::{ContextV7, Timestamp as UuidTimestamp, Uuid};

/// The id of a record: `A-Z a-z 0-9 - _ . ~`, 1 to 64 of them (RFC 3986 "unreserved").
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordId(Box<str>);

/// What is wrong with a text that should be a [`RecordId`].
#[derive(Debug, thiserror::Error)]
#[error("an id has 1 to {max} of the characters A-Z a-z 0-9 - _ . ~", max = RecordId::LENGTH_MAX)]
pub struct InvalidId;

impl RecordId {
    /// The greatest length of an id, in bytes (all characters are ASCII).
    pub const LENGTH_MAX: usize = 64;

    /// Checks a text given by a client. `.` and `..` are refused, for they cannot stand in a URL's path.
    ///
    /// # Errors
    /// [`InvalidId`] when the text is empty, too long, or holds another character.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        let fits = (1..=Self::LENGTH_MAX).contains(&text.len());
        if fits && text.bytes().all(allowed) && text != "." && text != ".." {
            Ok(Self(text.into()))
        } else {
            Err(InvalidId)
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RecordId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(&text)
    }
}

impl From<RecordId> for String {
    fn from(id: RecordId) -> Self {
        id.0.into()
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes ids: UUIDv7 ([RFC 9562](https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7)) of which each sorts
/// after the one made before, also within a millisecond.
#[derive(Debug, Default)]
pub struct IdSource {
    context: Mutex<ContextV7>,
}

impl IdSource {
    /// A new id for something made `now`.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> RecordId {
        RecordId(self.next_uuid(now).hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned().into())
    }

    /// The same as a number of 128 bits.
    #[must_use]
    pub fn next_uuid(&self, now: Timestamp) -> Uuid {
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
        let context = self.context.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Uuid::new_v7(UuidTimestamp::from_unix(&*context, seconds, nanos))
    }
}
