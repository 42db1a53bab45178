//! What passkeys are asked, and by whom: a ceremony begins with a challenge, and ends with the answer of a device, or with its time.

use jiff::{SignedDuration, Timestamp};
use webauthn_rs::prelude::{
    DiscoverableAuthentication, PasskeyAuthentication, PasskeyRegistration, Url, Webauthn, WebauthnBuilder,
};

use crate::{
    access::secret::secret_text,
    auth::{AuthError, Begun},
    config::Config,
};

/// For how long a challenge is good.
const LIFE: SignedDuration = SignedDuration::from_mins(5);

const STALE: AuthError = AuthError::InvalidToken("the challenge is not good (any more); begin again");

/// What was begun in a session.
#[derive(Clone)]
pub(super) enum Ceremony {
    /// A passkey is added.
    Register(Box<PasskeyRegistration>),
    /// The second factor is proven.
    Prove(Box<PasskeyAuthentication>),
}

/// Who asks passkeys, and what was asked.
pub struct Passkeys {
    party: Option<Webauthn>,
    /// Of guests, by id.
    sign_ins: Begun<DiscoverableAuthentication>,
    /// Of users, by session: one of each at most. With its id, for another one may have taken its place.
    own: Begun<(String, Ceremony)>,
}

impl std::fmt::Debug for Passkeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passkeys").finish_non_exhaustive()
    }
}

impl Passkeys {
    /// Passkeys of a server that has a name, or of one that has none.
    #[must_use]
    pub fn new(party: Option<Webauthn>) -> Self {
        Self { party, sign_ins: Begun::new(LIFE), own: Begun::new(LIFE) }
    }

    /// Who asks.
    pub(super) fn party(&self) -> Result<&Webauthn, AuthError> {
        let none = "passkeys belong to a name, and this server has none; set server.public_url or auth.passkey_domain";
        self.party.as_ref().ok_or_else(|| AuthError::Conflict(none.into()))
    }

    /// Keeps what a guest is asked. Answers its id.
    pub(super) fn begin_sign_in(&self, state: DiscoverableAuthentication, now: Timestamp) -> String {
        self.sign_ins.keep(state, now)
    }

    /// Takes what a guest was asked, which is there once and for a while.
    pub(super) fn take_sign_in(&self, id: &str, now: Timestamp) -> Result<DiscoverableAuthentication, AuthError> {
        self.sign_ins.take(id, now).ok_or(STALE)
    }

    /// Keeps the ceremony of a session, in the place of an older one. Answers its id.
    pub(super) fn begin(&self, session: &str, ceremony: Ceremony, now: Timestamp) -> String {
        let id = secret_text();
        self.own.put(session, (id.clone(), ceremony), now);
        id
    }

    /// Takes the ceremony of a session, which is there once and for a while.
    pub(super) fn take(&self, session: &str, id: &str, now: Timestamp) -> Result<Ceremony, AuthError> {
        let begun = self.own.take(session, now).filter(|(own, _)| own == id);
        begun.map(|(_, ceremony)| ceremony).ok_or(STALE)
    }
}

/// The relying party: the domain to which passkeys belong, and the origins whose pages may use them. None for a server that is known
/// by an address only.
///
/// # Errors
/// When an origin is no URL.
pub fn party(config: &Config) -> anyhow::Result<Option<Webauthn>> {
    let (domain, origins) = config.passkey_origins();
    let origins = origins.into_iter().map(Url::parse).collect::<Result<Vec<_>, _>>()?;
    let Some((first, others)) = origins.split_first() else { return Ok(None) };
    let local = config.server.public_url.is_empty() && config.auth.passkey_domain.is_empty();
    let builder = WebauthnBuilder::new(domain, first)?.rp_name(&config.auth.issuer).allow_any_port(local);
    Ok(Some(others.iter().fold(builder, WebauthnBuilder::append_allowed_origin).build()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(public: &str, domain: &str, others: &[&str]) -> Option<Vec<String>> {
        let mut config = Config::default();
        config.server.public_url = public.into();
        config.auth.passkey_domain = domain.into();
        config.http.cors_origins = others.iter().map(|text| (*text).to_owned()).collect();
        let party = party(&config).unwrap()?;
        Some(party.get_allowed_origins().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn passkeys_belong_to_the_name_of_the_server() {
        assert_eq!(origins("", "", &[]).unwrap(), ["http://localhost/"]);
        assert_eq!(origins("https://a.example.com", "", &["*"]).unwrap(), ["https://a.example.com/"]);
        assert_eq!(origins("https://192.0.2.7", "", &[]), None);
        assert_eq!(origins("https://[2001:db8::1]", "", &[]), None);
    }

    #[test]
    fn pages_of_other_domains_use_no_passkeys() {
        let others = [
            "https://app.example.com",
            "https://example.com.evil.test",
            "https://badexample.com",
            "https://other.test",
        ];
        let fitting = origins("https://api.example.com", "example.com", &others).unwrap();
        assert_eq!(fitting, ["https://api.example.com/", "https://app.example.com/"]);
        assert_eq!(origins("https://example.org", "example.com", &[]), None, "the configuration is refused before");
        assert_eq!(
            origins("https://api.example.com:8443/base", "", &[]).unwrap(),
            ["https://api.example.com:8443/base"]
        );
    }
}
