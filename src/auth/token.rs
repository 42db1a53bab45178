//! Access tokens: JWT ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)) signed with EdDSA.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::{AuthError, repo};
use crate::store::{Store, StoreError};

const ISSUER: &str = "stead";
const AUDIENCE: &str = "stead-api";

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
    /// The stamp of the password with which the user signed in.
    pub(super) stamp: String,
}

/// Makes and checks tokens.
pub struct Tokens {
    signing: EncodingKey,
    kid: String,
    verifying: Vec<(String, DecodingKey)>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// A random text of 256 bits, fit for URLs.
#[must_use]
pub fn secret_text() -> String {
    let mut bytes = [0; 32];
    // The generator fails only when the machine has no randomness at all; a zero secret must not come of that.
    if rand::fill(&mut bytes).is_err() {
        std::process::abort();
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What is stored of a random secret: its SHA-256, base64.
#[must_use]
pub fn secret_hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.as_bytes()))
}

impl Tokens {
    /// With the configured key (PKCS#8 PEM), or with the store's own, which is made when there is none.
    ///
    /// # Errors
    /// [`AuthError::Crypto`] when the configured key is no Ed25519 key.
    pub async fn open(store: &Store, configured: &str, now: Timestamp) -> Result<Self, AuthError> {
        if !configured.is_empty() {
            let unfit = || AuthError::Crypto("auth.signing_key is no Ed25519 key in PKCS#8 PEM");
            let body: String = configured.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
            let key = STANDARD.decode(body).map_err(|_| unfit())?;
            return Self::with_keys(&[key]).map_err(|_| unfit());
        }
        let mut rows = repo::keys(&store.snapshot())?;
        if rows.is_empty() {
            let row = new_key(now)?;
            rows.push(row.clone());
            store.write(move |tx| repo::put_key(tx, &row)).await?;
        }
        rows.sort_by_key(|row| std::cmp::Reverse(row.created_at));
        let decode = |row: &repo::KeyRow| STANDARD.decode(&row.pkcs8).map_err(StoreError::corrupt);
        let keys: Vec<Vec<u8>> = rows.iter().map(decode).collect::<Result<_, _>>()?;
        Self::with_keys(&keys)
    }

    /// Signs with the first key, verifies with all.
    fn with_keys(keys: &[Vec<u8>]) -> Result<Self, AuthError> {
        let broken = || AuthError::Crypto("a signing key cannot be read");
        let mut verifying = Vec::new();
        for key in keys {
            let pair = Ed25519KeyPair::from_pkcs8(key).map_err(|_| broken())?;
            let public = pair.public_key().as_ref();
            let decoding = DecodingKey::from_ed_components(&URL_SAFE_NO_PAD.encode(public)).map_err(|_| broken())?;
            verifying.push((key_id(public), decoding));
        }
        let signing = EncodingKey::from_ed_der(keys.first().ok_or_else(broken)?);
        let kid = verifying.first().map(|(kid, _)| kid.clone()).ok_or_else(broken)?;
        Ok(Self { signing, kid, verifying })
    }

    /// A token for a user, good for so many seconds and as long as the password keeps its stamp.
    ///
    /// # Errors
    /// [`AuthError::Crypto`].
    pub fn sign(&self, user: &str, stamp: &str, now: Timestamp, seconds: u64) -> Result<String, AuthError> {
        let iat = now.as_second();
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: user.into(),
            iat,
            nbf: iat,
            exp: iat.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX)),
            jti: secret_text(),
            stamp: stamp.into(),
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some("at+jwt".into());
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, &claims, &self.signing).map_err(|_| AuthError::Crypto("signing failed"))
    }

    /// What a token says, when its signature, issuer, audience and times are right.
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Option<Claims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        let (_, key) = self.verifying.iter().find(|(kid, _)| Some(kid) == header.kid.as_ref())?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // Time is a parameter here, so the library's own clock is left out.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &validation).ok()?.claims;
        let now = now.as_second();
        (claims.nbf <= now && now < claims.exp).then_some(claims)
    }
}

fn key_id(public: &[u8]) -> String {
    let hash = digest(&SHA256, public);
    URL_SAFE_NO_PAD.encode(hash.as_ref().get(..12).unwrap_or_default())
}

fn new_key(now: Timestamp) -> Result<repo::KeyRow, AuthError> {
    let failed = |_| AuthError::Crypto("a key cannot be made");
    let pair = Ed25519KeyPair::generate().map_err(failed)?;
    let pkcs8 = pair.to_pkcs8v1().map_err(failed)?;
    Ok(repo::KeyRow { kid: key_id(pair.public_key().as_ref()), pkcs8: STANDARD.encode(pkcs8), created_at: now })
}
