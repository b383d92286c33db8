//! The counters of a single process: the embedded default. Several instances of a test in one process may share them. It
//! always answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::super::registry::lock;
use super::{Budget, Counters, Holding, Unanswered};
use crate::ids::InstanceId;
use crate::limits;
use crate::rate_limit::Rate;

/// Counters in this process's memory.
pub struct InMemoryCounters {
    instance: InstanceId,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    /// When each budget is full again.
    young: HashMap<String, Instant>,
    /// The generation before: what is not asked about while a young one fills is forgotten.
    old: HashMap<String, Instant>,
    alive: HashMap<InstanceId, Instant>,
    held: HashMap<String, HashMap<InstanceId, u64>>,
}

impl InMemoryCounters {
    /// Counters of one instance.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::on(Arc::default())
    }

    /// The counters of another instance in the same process.
    #[must_use]
    pub fn another_instance(&self) -> Arc<Self> {
        Self::on(Arc::clone(&self.shared))
    }

    fn on(shared: Arc<Mutex<Shared>>) -> Arc<Self> {
        Arc::new(Self {
            instance: InstanceId::new(),
            shared,
        })
    }
}

impl Shared {
    fn full_at(&mut self, name: &str, now: Instant) -> Instant {
        let known = self.young.get(name).or_else(|| self.old.get(name));
        known.copied().unwrap_or(now).max(now)
    }

    fn set(&mut self, name: &str, full_at: Instant) {
        self.old.remove(name);
        if self.young.len() >= limits::COUNTERS && !self.young.contains_key(name) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name.to_owned(), full_at);
    }

    fn is_alive(&self, instance: InstanceId, now: Instant) -> bool {
        self.alive.get(&instance).is_some_and(|until| *until > now)
    }

    /// What the others that live hold; those that do not are forgotten.
    fn others(&mut self, name: &str, me: InstanceId, now: Instant) -> u64 {
        let alive = &self.alive;
        let Some(held) = self.held.get_mut(name) else {
            return 0;
        };
        held.retain(|owner, _| *owner == me || alive.get(owner).is_some_and(|until| *until > now));
        let others = held.iter().filter(|(owner, _)| **owner != me);
        others.map(|(_, count)| count).sum()
    }

    fn put(&mut self, name: &str, me: InstanceId, count: u64) {
        if count > 0 {
            self.held
                .entry(name.to_owned())
                .or_default()
                .insert(me, count);
        } else if let Some(held) = self.held.get_mut(name) {
            held.remove(&me);
            if held.is_empty() {
                self.held.remove(name);
            }
        }
    }
}

fn interval(rate: Rate) -> Duration {
    Duration::from_secs_f64(1.0 / rate.per_second)
}

/// How long a whole burst takes to come back; made of the rounded interval, so that a whole burst fits exactly.
fn room(rate: Rate) -> Duration {
    interval(rate).mul_f64(rate.burst.max(1.0))
}

#[async_trait]
impl Counters for InMemoryCounters {
    async fn take(&self, budgets: &[Budget]) -> Result<Result<(), Duration>, Unanswered> {
        let (now, mut shared) = (Instant::now(), lock(&self.shared));
        let mut next = Vec::with_capacity(budgets.len());
        let mut wait = Duration::ZERO;
        for Budget { name, rate } in budgets {
            let full_at = shared.full_at(name, now) + interval(*rate);
            wait = wait.max((full_at - now).saturating_sub(room(*rate)));
            next.push(full_at);
        }
        // Less is lost in rounding.
        if wait > Duration::from_micros(1) {
            return Ok(Err(wait));
        }
        for (budget, full_at) in budgets.iter().zip(next) {
            shared.set(&budget.name, full_at);
        }
        Ok(Ok(()))
    }

    async fn note(&self, taken: &[(Budget, i64)]) -> Result<Vec<Duration>, Unanswered> {
        let (now, mut shared) = (Instant::now(), lock(&self.shared));
        let told = taken.iter().map(|(Budget { name, rate }, count)| {
            let moved = Duration::from_secs_f64(count.unsigned_abs() as f64 / rate.per_second);
            let full_at = shared.full_at(name, now);
            let full_at = match *count < 0 {
                true => full_at.checked_sub(moved).map_or(now, |at| at.max(now)),
                false => full_at + moved,
            };
            let full_at = full_at.min(now + room(*rate) + limits::COUNTERS_DEBT);
            shared.set(name, full_at);
            full_at - now
        });
        Ok(told.collect())
    }

    async fn open(&self, wanted: &[(Holding, u64)]) -> Result<Result<(), usize>, Unanswered> {
        let (now, mut shared) = (Instant::now(), lock(&self.shared));
        for (index, (holding, cap)) in wanted.iter().enumerate() {
            let others = shared.others(&holding.name, self.instance, now);
            if others + holding.held > *cap {
                return Ok(Err(index));
            }
        }
        for (holding, _) in wanted {
            let own = shared.held.get(&holding.name);
            let own = own.and_then(|held| held.get(&self.instance)).copied();
            let count = holding.held.max(own.unwrap_or(0));
            shared.put(&holding.name, self.instance, count);
        }
        Ok(Ok(()))
    }

    async fn hold(&self, held: &[Holding]) -> Result<(), Unanswered> {
        let mut shared = lock(&self.shared);
        for holding in held {
            shared.put(&holding.name, self.instance, holding.held);
        }
        Ok(())
    }

    async fn beat(&self) -> Result<bool, Unanswered> {
        let (now, mut shared) = (Instant::now(), lock(&self.shared));
        let was_alive = shared.is_alive(self.instance, now);
        shared.alive.retain(|_, until| *until > now);
        let until = now + limits::COUNTERS_LIFETIME;
        shared.alive.insert(self.instance, until);
        Ok(!was_alive)
    }

    async fn close(&self) {
        let mut shared = lock(&self.shared);
        shared.alive.remove(&self.instance);
        for held in shared.held.values_mut() {
            held.remove(&self.instance);
        }
        shared.held.retain(|_, held| !held.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn budgets_are_bounded_and_one_in_use_is_not_forgotten() {
        let counters = InMemoryCounters::new();
        let budget = |name: String| Budget {
            name,
            rate: Rate::per_minute(1),
        };
        let ada = [budget("ada".to_owned())];
        assert_eq!(counters.take(&ada).await, Ok(Ok(())));
        for number in 0..3 * limits::COUNTERS {
            let other = budget(number.to_string());
            counters.note(&[(other, 1)]).await.unwrap();
            if number % 1_000 == 0 {
                counters.note(&[(ada[0].clone(), 0)]).await.unwrap();
            }
        }
        let remembered = {
            let shared = lock(&counters.shared);
            shared.young.len() + shared.old.len()
        };
        assert!(remembered <= 2 * limits::COUNTERS, "{remembered}");
        assert!(counters.take(&ada).await.unwrap().is_err());
    }
}
