//! Every test that needs more than one module, in one crate: one link, one set of helpers, all in parallel.
//! `support` holds the helpers; the other modules are a promise or a noun each.

#![allow(
    clippy::cast_lossless,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may panic, and counts what is small"
)]

mod answers_in_time;
mod assistant_rules;
mod assistants;
mod auth;
mod bad_frames;
mod balancer;
#[path = "../bill/bill.rs"]
mod bill;
mod channel_layer;
mod chat_view;
mod cluster;
mod command_line;
mod context;
mod dependencies;
mod deploy;
mod drain;
mod export;
mod faults;
mod fuzz;
mod heartbeat;
mod http;
mod incoming_hooks;
mod invites;
mod joins;
mod layer_loss;
mod leaves;
mod ledger;
mod llm;
mod long_rooms;
mod markdown;
mod message_changes;
mod message_tails;
mod messages;
mod operate_document;
mod operator_commands;
mod organisations;
mod permissions;
mod places;
mod planted;
mod presence;
mod promises_document;
mod protocol_document;
mod protocol_frames;
mod protocol_limits;
mod providers;
mod queue;
mod quotas;
mod reading;
mod removals;
mod replies;
mod retention;
mod retries;
mod room_events;
mod runners;
mod security;
mod sessions;
mod simulation;
mod slow_reader;
mod store;
mod support;
mod third_party;
mod tidy;
mod tokens;
mod usage;
mod variants;
mod webhooks;
mod writer;
