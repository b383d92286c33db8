//! Those words of the system prompt that the built-in demo finds its way by, since it understands none. `chat/prompt` writes them;
//! [`super::scripted`] looks for them.

/// Behind it comes what the assistant is called.
pub const CALLED: &str = "People call you with @";
/// Behind the name.
pub const CALLED_SO: &str = ". Answer the last message";
/// Each message begins with its writer's name, a colon and a space.
pub const SEVERAL: &str = "each of their messages begins with the writer's name and a colon";
