//! End-to-end tests: the binary as an operator and a client meet it, spawned on a temporary folder, on port 0.
//!
//! Not for what one answer says in detail: that is `tests/api`. Waits end with an event or at a deadline, never after a
//! while; seeds are printed.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod client;
#[cfg(test)]
mod crash;
mod crash_handler;
#[cfg(test)]
mod crash_jobs;
#[cfg(test)]
mod export;
#[cfg(test)]
mod import;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod model;
#[cfg(test)]
mod open;
#[cfg(test)]
mod pocketbase;
#[cfg(test)]
mod process;
#[cfg(test)]
mod random;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod writer;
