//! What is under way, and what comes of it.

use crate::access::secret::{same, sha256};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;

/// What the client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To sign in.
    SignIn,
    /// To link the identity to the account of this session.
    Link {
        /// The session.
        session: String,
    },
}

/// A challenge of a client, for which it has the verifier ([RFC 7636](https://www.rfc-editor.org/rfc/rfc7636)).
#[derive(Clone, Debug)]
pub(super) struct Challenge(pub(super) String);

impl Challenge {
    /// Whether it could be one.
    pub(super) fn is_one(&self) -> bool {
        URL_SAFE_NO_PAD.decode(&self.0).is_ok_and(|hash| hash.len() == 32)
    }

    /// Whether this is its verifier.
    pub(super) fn is_met_by(&self, verifier: &str) -> bool {
        same(URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes())).as_bytes(), self.0.as_bytes())
    }
}

/// Somebody who was sent to a provider.
#[derive(Clone)]
pub(super) struct Flow {
    /// The provider's name.
    pub(super) provider: String,
    pub(super) purpose: Purpose,
    /// Where the client waits.
    pub(super) redirect_to: String,
    pub(super) challenge: Challenge,
    /// What the ID token must have.
    pub(super) nonce: String,
    /// With what the provider is asked for what its code is worth.
    pub(super) verifier: String,
}

/// Somebody for whom a provider vouches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) issuer: String,
    pub(super) subject: String,
    /// In lower case.
    pub(super) email: Option<String>,
    /// Whether the address is the person's beyond doubt.
    pub(super) is_owner: bool,
    pub(super) name: Option<String>,
}

/// Somebody who came back from a provider.
#[derive(Clone)]
pub(super) struct Ticket {
    pub(super) provider: String,
    pub(super) purpose: Purpose,
    pub(super) challenge: Challenge,
    pub(super) person: Person,
    /// When they came.
    pub(super) at: Timestamp,
}

/// Why there is nobody for whom a provider vouches. It goes to the log; clients see [`Self::name`].
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The person, or the provider, did not want to.
    #[error("the provider answered {0}")]
    Denied(String),
    /// The flow is not there (any more).
    #[error("the state is none, was used, or has ended")]
    Stale,
    /// Something is wrong with the provider, or with what is configured for it.
    #[error("{0}")]
    Provider(String),
}

impl Failure {
    /// What the client reads.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::Stale => "stale",
            Self::Provider(_) => "failed",
        }
    }

    /// With the whole chain of causes.
    pub(super) fn of(what: &str, error: &dyn std::error::Error) -> Self {
        let mut text = format!("{what}: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Self::Provider(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7636, appendix B.
    #[test]
    fn a_challenge_is_met_by_its_verifier() {
        let challenge = Challenge("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".into());
        assert!(challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!challenge.is_met_by("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM") && !challenge.is_met_by(""));
    }
}
