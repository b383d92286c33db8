//! The HTTP edge, asked through its router over a real store: accounts, bad input, origins, the page, health.

mod accounts;
mod bad_input;
mod origins;
mod page;
mod probes;
mod rooms;
mod search;
