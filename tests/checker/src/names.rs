//! Every string of a history once: ids, slugs and texts are kept as small numbers. Never forgets one.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

/// A string of the history.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct Name(NonZeroU32);

/// All strings of a history.
#[derive(Debug, Default)]
pub(crate) struct Names {
    numbers: HashMap<Arc<str>, Name>,
    texts: Vec<Arc<str>>,
}

impl Names {
    /// The number of a string, a new one when it is new.
    pub(crate) fn name(&mut self, text: &str) -> Name {
        if let Some(&name) = self.numbers.get(text) {
            return name;
        }
        // Four thousand million strings do not fit in memory; were they to, the last stand for each other.
        let next =
            u32::try_from(self.texts.len()).map_or(u32::MAX, |count| count.saturating_add(1));
        let name = Name(NonZeroU32::new(next).unwrap_or(NonZeroU32::MAX));
        let text: Arc<str> = Arc::from(text);
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, name);
        name
    }

    /// The string of a number.
    pub(crate) fn text(&self, name: Name) -> &str {
        let index = usize::try_from(name.0.get() - 1).unwrap_or(usize::MAX);
        self.texts.get(index).map_or("?", |text| text)
    }

    /// The string of a number that may be missing.
    pub(crate) fn optional(&self, name: Option<Name>) -> &str {
        name.map_or("-", |name| self.text(name))
    }
}

/// FNV-1a of 64 bits.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in bytes {
        hash ^= u64::from(*byte);
        hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash
}

/// A hash as a history writes it. One of another form is hashed itself: equal ones stay equal.
pub(crate) fn digest(written: &str) -> u64 {
    if written.len() == 16
        && written.bytes().all(|byte| byte.is_ascii_hexdigit())
        && let Ok(digest) = u64::from_str_radix(written, 16)
    {
        return digest;
    }
    fnv(written.as_bytes())
}
