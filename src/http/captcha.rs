//! Lets only people to where anyone may have mails sent or passwords tried, by the answer to a captcha.
//!
//! reCAPTCHA, hCaptcha and Turnstile verify answers in the same way: a form with the secret and the answer, answered by JSON with
//! `success` (<https://developers.google.com/recaptcha/docs/verify>, <https://docs.hcaptcha.com/#verify-the-user-response-server-side>,
//! <https://developers.cloudflare.com/turnstile/get-started/server-side-validation/>).

use poem::{Request, http::Method};
use serde::Deserialize;

use super::{ApiError, address_of};
use crate::{config, kernel::Code, outgoing::Outgoing};

/// The header with the answer.
const HEADER: &str = "x-captcha-token";
/// The greatest length of an answer, in bytes.
const ANSWER_BYTES_MAX: usize = 4096;

/// Asks a provider whether an answer is good.
#[derive(Debug)]
pub struct Captcha {
    verify_url: String,
    secret: String,
    score_min: f64,
    paths: &'static [&'static str],
    outgoing: Outgoing,
}

#[derive(Deserialize)]
struct Verdict {
    success: bool,
    score: Option<f64>,
    #[serde(default, rename = "error-codes")]
    error_codes: Vec<String>,
}

impl Captcha {
    /// A captcha before these paths; none when none is configured.
    #[must_use]
    pub fn new(config: &config::Captcha, paths: &'static [&'static str], outgoing: &Outgoing) -> Option<Self> {
        let config::Captcha { verify_url, secret, score_min } = config.clone();
        (!verify_url.is_empty()).then(|| Self { verify_url, secret, score_min, paths, outgoing: outgoing.clone() })
    }

    /// Refuses a request to one of the paths without a good answer.
    ///
    /// # Errors
    /// 403 `captcha_required`; 502 when the provider does not answer.
    pub(super) async fn check(&self, request: &Request) -> Result<(), ApiError> {
        if *request.method() != Method::POST || !self.paths.contains(&request.original_uri().path()) {
            return Ok(());
        }
        let answer = request.header(HEADER).filter(|answer| !answer.is_empty() && answer.len() <= ANSWER_BYTES_MAX);
        let missing = "solve the captcha and send its answer as X-Captcha-Token; each is good once";
        let answer = answer.ok_or_else(|| ApiError::new(Code::CaptchaRequired, missing))?;
        let address = address_of(request).map(|address| address.to_string());
        let form =
            [("secret", Some(self.secret.as_str())), ("response", Some(answer)), ("remoteip", address.as_deref())];
        let verdict = self.outgoing.post_form::<Verdict>(&self.verify_url, &form).await.map_err(|error| {
            tracing::error!(%error, cause = std::error::Error::source(&error), "an answer to a captcha cannot be verified");
            ApiError::new(Code::ProviderUnavailable, "the captcha cannot be verified now; try again later")
        })?;
        if verdict.success && verdict.score.is_none_or(|score| score >= self.score_min) {
            return Ok(());
        }
        let (reasons, score) = (verdict.error_codes.join(" "), verdict.score);
        tracing::info!(reasons, score, "an answer to a captcha was refused");
        Err(ApiError::new(Code::CaptchaRequired, "the answer to the captcha is wrong, or was used; solve it again"))
    }
}
