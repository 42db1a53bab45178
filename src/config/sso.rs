//! Providers of single sign-on: one section `[sso.NAME]` for each.

use serde::{Deserialize, Serialize};

/// Providers that are known by name: the name, what people call it, and its issuer.
pub const PRESETS: [(&str, &str, &str); 6] = [
    ("apple", "Apple", "https://appleid.apple.com"),
    ("discord", "Discord", "https://discord.com"),
    ("github", "GitHub", "https://github.com"),
    ("gitlab", "GitLab", "https://gitlab.com"),
    ("google", "Google", "https://accounts.google.com"),
    ("microsoft", "Microsoft", "https://login.microsoftonline.com/common/v2.0"),
];

/// The issuer of tenants of Microsoft's, of which each has a name of its own in it.
pub const TENANTS: &str = "https://login.microsoftonline.com/";
/// What stands in the place of the name for several of them.
const MANY_TENANTS: [&str; 3] = ["common", "organizations", "consumers"];
/// The tenant of everybody's personal accounts.
const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

fn tenant(issuer: &str) -> Option<&str> {
    issuer.strip_prefix(TENANTS)?.split('/').next()
}

/// Whether an issuer stands for several tenants of Microsoft's: its metadata and tokens name others.
#[must_use]
pub fn is_of_many_tenants(issuer: &str) -> bool {
    tenant(issuer).is_some_and(|tenant| MANY_TENANTS.contains(&tenant))
}

/// Whether an issuer is of Microsoft's accounts of people who have nothing to do with each other.
#[must_use]
pub fn is_shared(issuer: &str) -> bool {
    is_of_many_tenants(issuer) || tenant(issuer).is_some_and(|tenant| tenant.eq_ignore_ascii_case(PERSONAL))
}

/// A provider of single sign-on. Under a name of [`PRESETS`] it is that one; under any other it speaks OpenID Connect.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct SsoProvider {
    /// The preset, when the section has another name; empty takes the section's name if it is one.
    pub preset: String,
    /// What people call it, on a button; empty for the preset's own, or the section's name.
    pub label: String,
    /// Its issuer, under which `/.well-known/openid-configuration` is found; empty for the preset's own. GitLab and GitHub of your
    /// own, and a tenant of Microsoft's, have another one.
    pub issuer: String,
    /// The id under which this server is known there.
    pub client_id: String,
    /// The secret that belongs to it. Empty for Apple, where `private_key` makes one.
    pub client_secret: String,
    /// What is asked for; empty for the preset's own, or `openid`, `email` and `profile`.
    pub scopes: Vec<String>,
    /// Whether an address is its user's beyond doubt, so that who signs in comes to the account with this address: `yes` when the
    /// provider calls it verified, `always` also when it says nothing of that, `no`, or `auto`, which is what is known of the preset
    /// at its own issuer, and `no` for any other provider.
    pub trust_email: String,
    /// The domains of addresses that may sign in by this provider; empty for all. GitHub and Discord verified an address once: who
    /// has left an organization may still have its address there.
    pub domains: Vec<String>,
    /// Who may become a user by this provider: `open`, `invite` or `closed`; empty for `auth.registration`.
    pub registration: String,
    /// Of Apple: the id of your team.
    pub team_id: String,
    /// Of Apple: the id of the key.
    pub key_id: String,
    /// Of Apple: the key, as the file that Apple gives has it (PKCS#8 PEM).
    pub private_key: String,
}

impl Default for SsoProvider {
    fn default() -> Self {
        Self {
            preset: String::new(),
            label: String::new(),
            issuer: String::new(),
            client_id: String::new(),
            client_secret: String::new(),
            scopes: Vec::new(),
            trust_email: "auto".into(),
            domains: Vec::new(),
            registration: String::new(),
            team_id: String::new(),
            key_id: String::new(),
            private_key: String::new(),
        }
    }
}

impl SsoProvider {
    /// The preset of a provider of this name; empty for none.
    #[must_use]
    pub fn preset<'p>(&'p self, name: &'p str) -> &'p str {
        let named = if self.preset.is_empty() { name } else { &self.preset };
        PRESETS.iter().find(|(preset, ..)| *preset == named).map_or("", |(preset, ..)| preset)
    }

    /// Its issuer, without a slash at the end for what is put behind it.
    #[must_use]
    pub fn issuer(&self, name: &str) -> &str {
        let known =
            || PRESETS.iter().find(|(preset, ..)| *preset == self.preset(name)).map_or("", |(.., issuer)| issuer);
        if self.issuer.is_empty() { known() } else { &self.issuer }
    }

    /// Whether its issuer is the preset's own, of which it is known what it verifies.
    #[must_use]
    pub fn is_at_home(&self, name: &str) -> bool {
        let home = Self { issuer: String::new(), ..self.clone() };
        self.issuer(name).trim_end_matches('/') == home.issuer(name)
    }

    /// What people call it.
    #[must_use]
    pub fn label(&self, name: &str) -> String {
        let known =
            || PRESETS.iter().find(|(preset, ..)| *preset == self.preset(name)).map_or(name, |(_, label, _)| label);
        if self.label.is_empty() { known().to_owned() } else { self.label.clone() }
    }

    /// Everything that is wrong with a provider of this name, as `(key, what)`.
    pub(super) fn faults(&self, name: &str) -> Vec<(&'static str, &'static str)> {
        let preset = self.preset(name);
        let apple = preset == "apple";
        let keys = !self.team_id.is_empty() && !self.key_id.is_empty() && !self.private_key.is_empty();
        let domain = |domain: &String| !domain.is_empty() && !domain.contains('@') && *domain == domain.to_lowercase();
        let rules = [
            (
                self.preset.is_empty() || PRESETS.iter().any(|(known, ..)| *known == self.preset),
                "preset",
                "must be apple, discord, github, gitlab, google or microsoft",
            ),
            (
                is_secure(self.issuer(name)),
                "issuer",
                "must start with https://, or with http:// and an address of this machine",
            ),
            (!self.client_id.is_empty(), "client_id", "must be given: the provider gives one when you register there"),
            (apple || !self.client_secret.is_empty(), "client_secret", "must be given, with the client_id"),
            (!apple || keys, "private_key", "must be given for Apple, with team_id and key_id"),
            (apple || !keys, "private_key", "is for Apple only"),
            (
                matches!(self.trust_email.as_str(), "auto" | "yes" | "always" | "no"),
                "trust_email",
                "must be auto, yes, always or no",
            ),
            (
                self.trust_email != "always" || !is_shared(self.issuer(name)),
                "trust_email",
                "cannot be always for all of Microsoft's tenants, whose admins give any address; name your tenant in the issuer",
            ),
            (self.domains.iter().all(domain), "domains", "must be domains in lower case, such as example.com"),
            (
                matches!(self.registration.as_str(), "" | "open" | "invite" | "closed"),
                "registration",
                "must be open, invite or closed, or empty for auth.registration",
            ),
        ];
        rules.into_iter().filter(|(fits, ..)| !fits).map(|(_, key, what)| (key, what)).collect()
    }
}

/// Whether a URL leads over TLS, or to this machine.
#[must_use]
pub fn is_secure(url: &str) -> bool {
    if url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty()) {
        return true;
    }
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host =
        authority.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(authority, |(host, _)| host);
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
