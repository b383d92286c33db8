//! What settings may be that are one of a few. Used through [`super`].

use clap::ValueEnum;

/// A setting that is one of two.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

impl Switch {
    /// Whether it is on.
    #[must_use]
    pub const fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

/// Who writes the assistant's replies.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LlmKind {
    /// The built-in demo; no network.
    Scripted,
    /// The Anthropic Messages API.
    Anthropic,
    /// OpenAI, or any server that speaks its chat completions.
    Openai,
}

/// How the log is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}
