//! To come.

pub mod markdown;
pub mod mentions;
pub mod prompt;
