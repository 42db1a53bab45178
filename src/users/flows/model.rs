//! Requests that wait for the worker, and the tickets that mails bring.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::access::{
    Who,
    secret::{same, secret_hash},
};

/// How often a code may be guessed.
const TRIES_MAX: u32 = 5;

/// What a ticket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Purpose {
    /// Becoming a user.
    Register,
    /// Becoming a user on somebody's invitation.
    Invite,
    /// Proving the address of the account.
    Verify,
    /// Changing the address of the account.
    ChangeEmail,
    /// Setting a new password.
    Reset,
    /// Signing in.
    SignIn,
}

impl Purpose {
    /// The name in links, in kinds of mails and in the audit log.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Invite => "invite",
            Self::Verify => "verify",
            Self::ChangeEmail => "change-email",
            Self::Reset => "reset",
            Self::SignIn => "sign-in",
        }
    }

    /// For how many minutes a ticket is good.
    pub(super) const fn minutes(self) -> i64 {
        match self {
            Self::Invite => 7 * 24 * 60,
            Self::Register | Self::Verify | Self::ChangeEmail => 24 * 60,
            Self::Reset => 60,
            Self::SignIn => 10,
        }
    }
}

/// Something that was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pub(super) purpose: Purpose,
    /// The address to which the mail goes.
    pub(super) email: String,
    /// The user who asks, when signed in.
    pub(super) user: Option<String>,
    /// The hash of the secret that the client got, to be given with the code.
    pub(super) reference: Option<String>,
    /// What tells the user's password of the moment from later ones, when signed in.
    #[serde(default)]
    pub(super) stamp: Option<String>,
    /// Roles of whom is invited.
    pub(super) roles: Vec<String>,
    /// Who asked.
    pub(super) who: Who,
}

/// What a mail brings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ticket {
    pub(super) purpose: Purpose,
    /// The address that is proven by it.
    pub(super) email: String,
    /// The user.
    pub(super) user: Option<String>,
    /// Roles of whom is invited.
    pub(super) roles: Vec<String>,
    /// Who asked for it.
    pub(super) by: String,
    /// What tells the user's password from later ones: with a new one, tickets from before are worthless.
    pub(super) stamp: String,
    /// The hash of reference and code together.
    pub(super) code: Option<String>,
    /// How often the code was guessed.
    pub(super) tries: u32,
    pub(super) expires_at: Timestamp,
}

impl Ticket {
    pub(super) fn code_hash(reference: &str, code: &str) -> String {
        secret_hash(&format!("{reference}/{code}"))
    }

    /// Whether the code of the mail is this one.
    pub(super) fn has_code(&self, reference: &str, code: &str) -> bool {
        let given = Self::code_hash(reference, code);
        self.tries < TRIES_MAX && self.code.as_ref().is_some_and(|own| same(own.as_bytes(), given.as_bytes()))
    }

    /// Of whom, or of what address, there is one ticket for a purpose: a newer one takes its place.
    pub(super) fn subject(&self, reference: Option<&str>) -> String {
        let whose = reference.or(self.user.as_deref()).unwrap_or(&self.email);
        format!("{}/{whose}", self.purpose.name())
    }
}

/// An invitation that waits for its link to be used.
#[derive(Clone, Debug)]
pub struct OpenInvitation {
    /// The address.
    pub email: String,
    /// The roles that it gives.
    pub roles: Vec<String>,
    /// Who invited.
    pub by: String,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

impl From<Ticket> for OpenInvitation {
    fn from(ticket: Ticket) -> Self {
        let Ticket { email, roles, by, expires_at, .. } = ticket;
        Self { email, roles, by, expires_at }
    }
}

/// What a new user says.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The token of the mail.
    pub token: String,
    /// The password.
    pub password: String,
    /// Further fields of the user's record.
    pub profile: std::collections::BTreeMap<String, serde_json::Value>,
}

/// How somebody proves that a mail reached them.
#[derive(Clone, Debug)]
pub enum SignInProof {
    /// By the token of the link.
    Token(String),
    /// By the code, with the reference that the request was answered with.
    Code {
        /// The reference.
        reference: String,
        /// The code.
        code: String,
    },
}
