//! What the endpoints of the second factor read and answer.

use poem_openapi::{Object, types::Example};
use serde::Deserialize;

/// Who you are: your password, if you have one. If not, sign in again first.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", rename = "IdentityProof", example)]
pub(super) struct ProofRequest {
    /// The password of your account.
    #[serde(default)]
    #[oai(validator(max_length = 1024))]
    pub(super) current_password: Option<String>,
}

impl Example for ProofRequest {
    fn example() -> Self {
        Self { current_password: Some("a long enough password".into()) }
    }
}

/// A new authenticator, to be put into an app and then confirmed with a code. It is shown this once.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "Authenticator", example)]
pub(super) struct SetUpResponse {
    /// The secret, to be typed where no picture can be read.
    pub(super) secret: String,
    /// The link that apps read: `otpauth://totp/…`.
    pub(super) uri: String,
    /// The same as a QR code: an SVG picture.
    pub(super) qr_svg: String,
}

impl Example for SetUpResponse {
    fn example() -> Self {
        Self {
            secret: "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".into(),
            uri: "otpauth://totp/stead:ann%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=stead".into(),
            qr_svg: "<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>".into(),
        }
    }
}

/// A code of the app; where it says so, a recovery code does as well.
#[derive(Debug, Deserialize, Object)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[oai(rename_all = "camelCase", rename = "FactorCode", example)]
pub(super) struct CodeRequest {
    /// Six digits, or a recovery code.
    #[oai(validator(max_length = 32))]
    pub(super) code: String,
}

impl Example for CodeRequest {
    fn example() -> Self {
        Self { code: "287082".into() }
    }
}

/// Recovery codes, each good once in the place of a code of the app. They are shown this once.
#[derive(Debug, Object)]
#[oai(rename_all = "camelCase", rename = "RecoveryCodes", example)]
pub(super) struct RecoveryResponse {
    /// The codes.
    pub(super) recovery_codes: Vec<String>,
}

impl Example for RecoveryResponse {
    fn example() -> Self {
        Self { recovery_codes: vec!["Zr8Q-mB2x-Kp7A-9fTe-Wd3s".into(), "t5Yw-Lq9c-V1nD-b6Hu-Xk0g".into()] }
    }
}
