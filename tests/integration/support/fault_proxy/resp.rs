//! What Redis answers, value by value (RESP2 and RESP3), so that published messages can be doubled, delayed, reordered and
//! replayed without breaking the stream they come in. Used by a proxy that carries Redis.

use std::collections::VecDeque;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Messages kept to be replayed.
const MEMORY: usize = 64;

/// What is done to published messages; each share is of 1.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Tampering {
    /// What the draws come from, on each connection.
    pub(crate) seed: u64,
    /// How many come a second time.
    pub(crate) doubled: f64,
    /// How many come up to [`Self::longest`] later, so that others overtake them.
    pub(crate) delayed: f64,
    /// How often an old message comes once more behind another.
    pub(crate) replayed: f64,
    /// How many never come.
    pub(crate) dropped: f64,
    /// The longest delay.
    pub(crate) longest: Duration,
}

/// What becomes of a piece of the stream.
#[derive(Debug, PartialEq)]
pub(crate) enum Part {
    /// In its place.
    Next(Vec<u8>),
    /// So much later, between whatever comes then.
    Late(Duration, Vec<u8>),
}

/// Cuts one connection's answers into values.
#[derive(Default)]
pub(crate) struct MessageSplitter {
    /// The beginning of a value whose end has not come.
    partial: Vec<u8>,
    /// What comes is not RESP (TLS, for example): it passes as it is.
    lost: bool,
    draws: Option<(u64, SmallRng)>,
    memory: VecDeque<Vec<u8>>,
}

impl MessageSplitter {
    /// Takes the next bytes; whole values come out, messages among them as the tampering wants.
    pub(crate) fn push(&mut self, bytes: &[u8], tampering: Option<&Tampering>) -> Vec<Part> {
        if self.lost {
            return vec![Part::Next(bytes.to_vec())];
        }
        self.partial.extend_from_slice(bytes);
        let mut parts = Vec::new();
        let mut start = 0;
        loop {
            match value_length(&self.partial[start..]) {
                Ok(Some(length)) => {
                    let value = self.partial[start..start + length].to_vec();
                    start += length;
                    self.value(value, tampering, &mut parts);
                }
                Ok(None) => break,
                Err(NotResp) => {
                    self.lost = true;
                    parts.push(Part::Next(self.partial.split_off(start)));
                    start = 0;
                    self.partial.clear();
                    break;
                }
            }
        }
        self.partial.drain(..start);
        parts
    }

    fn value(&mut self, value: Vec<u8>, tampering: Option<&Tampering>, parts: &mut Vec<Part>) {
        let Some(tampering) = tampering.filter(|_| is_message(&value)) else {
            // Values in their place go out together.
            match parts.last_mut() {
                Some(Part::Next(before)) => before.extend(value),
                _ => parts.push(Part::Next(value)),
            }
            return;
        };
        if self
            .draws
            .as_ref()
            .is_none_or(|(seed, _)| *seed != tampering.seed)
        {
            self.draws = Some((tampering.seed, SmallRng::seed_from_u64(tampering.seed)));
        }
        let Some((_, draws)) = &mut self.draws else {
            return;
        };
        let late = |draws: &mut SmallRng| tampering.longest.mul_f64(draws.random_range(0.0..1.0));
        if draws.random_bool(tampering.doubled) {
            parts.push(Part::Late(late(draws), value.clone()));
        }
        if draws.random_bool(tampering.replayed) && !self.memory.is_empty() {
            let old = draws.random_range(0..self.memory.len());
            parts.push(Part::Late(late(draws), self.memory[old].clone()));
        }
        if self.memory.len() == MEMORY {
            self.memory.pop_front();
        }
        self.memory.push_back(value.clone());
        if draws.random_bool(tampering.dropped) {
            return;
        }
        parts.push(if draws.random_bool(tampering.delayed) {
            Part::Late(late(draws), value)
        } else {
            Part::Next(value)
        });
    }
}

/// Whether a value is a published message: `message` or `smessage`, as an array or a push.
fn is_message(value: &[u8]) -> bool {
    let names: [&[u8]; 2] = [b"$7\r\nmessage\r\n", b"$8\r\nsmessage\r\n"];
    matches!(value.first(), Some(b'*' | b'>'))
        && value
            .windows(2)
            .position(|window| window == b"\r\n")
            .is_some_and(|end| names.iter().any(|name| value[end + 2..].starts_with(name)))
}

/// These bytes are not RESP.
#[derive(Debug, PartialEq)]
pub(crate) struct NotResp;

/// The length of the first whole value; none when its end has not come.
pub(crate) fn value_length(bytes: &[u8]) -> Result<Option<usize>, NotResp> {
    let mut at = 0;
    let mut left: u64 = 1;
    while left > 0 {
        let Some(end) = bytes[at..].windows(2).position(|window| window == b"\r\n") else {
            return match bytes.get(at) {
                Some(kind) if !b"+-:$*>%~,#(_=!|".contains(kind) => Err(NotResp),
                _ => Ok(None),
            };
        };
        let (kind, head) = (bytes[at], &bytes[at + 1..at + end]);
        at += end + 2;
        left -= 1;
        let number = || {
            let text = std::str::from_utf8(head).ok();
            text.and_then(|text| text.parse::<i64>().ok())
                .ok_or(NotResp)
        };
        match kind {
            b'+' | b'-' | b':' | b',' | b'#' | b'(' | b'_' => {}
            b'$' | b'=' | b'!' => {
                if let Ok(length) = usize::try_from(number()?) {
                    at += length + 2;
                }
            }
            b'*' | b'>' | b'~' => left += u64::try_from(number()?).unwrap_or(0),
            b'%' => left += 2 * u64::try_from(number()?).unwrap_or(0),
            // An attribute comes before the value it belongs to.
            b'|' => left += 2 * u64::try_from(number()?).unwrap_or(0) + 1,
            _ => return Err(NotResp),
        }
        if at > bytes.len() {
            return Ok(None);
        }
    }
    Ok(Some(at))
}
