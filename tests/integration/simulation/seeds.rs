//! Running seeds: each on one thread from beginning to end, several threads at once.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, Once};

use super::world::World;
use super::{fail, setting};

/// Steps of one run.
const STEPS: u64 = 1_000;
/// Seeds of one test run.
const SEEDS: u64 = 1_000;

thread_local! {
    /// Panics of this thread's run: those of actors end a task that nobody waits for.
    static PANICS: Cell<u64> = const { Cell::new(0) };
}

/// Counts the panics of each thread from now on.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            before(panic);
        }));
    });
}

/// What became of one run.
struct Run {
    hash: u64,
    simulated_ms: u64,
    messages: usize,
    /// The last lines of its trace.
    tail: String,
    failure: Option<String>,
}

/// Runs one seed from beginning to end.
fn run(seed: u64, steps: u64) -> Run {
    count_panics();
    PANICS.set(0);
    let mut world = World::new(seed);
    let mut judged = Ok(());
    for _ in 0..steps {
        world.happen();
        let milliseconds = world.dice.range(1..25);
        judged = world.pass(milliseconds);
        if judged.is_err() {
            break;
        }
    }
    let judged = judged.and_then(|()| world.heal());
    let judged = judged.and_then(|()| match PANICS.get() {
        0 => Ok(()),
        panics => fail(format!("{panics} tasks panicked")),
    });
    let tables = world.database.model.tables();
    let messages = tables.rooms.values().map(|room| room.messages.len()).sum();
    Run {
        hash: world.trace.hash(),
        simulated_ms: world.trace.now_ms,
        messages,
        tail: world.trace.tail(),
        failure: judged
            .err()
            .map(|why| format!("{}\n\n{}", world.trace.tail(), told(seed, &why))),
    }
}

/// Runs one seed; a panic is a failure like any other.
fn caught(seed: u64) -> Run {
    std::panic::catch_unwind(|| run(seed, STEPS)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
        Run {
            hash: 0,
            simulated_ms: 0,
            messages: 0,
            tail: String::new(),
            failure: Some(told(seed, said.unwrap_or("a panic"))),
        }
    })
}

/// What is said of a seed that failed.
fn told(seed: u64, why: &str) -> String {
    format!(
        "seed {seed}: {why}\n\nagain: SALON_SIM_SEED={seed} cargo test --locked simulation::seeds\n"
    )
}

/// Runs seeds on every core until one fails.
fn run_all(first: u64, count: u64) -> Option<String> {
    let next = AtomicU64::new(first);
    let failed = AtomicBool::new(false);
    let failure = Mutex::new(None);
    let messages = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !failed.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    let run = caught(seed);
                    messages.fetch_add(run.messages as u64, Ordering::Relaxed);
                    if let Some(why) = run.failure {
                        failed.store(true, Ordering::Relaxed);
                        failure.lock().unwrap().get_or_insert(why);
                    }
                }
            });
        }
    });
    let ran = next.load(Ordering::Relaxed).min(first + count) - first;
    #[expect(clippy::print_stdout, reason = "what a long run has to show")]
    {
        println!(
            "{ran} seeds of {STEPS} steps, {} messages",
            messages.into_inner()
        );
    }
    failure.into_inner().unwrap()
}

#[test]
fn seeds() {
    let (first, count) = match setting("SALON_SIM_SEED") {
        Some(seed) => (seed, 1),
        None => (
            setting("SALON_SIM_FIRST").unwrap_or(0),
            setting("SALON_SIM_SEEDS").unwrap_or(SEEDS),
        ),
    };
    if let Some(why) = run_all(first, count) {
        panic!("{why}");
    }
}

#[test]
fn a_seed_repeats_itself() {
    for seed in 0..8 {
        let (one, two) = (run(seed, 300), run(seed, 300));
        // With SALON_SIM_LINES=1000000 from where on they differ.
        let lines = one.tail.lines().zip(two.tail.lines());
        let differ = lines.filter(|(one, two)| one != two).take(3);
        let differ: Vec<(&str, &str)> = differ.collect();
        assert_eq!(one.hash, two.hash, "seed {seed}: {differ:#?}");
        assert_eq!(one.simulated_ms, two.simulated_ms, "seed {seed}");
        assert!(
            one.messages > 20,
            "seed {seed} has {} messages",
            one.messages
        );
    }
    assert_ne!(run(1, 300).hash, run(2, 300).hash);
}
