//! What a user has for signing in besides a password: an authenticator, passkeys, and recovery codes.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use totp_rs::{Builder, Secret, Totp};

use super::passkey::OwnPasskey;
use crate::access::secret::{random, random_letters, same, secret_hash};

/// How many recovery codes a user gets.
const CODES: usize = 10;
/// The length of a part of a recovery code.
const PART_LENGTH: usize = 4;
/// The parts of a recovery code: 119 bits, so a plain hash keeps it.
const PARTS: usize = 5;
/// How many steps of 30 seconds a clock may be off.
const SKEW: u16 = 1;
/// How long setting up an authenticator may take.
const SET_UP_LIFE: SignedDuration = SignedDuration::from_mins(15);

/// The second factors of a user.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Factors {
    /// The app of the user's telephone.
    pub(super) authenticator: Option<Authenticator>,
    /// The keys of the user's devices, the oldest first.
    pub(super) passkeys: Vec<OwnPasskey>,
    /// The hashes of recovery codes that were not used.
    pub(super) recovery: Vec<String>,
}

impl Factors {
    /// Whether each sign-in asks for one of them.
    pub(super) fn are_active(&self) -> bool {
        self.confirmed().is_some() || !self.passkeys.is_empty()
    }

    /// The authenticator, once it was confirmed.
    pub(super) fn confirmed(&self) -> Option<&Authenticator> {
        self.authenticator.as_ref().filter(|own| own.confirmed_at.is_some())
    }

    /// What is left after taking a code of the app or a recovery code, unless it is wrong or was taken before.
    pub(super) fn take(&self, code: &str, now: Timestamp) -> Option<Self> {
        if let Some(taken) = self.confirmed().and_then(|own| own.take_code(code, now)) {
            return Some(Self { authenticator: Some(taken), ..self.clone() });
        }
        let hash = secret_hash(code.trim());
        let at = self.recovery.iter().position(|own| same(own.as_bytes(), hash.as_bytes()))?;
        let mut left = self.clone();
        left.recovery.remove(at);
        Some(left)
    }

    /// The same with new recovery codes, and the codes.
    pub(super) fn with_codes(self) -> (Self, Vec<String>) {
        let code = |_| (0..PARTS).map(|_| random_letters(PART_LENGTH)).collect::<Vec<_>>().join("-");
        let codes: Vec<String> = (0..CODES).map(code).collect();
        let recovery = codes.iter().map(|code| secret_hash(code)).collect();
        (Self { recovery, ..self }, codes)
    }
}

/// The authenticator of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Authenticator {
    /// The secret that it shares with the app: 160 bits. It is needed as it is, so it cannot be a hash.
    pub(super) secret: [u8; 20],
    /// When it was first used; absent while it is being set up.
    pub(super) confirmed_at: Option<Timestamp>,
    /// The last step of which a code was taken: each is good once.
    pub(super) last_step: u64,
    /// Where it is being set up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) set_up: Option<SettingUp>,
}

/// In which session an authenticator is set up, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SettingUp {
    session: String,
    since: Timestamp,
}

impl Authenticator {
    /// A new one, to be confirmed in the session in which it is set up.
    pub(super) fn new(session: &str, now: Timestamp) -> Self {
        let set_up = Some(SettingUp { session: session.to_owned(), since: now });
        Self { secret: random(), confirmed_at: None, last_step: 0, set_up }
    }

    /// Whether it may be confirmed in this session: its secret was shown there, a short while ago.
    pub(super) fn waits_in(&self, session: &str, now: Timestamp) -> bool {
        let good = |set_up: &SettingUp| set_up.session == session && now.duration_since(set_up.since) < SET_UP_LIFE;
        self.confirmed_at.is_none() && self.set_up.as_ref().is_some_and(good)
    }

    fn totp(&self, account: &str, issuer: &str) -> Option<Totp> {
        // A colon would end the issuer in the app's link.
        let plain = |text: &str| text.replace(':', " ");
        let builder = Builder::new().with_secret(Secret::new_stack(self.secret)).with_skew(SKEW);
        builder.with_account_name(plain(account)).with_issuer(Some(plain(issuer))).build().ok()
    }

    /// The secret as people type it, and the link that apps read.
    pub(super) fn shown(&self, account: &str, issuer: &str) -> Option<(String, String)> {
        let secret = Secret::new_stack(self.secret).to_base32();
        Some((secret, self.totp(account, issuer)?.to_url().ok()?))
    }

    /// The authenticator after taking a code of the app, unless it is wrong or was taken before.
    pub(super) fn take_code(&self, code: &str, now: Timestamp) -> Option<Self> {
        let time = u64::try_from(now.as_second()).ok()?;
        let step = self.totp("", "")?.check(code.trim(), time).filter(|step| *step > self.last_step)?;
        Some(Self { last_step: step, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// The vectors of RFC 6238, appendix B, cut to six digits.
    #[test]
    fn known_codes_are_taken() {
        let known = Authenticator { secret: *b"12345678901234567890", ..Authenticator::new("", at(0)) };
        for (second, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            assert!(known.take_code(code, at(second)).is_some(), "{second}");
            assert!(known.take_code(code, at(second + 29)).is_some(), "a clock may be off by a step");
            assert!(known.take_code(code, at(second + 90)).is_none(), "{second}");
        }
        for wrong in ["", "000000", "28708", "2870822", "28708x"] {
            assert!(known.take_code(wrong, at(59)).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_code_is_good_once() {
        let own = Authenticator { secret: *b"12345678901234567890", ..Authenticator::new("", at(0)) };
        let waiting = Factors { authenticator: Some(own.clone()), ..Factors::default() };
        assert!(!waiting.are_active() && waiting.take("287082", at(59)).is_none(), "it was not confirmed");
        let own = Authenticator { confirmed_at: Some(at(0)), ..own };
        let known = Factors { authenticator: Some(own), ..Factors::default() };
        let used = known.take("287082", at(59)).unwrap();
        assert!(used.take("287082", at(59)).is_none());
        let (with, codes) = known.with_codes();
        assert_eq!(codes.len(), CODES);
        let left = with.take(&codes[3], at(59)).unwrap();
        assert!(left.take(&codes[3], at(59)).is_none());
        assert!(left.take(&codes[4], at(59)).is_some() && left.take("Abcd-Abcd-Abcd", at(59)).is_none());
    }
}
