//! Reads that many wait for and one makes: whoever asks for the same thing while it is being read, or shortly after,
//! shares the answer. So a storm of joins costs reads per room, not per client. Bounded in number and in time; a failed read is
//! not kept, nor is an answer that the reader says nobody else will soon want.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

/// Shared answers by key.
pub struct SingleFlight<K, V> {
    entries: Mutex<Entries<K, V>>,
    share: Duration,
    capacity: usize,
}

struct Entries<K, V> {
    by_key: HashMap<K, Entry<V>>,
    /// When those that had run out were last dropped.
    swept: Instant,
}

struct Entry<V> {
    begun: Instant,
    answer: Arc<OnceCell<V>>,
}

impl<K: Eq + Hash + Clone, V: Clone> SingleFlight<K, V> {
    /// Answers are shared for `share` after their read began; at most `capacity` are kept.
    #[must_use]
    pub fn new(share: Duration, capacity: usize) -> Self {
        Self {
            entries: Mutex::new(Entries {
                by_key: HashMap::new(),
                swept: Instant::now(),
            }),
            share,
            capacity,
        }
    }

    /// The shared answer of `key`, or what `read` gives.
    ///
    /// # Errors
    /// As `read`; then the next to ask reads again.
    pub async fn get<E>(&self, key: K, read: impl Future<Output = Result<V, E>>) -> Result<V, E> {
        let answer = self.entry(key);
        answer.get_or_try_init(|| read).await.cloned()
    }

    /// Ends the sharing of the answer that `is_it` knows, if it is the one that is kept: whoever has asked gets it, the next to
    /// ask reads again. A read that is under way since goes on and is shared.
    pub fn forget(&self, key: &K, is_it: impl Fn(&V) -> bool) {
        let mut entries = self.lock();
        let kept = entries.by_key.get(key).and_then(|entry| entry.answer.get());
        if kept.is_some_and(is_it) {
            entries.by_key.remove(key);
        }
    }

    fn entry(&self, key: K) -> Arc<OnceCell<V>> {
        let now = Instant::now();
        let mut guard = self.lock();
        let entries = &mut *guard;
        if let Some(entry) = entries.by_key.get(&key)
            && now < entry.begun + self.share
        {
            return Arc::clone(&entry.answer);
        }
        // What nobody asks for again must not stay in memory.
        if now >= entries.swept + self.share || entries.by_key.len() >= self.capacity {
            entries.swept = now;
            entries
                .by_key
                .retain(|_, entry| now < entry.begun + self.share);
        }
        let answer = Arc::new(OnceCell::new());
        if entries.by_key.len() < self.capacity {
            entries.by_key.insert(
                key,
                Entry {
                    begun: now,
                    answer: Arc::clone(&answer),
                },
            );
        }
        answer
    }

    fn lock(&self) -> MutexGuard<'_, Entries<K, V>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_share_one_read_and_failures_are_not_kept() {
        let flights: SingleFlight<u8, usize> = SingleFlight::new(Duration::from_secs(1), 2);
        let reads = AtomicUsize::new(0);
        let read = |fail: bool| {
            let reads = &reads;
            async move {
                tokio::time::sleep(Duration::from_millis(10)).await;
                let count = reads.fetch_add(1, Ordering::Relaxed) + 1;
                if fail { Err("no") } else { Ok(count) }
            }
        };
        assert_eq!(flights.get(1, read(true)).await, Err("no"));
        let (first, second) =
            tokio::join!(flights.get(1, read(false)), flights.get(1, read(false)));
        assert_eq!((first, second), (Ok(2), Ok(2)));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(flights.get(1, read(false)).await, Ok(3));
        // Above its capacity it shares nothing, but still answers.
        assert_eq!(flights.get(2, read(false)).await, Ok(4));
        assert_eq!(flights.get(3, read(false)).await, Ok(5));
        assert_eq!(flights.get(3, read(false)).await, Ok(6));
    }
    #[tokio::test(start_paused = true)]
    async fn what_has_run_out_or_was_forgotten_is_held_no_longer() {
        let flights: SingleFlight<u8, Arc<()>> = SingleFlight::new(Duration::from_secs(1), 8);
        let read = async || Ok::<_, ()>(Arc::new(()));
        let old = flights.get(1, read()).await.unwrap();
        let other = flights.get(2, read()).await.unwrap();
        assert_eq!((Arc::strong_count(&old), Arc::strong_count(&other)), (2, 2));
        flights.forget(&2, |kept| Arc::ptr_eq(kept, &old));
        assert_eq!(Arc::strong_count(&other), 2, "another answer is kept");
        flights.forget(&2, |kept| Arc::ptr_eq(kept, &other));
        assert_eq!(Arc::strong_count(&other), 1);
        tokio::time::advance(Duration::from_secs(2)).await;
        flights.get(3, read()).await.unwrap();
        assert_eq!(Arc::strong_count(&old), 1);
    }
}
