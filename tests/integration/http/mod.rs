//! The HTTP edge, asked through its router over a real store: accounts, bad input, origins, the page, health.

mod accounts;
mod administration;
mod audit_places;
mod bad_input;
mod guarded;
mod guest_accounts;
mod invites;
mod message_changes;
mod origins;
mod page;
mod probes;
mod room_life;
mod rooms;
mod search;
