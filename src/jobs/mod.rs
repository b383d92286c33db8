//! What must be done whether anybody asks or not: [`orphans`] settles replies whose runner died, [`sweep`] removes
//! what has run out, [`retention`] what rooms no longer keep, [`purge`] what deleted rooms held, [`index`] makes what was posted found by searches,
//! [`webhooks`] tells others, [`departures`] ends what deleted accounts were members of. Every instance runs them; the database decides who does what, so any of them may die.

pub mod departures;
pub mod index;
pub mod orphans;
pub mod purge;
pub mod retention;
pub mod sweep;
pub mod webhooks;
