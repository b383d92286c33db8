//! Every test that needs more than one module, in one crate: one link, one set of helpers, all in parallel.
//! `support` holds the helpers; the other modules are a promise or a noun each.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic"
)]

mod auth;
mod balancer;
mod channel_layer;
mod cluster;
mod command_line;
mod deploy;
mod http;
mod llm;
mod markdown;
mod store;
mod support;
