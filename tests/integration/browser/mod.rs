//! The page in a real Chromium against the built program, as a person uses it. The hooks that these tests hold on to
//! are listed in `static/js/main.js`. Screenshots of the page, and of a page that failed its test, are in
//! `target/screenshots`.

mod account;
mod administration;
mod assistants;
mod changes;
pub(crate) mod chromium;
mod history;
pub(crate) mod http_api;
mod integrations;
mod invites;
mod kill;
mod look;
mod narrow;
mod newcomer;
pub(crate) mod page;
mod people;
mod rooms;
mod sign_in;
mod variants;
mod webhooks;
mod windows;
