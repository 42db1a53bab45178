//! Hashes that users bring along from elsewhere: bcrypt, and PBKDF2 as Django, passlib and RustCrypto write it. They are verified, never
//! made, and replaced by ours at the next sign-in.

use std::{num::NonZeroU32, str::FromStr as _};

use argon2::{
    Argon2,
    password_hash::{PasswordVerifier as _, phc::PasswordHash},
};
use aws_lc_rs::pbkdf2;
use base64::{Engine as _, alphabet, engine};

/// The most of a password that bcrypt looks at, in bytes.
const BCRYPT_BYTES_MAX: usize = 72;
/// The greatest cost of a bcrypt hash that is taken in: verifying it takes some seconds.
const BCRYPT_COST_MAX: u32 = 16;
/// The most iterations of PBKDF2 that are taken in: they take some seconds.
const ITERATIONS_MAX: u32 = 10_000_000;
/// The most memory of an Argon2 hash that is taken in, in KiB.
const ARGON2_KIB_MAX: u32 = 256 * 1024;
/// The most passes of an Argon2 hash that is taken in.
const ARGON2_PASSES_MAX: u32 = 16;

/// What verifying a hash of ours costs: memory in KiB, times passes.
const OUR_COST: u64 = argon2::Params::DEFAULT_M_COST as u64 * argon2::Params::DEFAULT_T_COST as u64;

/// Base64 with or without padding, as all these schemes have it.
const BASE64: engine::GeneralPurpose = engine::GeneralPurpose::new(
    &alphabet::STANDARD,
    engine::GeneralPurposeConfig::new()
        .with_decode_padding_mode(engine::DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Whether a stored hash is to become one of ours.
#[must_use]
pub(super) fn is_foreign(hash: &str) -> bool {
    !hash.starts_with("$argon2id$")
}

/// A hash that no password has, and that costs as much to verify as one that somebody has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoy {
    /// How the hash is made. Costs of one kind can be compared.
    pub(super) kind: &'static str,
    /// What verifying it costs.
    pub(super) cost: u64,
    /// The hash.
    pub(super) hash: String,
}

impl Decoy {
    /// The decoy of a hash; none when it cannot be read, or costs no more than one of ours.
    pub(super) fn of(hash: &str) -> Option<Self> {
        if hash.starts_with("$2") {
            let cost = bcrypt::HashParts::from_str(hash).ok()?.get_cost();
            return Some(Self { kind: "bcrypt", cost: cost.into(), hash: format!("$2b${cost:02}${:.<53}", "") });
        }
        if hash.starts_with("$argon2id$") {
            let parts = PasswordHash::new(hash).ok()?;
            let of = |name| parts.params.get_decimal(name).map(u64::from);
            let (memory, passes, lanes) = (of("m")?, of("t")?, of("p")?);
            let cost = memory.saturating_mul(passes);
            let hash = format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${:A<22}${:A<43}", "", "");
            return Some(Self { kind: "argon2id", cost, hash }).filter(|_| cost > OUR_COST);
        }
        let Pbkdf2 { name, iterations, hash, .. } = Pbkdf2::parse(hash)?;
        let (kind, digest) = match name {
            Digest::Sha1 => ("pbkdf2-sha1", "sha1"),
            Digest::Sha256 => ("pbkdf2-sha256", "sha256"),
            Digest::Sha512 => ("pbkdf2-sha512", "sha512"),
        };
        let zeros = BASE64.encode(vec![0; hash.len()]);
        let cost = u64::from(iterations.get()).saturating_mul(hash.len() as u64);
        Some(Self { kind, cost, hash: format!("pbkdf2_{digest}${iterations}$salt${zeros}") })
    }
}

/// Checks a hash that was made elsewhere: one of bcrypt, PBKDF2 or Argon2id that sign-in can verify in bearable time.
///
/// # Errors
/// Why it is none; the text holds nothing of it.
pub fn check_foreign_hash(hash: &str) -> Result<(), &'static str> {
    const UNKNOWN: &str = "the password's hash is not one of bcrypt, PBKDF2 or Argon2id";
    const DEAR: &str = "the password's hash costs too much to verify";
    if hash.starts_with("$2") {
        let known = ["$2a$", "$2b$", "$2y$"].iter().any(|version| hash.starts_with(version));
        let parts = bcrypt::HashParts::from_str(hash).ok().filter(|_| known).ok_or(UNKNOWN)?;
        return if parts.get_cost() <= BCRYPT_COST_MAX { Ok(()) } else { Err(DEAR) };
    }
    if hash.starts_with("$argon2id$") {
        let parts = PasswordHash::new(hash).map_err(|_| UNKNOWN)?;
        let bearable = |name: &str, most: u32| parts.params.get_decimal(name).is_some_and(|value| value <= most);
        let whole = parts.salt.is_some() && parts.hash.is_some();
        return match whole && bearable("m", ARGON2_KIB_MAX) && bearable("t", ARGON2_PASSES_MAX) && bearable("p", 16) {
            true => Ok(()),
            false => Err(DEAR),
        };
    }
    let parts = Pbkdf2::parse(hash).ok_or(UNKNOWN)?;
    if parts.iterations.get() <= ITERATIONS_MAX { Ok(()) } else { Err(DEAR) }
}

/// Whether a password belongs to a foreign hash; `None` when it cannot be read. What bcrypt would not look at does not count as
/// right.
pub(super) fn verify(password: &str, hash: &str) -> Option<bool> {
    if hash.starts_with("$2") {
        // As long as any other takes a longer password, too.
        let fits = bcrypt::verify(password, hash).ok()?;
        return Some(fits && password.len() <= BCRYPT_BYTES_MAX);
    }
    if hash.starts_with("$argon2id$") {
        let parts = PasswordHash::new(hash).ok()?;
        return Some(Argon2::default().verify_password(password.as_bytes(), &parts).is_ok());
    }
    Pbkdf2::parse(hash).map(|parts| parts.verify(password))
}

/// On what PBKDF2 is built.
#[derive(Clone, Copy)]
enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

/// A hash of PBKDF2 ([RFC 8018](https://www.rfc-editor.org/rfc/rfc8018#section-5.2)).
struct Pbkdf2 {
    name: Digest,
    iterations: NonZeroU32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Pbkdf2 {
    /// Reads `$pbkdf2-sha256$i=600000,l=32$salt$hash`, `$pbkdf2-sha256$29000$salt$hash`, or `pbkdf2_sha256$600000$salt$hash`, where the
    /// salt is a plain text.
    fn parse(text: &str) -> Option<Self> {
        let (text, plain_salt) = match text.strip_prefix('$') {
            Some(rest) => (rest.strip_prefix("pbkdf2-")?, false),
            None => (text.strip_prefix("pbkdf2_")?, true),
        };
        let mut parts = text.split('$');
        let (digest, cost) = (parts.next()?, parts.next()?);
        let (salt, hash) = (parts.next()?, parts.next().filter(|hash| !hash.is_empty())?);
        let name = match digest {
            "sha1" => Digest::Sha1,
            "sha256" => Digest::Sha256,
            "sha512" => Digest::Sha512,
            _ => return None,
        };
        let cost = cost.split(',').find_map(|part| part.strip_prefix("i=").or(Some(part).filter(|p| !p.contains('='))));
        // passlib writes `.` where others write `+`.
        let decode = |text: &str| BASE64.decode(text.replace('.', "+")).ok();
        let salt = if plain_salt { salt.as_bytes().to_vec() } else { decode(salt)? };
        let hash = decode(hash).filter(|hash| (16..=64).contains(&hash.len()))?;
        let done = parts.next().is_none();
        done.then_some(Self { name, iterations: cost?.parse().ok()?, salt, hash })
    }

    fn verify(&self, password: &str) -> bool {
        let algorithm = match self.name {
            Digest::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Digest::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Digest::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        pbkdf2::verify(algorithm, self.iterations, &self.salt, password.as_bytes(), &self.hash).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes of "correct horse battery" in each form that is read.
    fn hashes() -> Vec<String> {
        let (salt, iterations) = (b"salt-of-16-bytes", NonZeroU32::new(1_000).unwrap());
        let mut hash = [0; 32];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, b"correct horse battery", &mut hash);
        let (padded, text) = (BASE64.encode(hash), std::str::from_utf8(salt).unwrap());
        let (bare, bare_salt) = (padded.trim_end_matches('='), BASE64.encode(salt).trim_end_matches('=').to_owned());
        vec![
            format!("pbkdf2_sha256$1000${text}${padded}"),
            format!("$pbkdf2-sha256$1000${}${}", bare_salt.replace('+', "."), bare.replace('+', ".")),
            format!("$pbkdf2-sha256$i=1000,l=32${bare_salt}${bare}"),
            bcrypt::hash("correct horse battery", 4).unwrap(),
        ]
    }

    #[test]
    fn the_password_fits_its_hash_and_no_other_does() {
        for hash in hashes() {
            assert_eq!(check_foreign_hash(&hash), Ok(()), "{hash}");
            assert!(is_foreign(&hash));
            assert_eq!(verify("correct horse battery", &hash), Some(true), "{hash}");
            assert_eq!(verify("correct horse batterx", &hash), Some(false), "{hash}");
        }
    }

    #[test]
    fn a_decoy_costs_as_much_and_nobody_has_it() {
        let dear = "$argon2id$v=19$m=32768,t=3,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA".to_owned();
        for (hash, cost) in hashes().into_iter().chain([dear]).zip([32_000, 32_000, 32_000, 4, 98_304]) {
            let decoy = Decoy::of(&hash).unwrap();
            assert_eq!(decoy.cost, cost, "{hash}");
            assert_ne!(decoy.hash, hash);
            assert_eq!(Decoy::of(&decoy.hash).unwrap(), decoy, "it is its own");
            assert_eq!(check_foreign_hash(&decoy.hash), Ok(()));
            assert_eq!(verify("correct horse battery", &decoy.hash), Some(false), "{hash}");
        }
        assert_eq!(Decoy::of("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA"), None);
    }

    /// The vector of RFC 7914, section 11.
    #[test]
    fn a_known_hash_is_verified() {
        let hash = "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc";
        let first: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&hash[2 * at..2 * at + 2], 16).unwrap()).collect();
        let text = format!("pbkdf2_sha256$1$salt${}", BASE64.encode(first));
        assert_eq!(verify("passwd", &text), Some(true));
    }

    #[test]
    fn what_cannot_be_verified_is_refused() {
        let dear = "pbkdf2_sha256$99999999$salt$AAAAAAAAAAAAAAAAAAAAAA==";
        let argon = "$argon2id$v=19$m=9999999,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
        for hash in [dear, argon] {
            assert!(check_foreign_hash(hash).unwrap_err().contains("too much"), "{hash}");
        }
        let broken = [
            "",
            "md5$x",
            "$2x$10$",
            "pbkdf2_md5$1$s$AAAAAAAAAAAAAAAAAAAAAA==",
            "pbkdf2_sha256$0$s$AAAA",
            "$pbkdf2-sha256$i=1$s$AA",
        ];
        for hash in broken {
            assert!(check_foreign_hash(hash).unwrap_err().contains("is not one of"), "{hash}");
        }
        let ours = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA";
        assert_eq!(check_foreign_hash(ours), Ok(()));
        assert!(!is_foreign(ours));
    }
}
