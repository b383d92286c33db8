//! The fault matrix: each row as an injected fault with the behaviour and the number it requires. A test's name begins with
//! its row. One file for each part that is broken.

mod asking;
mod balancer;
mod dead_links;
mod deaths;
mod disk;
mod drain;
mod durability;
mod membership;
mod pooler;
mod postgres;
mod process;
mod readers;
mod redis;
mod resources;
mod sends;
mod slow;
mod storm;
