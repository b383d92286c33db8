//! Something of another party's that is read, kept for a while and read again: a provider's settings, an issuer's keys. However
//! many want it, one reads and the others wait for that; and it is read at most every [`limits::PROVIDER_AGAIN`], so nobody can
//! make this server ask another without end. Called by [`super::oidc`] and [`super::jwt`]; knows neither.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::time::Instant;

use crate::limits;

/// It could not be read; why is in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it could not be read")]
pub(super) struct Unread;

type Read<T> = Box<dyn Fn() -> BoxFuture<'static, Result<T, String>> + Send + Sync>;
type Flight<T> = Shared<BoxFuture<'static, Result<Arc<T>, Unread>>>;

/// The thing.
pub(super) struct Renewed<T> {
    what: &'static str,
    read: Read<T>,
    state: Mutex<State<T>>,
}

struct State<T> {
    /// What was read last, and when that began.
    held: Option<(Arc<T>, Instant)>,
    /// When it was last tried.
    tried: Option<Instant>,
    /// Under way, or done and not looked at.
    flight: Option<Flight<T>>,
}

impl<T: Send + Sync + 'static> Renewed<T> {
    /// Something not read yet; `what` names it in the log.
    pub(super) fn new(
        what: &'static str,
        read: impl Fn() -> BoxFuture<'static, Result<T, String>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            what,
            read: Box::new(read),
            state: Mutex::new(State {
                held: None,
                tried: None,
                flight: None,
            }),
        }
    }

    /// It, read again when it is older than [`limits::PROVIDER_FRESH`]. When that fails, what was read before does for
    /// [`limits::PROVIDER_STALE`].
    ///
    /// # Errors
    /// That there is nothing to use.
    pub(super) async fn get(&self) -> Result<Arc<T>, Unread> {
        let (held, flight) = {
            let mut state = self.lock();
            state.land();
            let fresh = state.held_within(limits::PROVIDER_FRESH);
            if let Some(fresh) = fresh {
                return Ok(fresh);
            }
            (
                state.held_within(limits::PROVIDER_STALE),
                self.take_off(&mut state),
            )
        };
        let read = match flight {
            Some(flight) => self.arrive(flight).await,
            None => Err(Unread),
        };
        read.or_else(|unread| held.ok_or(unread))
    }

    /// It, later than `seen`; the same as `seen` when it was asked for only just now, or cannot be read.
    pub(super) async fn later_than(&self, seen: &Arc<T>) -> Arc<T> {
        let flight = {
            let mut state = self.lock();
            state.land();
            match &state.held {
                Some((held, _)) if !Arc::ptr_eq(held, seen) => return Arc::clone(held),
                _ => self.take_off(&mut state),
            }
        };
        match flight {
            Some(flight) => self.arrive(flight).await,
            None => Err(Unread),
        }
        .unwrap_or_else(|_unread| Arc::clone(seen))
    }

    /// The read that is under way, or a new one; none when it is too soon.
    fn take_off(&self, state: &mut State<T>) -> Option<Flight<T>> {
        if let Some(flight) = &state.flight {
            return Some(flight.clone());
        }
        let now = Instant::now();
        let soon = |tried| now < tried + limits::PROVIDER_AGAIN;
        if state.tried.is_some_and(soon) {
            return None;
        }
        let what = self.what;
        // On a task of its own: a caller that goes away leaves it running for the others.
        let reading = tokio::spawn((self.read)());
        let flight = async move {
            let read = match reading.await {
                Ok(read) => read,
                Err(error) => Err(error.to_string()),
            };
            read.map(Arc::new).map_err(|cause| {
                tracing::warn!(what, %cause, "another party's answer could not be read");
                Unread
            })
        };
        let flight = flight.boxed().shared();
        state.tried = Some(now);
        state.flight = Some(flight.clone());
        Some(flight)
    }

    async fn arrive(&self, flight: Flight<T>) -> Result<Arc<T>, Unread> {
        let read = flight.await;
        self.lock().land();
        read
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    /// Keeps what a read that has ended gave.
    fn land(&mut self) {
        let Some(ended) = self.flight.as_ref().and_then(Shared::peek) else {
            return;
        };
        if let (Ok(read), Some(tried)) = (ended, self.tried) {
            self.held = Some((Arc::clone(read), tried));
        }
        self.flight = None;
    }

    fn held_within(&self, age: std::time::Duration) -> Option<Arc<T>> {
        let (held, at) = self.held.as_ref()?;
        (Instant::now() < *at + age).then(|| Arc::clone(held))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;

    struct Source {
        reads: Arc<AtomicU32>,
        fails: Arc<AtomicBool>,
        renewed: Renewed<u32>,
    }

    fn source() -> Source {
        let (reads, fails) = (Arc::<AtomicU32>::default(), Arc::<AtomicBool>::default());
        let (counted, failing) = (Arc::clone(&reads), Arc::clone(&fails));
        let renewed = Renewed::new("a number", move || {
            let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
            let fails = failing.load(Ordering::SeqCst);
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                match fails {
                    true => Err("planted".to_owned()),
                    false => Ok(number),
                }
            })
        });
        Source {
            reads,
            fails,
            renewed,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_share_one_read_and_it_is_made_again_when_it_is_old() {
        let Source { reads, renewed, .. } = source();
        let all = futures_util::future::join_all((0..50).map(|_| renewed.get())).await;
        assert!(all.iter().all(|one| **one.as_ref().unwrap() == 1));
        assert_eq!(*renewed.get().await.unwrap(), 1);
        assert_eq!(reads.load(Ordering::SeqCst), 1);
        tokio::time::advance(limits::PROVIDER_FRESH).await;
        assert_eq!(*renewed.get().await.unwrap(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_makes_it_be_read_too_often() {
        let Source { reads, renewed, .. } = source();
        let first = renewed.get().await.unwrap();
        for _ in 0..100 {
            assert_eq!(*renewed.later_than(&first).await, 1);
        }
        assert_eq!(reads.load(Ordering::SeqCst), 1, "only just read");
        tokio::time::advance(limits::PROVIDER_AGAIN).await;
        let later = futures_util::future::join_all((0..50).map(|_| renewed.later_than(&first)));
        assert!(later.await.iter().all(|one| **one == 2));
        assert_eq!(*renewed.later_than(&first).await, 2, "it was renewed since");
        assert_eq!(reads.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_does_for_a_while_when_it_cannot_be_read_again() {
        let Source {
            fails,
            renewed,
            reads,
        } = source();
        fails.store(true, Ordering::SeqCst);
        assert_eq!(renewed.get().await, Err(Unread));
        assert_eq!(renewed.get().await, Err(Unread), "too soon");
        assert_eq!(reads.load(Ordering::SeqCst), 1);
        fails.store(false, Ordering::SeqCst);
        tokio::time::advance(limits::PROVIDER_AGAIN).await;
        let read = renewed.get().await.unwrap();
        fails.store(true, Ordering::SeqCst);
        tokio::time::advance(limits::PROVIDER_FRESH).await;
        assert_eq!(renewed.get().await, Ok(Arc::clone(&read)));
        assert_eq!(renewed.get().await, Ok(read));
        tokio::time::advance(limits::PROVIDER_STALE).await;
        assert_eq!(renewed.get().await, Err(Unread));
    }
}
