//! The bounds of what a room says of its assistants.

/// Assistants of one room, the server's own among them.
pub const ASSISTANTS_PER_ROOM: usize = 8;
/// Of those, asked by one message.
pub const ASSISTANTS_PER_MESSAGE: usize = 4;
/// What one of them is told before the conversation, in bytes of UTF-8.
pub const SYSTEM_BYTES: usize = 8 * 1024;
/// Tokens of history that a room may allow an assistant; `CONTEXT_BYTES` bounds them besides.
pub const HISTORY_TOKENS: i32 = 1_000_000;
/// The name of a provider or of a model, in characters.
pub const MODEL_CHARS: usize = 128;
