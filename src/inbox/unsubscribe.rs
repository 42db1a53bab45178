//! Links by which users ask for no more mails of a category, without signing in: signed, and good for nothing else
//! ([RFC 8058](https://www.rfc-editor.org/rfc/rfc8058)).

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// The token of a user and a category.
pub(super) fn token(secret: &[u8], user: &str, category: &str) -> String {
    let said = format!("{user}\n{category}");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), said.as_bytes());
    format!("{}.{}", URL_SAFE_NO_PAD.encode(&said), URL_SAFE_NO_PAD.encode(tag))
}

/// The user and the category of a token; `None` when it is not one of ours.
pub(super) fn read(secret: &[u8], token: &str) -> Option<(String, String)> {
    let (said, tag) = token.split_once('.')?;
    let (said, tag) = (URL_SAFE_NO_PAD.decode(said).ok()?, URL_SAFE_NO_PAD.decode(tag).ok()?);
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), &said, &tag).ok()?;
    let said = String::from_utf8(said).ok()?;
    let (user, category) = said.split_once('\n')?;
    Some((user.to_owned(), category.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tokens_of_ours_are_read() {
        let made = token(b"secret", "ann", "orders");
        assert_eq!(read(b"secret", &made), Some(("ann".into(), "orders".into())));
        assert_eq!(read(b"another", &made), None);
        let forged = token(b"another", "bob", "orders");
        let mixed = format!("{}.{}", forged.split_once('.').unwrap().0, made.split_once('.').unwrap().1);
        for wrong in [forged.as_str(), mixed.as_str(), "", ".", "a.b"] {
            assert_eq!(read(b"secret", wrong), None, "{wrong}");
        }
    }
}
