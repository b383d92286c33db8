//! What tests share: servers they own, clients that speak like users, and waits with deadlines.

#![allow(dead_code, reason = "not every helper is used by every build")]

pub(crate) mod app;
pub(crate) mod certificate;
pub(crate) mod client;
pub(crate) mod cluster;
pub(crate) mod communicator;
pub(crate) mod crowd;
pub(crate) mod event_stream;
pub(crate) mod fake_openid;
pub(crate) mod fake_provider;
pub(crate) mod fault_proxy;
mod faulty_accounts;
mod faulty_administration;
mod faulty_assistants;
mod faulty_integrations;
pub(crate) mod faulty_store;
mod faulty_usage;
mod faulty_variants;
mod faulty_webhooks;
pub(crate) mod haproxy;
pub(crate) mod instance;
pub(crate) mod litellm;
pub(crate) mod lossy_layer;
pub(crate) mod member;
pub(crate) mod model_store;
pub(crate) mod network;
pub(crate) mod openid;
pub(crate) mod partial;
pub(crate) mod pgbouncer;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod redis;
pub(crate) mod salon;
pub(crate) mod server;
pub(crate) mod signer;
pub(crate) mod truth;
