//! Single sign-on: another server vouches for who somebody is, by [OpenID Connect](https://openid.net/specs/openid-connect-core-1_0.html)
//! or, where it speaks only that, [OAuth 2.0](https://www.rfc-editor.org/rfc/rfc6749), kept to the rules of
//! [RFC 9700](https://www.rfc-editor.org/rfc/rfc9700).
//!
//! A client begins with a challenge of its own ([RFC 7636](https://www.rfc-editor.org/rfc/rfc7636)) and is sent to the provider. The
//! provider sends the browser back here; here the code is changed for what the provider says, and the browser goes back to the client
//! with a *ticket*. Only whoever has the verifier of the challenge can use it: nothing happens to a browser that was lured into the
//! middle of somebody else's flow, and no token is ever in an address.
//!
//! An identity is a subject of an issuer. It comes to the account with the same address only when the provider vouches for the address,
//! and the account is beyond doubt that of its address's owner.

pub mod api;
mod apple;
mod dto;
mod model;
mod oidc;
mod plain;
mod provider;
mod service;

pub use service::{Sso, SsoParts};
