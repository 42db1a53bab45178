//! Access tokens: JWT ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)) signed with EdDSA, and the keys that sign them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{AuthError, repo};
use crate::{
    access::secret::random_letters,
    store::{Epoch, Store, StoreError, Tx},
};

/// The client that Stead is to itself, as RFC 9068 asks for one.
const CLIENT: &str = "stead";
/// The most configured keys.
const KEYS_MAX: usize = 8;

/// What a token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    iss: String,
    aud: String,
    /// The user's id.
    pub(super) sub: String,
    /// When it was made, in seconds since 1970.
    iat: i64,
    nbf: i64,
    /// When it ends, in seconds since 1970.
    pub(super) exp: i64,
    jti: String,
    client_id: String,
    /// The session.
    pub(super) sid: String,
    /// Who acts as the user ([RFC 8693, 4.1](https://www.rfc-editor.org/rfc/rfc8693#section-4.1)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    act: Option<Actor>,
}

/// Who acts as the user.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Actor {
    sub: String,
}

/// What a token is made for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant<'a> {
    pub(super) user: &'a str,
    pub(super) session: &'a str,
    pub(super) impersonator: Option<&'a str>,
    pub(super) seconds: u64,
}

/// Makes and checks tokens.
pub struct Tokens {
    issuer: String,
    audience: String,
    /// Whether the keys are those of the configuration.
    configured: bool,
    keys: ArcSwap<Keys>,
}

/// The keys: the first signs, all verify.
struct Keys {
    signing: EncodingKey,
    kid: String,
    verifying: Vec<Verifying>,
}

struct Verifying {
    kid: String,
    public: Vec<u8>,
    key: DecodingKey,
    until: Option<Timestamp>,
}

impl Verifying {
    fn verifies(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("kid", &self.keys.load().kid).finish_non_exhaustive()
    }
}

/// For whom tokens are, and by whom.
#[derive(Clone, Debug)]
pub struct Naming {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
}

impl Tokens {
    /// Who issues the tokens.
    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// With the configured keys (PKCS#8 PEM, the first one signs), or with the store's own, of which one is made when there is
    /// none.
    ///
    /// # Errors
    /// [`AuthError::Crypto`] when a configured key is no Ed25519 key.
    pub async fn open(store: &Store, configured: &str, naming: Naming, now: Timestamp) -> Result<Self, AuthError> {
        let Naming { issuer, audience } = naming;
        let with = |keys, configured| Self { issuer, audience, configured, keys: ArcSwap::from_pointee(keys) };
        if !configured.is_empty() {
            let unfit = || AuthError::Crypto("auth.signing_key is not Ed25519 keys in PKCS#8 PEM");
            let keys = from_pem(configured).ok_or_else(unfit)?;
            return Ok(with(Keys::new(&keys).map_err(|_| unfit())?, true));
        }
        if repo::keys(&store.snapshot())?.is_empty() {
            let row = new_key(now)?;
            store.write(move |tx| repo::put_key(tx, &row)).await?;
        }
        Ok(with(stored(store)?, false))
    }

    /// Puts a new key in the place of the one that signs. Tokens of the old one are good for `overlap` more. Answers the new
    /// key's id.
    ///
    /// # Errors
    /// [`AuthError::KeysConfigured`] when the keys are the configuration's.
    pub(super) async fn rotate(
        &self,
        store: &Store,
        now: Timestamp,
        overlap: SignedDuration,
        also: impl FnOnce(&mut Tx<'_>, &str) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<String, AuthError> {
        if self.configured {
            return Err(AuthError::KeysConfigured);
        }
        let fresh = new_key(now)?;
        let kid = fresh.kid.clone();
        let end = now.saturating_add(overlap).unwrap_or(Timestamp::MAX);
        let rotate = move |tx: &mut Tx<'_>| {
            for row in repo::keys(tx)? {
                let until = row.until.map_or(end, |until| until.min(end));
                match until <= now {
                    true => repo::delete_key(tx, &row.kid)?,
                    false => repo::put_key(tx, &repo::KeyRow { until: Some(until), ..row })?,
                }
            }
            repo::put_key(tx, &fresh)?;
            // What was verified with a key that is gone is looked at again.
            tx.bump(Epoch::Access)?;
            also(tx, &fresh.kid)
        };
        store.write(rotate).await?;
        self.keys.store(Arc::new(stored(store)?));
        Ok(kid)
    }

    /// The public keys, for others who verify tokens ([RFC 7517](https://www.rfc-editor.org/rfc/rfc7517),
    /// [RFC 8037](https://www.rfc-editor.org/rfc/rfc8037)).
    #[must_use]
    pub fn public_keys(&self, now: Timestamp) -> Value {
        let keys = self.keys.load();
        let current = keys.verifying.iter().filter(|key| key.verifies(now));
        let of = |key: &Verifying| {
            let x = URL_SAFE_NO_PAD.encode(&key.public);
            json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key.kid, "x": x})
        };
        json!({"keys": current.map(of).collect::<Vec<_>>()})
    }

    /// A token.
    ///
    /// # Errors
    /// [`AuthError::Crypto`].
    pub(super) fn sign(&self, grant: Grant<'_>, now: Timestamp) -> Result<String, AuthError> {
        let iat = now.as_second();
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: grant.user.into(),
            iat,
            nbf: iat,
            exp: iat.saturating_add(i64::try_from(grant.seconds).unwrap_or(i64::MAX)),
            jti: random_letters(22),
            client_id: CLIENT.into(),
            sid: grant.session.into(),
            act: grant.impersonator.map(|sub| Actor { sub: sub.into() }),
        };
        let keys = self.keys.load();
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some("at+jwt".into());
        header.kid = Some(keys.kid.clone());
        jsonwebtoken::encode(&header, &claims, &keys.signing).map_err(|_| AuthError::Crypto("signing failed"))
    }

    /// What a token says, when its type, signature, issuer, audience and times are right.
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Option<Claims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.typ.as_deref() != Some("at+jwt") {
            return None;
        }
        let keys = self.keys.load();
        let current = keys.verifying.iter().filter(|key| key.verifies(now));
        let key = { current }.find(|key| Some(&key.kid) == header.kid.as_ref())?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // Time is a parameter here, so the library's own clock is left out.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &key.key, &validation).ok()?.claims;
        let now = now.as_second();
        (claims.nbf <= now && now < claims.exp).then_some(claims)
    }
}

impl Keys {
    /// Signs with the first key, verifies with all.
    fn new(keys: &[(Vec<u8>, Option<Timestamp>)]) -> Result<Self, AuthError> {
        let broken = || AuthError::Crypto("a signing key cannot be read");
        let mut verifying = Vec::new();
        for (key, until) in keys {
            let pair = Ed25519KeyPair::from_pkcs8(key).map_err(|_| broken())?;
            let public = pair.public_key().as_ref().to_vec();
            let key = DecodingKey::from_ed_components(&URL_SAFE_NO_PAD.encode(&public)).map_err(|_| broken())?;
            verifying.push(Verifying { kid: key_id(&public), public, key, until: *until });
        }
        let signing = EncodingKey::from_ed_der(&keys.first().ok_or_else(broken)?.0);
        let kid = verifying.first().map(|key| key.kid.clone()).ok_or_else(broken)?;
        Ok(Self { signing, kid, verifying })
    }
}

/// The store's own keys, the newest first.
fn stored(store: &Store) -> Result<Keys, AuthError> {
    let mut rows = repo::keys(&store.snapshot())?;
    rows.sort_by_key(|row| (row.until.is_some(), std::cmp::Reverse(row.created_at)));
    let decode = |row: &repo::KeyRow| match STANDARD.decode(&row.pkcs8) {
        Ok(key) => Ok((key, row.until)),
        Err(error) => Err(StoreError::corrupt(error)),
    };
    let keys: Vec<_> = rows.iter().map(decode).collect::<Result<_, _>>()?;
    Keys::new(&keys)
}

/// The keys of a text in PEM.
fn from_pem(text: &str) -> Option<Vec<(Vec<u8>, Option<Timestamp>)>> {
    let blocks = text.split("-----BEGIN PRIVATE KEY-----").skip(1);
    let body = |block: &str| {
        let body: String = block.split("-----END").next()?.split_whitespace().collect();
        STANDARD.decode(body).ok().map(|key| (key, None))
    };
    let keys: Vec<_> = blocks.map(body).collect::<Option<_>>()?;
    (1..=KEYS_MAX).contains(&keys.len()).then_some(keys)
}

fn key_id(public: &[u8]) -> String {
    let hash = digest(&SHA256, public);
    URL_SAFE_NO_PAD.encode(hash.as_ref().get(..12).unwrap_or_default())
}

fn new_key(now: Timestamp) -> Result<repo::KeyRow, AuthError> {
    let failed = |_| AuthError::Crypto("a key cannot be made");
    let pair = Ed25519KeyPair::generate().map_err(failed)?;
    let pkcs8 = pair.to_pkcs8v1().map_err(failed)?;
    Ok(repo::KeyRow {
        kid: key_id(pair.public_key().as_ref()),
        pkcs8: STANDARD.encode(pkcs8),
        created_at: now,
        until: None,
    })
}
