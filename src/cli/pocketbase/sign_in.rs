//! How users of PocketBase sign in, as far as it can be the same here.

use serde_json::Value;

use super::{
    field::{Mapped, closed_to_writers},
    read::Collection,
    report::Report,
};
use crate::collections::Rules;

/// Who of the users may sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignIn {
    All,
    Verified,
    Nobody,
}

impl SignIn {
    /// Whether a user comes over disabled.
    pub(super) fn disables(self, verified: bool) -> bool {
        match self {
            Self::All => false,
            Self::Verified => !verified,
            Self::Nobody => true,
        }
    }
}

/// Who of these records may sign in; `None` when they are not the users. Lists what is otherwise here.
pub(super) fn judge(collection: &Collection, is_users: bool, report: &mut Report) -> Option<SignIn> {
    if collection.kind != "auth" {
        return None;
    }
    let name = collection.name.as_str();
    if !is_users {
        report.note(name, "users", name, "it is an ordinary collection here: its records do not sign in");
        return None;
    }
    let options = &collection.options;
    let enabled = |option: &str| options.pointer(&format!("/{option}/enabled")).and_then(Value::as_bool) == Some(true);
    for (option, what) in [("oauth2", "OAuth2"), ("otp", "one-time passwords")] {
        if enabled(option) {
            report.note(name, "users", option, format!("nobody signs in with {what} here"));
        }
    }
    if enabled("mfa") {
        report.note(name, "users", "mfa", "closed: there is no second factor here, so users come over disabled");
        return Some(SignIn::Nobody);
    }
    if let Some(rule) = options.get("manageRule").and_then(Value::as_str) {
        report.note(
            name,
            "users",
            format!("manageRule: {rule}"),
            "only who may update users changes their passwords here",
        );
    }
    if !enabled("passwordAuth") {
        report.note(name, "users", "passwordAuth", "closed: it was off, so users come over disabled");
        return Some(SignIn::Nobody);
    }
    let rule = options.get("authRule").and_then(Value::as_str);
    let plain: Option<String> = rule.map(|rule| rule.chars().filter(|c| !c.is_whitespace()).collect());
    Some(match plain.as_deref() {
        Some("") => SignIn::All,
        Some("verified=true") => {
            report.note(name, "users", "authRule: verified = true", "users who are not verified come over disabled");
            SignIn::Verified
        }
        _ => {
            let item = rule.map_or_else(|| "authRule".to_owned(), |rule| format!("authRule: {rule}"));
            report.note(name, "users", item, "closed: not translated, so users come over disabled");
            SignIn::Nobody
        }
    })
}

/// Keeps the address of a user from whom PocketBase did not show it: here it is part of the record.
pub(super) fn hide_addresses(name: &str, rules: &mut Rules, visible: Option<&str>, report: &mut Report) {
    const OWN: &str = "id = @auth.id";
    let mut narrowed = false;
    for rule in [&mut rules.list, &mut rules.read].into_iter().flatten() {
        if *rule == OWN {
            continue;
        }
        narrowed = true;
        let seen = visible.map_or_else(|| OWN.to_owned(), |field| format!("({OWN} || {field} = true)"));
        *rule = if *rule == "true" { seen } else { format!("({rule}) && {seen}") };
    }
    if narrowed {
        let reason = "narrowed to users whose address may be seen, for here it is shown with the record";
        report.note(name, "rule", "list, read", reason);
    }
}

/// Leaves a user's address to those who may update users: PocketBase changes it only when the new one is confirmed.
pub(super) fn keep_addresses(name: &str, rules: &mut Rules, report: &mut Report) {
    const SAME: &str = "(@request.body.email = null || @request.body.email = email)";
    let Some(rule) = &mut rules.update else { return };
    *rule = if rule == "true" { SAME.to_owned() } else { format!("({rule}) && {SAME}") };
    report.note(name, "rule", "update", "narrowed: there is no confirmation of a new address yet, so it stays");
}

/// Closes what PocketBase lets nobody but superusers write, and shows addresses only of those who allowed it.
pub(super) fn guard_fields(fields: &mut [Mapped]) {
    let visible = fields.iter().find(|field| field.from == "emailVisibility").map(|field| field.to.clone());
    for field in fields {
        let Some(def) = &mut field.def else { continue };
        match (field.from.as_str(), &visible) {
            ("verified", _) => def.rules = Some(closed_to_writers()),
            ("email", Some(visible)) => {
                def.unique = true;
                let mut rules = closed_to_writers();
                rules.read = Some(format!("{visible} = true"));
                def.rules = Some(rules);
            }
            _ => {}
        }
    }
}
