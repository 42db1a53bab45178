//! What providers that speak OpenID Connect say: their metadata
//! ([Discovery](https://openid.net/specs/openid-connect-discovery-1_0.html)) and their ID tokens.

use openidconnect::{
    AdditionalClaims, Client, ClientId, EmptyExtraTokenFields, EndpointNotSet, EndpointSet, IdTokenFields,
    IdTokenVerifier, IssuerUrl, JsonWebKeySet, Nonce, StandardErrorResponse, StandardTokenResponse,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreClientAuthMethod, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
        CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata,
        CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
    },
    url::Url,
};
use serde::{Deserialize, Serialize};

use super::model::Failure;
use crate::{
    config::{TENANTS, is_of_many_tenants, is_secure},
    outgoing::Outgoing,
};

/// Claims of ID tokens beyond the standard's, which some providers make.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct MoreClaims {
    /// Google: the domain of an organization that manages the account
    /// (<https://developers.google.com/identity/openid-connect/openid-connect#an-id-tokens-payload>).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hd: Option<String>,
    /// Microsoft: the tenant (<https://learn.microsoft.com/en-us/entra/identity-platform/id-token-claims-reference>).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tid: Option<String>,
}

impl AdditionalClaims for MoreClaims {}

type Fields = IdTokenFields<
    MoreClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
/// What a code is worth.
pub(super) type Tokens = StandardTokenResponse<Fields, CoreTokenType>;

type Partner<Authorize, Token> = Client<
    MoreClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    Authorize,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    Token,
    EndpointNotSet,
>;
/// This server as a client of a provider whose endpoints are known.
pub(super) type Party = Partner<EndpointSet, EndpointSet>;

/// This server as a client of a provider.
pub(super) fn party(
    client_id: &str,
    issuer: IssuerUrl,
    keys: CoreJsonWebKeySet,
) -> Partner<EndpointNotSet, EndpointNotSet> {
    Partner::new(ClientId::new(client_id.to_owned()), issuer, keys)
}

/// The keys of a provider that signs nothing.
pub(super) fn no_keys() -> CoreJsonWebKeySet {
    JsonWebKeySet::new(Vec::new())
}

/// Reads the metadata of a provider, and its keys.
pub(super) async fn discover(outgoing: &Outgoing, issuer: &str) -> Result<CoreProviderMetadata, Failure> {
    let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let read = outgoing.json::<CoreProviderMetadata>(&url, None).await;
    let metadata = read.map_err(|error| Failure::of(&format!("{url} cannot be read"), &error))?;
    let named = metadata.issuer().as_str();
    if named.trim_end_matches('/') != issuer.trim_end_matches('/') && !is_of_many_tenants(issuer) {
        return Err(Failure::Provider(format!("{url} is of another issuer, {named}")));
    }
    check_endpoints(issuer, &metadata)?;
    let url = metadata.jwks_uri().as_str();
    let keys = outgoing.json::<CoreJsonWebKeySet>(url, None).await;
    let keys = keys.map_err(|error| Failure::of(&format!("{url} cannot be read"), &error))?;
    Ok(metadata.set_jwks(keys))
}

/// Refuses a provider over TLS that names an endpoint without: such a one would be in the clear, or on this very machine.
fn check_endpoints(issuer: &str, metadata: &CoreProviderMetadata) -> Result<(), Failure> {
    let endpoints = [
        Some(metadata.authorization_endpoint().url()),
        metadata.token_endpoint().map(|url| url.url()),
        metadata.userinfo_endpoint().map(|url| url.url()),
        Some(metadata.jwks_uri().url()),
    ];
    let good = |url: &&Url| url.scheme() == "https" || !issuer.starts_with("https://") && is_secure(url.as_str());
    match endpoints.into_iter().flatten().find(|url| !good(url)) {
        Some(url) => Err(Failure::Provider(format!("it has an endpoint that cannot be believed, {url}"))),
        None => Ok(()),
    }
}

/// Whether a provider takes the secret in the body only.
pub(super) fn takes_secret_in_body(metadata: &CoreProviderMetadata) -> bool {
    let methods = metadata.token_endpoint_auth_methods_supported();
    methods.is_some_and(|methods| {
        !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
            && methods.contains(&CoreClientAuthMethod::ClientSecretPost)
    })
}

/// What an ID token says.
pub(super) struct Claims {
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) email: Option<String>,
    pub(super) email_verified: Option<bool>,
    pub(super) name: Option<String>,
    pub(super) organization: Option<String>,
}

/// Why an ID token is not taken.
pub(super) enum Refused {
    /// It is signed by a key that is not known (yet).
    UnknownKey,
    /// Something else.
    Failure(Failure),
}

/// Verifies the ID token of an answer: signature, issuer, audience, time, nonce.
pub(super) fn verify(
    party: &Party,
    metadata: &CoreProviderMetadata,
    issuer: &str,
    tokens: &Tokens,
    nonce: &str,
) -> Result<Claims, Refused> {
    use openidconnect::{ClaimsVerificationError, SignatureVerificationError};

    let failure = |what: &str| Refused::Failure(Failure::Provider(what.to_owned()));
    let token = tokens.extra_fields().id_token().ok_or_else(|| failure("the answer has no ID token"))?;
    let many = is_of_many_tenants(issuer);
    let verifier: IdTokenVerifier<'_, CoreJsonWebKey> = party
        .id_token_verifier()
        .set_allowed_algs(asymmetric(metadata.id_token_signing_alg_values_supported()))
        .require_issuer_match(!many);
    let claims = token.claims(&verifier, &Nonce::new(nonce.to_owned())).map_err(|error| match error {
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => {
            Refused::UnknownKey
        }
        error => Refused::Failure(Failure::of("the ID token is not good", &error)),
    })?;
    let more = claims.additional_claims();
    let tenant = more.tid.as_ref().map(|tenant| format!("{TENANTS}{tenant}/v2.0"));
    if many && tenant.as_deref() != Some(claims.issuer().as_str()) {
        return Err(failure("the ID token is of another issuer than its tenant"));
    }
    let name = claims.name().and_then(|name| name.get(None)).map(|name| name.as_str().to_owned());
    Ok(Claims {
        issuer: claims.issuer().as_str().to_owned(),
        subject: claims.subject().as_str().to_owned(),
        email: claims.email().map(|email| email.as_str().to_owned()),
        email_verified: claims.email_verified(),
        name,
        organization: more.hd.clone(),
    })
}

/// The algorithms whose signatures only the provider can make: not those of shared secrets, and not `none`.
fn asymmetric(algorithms: &[CoreJwsSigningAlgorithm]) -> Vec<CoreJwsSigningAlgorithm> {
    use CoreJwsSigningAlgorithm::{HmacSha256, HmacSha384, HmacSha512, None};
    algorithms.iter().filter(|alg| !matches!(alg, HmacSha256 | HmacSha384 | HmacSha512 | None)).cloned().collect()
}

/// What the userinfo endpoint says ([OpenID Connect Core, 5.3](https://openid.net/specs/openid-connect-core-1_0.html#UserInfo)).
#[derive(Deserialize)]
struct UserInfo {
    sub: String,
    email: Option<String>,
    #[serde(default)]
    email_verified: Option<bool>,
    name: Option<String>,
}

/// Adds what only the userinfo endpoint says, of the same subject.
pub(super) async fn complete(
    outgoing: &Outgoing,
    metadata: &CoreProviderMetadata,
    token: &str,
    claims: Claims,
) -> Result<Claims, Failure> {
    let told = claims.email.is_some() && claims.email_verified.is_some();
    let Some(url) = metadata.userinfo_endpoint().filter(|_| !told) else { return Ok(claims) };
    let read = outgoing.json::<UserInfo>(url.url().as_str(), Some(token)).await;
    let info = read.map_err(|error| Failure::of("what the provider knows of the user cannot be read", &error))?;
    if info.sub != claims.subject {
        return Err(Failure::Provider("the provider answered for another user".into()));
    }
    let (email, email_verified) = match info.email {
        Some(email) => (Some(email), info.email_verified),
        None => (claims.email, claims.email_verified),
    };
    Ok(Claims { email, email_verified, name: claims.name.or(info.name), ..claims })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_the_provider_s_alone() {
        let all = [CoreJwsSigningAlgorithm::HmacSha256, CoreJwsSigningAlgorithm::None, CoreJwsSigningAlgorithm::EdDsa];
        assert_eq!(asymmetric(&all), [CoreJwsSigningAlgorithm::EdDsa]);
    }
}
