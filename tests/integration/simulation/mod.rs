//! Deterministic simulation: the real sequencer, feeds, writer lanes, consumers, outboxes and reply runners of three
//! instances, over an in-memory wire and the model of the store, on clocks that stand still unless the simulation lets them go
//! on. Everything random follows from one seed, so a seed that fails fails again, exactly.
//!
//! - `SALON_SIM_SEED=7 cargo test --locked simulation::seeds` runs one seed; if it fails it tells its last steps
//!   (`SALON_SIM_LINES=100000`: all of them).
//! - `SALON_SIM_SEEDS=100000 cargo test --locked simulation::seeds` runs many (`SALON_SIM_FIRST` the number of the first).
//!
//! [`world`] is what there is, [`events`] what happens to it, [`book`] and [`judge`] what must hold: P1 to P4 and P7 to
//! P10, at every frame and in the end. Time and chance of the simulated parts are in [`node`] and [`dice`].

mod accounts;
mod administration;
mod assistants;
mod book;
mod client;
mod contract;
mod database;
mod dice;
mod events;
mod frames;
mod integrations;
mod judge;
mod model;
mod node;
mod same;
mod seeds;
mod trace;
mod usage;
mod variants;
mod webhooks;
mod wire;
mod world;

/// What a judge says: nothing, or what is wrong.
type Check = Result<(), String>;

fn fail(what: String) -> Check {
    Err(what)
}

/// A number of the environment.
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}
