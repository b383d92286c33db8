//! The channels and groups of one process, shared by every layer.

/// A bounded mailbox of one receiver.
#[derive(Debug)]
pub struct Channel {}
