//! Use cases of passkeys.

use jiff::Timestamp;
use serde_json::{Value, json};
use webauthn_rs::prelude::{
    AuthenticationResult, DiscoverableAuthentication, PublicKeyCredential, RegisterPublicKeyCredential, WebauthnError,
    WebauthnResult,
};

use super::{
    ceremony::Ceremony,
    model::{OwnPasskey, handle, id_text},
};
use crate::{
    access::{Principal, Who},
    audit::{self, Event},
    auth::{
        Account, AuthError, AuthService, Means, SignedIn, Visit,
        factor::{
            PROVEN, repo,
            service::{add_factor, check_open, prove_session},
        },
        letter, own_session, repo as sessions,
    },
    kernel::FieldError,
    store::Tx,
};

/// The most passkeys of a user.
const PASSKEYS_MAX: usize = 20;
/// The greatest length of a passkey as it is stored, in bytes.
const PASSKEY_BYTES_MAX: usize = 4_096;
/// The greatest length of a passkey's id as text: 1,023 bytes ([WebAuthn](https://www.w3.org/TR/webauthn-3/#credential-id)).
const ID_LENGTH_MAX: usize = 1_364;
/// How somebody signed in who has shown a passkey ([RFC 8176](https://www.rfc-editor.org/rfc/rfc8176)): a key was shown, and its user was
/// verified by the device.
const METHODS: [&str; 2] = ["pop", PROVEN];

/// What a device is asked.
#[derive(Debug)]
pub(super) struct Challenge {
    /// The id to give with the answer.
    pub(super) ceremony: String,
    /// The options, as browsers read them.
    pub(super) options: Value,
}

impl AuthService {
    /// Begins to add a passkey.
    pub(super) async fn begin_passkey(
        &self,
        caller: &Principal,
        who: &Who,
        password: Option<String>,
    ) -> Result<Challenge, AuthError> {
        let session = own_session(caller)?.to_owned();
        let party = self.passkeys.party()?;
        self.prove_caller(caller, who, password).await?;
        let factors = check_open(&self.store.snapshot(), caller.id.as_str(), &session)?;
        let known = factors.passkeys.iter().map(|own| own.key.cred_id().clone()).collect();
        let (user, name) = (handle(caller.id.as_str()), &caller.email);
        let (asked, state) =
            party.start_passkey_registration(user, name, name, Some(known)).map_err(|error| unable(&error))?;
        let mut options = to_json(&asked.public_key)?;
        // A key that the device finds by itself signs in without a name; one that has no room for it is a second factor.
        if let Some(Value::Object(selection)) = options.get_mut("authenticatorSelection") {
            selection.insert("residentKey".into(), "preferred".into());
        }
        let ceremony = Ceremony::Register(Box::new(state));
        Ok(Challenge { ceremony: self.passkeys.begin(&session, ceremony, self.clock.now()), options })
    }

    /// Adds a passkey. The first second factor of a user ends the other sessions, and brings recovery codes.
    pub(super) async fn add_passkey(
        &self,
        caller: &Principal,
        who: Who,
        ceremony: &str,
        (credential, name): (Value, String),
    ) -> Result<(OwnPasskey, Vec<String>), AuthError> {
        let session = own_session(caller)?.to_owned();
        let now = self.clock.now();
        let Ceremony::Register(state) = self.passkeys.take(&session, ceremony, now)? else { return Err(REFUSED) };
        let credential: RegisterPublicKeyCredential = parse(credential)?;
        let made = self.passkeys.party()?.finish_passkey_registration(&credential, &state);
        let passkey = OwnPasskey::new(accepted(made).ok_or(REFUSED)?, name, now);
        check_size(&passkey)?;
        let (user, email, added) = (caller.id.to_string(), caller.email.clone(), passkey.clone());
        let mail = self.mail.clone();
        let codes = self.store.write::<_, AuthError, _>(move |tx| {
            let mut factors = check_open(tx, &user, &session)?;
            if repo::owner(tx, &passkey.id)?.is_some() || factors.passkeys.len() >= PASSKEYS_MAX {
                return Err(AuthError::Conflict(format!(
                    "this passkey is known already, or you have {PASSKEYS_MAX}; remove one first"
                )));
            }
            repo::put_owner(tx, &passkey.id, &user)?;
            factors.passkeys.push(passkey);
            let codes = add_factor(tx, &user, &session, factors)?;
            mail.put(tx, letter::factor_changed(&email, "added to").for_user(&user), now)?;
            audit::record(tx, Event::new("factor.added", &who, &user, now).with(json!({"kind": "passkey"})))?;
            Ok(codes)
        });
        let codes = codes.await?;
        Ok((added, codes))
    }

    /// The caller's passkeys, the oldest first.
    pub(super) fn passkeys_of(&self, caller: &Principal) -> Result<Vec<OwnPasskey>, AuthError> {
        own_session(caller)?;
        Ok(repo::factors(&self.store.snapshot(), caller.id.as_str())?.passkeys)
    }

    /// Removes a passkey of the caller.
    pub(super) async fn remove_passkey(
        &self,
        caller: &Principal,
        who: Who,
        id: String,
        password: Option<String>,
    ) -> Result<(), AuthError> {
        let session = own_session(caller)?.to_owned();
        self.prove_caller(caller, &who, password).await?;
        let (user, email, now) = (caller.id.to_string(), caller.email.clone(), self.clock.now());
        let mail = self.mail.clone();
        self.store
            .write::<_, AuthError, _>(move |tx| {
                sessions::check_session(tx, &session)?;
                let mut factors = repo::factors(tx, &user)?;
                let at = factors.passkeys.iter().position(|own| own.id == id);
                factors.passkeys.remove(at.ok_or_else(|| AuthError::NotFound(format!("passkey \"{id}\"")))?);
                repo::put(tx, &user, factors)?;
                repo::delete_owner(tx, &id)?;
                // Who signed in by it would stay.
                sessions::end_sessions(tx, &user, Some(&session))?;
                mail.put(tx, letter::factor_changed(&email, "removed from").for_user(&user), now)?;
                let event = Event::new("factor.removed", &who, &user, now).with(json!({"kind": "passkey"}));
                Ok(audit::record(tx, event)?)
            })
            .await
    }

    /// Begins to sign somebody in, whoever it may be.
    pub(super) fn begin_passkey_sign_in(&self) -> Result<Challenge, AuthError> {
        let begun = self.passkeys.party()?.start_discoverable_authentication();
        let (asked, state) = begun.map_err(|error| unable(&error))?;
        let ceremony = self.passkeys.begin_sign_in(state, self.clock.now());
        Ok(Challenge { ceremony, options: to_json(&asked.public_key)? })
    }

    /// Signs in whose passkey has answered.
    pub(super) async fn sign_in_by_passkey(
        &self,
        ceremony: &str,
        credential: Value,
        visit: Visit,
    ) -> Result<SignedIn, AuthError> {
        let now = self.clock.now();
        let state = self.passkeys.take_sign_in(ceremony, now)?;
        let credential: PublicKeyCredential = parse(credential)?;
        let id = id_text(credential.get_credential_id());
        let user = repo::owner(&self.store.snapshot(), &id)?.unwrap_or_default();
        let Some((account, result)) = self.recognize(&credential, state, &user, &id)? else {
            return Err(self.refuse_passkey("session.refused", &visit.who, &user).await);
        };
        let shown = move |tx: &mut Tx<'_>| use_passkey(tx, &user, &id, &result, now);
        self.sign_in_as(&account.id, Means::new(&METHODS), visit, shown).await
    }

    /// Whose passkey has answered, unless it is nobody's who may sign in.
    fn recognize(
        &self,
        credential: &PublicKeyCredential,
        state: DiscoverableAuthentication,
        user: &str,
        id: &str,
    ) -> Result<Option<(Account, AuthenticationResult)>, AuthError> {
        let party = self.passkeys.party()?;
        let known_as = party.identify_discoverable_authentication(credential).ok().map(|(known_as, _)| known_as);
        let factors = repo::factors(&self.store.snapshot(), user)?;
        let own = factors.passkeys.iter().find(|own| own.id == id && known_as == Some(handle(user)));
        let Some(own) = own else { return Ok(None) };
        let shown = party.finish_discoverable_authentication_v2(credential, state, &own.key);
        let account = self.directory.by_id(user)?.filter(|account| !account.disabled);
        Ok(account.zip(accepted(shown)))
    }

    /// Tells the audit log of a passkey that was not accepted.
    async fn refuse_passkey(&self, kind: &'static str, who: &Who, user: &str) -> AuthError {
        let event = Event::new(kind, who, user, self.clock.now()).with(json!({"kind": "passkey"}));
        self.tell_refused(event).await.err().unwrap_or(REFUSED)
    }

    /// Begins to prove the second factor of a session by one of the caller's passkeys.
    pub(super) fn begin_passkey_proof(&self, caller: &Principal) -> Result<Challenge, AuthError> {
        let session = own_session(caller)?.to_owned();
        let own = repo::factors(&self.store.snapshot(), caller.id.as_str())?.passkeys;
        if own.is_empty() {
            return Err(AuthError::Conflict("you have no passkey".into()));
        }
        let keys: Vec<_> = own.into_iter().map(|own| own.key).collect();
        let begun = self.passkeys.party()?.start_passkey_authentication(&keys);
        let (asked, state) = begun.map_err(|error| unable(&error))?;
        let ceremony = self.passkeys.begin(&session, Ceremony::Prove(Box::new(state)), self.clock.now());
        Ok(Challenge { ceremony, options: to_json(&asked.public_key)? })
    }

    /// Proves the second factor of a session by a passkey.
    pub(super) async fn prove_by_passkey(
        &self,
        caller: &Principal,
        who: Who,
        ceremony: &str,
        credential: Value,
    ) -> Result<(), AuthError> {
        let session = own_session(caller)?.to_owned();
        let now = self.clock.now();
        let Ceremony::Prove(state) = self.passkeys.take(&session, ceremony, now)? else { return Err(REFUSED) };
        let credential: PublicKeyCredential = parse(credential)?;
        let user = caller.id.to_string();
        let shown = self.passkeys.party()?.finish_passkey_authentication(&credential, &state);
        let Some(result) = accepted(shown) else {
            return Err(self.refuse_passkey("factor.refused", &who, &user).await);
        };
        self.store
            .write(move |tx| {
                use_passkey(tx, &user, &id_text(result.cred_id()), &result, now)?;
                prove_session(tx, &session)?;
                let event = Event::new("factor.proven", &who, &user, now).with(json!({"kind": "passkey"}));
                Ok::<_, AuthError>(audit::record(tx, event)?)
            })
            .await
    }
}

const REFUSED: AuthError = AuthError::InvalidToken("the passkey was not accepted");

/// Notes that a passkey was used, as long as it is the user's.
fn use_passkey(
    tx: &mut Tx<'_>,
    user: &str,
    id: &str,
    result: &AuthenticationResult,
    now: Timestamp,
) -> Result<(), AuthError> {
    let mut factors = repo::factors(tx, user)?;
    let own = factors.passkeys.iter_mut().find(|own| own.id == id).ok_or(REFUSED)?;
    *own = own.clone().used(result, now).ok_or(REFUSED)?;
    Ok(repo::put(tx, user, factors)?)
}

/// Refuses what would fill the store: devices that tell who made them send chains of certificates along, which were not asked for.
fn check_size(passkey: &OwnPasskey) -> Result<(), AuthError> {
    let length = serde_json::to_string(passkey).map_or(usize::MAX, |text| text.len());
    if length <= PASSKEY_BYTES_MAX && passkey.id.len() <= ID_LENGTH_MAX {
        return Ok(());
    }
    let detail = format!("must take at most {PASSKEY_BYTES_MAX} bytes, and its id 1,023; ask for no attestation");
    Err(AuthError::Invalid(vec![FieldError::at("credential", "too_long", detail)]))
}

/// What came of a device's answer. Why it is not taken goes to the log only.
fn accepted<T>(result: WebauthnResult<T>) -> Option<T> {
    result.inspect_err(|error| tracing::info!(%error, "a passkey was not accepted")).ok()
}

fn unable(error: &WebauthnError) -> AuthError {
    tracing::error!(%error, "a challenge for passkeys was not made");
    AuthError::Crypto("a challenge for passkeys was not made")
}

fn to_json(options: &impl serde::Serialize) -> Result<Value, AuthError> {
    serde_json::to_value(options).map_err(|_| AuthError::Crypto("a challenge for passkeys is no JSON"))
}

/// The answer of a device, as browsers write it.
fn parse<T: serde::de::DeserializeOwned>(credential: Value) -> Result<T, AuthError> {
    serde_json::from_value(credential).map_err(|error| {
        let detail = format!("must be what PublicKeyCredential.toJSON() gives: {error}");
        AuthError::Invalid(vec![FieldError::at("credential", "type", &detail)])
    })
}
