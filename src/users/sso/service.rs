//! Use cases of single sign-on: there and back, signing in, linking.

use std::{collections::BTreeMap, sync::Arc};

use jiff::SignedDuration;
use serde_json::Value;

use super::{
    model::{Challenge, Failure, Flow, Person, Purpose, Ticket},
    provider::Provider,
};
use crate::{
    access::{Principal, Who, secret::secret_text},
    auth::{self, AuthError, AuthService, Begun, Directory, Identity, SignedIn, Visit, own_session},
    config::Config,
    kernel::{Clock, FieldError},
    outgoing::Outgoing,
    records::RecordError,
    store::Tx,
    users::{
        UserError,
        flows::{Flows, Newcomer},
    },
};

/// How long somebody may be at the provider, and how long the ticket after that is good.
const LIFE: SignedDuration = SignedDuration::from_mins(10);
/// The path to which providers send people back, without the provider's name.
pub(super) const BACK: &str = "/api/v1/auth/sso/callback";

const STALE: AuthError = AuthError::InvalidToken("the ticket is not good (any more); begin again");

/// What [`Sso`] is made of.
#[derive(Clone)]
pub struct SsoParts {
    /// Who the users are.
    pub directory: Arc<dyn Directory>,
    /// Sign-in.
    pub auth: Arc<AuthService>,
    /// Who makes users of those who come.
    pub flows: Arc<Flows>,
    /// The client of the providers.
    pub outgoing: Outgoing,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// Single sign-on.
pub struct Sso {
    parts: SsoParts,
    providers: BTreeMap<String, Provider>,
    /// `open`, `invite` or `closed`, where a provider has nothing of its own.
    registration: String,
    /// Whether a name may come from the provider.
    takes_name: bool,
    /// The page where people are who come from nowhere.
    page: String,
    /// The addresses that may be come back to.
    redirects: Vec<String>,
    flows: Begun<Flow>,
    tickets: Begun<Ticket>,
}

impl std::fmt::Debug for Sso {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sso").field("providers", &self.providers.keys()).finish_non_exhaustive()
    }
}

/// Where a client waits, and how it will show that it is the one who began.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) redirect_to: Option<String>,
    pub(super) code_challenge: String,
}

/// What a client has in the end.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) ticket: String,
    pub(super) code_verifier: String,
}

/// How a provider sends somebody back.
#[derive(Debug, Default)]
pub(super) struct Back {
    pub(super) state: Option<String>,
    pub(super) code: Option<String>,
    pub(super) error: Option<String>,
    /// Who sends ([RFC 9207](https://www.rfc-editor.org/rfc/rfc9207)).
    pub(super) issuer: Option<String>,
}

impl Sso {
    /// Single sign-on by the providers of the configuration.
    ///
    /// # Errors
    /// When the server's own address is none.
    pub fn new(config: &Config, parts: SsoParts) -> anyhow::Result<Self> {
        let own = config.own_url();
        let made = config.sso.iter().map(|(name, provider)| {
            let back = format!("{own}{BACK}/{name}");
            Ok((name.clone(), Provider::new(name, provider, back, parts.outgoing.clone())?))
        });
        let providers = made.collect::<anyhow::Result<_>>()?;
        let page = format!("{own}/account");
        // Somebody who tries it out may call this machine by either name.
        let local = page.replacen("://127.0.0.1", "://localhost", 1);
        Ok(Self {
            parts,
            providers,
            registration: config.auth.registration.clone(),
            takes_name: config.auth.registration_fields.iter().any(|field| field == "name"),
            redirects: [page.clone(), local].into_iter().chain(config.auth.redirect_urls.iter().cloned()).collect(),
            page,
            flows: Begun::new(LIFE),
            tickets: Begun::new(LIFE),
        })
    }

    /// The providers: their names, and what people call them.
    pub(super) fn providers(&self) -> Vec<(String, String)> {
        let of = |(name, provider): (&String, &Provider)| (name.clone(), provider.config.label(name));
        self.providers.iter().map(of).collect()
    }

    /// Begins to sign somebody in. Answers the address of the provider.
    pub(super) async fn begin(&self, provider: &str, waiting: Waiting) -> Result<String, UserError> {
        self.send(provider, waiting, Purpose::SignIn).await
    }

    /// Begins to link an identity to the caller's account. Answers the address of the provider.
    pub(super) async fn begin_link(
        &self,
        (caller, who): (&Principal, &Who),
        password: Option<String>,
        provider: &str,
        waiting: Waiting,
    ) -> Result<String, UserError> {
        let session = own_session(caller)?.to_owned();
        self.parts.auth.prove_caller(caller, who, password).await?;
        self.send(provider, waiting, Purpose::Link { session }).await
    }

    async fn send(&self, provider: &str, waiting: Waiting, purpose: Purpose) -> Result<String, UserError> {
        let mut faults = Vec::new();
        let found = self.providers.get(provider);
        if found.is_none() {
            faults.push(FieldError::at("provider", "unknown", "must be one of those that GET /auth/sso lists"));
        }
        let Waiting { redirect_to, code_challenge } = waiting;
        let redirect_to = redirect_to.unwrap_or_else(|| self.page.clone());
        if !self.may_lead_to(&redirect_to) {
            let detail = "must be this server's /account, or stand in auth.redirect_urls as it is";
            faults.push(FieldError::at("redirectTo", "forbidden", detail));
        }
        let challenge = Challenge(code_challenge);
        if !challenge.is_one() {
            let detail = "must be the SHA-256 of the verifier, base64url: 43 characters";
            faults.push(FieldError::at("codeChallenge", "format", detail));
        }
        let Some(provider) = found.filter(|_| faults.is_empty()) else { return Err(AuthError::Invalid(faults).into()) };
        let flow = Flow {
            provider: provider.name.clone(),
            purpose,
            redirect_to,
            challenge,
            nonce: secret_text(),
            verifier: secret_text(),
        };
        let now = self.parts.clock.now();
        let state = self.flows.keep(flow.clone(), now);
        provider.address(&flow, &state, now).await.map_err(|failure| {
            tracing::error!(provider = provider.name, %failure, "somebody cannot be sent to a provider");
            UserError::Provider
        })
    }

    /// Whether people may be sent on to an address. It is compared whole (RFC 9700, 2.1): another page of the same origin may lead on to
    /// strangers, with the ticket.
    fn may_lead_to(&self, address: &str) -> bool {
        self.redirects.iter().any(|own| own == address)
    }

    /// Somebody comes back from a provider. Answers where to go on.
    pub(super) async fn back(&self, provider: &str, back: Back) -> String {
        let flow = back.state.as_ref().and_then(|state| self.flows.take(state, self.parts.clock.now()));
        let flow = flow.filter(|flow| flow.provider == provider);
        let to = flow.as_ref().map_or_else(|| self.page.clone(), |flow| flow.redirect_to.clone());
        match self.ticket(flow, back).await {
            Ok(ticket) => format!("{to}#sso={ticket}"),
            Err(failure) => {
                match &failure {
                    Failure::Provider(_) => {
                        tracing::error!(provider, %failure, "a provider does not say who somebody is")
                    }
                    _ => tracing::info!(provider, %failure, "nobody came back from a provider"),
                }
                format!("{to}#sso-error={}", failure.name())
            }
        }
    }

    async fn ticket(&self, flow: Option<Flow>, back: Back) -> Result<String, Failure> {
        let flow = flow.ok_or(Failure::Stale)?;
        let provider = self.providers.get(&flow.provider).ok_or(Failure::Stale)?;
        let Back { code, error, issuer, .. } = back;
        if let Some(error) = error {
            return Err(Failure::Denied(error));
        }
        let code = code.ok_or_else(|| Failure::Provider("the provider sent somebody back without a code".into()))?;
        let now = self.parts.clock.now();
        provider.check_sender(issuer.as_deref(), now).await?;
        let person = provider.person(&flow, code, now).await?;
        let Flow { provider, purpose, challenge, .. } = flow;
        Ok(self.tickets.keep(Ticket { provider, purpose, challenge, person, at: now }, now))
    }

    /// Takes a ticket with its verifier.
    fn take(&self, proof: &Proof) -> Result<Ticket, AuthError> {
        let ticket = self.tickets.take(&proof.ticket, self.parts.clock.now()).ok_or(STALE)?;
        if ticket.challenge.is_met_by(&proof.code_verifier) { Ok(ticket) } else { Err(STALE) }
    }

    fn identity(&self, ticket: &Ticket) -> Identity {
        let Ticket { provider, person, .. } = ticket;
        Identity::new(provider, (&person.issuer, &person.subject), person.email.clone(), self.parts.clock.now())
    }

    /// Signs in who came back, and makes a user of who may become one.
    ///
    /// The ticket stays good when only the profile does not fit, so that it can be given again.
    pub(super) async fn sign_in(
        &self,
        proof: &Proof,
        profile: BTreeMap<String, Value>,
        visit: Visit,
    ) -> Result<SignedIn, UserError> {
        let ticket = self.take(proof)?;
        if ticket.purpose != Purpose::SignIn {
            return Err(STALE.into());
        }
        let identity = self.identity(&ticket);
        let entered = self.enter(&ticket, identity.clone(), profile, &visit).await;
        match &entered {
            Err(UserError::Auth(AuthError::Invalid(_)) | UserError::Record(RecordError::Invalid(_))) => {
                let at = ticket.at;
                self.tickets.put(&proof.ticket, ticket, at);
            }
            Err(UserError::Auth(AuthError::Store(_)) | UserError::Record(RecordError::Store(_))) | Ok(_) => {}
            Err(_) => self.parts.auth.refuse_identity(visit.who, &identity).await?,
        }
        entered
    }

    async fn enter(
        &self,
        ticket: &Ticket,
        identity: Identity,
        profile: BTreeMap<String, Value>,
        visit: &Visit,
    ) -> Result<SignedIn, UserError> {
        let provider = self.providers.get(&ticket.provider).ok_or(STALE)?;
        if !provider.takes(&ticket.person) {
            return Err(AuthError::Forbidden("the provider is for other domains than that of your address").into());
        }
        if let Some(signed_in) = self.parts.auth.sign_in_by_identity(&identity, visit).await? {
            return Ok(signed_in);
        }
        let Some(email) = ticket.person.email.clone().filter(|_| ticket.person.is_owner) else {
            let refused = "the provider does not vouch for an address of yours; sign in by another way, and link this identity there";
            return Err(AuthError::Forbidden(refused).into());
        };
        match self.parts.directory.by_email(&email)? {
            Some(account) if account.disabled => Err(AuthError::InvalidToken("the account may not sign in").into()),
            Some(account) => Ok(self.parts.auth.link_by_address(account, identity, visit.clone()).await?),
            None => self.join(provider, &ticket.person, email, identity, profile, visit).await,
        }
    }

    /// Makes a user of somebody who may become one.
    async fn join(
        &self,
        provider: &Provider,
        person: &Person,
        email: String,
        identity: Identity,
        mut profile: BTreeMap<String, Value>,
        visit: &Visit,
    ) -> Result<SignedIn, UserError> {
        let own = provider.config.registration.as_str();
        let registration = if own.is_empty() { self.registration.as_str() } else { own };
        let invitation = self.parts.flows.invitation(&email)?;
        if registration == "closed" || registration == "invite" && invitation.is_none() {
            return Err(AuthError::Forbidden("you are no user here, and registration is not open").into());
        }
        self.parts.flows.check_profile(&profile)?;
        if let Some(name) = person.name.as_ref().filter(|_| self.takes_name) {
            profile.entry("name".into()).or_insert_with(|| name.chars().take(NAME_MAX).collect::<String>().into());
        }
        let newcomer = Newcomer { email, profile, ticket: invitation, who: visit.who.clone() };
        let mut own = identity.clone();
        own.used_at = Some(self.parts.clock.now());
        let with_identity = move |tx: &mut Tx<'_>, id: &str| Ok(auth::add_identity(tx, id, own.clone())?);
        let account = self.parts.flows.make_user(newcomer, with_identity).await?;
        Ok(self.parts.auth.sign_in_newcomer(account, &identity, visit.clone()).await?)
    }

    /// Links who came back to the caller's account, in the session in which it was begun.
    pub(super) async fn link(&self, caller: &Principal, who: Who, proof: &Proof) -> Result<Identity, UserError> {
        let session = own_session(caller)?.to_owned();
        let ticket = self.take(proof)?;
        if ticket.purpose != (Purpose::Link { session }) {
            return Err(STALE.into());
        }
        let identity = self.identity(&ticket);
        let linked = self.parts.auth.link_identity(caller, who.clone(), identity.clone()).await;
        if let Err(AuthError::Conflict(_)) = &linked {
            self.parts.auth.refuse_link(who, caller, &identity).await?;
        }
        linked?;
        Ok(identity)
    }
}

/// The most of a name that is taken over, in characters: as long as the field may be.
const NAME_MAX: usize = 200;
