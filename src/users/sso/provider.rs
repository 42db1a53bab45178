//! A provider: where people are sent, and who came back.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use openidconnect::{
    AuthType, AuthUrl, AuthorizationCode, ClientSecret, CsrfToken, HttpRequest, IssuerUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, TokenUrl,
    core::{CoreAuthenticationFlow, CoreProviderMetadata},
};
use tokio::sync::Mutex;

use super::{
    apple,
    model::{Failure, Flow, Person},
    oidc::{self, Claims, Party, Refused, Tokens},
    plain::Plain,
};
use crate::{
    config::{SsoProvider, is_of_many_tenants, is_shared},
    outgoing::Outgoing,
};

/// For how long it is not asked again what a provider says of itself.
const METADATA_LIFE: SignedDuration = SignedDuration::from_hours(1);
/// How soon it may be asked again for a key that is not known: strangers cannot make it be asked all the time.
const METADATA_LIFE_MIN: SignedDuration = SignedDuration::from_mins(1);
/// What is asked for when nothing is configured.
const SCOPES: [&str; 3] = ["openid", "email", "profile"];

/// What a provider says of itself, as of a time.
type Known = Option<(Timestamp, Arc<CoreProviderMetadata>)>;

/// A provider.
pub(super) struct Provider {
    pub(super) name: String,
    pub(super) config: SsoProvider,
    issuer: String,
    plain: Option<Plain>,
    redirect: RedirectUrl,
    outgoing: Outgoing,
    known: Mutex<Known>,
}

impl Provider {
    /// A provider that sends people back to this address.
    pub(super) fn new(name: &str, config: &SsoProvider, back: String, outgoing: Outgoing) -> anyhow::Result<Self> {
        let plain = match config.preset(name) {
            "github" => Some(Plain::GitHub),
            "discord" => Some(Plain::Discord),
            _ => None,
        };
        let issuer = config.issuer(name).to_owned();
        let issuer = if plain.is_some() { issuer.trim_end_matches('/').to_owned() } else { issuer };
        let redirect = RedirectUrl::new(back)?;
        let (name, config) = (name.to_owned(), config.clone());
        Ok(Self { name, config, issuer, plain, redirect, outgoing, known: Mutex::default() })
    }

    fn is(&self, preset: &str) -> bool {
        self.config.preset(&self.name) == preset
    }

    /// What the provider says of itself: not older than `age`.
    async fn metadata(&self, now: Timestamp, age: SignedDuration) -> Result<Arc<CoreProviderMetadata>, Failure> {
        let mut known = self.known.lock().await;
        if let Some((at, metadata)) = known.as_ref()
            && now.duration_since(*at) < age
        {
            return Ok(Arc::clone(metadata));
        }
        let metadata = Arc::new(oidc::discover(&self.outgoing, &self.issuer).await?);
        *known = Some((now, Arc::clone(&metadata)));
        Ok(metadata)
    }

    /// This server as a client of the provider.
    fn party(&self, metadata: Option<&CoreProviderMetadata>, now: Timestamp) -> Result<Party, Failure> {
        let broken = |error| Failure::of("the provider has an address that is none", &error);
        let (authorize, token, issuer, keys) = match (self.plain, metadata) {
            (None, Some(metadata)) => {
                let token =
                    metadata.token_endpoint().ok_or_else(|| Failure::Provider("it has no token endpoint".into()))?;
                let authorize = metadata.authorization_endpoint().clone();
                (authorize, token.clone(), metadata.issuer().clone(), metadata.jwks().clone())
            }
            (plain, _) => {
                let (authorize, token) = plain.unwrap_or(Plain::GitHub).endpoints(&self.issuer);
                let (authorize, token) = (AuthUrl::new(authorize), TokenUrl::new(token));
                let issuer = IssuerUrl::new(self.issuer.clone()).map_err(broken)?;
                (authorize.map_err(broken)?, token.map_err(broken)?, issuer, oidc::no_keys())
            }
        };
        let secret = match self.is("apple") {
            true => apple::secret(&self.config, &self.issuer, now)?,
            false => self.config.client_secret.clone(),
        };
        let in_body = self.is("apple") || metadata.is_none_or(oidc::takes_secret_in_body);
        let party = oidc::party(&self.config.client_id, issuer, keys)
            .set_client_secret(ClientSecret::new(secret))
            .set_auth_type(if in_body { AuthType::RequestBody } else { AuthType::BasicAuth })
            .set_auth_uri(authorize)
            .set_token_uri(token)
            .set_redirect_uri(self.redirect.clone());
        Ok(if self.plain.is_some() { party.disable_openid_scope() } else { party })
    }

    async fn metadata_if_any(&self, now: Timestamp) -> Result<Option<Arc<CoreProviderMetadata>>, Failure> {
        match self.plain {
            Some(_) => Ok(None),
            None => self.metadata(now, METADATA_LIFE).await.map(Some),
        }
    }

    /// Where somebody is sent, to come back with this state.
    pub(super) async fn address(&self, flow: &Flow, state: &str, now: Timestamp) -> Result<String, Failure> {
        let metadata = self.metadata_if_any(now).await?;
        let party = self.party(metadata.as_deref(), now)?;
        let own = self.plain.map_or(&SCOPES[..], Plain::scopes).iter().map(|scope| (*scope).to_owned());
        let scopes = if self.config.scopes.is_empty() { own.collect() } else { self.config.scopes.clone() };
        let scopes = scopes.into_iter().filter(|scope| scope != "openid").map(Scope::new);
        let (state, nonce) = (state.to_owned(), flow.nonce.clone());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(flow.verifier.clone()));
        let request = party
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                move || CsrfToken::new(state.clone()),
                move || Nonce::new(nonce.clone()),
            )
            .add_scopes(scopes)
            .set_pkce_challenge(challenge);
        // Apple tells names and addresses in this way only.
        let request = if self.is("apple") { request.add_extra_param("response_mode", "form_post") } else { request };
        Ok(request.url().0.to_string())
    }

    /// Refuses somebody whom another provider sends back ([RFC 9207](https://www.rfc-editor.org/rfc/rfc9207)).
    pub(super) async fn check_sender(&self, issuer: Option<&str>, now: Timestamp) -> Result<(), Failure> {
        let Some(metadata) = self.metadata_if_any(now).await? else { return Ok(()) };
        match issuer {
            Some(issuer) if issuer != metadata.issuer().as_str() && !is_of_many_tenants(&self.issuer) => {
                Err(Failure::Provider(format!("somebody was sent back by another issuer, {issuer}")))
            }
            _ => Ok(()),
        }
    }

    /// Who came back with a code.
    pub(super) async fn person(&self, flow: &Flow, code: String, now: Timestamp) -> Result<Person, Failure> {
        let metadata = self.metadata_if_any(now).await?;
        let party = self.party(metadata.as_deref(), now)?;
        let outgoing = self.outgoing.clone();
        let send = move |request: HttpRequest| {
            let outgoing = outgoing.clone();
            async move { outgoing.send(request).await }
        };
        let tokens: Tokens = party
            .exchange_code(AuthorizationCode::new(code))
            .set_pkce_verifier(PkceCodeVerifier::new(flow.verifier.clone()))
            .request_async(&send)
            .await
            .map_err(|error| Failure::of("the provider does not take its code back", &error))?;
        let access = tokens.access_token().secret();
        let claims = match (self.plain, metadata) {
            (None, Some(metadata)) => self.claimed(&party, metadata, &tokens, flow, now).await?,
            (plain, _) => plain.unwrap_or(Plain::GitHub).person(&self.outgoing, &self.issuer, access).await?,
        };
        Ok(self.judged(claims))
    }

    async fn claimed(
        &self,
        party: &Party,
        metadata: Arc<CoreProviderMetadata>,
        tokens: &Tokens,
        flow: &Flow,
        now: Timestamp,
    ) -> Result<Claims, Failure> {
        let claims = match oidc::verify(party, &metadata, &self.issuer, tokens, &flow.nonce) {
            Err(Refused::UnknownKey) => {
                // The provider may have taken a new key since it was asked.
                let metadata = self.metadata(now, METADATA_LIFE_MIN).await?;
                oidc::verify(&self.party(Some(&metadata), now)?, &metadata, &self.issuer, tokens, &flow.nonce)
            }
            verified => verified,
        };
        let claims = claims.map_err(|refused| match refused {
            Refused::UnknownKey => {
                Failure::Provider("the ID token is signed by a key that is none of the provider's".into())
            }
            Refused::Failure(failure) => failure,
        })?;
        oidc::complete(&self.outgoing, &metadata, tokens.access_token().secret(), claims).await
    }

    /// Whether it is beyond doubt that the address is the user's.
    fn is_owner(&self, claims: &Claims) -> bool {
        match self.config.trust_email.as_str() {
            "no" => false,
            "yes" => claims.email_verified == Some(true),
            "always" => claims.email_verified != Some(false),
            _ => self.is_known_to_know(claims),
        }
    }

    /// Whether it is known of the preset that it knows whose address it is.
    fn is_known_to_know(&self, claims: &Claims) -> bool {
        let verified = claims.email_verified == Some(true);
        match self.config.preset(&self.name) {
            // An address there is what the tenant's admin says, so it takes a tenant of one's own.
            "microsoft" => !is_shared(&self.issuer) && claims.email_verified != Some(false),
            // Who runs GitLab or GitHub may have it verify nothing.
            _ if !self.config.is_at_home(&self.name) => false,
            // Others than these can have an address that has changed hands since.
            "google" => {
                let mail = claims.email.as_ref().is_some_and(|email| email.to_lowercase().ends_with("@gmail.com"));
                verified && (mail || claims.organization.is_some())
            }
            "apple" | "discord" | "github" | "gitlab" => verified,
            _ => false,
        }
    }

    /// Who it is, with the address as it is compared here.
    fn judged(&self, claims: Claims) -> Person {
        let is_owner = self.is_owner(&claims);
        let Claims { issuer, subject, email, name, .. } = claims;
        let email = email.map(|email| email.trim().to_lowercase()).filter(|email| !email.is_empty());
        Person { issuer, subject, is_owner: is_owner && email.is_some(), email, name }
    }

    /// Whether people with this address may sign in here.
    pub(super) fn takes(&self, person: &Person) -> bool {
        let domain = person.email.as_deref().filter(|_| person.is_owner).and_then(|email| email.rsplit_once('@'));
        let listed = |(_, domain): (&str, &str)| self.config.domains.iter().any(|own| own == domain);
        self.config.domains.is_empty() || domain.is_some_and(listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(name: &str, change: impl FnOnce(&mut SsoProvider)) -> Provider {
        let mut config = SsoProvider { client_id: "x".into(), client_secret: "y".into(), ..SsoProvider::default() };
        change(&mut config);
        Provider::new(name, &config, "https://example.com/back".into(), Outgoing::new().unwrap()).unwrap()
    }

    fn claims(email: &str, email_verified: Option<bool>, organization: Option<&str>) -> Claims {
        Claims {
            issuer: "i".into(),
            subject: "s".into(),
            email: Some(email.into()),
            email_verified,
            name: None,
            organization: organization.map(str::to_owned),
        }
    }

    #[test]
    fn an_address_is_believed_only_of_whom_it_is_known() {
        let at = |name: &str, issuer: &str, trust: &str| {
            provider(name, |config| (config.issuer, config.trust_email) = (issuer.into(), trust.into()))
        };
        let tenants = "https://login.microsoftonline.com";
        let any = at("ours", "https://example.com", "auto");
        let (yes, always) = (at("ours", "https://example.com", "yes"), at("ours", "https://example.com", "always"));
        let (google, no) = (at("google", "", "auto"), at("google", "", "no"));
        let microsoft = at("microsoft", "", "auto");
        let personal = at("microsoft", &format!("{tenants}/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"), "auto");
        let tenant = at("microsoft", &format!("{tenants}/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0"), "auto");
        let (github, gitlab) = (at("github", "https://github.com/", "auto"), at("gitlab", "", "auto"));
        let (own_github, own_gitlab) =
            (at("github", "https://git.example.com", "auto"), at("gitlab", "https://git.example.com", "auto"));
        let believed = at("gitlab", "https://git.example.com", "yes");
        let apple = at("apple", "", "auto");
        let (gmail, other, managed) = (
            claims("Ann@Gmail.com", Some(true), None),
            claims("ann@example.com", Some(true), None),
            claims("ann@example.com", Some(true), Some("example.com")),
        );
        let (unsaid, unverified) = (claims("ann@gmail.com", None, None), claims("ann@gmail.com", Some(false), None));
        for (provider, claims, expected) in [
            (&any, &gmail, false),
            (&yes, &other, true),
            (&yes, &unsaid, false),
            (&yes, &unverified, false),
            (&always, &unsaid, true),
            (&always, &unverified, false),
            (&google, &gmail, true),
            (&google, &other, false),
            (&google, &managed, true),
            (&google, &unsaid, false),
            (&no, &gmail, false),
            (&microsoft, &gmail, false),
            (&personal, &gmail, false),
            (&tenant, &unsaid, true),
            (&tenant, &unverified, false),
            (&github, &other, true),
            (&github, &unverified, false),
            (&own_github, &other, false),
            (&gitlab, &other, true),
            (&own_gitlab, &other, false),
            (&believed, &other, true),
            (&apple, &other, true),
            (&apple, &unsaid, false),
        ] {
            let of = (&provider.name, &provider.issuer, &provider.config.trust_email);
            assert_eq!(provider.is_owner(claims), expected, "{of:?} {:?} {:?}", claims.email, claims.email_verified);
        }
    }

    #[test]
    fn domains_are_those_of_proven_addresses() {
        let google = provider("google", |config| config.domains = vec!["example.com".into()]);
        let person = |email: &str, is_owner| Person {
            issuer: "i".into(),
            subject: "s".into(),
            email: Some(email.into()),
            is_owner,
            name: None,
        };
        assert!(google.takes(&person("ann@example.com", true)));
        for (email, is_owner) in
            [("ann@example.com", false), ("ann@example.org", true), ("ann@badexample.com", true), ("x", true)]
        {
            assert!(!google.takes(&person(email, is_owner)), "{email}");
        }
        assert!(provider("google", |_| ()).takes(&person("x", false)));
    }
}
