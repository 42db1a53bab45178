//! Providers that speak OAuth 2.0 without OpenID Connect: who somebody is stands in answers of their own.

use serde::Deserialize;

use super::{model::Failure, oidc::Claims};
use crate::outgoing::Outgoing;

/// A provider that speaks OAuth 2.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    /// [GitHub](https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps), or GitHub Enterprise Server.
    GitHub,
    /// [Discord](https://discord.com/developers/docs/topics/oauth2).
    Discord,
}

/// <https://docs.github.com/en/rest/users/users#get-the-authenticated-user>
#[derive(Deserialize)]
struct GitHubUser {
    id: u64,
    login: String,
    name: Option<String>,
}

/// <https://docs.github.com/en/rest/users/emails#list-email-addresses-for-the-authenticated-user>
#[derive(Deserialize)]
struct GitHubEmail {
    email: String,
    primary: bool,
    verified: bool,
}

/// <https://discord.com/developers/docs/resources/user#user-object>
#[derive(Deserialize)]
struct DiscordUser {
    id: String,
    username: String,
    global_name: Option<String>,
    email: Option<String>,
    #[serde(default)]
    verified: bool,
}

impl Plain {
    /// What is asked for.
    pub(super) const fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::GitHub => &["read:user", "user:email"],
            Self::Discord => &["identify", "email"],
        }
    }

    /// Where people are sent, and where codes are changed for tokens.
    pub(super) fn endpoints(self, issuer: &str) -> (String, String) {
        match self {
            Self::GitHub => (format!("{issuer}/login/oauth/authorize"), format!("{issuer}/login/oauth/access_token")),
            Self::Discord => (format!("{issuer}/oauth2/authorize"), format!("{issuer}/api/oauth2/token")),
        }
    }

    /// Whose access token it is.
    pub(super) async fn person(self, outgoing: &Outgoing, issuer: &str, token: &str) -> Result<Claims, Failure> {
        let failed = |error| Failure::of("the provider does not say who it is", &error);
        let issuer = issuer.to_owned();
        match self {
            Self::GitHub => {
                let api = match issuer.as_str() {
                    "https://github.com" => "https://api.github.com".to_owned(),
                    own => format!("{own}/api/v3"),
                };
                let user: GitHubUser = outgoing.json(&format!("{api}/user"), Some(token)).await.map_err(failed)?;
                let all: Vec<GitHubEmail> =
                    outgoing.json(&format!("{api}/user/emails"), Some(token)).await.map_err(failed)?;
                let email = all.into_iter().find(|email| email.primary);
                let email_verified = email.as_ref().map(|email| email.verified);
                let (subject, name) = (user.id.to_string(), Some(user.name.unwrap_or(user.login)));
                let email = email.map(|email| email.email);
                Ok(Claims { issuer, subject, email, email_verified, name, organization: None })
            }
            Self::Discord => {
                let user: DiscordUser =
                    outgoing.json(&format!("{issuer}/api/users/@me"), Some(token)).await.map_err(failed)?;
                let name = Some(user.global_name.unwrap_or(user.username));
                let (subject, email, email_verified) = (user.id, user.email, Some(user.verified));
                Ok(Claims { issuer, subject, email, email_verified, name, organization: None })
            }
        }
    }
}
