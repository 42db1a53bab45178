//! Permissions: `resource:action`, either part may be `*`.
//!
//! A resource is a collection's name or one of [`GUARDED`]. `*:*` is everything; `*` with one action is that action on the
//! records of every collection, and on nothing that is guarded. `queues` covers each queue, `queues.emails` the one of this name.

use std::collections::HashMap;

use crate::kernel::RecordId;

/// Resources that `*` does not cover unless it stands for everything: with them, rights could be had that were not given. No
/// collection but `users` can have such a name.
pub const GUARDED: [&str; 13] = [
    "collections",
    "users",
    "roles",
    "keys",
    "audit",
    "mail",
    "auth",
    "queues",
    "schedules",
    "webhooks",
    "pulls",
    "templates",
    "notifications",
];

/// What is done with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// See many.
    List,
    /// See one.
    Read,
    /// Make one.
    Create,
    /// Change one.
    Update,
    /// Remove one.
    Delete,
    /// Give or take away (roles).
    Assign,
    /// Act as somebody else (users).
    Impersonate,
    /// Take jobs and end them (queues).
    Work,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 8] =
        [Self::List, Self::Read, Self::Create, Self::Update, Self::Delete, Self::Assign, Self::Impersonate, Self::Work];

    /// The name in a permission.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Assign => "assign",
            Self::Impersonate => "impersonate",
            Self::Work => "work",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u8
    }
}

const EVERY_ACTION: u16 = (1 << Action::ALL.len()) - 1;

/// Why a text is no permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be resource:action, such as posts:update, posts:* or *:read; actions are list, read, create, update, delete, assign, impersonate, work and *"
)]
pub struct InvalidPermission;

/// A set of permissions, made for being asked: one look-up and a bit test for each question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    everything: bool,
    /// Actions on the records of every collection.
    wild: u16,
    by_resource: HashMap<Box<str>, u16>,
}

impl Permissions {
    /// The set of everything.
    #[must_use]
    pub fn everything() -> Self {
        Self { everything: true, ..Self::default() }
    }

    /// Adds a permission.
    ///
    /// # Errors
    /// [`InvalidPermission`].
    pub fn add(&mut self, text: &str) -> Result<(), InvalidPermission> {
        let (resource, action) = text.split_once(':').ok_or(InvalidPermission)?;
        let bits = match action {
            "*" => EVERY_ACTION,
            name => Action::ALL.iter().find(|action| action.name() == name).ok_or(InvalidPermission)?.bit(),
        };
        match (resource, action) {
            ("*", "*") => self.everything = true,
            ("*", _) => self.wild |= bits,
            (name, _) if RecordId::parse(name).is_ok() => {
                *self.by_resource.entry(name.into()).or_default() |= bits;
            }
            _ => return Err(InvalidPermission),
        }
        Ok(())
    }

    /// The set of these texts; those that are none are left out.
    #[must_use]
    pub fn of<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        let mut set = Self::default();
        for text in texts {
            // What is stored was checked when it came in.
            let _ = set.add(text);
        }
        set
    }

    /// Whether `action` on `resource` is permitted.
    #[must_use]
    pub fn allow(&self, resource: &str, action: Action) -> bool {
        self.everything || self.bits(resource) & action.bit() != 0
    }

    /// Whether everything that `other` permits is permitted here, too.
    #[must_use]
    pub fn cover(&self, other: &Self) -> bool {
        if self.everything {
            return true;
        }
        let all = other.by_resource.iter().all(|(resource, bits)| bits & !self.bits(resource) == 0);
        !other.everything && other.wild & !self.wild == 0 && all
    }

    /// What both this set and `other` permit.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        match (self.everything, other.everything) {
            (true, _) => return other.clone(),
            (_, true) => return self.clone(),
            _ => {}
        }
        let wild = self.wild & other.wild;
        let names = self.by_resource.keys().chain(other.by_resource.keys());
        let both = names.map(|name| (name.clone(), self.bits(name) & other.bits(name)));
        let by_resource = both.filter(|(_, bits)| *bits != 0).collect();
        Self { everything: false, wild, by_resource }
    }

    /// The actions on a resource, when not everything is permitted.
    fn bits(&self, resource: &str) -> u16 {
        let of = |name| self.by_resource.get(name).copied().unwrap_or(0);
        // No collection has a dot in its name.
        let whole = resource.split_once('.').map(|(whole, _)| whole);
        let wild = if GUARDED.contains(&whole.unwrap_or(resource)) { 0 } else { self.wild };
        of(resource) | whole.map_or(0, of) | wild
    }

    /// The set as texts, in order.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        if self.everything {
            return vec!["*:*".into()];
        }
        let mut texts = Vec::new();
        let mut resources: Vec<(&str, u16)> = self.by_resource.iter().map(|(name, bits)| (&**name, *bits)).collect();
        resources.push(("*", self.wild));
        resources.sort_unstable();
        for (resource, bits) in resources {
            // `*:*` would say more than every action on the records of every collection.
            if bits == EVERY_ACTION && resource != "*" {
                texts.push(format!("{resource}:*"));
                continue;
            }
            let actions = Action::ALL.into_iter().filter(|action| bits & action.bit() != 0);
            texts.extend(actions.map(|action| format!("{resource}:{}", action.name())));
        }
        texts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_permission_is_refused() {
        for text in
            ["", "posts", ":", "posts:", ":read", "posts:fly", "po sts:read", "posts:read:x", "**:read", "é:read"]
        {
            assert_eq!(Permissions::default().add(text), Err(InvalidPermission), "{text}");
        }
    }

    #[test]
    fn a_wildcard_does_not_cover_what_is_guarded() {
        let wild = Permissions::of(["*:read", "*:update"]);
        assert!(wild.allow("posts", Action::Read) && wild.allow("posts", Action::Update));
        assert!(!wild.allow("posts", Action::Delete));
        for guarded in GUARDED {
            assert!(!wild.allow(guarded, Action::Read), "{guarded}");
            assert!(Permissions::of(["*:*"]).allow(guarded, Action::Read), "{guarded}");
        }
    }

    /// The naive model: a list of texts.
    fn permitted(texts: &[String], resource: &str, action: Action) -> bool {
        texts.iter().any(|text| {
            let (r, a) = text.split_once(':').unwrap();
            let whole = resource.split('.').next().unwrap();
            let wide = r == "*" && (a == "*" || !GUARDED.contains(&whole));
            (r == resource || r == whole || wide) && (a == "*" || a == action.name())
        })
    }

    fn texts() -> impl Strategy<Value = Vec<String>> {
        let resource = prop::sample::select(vec!["*", "posts", "tags", "users", "roles", "queues", "queues.mail"]);
        let action = prop::sample::select(vec!["*", "list", "read", "update", "assign", "work"]);
        prop::collection::vec((resource, action).prop_map(|(r, a)| format!("{r}:{a}")), 0..5)
    }

    proptest! {
        #[test]
        fn a_set_is_what_its_texts_say(texts in texts(), other in texts()) {
            let set = Permissions::of(texts.iter().map(String::as_str));
            let second = Permissions::of(other.iter().map(String::as_str));
            let both = set.meet(&second);
            let mut covered = true;
            // `pages` stands for every collection that no text names.
            for resource in ["posts", "tags", "users", "roles", "audit", "queues", "queues.mail", "queues.sync", "pages"] {
                for action in Action::ALL {
                    prop_assert_eq!(set.allow(resource, action), permitted(&texts, resource, action));
                    let in_both = set.allow(resource, action) && second.allow(resource, action);
                    prop_assert_eq!(both.allow(resource, action), in_both);
                    covered &= set.allow(resource, action) || !second.allow(resource, action);
                }
            }
            // `cover` may be stricter than need be, for everything is more than the resources of today; never laxer.
            prop_assert!(!set.cover(&second) || covered);
            prop_assert!(second.everything || set.cover(&second) == covered);
            let again = set.texts();
            prop_assert_eq!(Permissions::of(again.iter().map(String::as_str)).texts(), again);
        }
    }
}
