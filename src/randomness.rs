//! Salon's random numbers, where chance is only meant to spread or to tell apart: ids, epochs, jitter. Everybody draws
//! here, except for secrets: those are the operating system's own and come from `auth`.
//!
//! A simulation gives its thread a seed; then everything that runs on that thread draws the same numbers each time.
//! Nothing else ever does.

use std::cell::RefCell;

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use uuid::Uuid;

thread_local! {
    static SEEDED: RefCell<Option<Seeded>> = const { RefCell::new(None) };
}

/// The numbers of a thread with a seed.
struct Seeded {
    numbers: StdRng,
    /// Stands for the milliseconds of ids, so that they ascend in the order they are made.
    ids: u64,
}

/// From now on this thread's numbers follow from `seed`: for simulations only.
pub fn seed_this_thread(seed: u64) {
    let numbers = StdRng::seed_from_u64(seed);
    SEEDED.set(Some(Seeded { numbers, ids: 0 }));
}

/// A source of numbers that are not secret.
#[must_use]
pub const fn rng() -> impl RngCore {
    Source
}

/// A new id, ordered by the time it was made.
#[must_use]
pub fn id() -> Uuid {
    SEEDED.with_borrow_mut(|seeded| match seeded {
        Some(seeded) => {
            seeded.ids += 1;
            let random = seeded.numbers.random();
            uuid::Builder::from_unix_timestamp_millis(seeded.ids, &random).into_uuid()
        }
        None => Uuid::now_v7(),
    })
}

struct Source;

impl RngCore for Source {
    fn next_u32(&mut self) -> u32 {
        SEEDED.with_borrow_mut(|seeded| match seeded {
            Some(seeded) => seeded.numbers.next_u32(),
            None => rand::rng().next_u32(),
        })
    }

    fn next_u64(&mut self) -> u64 {
        SEEDED.with_borrow_mut(|seeded| match seeded {
            Some(seeded) => seeded.numbers.next_u64(),
            None => rand::rng().next_u64(),
        })
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        SEEDED.with_borrow_mut(|seeded| match seeded {
            Some(seeded) => seeded.numbers.fill_bytes(bytes),
            None => rand::rng().fill_bytes(bytes),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(seed: Option<u64>) -> (Uuid, Uuid, u64) {
        let drawing = std::thread::spawn(move || {
            if let Some(seed) = seed {
                seed_this_thread(seed);
            }
            (id(), id(), rng().random())
        });
        drawing.join().unwrap()
    }

    #[test]
    fn only_a_thread_with_a_seed_repeats_itself() {
        assert_eq!(draw(Some(1)), draw(Some(1)));
        assert_ne!(draw(Some(1)), draw(Some(2)));
        assert_ne!(draw(None), draw(None));
        for seed in [Some(7), None] {
            let (first, second, _) = draw(seed);
            assert!(first < second, "ids ascend");
        }
    }
}
