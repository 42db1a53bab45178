//! Random secrets, and what is stored of them: never the secret itself.

use aws_lc_rs::{
    constant_time,
    digest::{SHA256, digest},
    hmac, rand,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Random bytes. Ends the process when the machine has no randomness.
#[must_use]
pub fn random<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    // The generator fails only when the machine has no randomness at all; a zero secret must not come of that.
    if rand::fill(&mut bytes).is_err() {
        std::process::abort();
    }
    bytes
}

/// A random text of 256 bits, fit for URLs.
#[must_use]
pub fn secret_text() -> String {
    URL_SAFE_NO_PAD.encode(random::<32>())
}

/// A random text of so many letters and digits, each as likely as any other.
#[must_use]
pub fn random_letters(length: usize) -> String {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        // 248 is the greatest multiple of 62 in a byte; what lies above would make some letters likelier.
        let fit = random::<64>().into_iter().filter(|byte| *byte < 248);
        let letters = fit.filter_map(|byte| LETTERS.get(usize::from(byte) % LETTERS.len()).copied());
        text.extend(letters.map(char::from).take(length - text.len()));
    }
    text
}

/// What is stored of a random secret: its SHA-256, base64. It has 256 bits of its own, so it needs no salt and no slow hash.
#[must_use]
pub fn secret_hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.as_bytes()))
}

/// The SHA-256 of bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().unwrap_or_default()
}

/// What a secret makes of a salt: as random as the secret for whoever does not know it.
#[must_use]
pub fn derive(secret: &[u8], salt: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), salt);
    tag.as_ref().try_into().unwrap_or_default()
}

/// Compares in a time that does not tell where the two differ.
#[must_use]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_texts_have_their_length_and_alphabet() {
        for length in [0, 1, 12, 43, 100] {
            let letters = random_letters(length);
            assert_eq!(letters.len(), length);
            assert!(letters.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{letters}");
        }
        assert_ne!(random_letters(43), random_letters(43));
    }
}
