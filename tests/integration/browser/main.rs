//! The page in a real Chromium against the built program, as a person uses it. The hooks that these tests hold on to
//! are listed in `static/js/main.js`. Screenshots of the page, and of a page that failed its test, are in
//! `target/screenshots`. A test target of its own: it links fast, and browsers are not slowed by what else is tested.

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

mod account;
mod administration;
mod answers;
mod around;
mod assistants;
mod axe;
mod axe_answers;
mod below;
mod changes;
mod chromium;
mod composer;
mod context;
mod empty;
mod fading;
mod finding;
mod focus;
mod folding;
mod history;
mod http_api;
mod integrations;
mod invites;
mod keep;
mod keyboard;
mod kill;
mod languages;
mod leftovers;
mod library;
mod listening;
mod look;
mod model;
mod namesakes;
mod narrow;
mod newcomer;
mod notifications;
mod numbers;
mod page;
mod people;
mod puzzles;
mod reach;
mod refocus;
mod returning;
mod room_dialogs;
mod rooms;
mod screenshots;
mod screenshots_both;
mod scripts;
mod scrolling;
mod sign_in;
mod silence;
mod steady;
mod suggestions;
#[path = "../support/mod.rs"]
#[expect(unused_imports, reason = "not every helper is of use here")]
mod support;
mod themes;
mod together;
mod unread;
mod update;
mod usage;
mod variants;
mod view;
mod ways;
mod webhooks;
mod windows;
