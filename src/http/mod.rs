//! Everything axum but the list of addresses, which is `routes.rs`: what a request must be before it is believed
//! ([`extract`], [`origin`], [`client_address`]), what a refusal looks like ([`error`]), and one file of handlers for
//! each noun. Handlers turn requests into calls of `auth` and `chat` and answers into JSON; they decide nothing.

pub mod account;
pub mod admin;
mod asset_forms;
pub mod assets;
pub mod assistants;
pub mod audit;
pub mod auth;
pub mod bans;
mod body;
pub mod chat;
pub mod client_address;
mod csv;
pub mod error;
pub mod export;
pub mod extract;
pub mod health;
pub mod incoming_hooks;
pub mod invites;
pub mod members;
pub mod message_changes;
pub mod messages;
pub mod metrics;
pub mod middleware;
pub mod models;
pub mod oidc;
pub mod openapi;
pub mod origin;
mod page_files;
pub mod patient_stream;
pub mod reply_events;
pub mod reply_stream;
pub mod retention;
pub mod room_events;
pub mod room_lists;
pub mod rooms;
pub mod search;
pub mod security_contact;
pub mod socket;
pub mod tokens;
pub mod usage;
pub mod variants;
pub mod webhooks;
