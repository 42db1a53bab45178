//! What tests of the whole share: the real application on a temporary folder, clients that speak real HTTP to it, and a
//! clock that a test sets.
//!
//! Nothing here knows a feature, but for the two steps that every test needs: making a user and signing in.

mod answer;
mod app;
mod client;
mod clock;
mod events;
mod writer;

pub(crate) use answer::{Answer, Faults};
pub(crate) use app::TestApp;
pub(crate) use client::{Client, Parameters, query, raw};
pub(crate) use clock::TestClock;
pub(crate) use events::{Event, Events};
