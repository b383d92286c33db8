//! Salon: a realtime chat server. Rooms where people and a language model talk, and no word is lost.
//!
//! This page is the map; the code below it is read in the order given at the end.

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
pub mod metrics;
pub mod permissions;
pub mod protocol;
pub mod rate_limit;
pub mod routes;
pub mod server;
pub mod shutdown;
pub mod telemetry;
pub mod writer;
