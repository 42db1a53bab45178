//! Webhooks as clients ask for them, and what has to fit.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::model::{Subscription, Webhook};
use crate::{
    access::{Action, Principal},
    collections::{Catalog, Watching, watch_faults},
    kernel::FieldError,
    outgoing::is_allowed,
};

/// The most subscriptions of a webhook.
const SUBSCRIPTIONS_MAX: usize = 50;

/// A webhook to be made, or what is to be other about one; what is absent stays.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct WebhookInput {
    url: Option<String>,
    description: Option<String>,
    subscriptions: Option<Vec<Subscription>>,
    ordered: Option<bool>,
    paused: Option<bool>,
}

impl WebhookInput {
    /// Whether it says that the webhook does not rest.
    pub(super) fn wakes(&self) -> bool {
        self.paused == Some(false)
    }

    /// Whether messages are to go elsewhere.
    pub(super) fn moves(&self) -> bool {
        self.url.is_some()
    }

    /// Puts what is given into a webhook.
    ///
    /// # Errors
    /// Every member that does not fit.
    pub(super) fn apply(
        self,
        webhook: &mut Webhook,
        caller: &Principal,
        catalog: &Catalog,
        allow_private: bool,
    ) -> Result<(), Vec<FieldError>> {
        let mut faults = Vec::new();
        if let Some(url) = self.url {
            webhook.url = url;
        }
        if let Err(why) = is_allowed(&webhook.url, allow_private) {
            faults.push(FieldError::at("url", "format", why));
        }
        webhook.description = self.description.or(webhook.description.take()).filter(|text| !text.is_empty());
        webhook.ordered = self.ordered.unwrap_or(webhook.ordered);
        webhook.paused = self.paused.unwrap_or(webhook.paused);
        if let Some(given) = self.subscriptions {
            webhook.subscriptions = subscriptions(given, caller, catalog, &mut faults);
        }
        if webhook.subscriptions.is_empty() && faults.is_empty() {
            faults.push(FieldError::at("subscriptions", "required", "say of what it is told"));
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

fn subscriptions(
    given: Vec<Subscription>,
    caller: &Principal,
    catalog: &Catalog,
    faults: &mut Vec<FieldError>,
) -> Vec<Subscription> {
    if given.len() > SUBSCRIPTIONS_MAX {
        faults.push(FieldError::at("subscriptions", "items", format!("at most {SUBSCRIPTIONS_MAX}")));
        return Vec::new();
    }
    let mut names = BTreeSet::new();
    let mut known = Vec::with_capacity(given.len());
    for (position, subscription) in given.into_iter().enumerate() {
        let place = format!("/subscriptions/{position}");
        let mut fail = |member: &str, code, detail: String| {
            faults.push(FieldError::new(format!("{place}/{member}"), code, detail));
        };
        let name = &subscription.collection;
        let Some(collection) = catalog.by_name(name) else {
            fail("collection", "not_found", format!("there is no collection \"{name}\" that has records of its own"));
            continue;
        };
        if !caller.may(name, Action::Read) {
            // It tells everything of the records, whatever rules say.
            fail("collection", "forbidden", format!("it takes {name}:read"));
        }
        if !names.insert(name.clone()) {
            fail("collection", "unique", format!("\"{name}\" stands there twice"));
        }
        let Subscription { on, fields, when, .. } = &subscription;
        let watching = Watching::compile(on, fields.as_deref(), when.as_deref(), collection, catalog);
        if let Err(error) = watching {
            fail("when", "invalid", error.to_string());
        }
        faults.extend(watch_faults(collection, on, fields.as_deref()).into_iter().map(|fault| fault.under(&place)));
        known.push(Subscription { number: collection.number(), ..subscription });
    }
    known
}
