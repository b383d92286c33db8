//! Reads the history of a run of Salon ([`record`]) and names every promise that was broken, with the lines that show it.
//! The chaos runs of Salon write such histories; anybody else may too.

pub mod record;

/// What stands for a text in a history: the same for the same bytes, in every process. FNV-1a of 64 bits, in hex; it tells
/// apart what a run wrote, and keeps nobody from forging one.
#[must_use]
pub fn hash(text: &str) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in text.bytes() {
        hash ^= u64::from(byte);
        hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
    }
    format!("{hash:016x}")
}
