//! Salon: a realtime chat server. Rooms where people and a language model talk, and no word is lost.
//!
//! This page is the map: the layers, the ways through them, and what must always hold. It has no logic.
//!
//! # The layers
//!
//! Arrows point down only; a test reads the `use` lines and holds it (`tests/integration/tidy.rs`).
//!
//! | layer | modules | may know |
//! | --- | --- | --- |
//! | assembly | `main`, [`server`], [`routes`] | everything |
//! | edges | [`http`]; then [`consumer`] and [`jobs`] | all below, and `http` the consumer |
//! | handles | [`app`] | all below |
//! | domain | [`chat`], [`auth`] | actors, adapters, vocabulary |
//! | actors | [`feed`], [`writer`], [`quotas`] | adapters, vocabulary |
//! | adapters | [`db`], [`channel_layer`], [`llm`], [`outbound`] | vocabulary |
//! | vocabulary | [`ids`], [`limits`], [`addresses`], [`looks`], [`error`], [`protocol`], [`permissions`], [`config`], [`rate_limit`], [`randomness`], [`spending`], [`metrics`], [`shutdown`], [`telemetry`], [`origin`] | each other |
//!
//! Three exceptions are by intent: [`protocol`] and [`llm`] use the row types of [`db::rows`], because a frame is a row as
//! the wire has it and a completion's usage is stored as it comes; [`config`] asks [`channel_layer`] whether a name is one.
//! Foreign packages have one home each: diesel in [`db`], redis in [`channel_layer::redis`], reqwest in [`llm`] and [`outbound`], jsonwebtoken in
//! [`auth`], axum in [`http`] (and named by [`routes`] and [`server`]).
//!
//! # A message's way
//!
//! 1. [`http::socket`] upgrades and runs a [`consumer`]: one task, one select, for one socket.
//! 2. The consumer parses a frame ([`protocol::client`]), takes a token ([`rate_limit`], [`quotas`]), has the text rendered
//!    ([`chat::markdown`]) and submits a job to the [`writer`].
//! 3. A lane of the writer takes all that queued while its last commit was in flight and has the store write it in one
//!    transaction ([`db::Store::apply`]), which locks the room's head, judges rights and numbers what it takes.
//! 4. After the COMMIT the lane answers each sender, encodes the room's new range once
//!    ([`protocol::publication`]) and sends it to the room's group of the [`channel_layer`].
//! 5. The room's [`feed`] on each instance puts ranges in order ([`feed::sequencer`]), fills what is missing from the
//!    database, and delivers one run of bytes to every reader's [`consumer::outbox`], which writes it straight to the
//!    stream when it can.
//!
//! # A prompt's way
//!
//! A message that calls the assistant inserts its reply in the same transaction. A runner on any instance
//! ([`chat::assistant`]) claims it under a lease, builds the prompt ([`chat::prompt`]), streams the model's text
//! ([`llm`]) as deltas over the same layer, saves them every half second, and settles the reply through the writer.
//!
//! What it may cost is held back before the model is asked and settled when it ends ([`spending`], [`db::usage`]).
//!
//! # A webhook's way
//!
//! Nothing is written for a webhook when a message is: its row holds a version, and what is above it is to be delivered. A job
//! ([`jobs::webhooks`]) claims such rows under a lease, woken by commits of its own instance, and [`chat::webhooks`] reads the
//! changes, signs and posts them, through the one client that judges each address ([`outbound`]).
//!
//! # The way of somebody others vouch for
//!
//! [`http::oidc`] sends a browser to the organisation's provider and takes it back; [`auth::oidc`] says who it is, after the provider's
//! signature, and it gets a session as everybody. An application's claim comes with each request instead: [`http::extract`] asks
//! [`auth`], which verifies it each time and gives it one session, for its sockets and tickets, until it ends.
//!
//! # What must always hold
//!
//! - Nothing is acknowledged before the database confirmed the COMMIT.
//! - Every versioned change of a room takes the room's head lock first and leaves through the writer.
//! - Correctness never rests on the channel layer: each room's head is checked every second ([`feed::heads`]).
//! - A feed cuts a removed reader before it emits anything above the removal.
//! - No lock and no database connection is held across an await that is not SQL.
//! - Every queue, map, wait and retry has a bound in [`limits`], with a typed answer at the bound.
//!
//! # Reading order for the first hour
//!
//! This page, [`routes`], [`protocol`], [`consumer`], [`writer`], [`feed`], [`channel_layer`], [`db`], then
//! `tests/integration/messages.rs`.

pub mod addresses;
pub mod app;
pub mod auth;
pub mod channel_layer;
pub mod chat;
pub mod config;
pub mod consumer;
pub mod db;
pub mod error;
pub mod feed;
pub mod http;
pub mod ids;
pub mod jobs;
pub mod limits;
pub mod llm;
pub mod looks;
pub mod metrics;
pub mod origin;
pub mod outbound;
pub mod permissions;
pub mod protocol;
pub mod quotas;
pub mod randomness;
pub mod rate_limit;
pub mod routes;
pub mod server;
pub mod shutdown;
pub mod spending;
pub mod telemetry;
pub mod writer;
