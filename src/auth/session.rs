//! Sessions, and the refresh token by which one goes on.
//!
//! A refresh token is a *handle* of 128 bits and a *secret* of 256. The session's id is a hash of the handle, so a token leads to
//! its session, and an id leads to no token. Each use puts a new secret in the place of the old one, derived from the old one and
//! a random salt: whoever lost the answer and asks again with the same token gets the same successor, though nothing is stored
//! from which the store's reader could make it. A secret that is neither the present one nor, for a moment, the one before was
//! used twice, so somebody has it who should not, and the session ends
//! ([RFC 9700, 4.14](https://www.rfc-editor.org/rfc/rfc9700#section-4.14)).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    access::secret::{derive, random, same, secret_text, sha256},
    kernel::RecordId,
};

const HANDLE_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;

/// A session.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionRow {
    /// Its id, which tells nothing of its tokens.
    pub(super) id: String,
    /// Whose it is.
    pub(super) user: String,
    /// When the user signed in.
    pub(super) created_at: Timestamp,
    /// When it was last refreshed.
    pub(super) used_at: Timestamp,
    /// When it ends unless it is refreshed.
    pub(super) expires_at: Timestamp,
    /// What the client called itself at sign-in.
    pub(super) device: String,
    /// The address that was last seen.
    pub(super) address: Option<std::net::IpAddr>,
    /// How the user signed in ([RFC 8176](https://www.rfc-editor.org/rfc/rfc8176)): `pwd`, `otp`, …
    pub(super) methods: Vec<String>,
    /// Who acts as the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) impersonator: Option<RecordId>,
    /// The session in which the impersonator began: this one ends with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) behind: Option<String>,
    /// SHA-256 of the present secret, base64.
    hash: String,
    /// The change of secrets before, as long as it may be asked for again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotated: Option<Rotated>,
}

/// How the present secret came out of the one before.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Rotated {
    /// SHA-256 of the secret before, base64.
    from: String,
    salt: String,
    at: Timestamp,
}

/// A refresh token, taken apart.
#[derive(Clone)]
pub(super) struct RefreshToken {
    handle: [u8; HANDLE_BYTES],
    secret: [u8; SECRET_BYTES],
}

/// What a refresh token is worth.
pub(super) enum Verdict {
    /// It is the present one; this is its successor.
    Rotated(RefreshToken),
    /// It was used a moment ago; this is what the answer was then.
    Repeated(RefreshToken),
    /// It was used before: somebody else may have it.
    Reused,
}

impl RefreshToken {
    /// A token for a new session.
    pub(super) fn new() -> Self {
        Self { handle: random(), secret: random() }
    }

    /// Takes a token apart; `None` when it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; HANDLE_BYTES + SECRET_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        let (handle, secret) = bytes.get(..length)?.split_at_checked(HANDLE_BYTES)?;
        Some(Self { handle: handle.try_into().ok()?, secret: secret.try_into().ok()? })
    }

    /// The token as clients hold it.
    pub(super) fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode([&self.handle[..], &self.secret[..]].concat())
    }

    /// The id of its session.
    pub(super) fn session(&self) -> String {
        let hash = sha256(&self.handle);
        URL_SAFE_NO_PAD.encode(hash.get(..16).unwrap_or_default())
    }

    fn hash(&self) -> String {
        URL_SAFE_NO_PAD.encode(sha256(&self.secret))
    }

    fn successor(&self, salt: &str) -> Self {
        Self { handle: self.handle, secret: derive(&self.secret, salt.as_bytes()) }
    }
}

/// What a new session is made of.
pub(super) struct Opening {
    pub(super) user: String,
    pub(super) device: String,
    pub(super) address: Option<std::net::IpAddr>,
    pub(super) methods: Vec<String>,
    pub(super) impersonator: Option<RecordId>,
    /// The session in which the impersonator began.
    pub(super) behind: Option<String>,
}

impl SessionRow {
    /// A new session and its first token.
    pub(super) fn open(opening: Opening, now: Timestamp, expires_at: Timestamp) -> (Self, RefreshToken) {
        let token = RefreshToken::new();
        let Opening { user, device, address, methods, impersonator, behind } = opening;
        let row = Self {
            id: token.session(),
            user,
            created_at: now,
            used_at: now,
            expires_at,
            device,
            address,
            methods,
            impersonator,
            behind,
            hash: token.hash(),
            rotated: None,
        };
        (row, token)
    }

    /// Judges a token of this session, and changes its secret when it is the present one.
    pub(super) fn rotate(&mut self, token: &RefreshToken, now: Timestamp, grace_seconds: u64) -> Verdict {
        let hash = token.hash();
        if same(hash.as_bytes(), self.hash.as_bytes()) {
            let salt = secret_text();
            let successor = token.successor(&salt);
            self.hash = successor.hash();
            self.rotated = Some(Rotated { from: hash, salt, at: now });
            return Verdict::Rotated(successor);
        }
        let within = |rotated: &&Rotated| {
            let age = now.duration_since(rotated.at).as_millis();
            same(rotated.from.as_bytes(), hash.as_bytes()) && age <= i128::from(grace_seconds) * 1000
        };
        match self.rotated.as_ref().filter(within) {
            Some(rotated) => Verdict::Repeated(token.successor(&rotated.salt)),
            None => Verdict::Reused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> (SessionRow, RefreshToken) {
        let opening = Opening {
            user: "ann".into(),
            device: String::new(),
            address: None,
            methods: Vec::new(),
            impersonator: None,
            behind: None,
        };
        SessionRow::open(opening, at(0), at(1000))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let (row, token) = opened();
        let again = RefreshToken::parse(&token.text()).unwrap();
        assert_eq!((again.handle, again.secret, again.session()), (token.handle, token.secret, row.id));
        for text in ["", "x", "AAAA", &token.text()[1..], &format!("{}A", token.text()), "é", &"A".repeat(1000)] {
            assert!(RefreshToken::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_lost_answer_is_given_again_and_no_other_token_passes_twice() {
        let (mut row, first) = opened();
        let Verdict::Rotated(second) = row.rotate(&first, at(1), 10) else { panic!("the first is good") };
        let Verdict::Repeated(again) = row.rotate(&first, at(11), 10) else { panic!("the answer was lost") };
        assert_eq!(again.text(), second.text());
        assert!(matches!(row.clone().rotate(&first, at(12), 10), Verdict::Reused));
        let Verdict::Rotated(third) = row.rotate(&second, at(12), 10) else { panic!("the second is good") };
        assert!(matches!(row.clone().rotate(&first, at(12), 10), Verdict::Reused), "its successor was used");
        assert!(matches!(row.clone().rotate(&second, at(12), 10), Verdict::Repeated(_)));
        let stored = serde_json::to_string(&row).unwrap();
        for token in [first, second, third] {
            assert!(!stored.contains(&URL_SAFE_NO_PAD.encode(token.secret)), "no secret is stored");
        }
    }
}
