//! Which fault when: drawn from the seed alone, so that a seed repeats its schedule. Faults that need none of each
//! other's parts overlap, two at a time; every kind comes once before any comes twice. Carrying it out keeps the order
//! and the waits; a fault that takes longer to heal than planned holds back only those that need its parts.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use salon_checker::record::{Phase, What};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::faults::{Fault, Kind, Parts, catalogue};
use super::plan::Plan;
use super::world::World;

/// Faults at once.
const AT_ONCE: usize = 2;
/// Between a fault's healing and the next that needs its parts.
const REST_MS: std::ops::Range<u64> = 300..1_200;
/// Bits of [`Parts`].
const PARTS: u32 = 6;
/// Beginning or healing one fault.
const AT_MOST: Duration = Duration::from_secs(90);

/// One fault and its time.
pub(crate) struct Planned {
    /// From the beginning of the load.
    pub(crate) at: Duration,
    pub(crate) lasts: Duration,
    pub(crate) row: &'static str,
    parts: Parts,
    pub(crate) fault: Box<dyn Fault>,
}

/// The schedule of a plan.
pub(crate) fn draw(plan: &Plan) -> Vec<Planned> {
    let mut draws = StdRng::seed_from_u64(plan.seed);
    let kinds: Vec<&Kind> = catalogue()
        .into_iter()
        .filter(|kind| plan.rows.is_empty() || plan.rows.iter().any(|row| row == kind.row))
        .collect();
    assert!(!kinds.is_empty(), "no such rows: {:?}", plan.rows);
    let mut order: Vec<&Kind> = Vec::new();
    while order.len() < plan.faults {
        let mut round = kinds.clone();
        round.shuffle(&mut draws);
        order.extend(round);
    }
    order.truncate(plan.faults);
    // When each part, and each of the places for faults at once, is free again.
    let mut parts_free = [0_u64; PARTS as usize];
    let mut places = [0_u64; AT_ONCE];
    let mut schedule: Vec<Planned> = order
        .into_iter()
        .map(|kind| {
            places.sort_unstable();
            let needed = (0..PARTS as usize).filter(|bit| kind.parts >> bit & 1 == 1);
            let start = needed
                .clone()
                .map(|bit| parts_free[bit])
                .fold(places[0], u64::max)
                + draws.random_range(REST_MS);
            let lasts = draws.random_range(kind.lasts_ms.0..=kind.lasts_ms.1);
            let end = start + lasts + kind.heals_ms;
            needed.for_each(|bit| parts_free[bit] = end);
            places[0] = end;
            Planned {
                at: Duration::from_millis(start),
                lasts: Duration::from_millis(lasts),
                row: kind.row,
                parts: kind.parts,
                fault: (kind.make)(&mut draws),
            }
        })
        .collect();
    schedule.sort_by_key(|planned| planned.at);
    schedule
}

/// Carries it out; returns when the last fault is healed.
pub(crate) async fn carry_out(world: &Arc<World>, schedule: Vec<Planned>) {
    let began = Instant::now();
    let locks: Vec<Mutex<()>> = (0..PARTS).map(|_| Mutex::default()).collect();
    let faults = schedule.into_iter().map(|planned| {
        let locks = &locks;
        async move {
            tokio::time::sleep_until(began + planned.at).await;
            // In one order, so that nobody waits in a circle; whoever comes first is served first.
            let mut taken: Vec<MutexGuard<'_, ()>> = Vec::new();
            for (bit, lock) in locks.iter().enumerate() {
                if planned.parts >> bit & 1 == 1 {
                    taken.push(lock.lock().await);
                }
            }
            inflict(world, planned).await;
        }
    });
    futures_util::future::join_all(faults).await;
}

async fn inflict(world: &Arc<World>, planned: Planned) {
    let Planned {
        row,
        lasts,
        mut fault,
        ..
    } = planned;
    let what = fault.what();
    let note = |phase| {
        world.recorder.note(What::Fault {
            row: row.to_owned(),
            what: what.clone(),
            phase,
        });
    };
    note(Phase::Begin);
    tokio::time::timeout(AT_MOST, fault.begin(world))
        .await
        .unwrap_or_else(|_| panic!("{row} does not begin: {what}"));
    tokio::time::sleep(lasts).await;
    tokio::time::timeout(AT_MOST, fault.heal(world))
        .await
        .unwrap_or_else(|_| panic!("{row} does not heal: {what}"));
    note(Phase::Heal);
}

#[cfg(test)]
mod tests {
    use super::{Planned, draw};
    use crate::plan::Plan;

    fn told(schedule: &[Planned]) -> Vec<String> {
        schedule
            .iter()
            .map(|one| {
                format!(
                    "{:?} {:?} {} {}",
                    one.at,
                    one.lasts,
                    one.row,
                    one.fault.what()
                )
            })
            .collect()
    }

    #[test]
    fn a_seed_repeats_its_schedule_and_another_has_another() {
        let plan = Plan::brief();
        let first = told(&draw(&plan));
        assert_eq!(first, told(&draw(&plan)));
        let other = Plan {
            seed: plan.seed + 1,
            ..plan
        };
        assert_ne!(first, told(&draw(&other)));
    }
}
