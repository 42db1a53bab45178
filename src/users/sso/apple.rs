//! Apple takes no lasting secret, but a token that its key has signed
//! (<https://developer.apple.com/documentation/accountorganizationaldatasharing/creating-a-client-secret>).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use super::model::Failure;
use crate::config::SsoProvider;

/// For how long such a token is good, in seconds.
const LIFE_SECONDS: i64 = 300;

/// The token that stands for a secret.
pub(super) fn secret(config: &SsoProvider, issuer: &str, now: Timestamp) -> Result<String, Failure> {
    let unfit = || Failure::Provider("private_key is no key in PKCS#8 PEM, as Apple gives it".into());
    let lines = config.private_key.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    let key = STANDARD.decode(lines.collect::<String>()).map_err(|_| unfit())?;
    let header = Header { kid: Some(config.key_id.clone()), ..Header::new(Algorithm::ES256) };
    let (from, until) = (now.as_second(), now.as_second() + LIFE_SECONDS);
    let claims = json!({"iss": config.team_id, "sub": config.client_id, "aud": issuer, "iat": from, "exp": until});
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ec_der(&key)).map_err(|_| unfit())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::{
        rand::SystemRandom,
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
    };
    use jsonwebtoken::{DecodingKey, Validation};

    use super::*;

    #[test]
    fn the_secret_is_signed_for_apple() {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
        let body = STANDARD.encode(pkcs8.as_ref());
        let config = SsoProvider {
            client_id: "com.example.web".into(),
            team_id: "TEAM".into(),
            key_id: "KEY".into(),
            private_key: format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"),
            ..SsoProvider::default()
        };
        let token =
            secret(&config, "https://appleid.apple.com", Timestamp::from_second(1_800_000_000).unwrap()).unwrap();
        assert_eq!(jsonwebtoken::decode_header(&token).unwrap().kid.as_deref(), Some("KEY"));
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&["https://appleid.apple.com"]);
        validation.set_issuer(&["TEAM"]);
        validation.validate_exp = false;
        let key = DecodingKey::from_ec_der(pair.public_key().as_ref());
        let claims = jsonwebtoken::decode::<serde_json::Value>(&token, &key, &validation).unwrap().claims;
        assert_eq!((&claims["sub"], &claims["exp"]), (&json!("com.example.web"), &json!(1_800_000_300)));
        let broken = SsoProvider { private_key: "none".into(), ..config };
        assert!(secret(&broken, "https://appleid.apple.com", Timestamp::UNIX_EPOCH).is_err());
    }
}
