//! Limits of users, addresses and the fleet: the counters' specification, rule by rule, for every implementation (`counters`),
//! each limit with its refusal (`refusals`), instances whose reporters tell
//! each other (`together`), and whole processes that count together (`fleet`).

mod counters;
mod fleet;
mod refusals;
mod together;
