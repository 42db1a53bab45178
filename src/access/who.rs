//! Who did something, as logs tell it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Principal;
use crate::store::log::Origin;

/// Who did something, and from where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Who {
    /// The id of the user, or a name of the system's own; empty for a guest.
    pub actor: String,
    /// Who acted as the actor.
    pub impersonator: Option<String>,
    /// The address of the client, when it came over the network.
    pub address: Option<IpAddr>,
    /// The id of the request; empty when there was none.
    pub request_id: String,
}

impl Who {
    /// The caller of a request.
    #[must_use]
    pub fn of(principal: &Principal, request_id: &str, address: Option<IpAddr>) -> Self {
        Self {
            actor: principal.id.to_string(),
            impersonator: principal.impersonator().map(ToString::to_string),
            address,
            request_id: request_id.to_owned(),
        }
    }

    /// The server itself, under the name of what it does.
    #[must_use]
    pub fn system(name: &str) -> Self {
        Self { actor: name.to_owned(), ..Self::default() }
    }

    /// As the change log wants it: the one who acted in truth.
    #[must_use]
    pub fn origin(&self) -> Origin<'_> {
        Origin { actor: self.impersonator.as_ref().unwrap_or(&self.actor), request_id: &self.request_id }
    }
}
