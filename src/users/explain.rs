//! Why somebody may do something, or may not: as the checks of a request would find it, told step by step.

use std::sync::Arc;

use super::{UserError, UserService};
use crate::{
    access::{Action, GUARDED, Principal},
    auth::AuthError,
    collections::system::USERS,
};

/// A question about somebody's access.
#[derive(Clone, Debug)]
pub struct Question {
    /// The id of a user, a service account or a key.
    pub subject: String,
    /// A collection, or one of [`GUARDED`].
    pub resource: String,
    /// What is done.
    pub action: Action,
    /// One record of the collection.
    pub record: Option<String>,
}

/// One reason of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What speaks: `account`, `role`, `scope`, `rule` or `target`.
    pub kind: &'static str,
    /// Its name: of a role, or the text of a rule.
    pub name: String,
    /// Whether it allows this; `None` when that depends on the record, or on what is written.
    pub allows: Option<bool>,
    /// The same for people.
    pub detail: String,
}

/// Whether somebody may do something, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// `None` when it depends on the record, or on what is written.
    pub allowed: Option<bool>,
    /// Every reason, in the order in which they are looked at.
    pub reasons: Vec<Reason>,
}

fn reason(kind: &'static str, name: &str, allows: Option<bool>, detail: impl Into<String>) -> Reason {
    Reason { kind, name: name.to_owned(), allows, detail: detail.into() }
}

impl UserService {
    /// Answers a question about somebody's access.
    ///
    /// # Errors
    /// [`AuthError::Forbidden`] without `auth:read`; what is not found.
    pub fn explain(&self, caller: &Principal, question: &Question) -> Result<Explanation, UserError> {
        if !caller.may("auth", Action::Read) {
            return Err(AuthError::Forbidden("it takes auth:read").into());
        }
        let Question { subject, resource, action, record } = question;
        let (principal, good) = self
            .auth
            .stand_in(subject)?
            .ok_or_else(|| AuthError::NotFound(format!("user, service account or key \"{subject}\"")))?;
        let mut reasons = Vec::new();
        if !good {
            reasons.push(reason(
                "account",
                principal.id.as_str(),
                Some(false),
                "the account is disabled, or the key has ended",
            ));
        }
        let by_role = self.by_roles(&principal, resource, *action, &mut reasons)?;
        let in_scope = principal.in_scope(resource, *action);
        if let Some(key) = principal.key().filter(|_| !in_scope) {
            let detail = format!("the key is not for {resource}:{}", action.name());
            reasons.push(reason("scope", key, Some(false), detail));
        }
        let mut allowed = Some(by_role);
        let is_collection = *resource == USERS || !GUARDED.contains(&resource.as_str());
        if is_collection && (record.is_some() || !by_role) {
            allowed = self.by_rule(&principal, question, by_role, &mut reasons)?;
        }
        if *resource == USERS && allowed != Some(false) && matches!(action, Action::Update | Action::Delete) {
            allowed = self.by_target(&principal, *action, record.as_deref(), allowed, &mut reasons)?;
        }
        let closed = !good || !in_scope;
        Ok(Explanation { allowed: if closed { Some(false) } else { allowed }, reasons })
    }

    /// Says of each role whether it permits this.
    fn by_roles(
        &self,
        principal: &Principal,
        resource: &str,
        action: Action,
        reasons: &mut Vec<Reason>,
    ) -> Result<bool, UserError> {
        let known = self.auth.roles_now()?;
        let mut any = false;
        for name in &principal.roles {
            let permissions = known.get(name).map(|role| role.compiled()).unwrap_or_default();
            let permits = permissions.allow(resource, action);
            any |= permits;
            let says = if permits { "permits" } else { "does not permit" };
            let detail = format!("the role \"{name}\" {says} {resource}:{}", action.name());
            reasons.push(reason("role", name, Some(permits), detail));
        }
        Ok(any && principal.may(resource, action))
    }

    /// Says whether the collection's rule opens this, and whether the record is there.
    fn by_rule(
        &self,
        principal: &Arc<Principal>,
        question: &Question,
        by_role: bool,
        reasons: &mut Vec<Reason>,
    ) -> Result<Option<bool>, UserError> {
        let Question { resource, action, record, .. } = question;
        let says = self.records.explain(principal, resource, *action, record.as_deref())?;
        if by_role {
            // Of a view, a role opens what there is in it.
            return Ok(says.opens);
        }
        let detail = match (&says.rule, says.opens) {
            (None, _) => format!("{resource} has no rule for {}", action.name()),
            (Some(_), Some(true)) => format!("the rule of {resource} for {} holds", action.name()),
            (Some(_), Some(false)) => format!("the rule of {resource} for {} does not hold", action.name()),
            (Some(_), None) => "whether the rule holds depends on the record, or on what is written".to_owned(),
        };
        reasons.push(reason("rule", says.rule.as_deref().unwrap_or_default(), says.opens, detail));
        Ok(says.opens)
    }

    /// Nobody changes or removes a user who may do more, be it by a role or by a rule.
    fn by_target(
        &self,
        principal: &Principal,
        action: Action,
        record: Option<&str>,
        allowed: Option<bool>,
        reasons: &mut Vec<Reason>,
    ) -> Result<Option<bool>, UserError> {
        let Some(id) = record else { return Ok(allowed.filter(|allowed| !allowed)) };
        let Some((target, _)) = self.auth.stand_in(id)? else { return Ok(allowed) };
        // By a rule everyone may be opened their own record.
        let own = !principal.may(USERS, action) && principal.id.as_str() == id;
        if own || principal.covers(&target.permissions) {
            return Ok(allowed);
        }
        reasons.push(reason("target", id, Some(false), "the user may do what the other may not"));
        Ok(Some(false))
    }
}
