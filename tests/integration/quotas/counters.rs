//! The specification of the fleet's counters, for the one in memory, Redis and a Redis Cluster.

use std::sync::Arc;
use std::time::{Duration, Instant};

use salon::channel_layer::counters::in_memory::InMemoryCounters;
use salon::channel_layer::counters::{Budget, Counters, Holding, Unanswered};
use salon::channel_layer::redis::{RedisCounters, RedisSettings};
use salon::ids::InstanceId;
use salon::limits;
use salon::rate_limit::Rate;

use crate::support::process::eventually;
use crate::support::redis::RedisServer;

const DEADLINE: Duration = Duration::from_secs(10);

/// Two instances that count together.
struct Pair {
    one: Arc<dyn Counters>,
    two: Arc<dyn Counters>,
}

fn in_memory() -> Pair {
    let one = InMemoryCounters::new();
    Pair {
        two: one.another_instance(),
        one,
    }
}

async fn over(redis: &RedisServer, other: &RedisServer) -> Pair {
    Pair {
        one: connected(redis).await,
        two: connected(other).await,
    }
}

async fn connected(redis: &RedisServer) -> Arc<RedisCounters> {
    let counters = RedisCounters::connect(&RedisSettings {
        url: redis.url().into(),
        secrets: vec!["a secret of the cluster, 32 characters or more".into()],
        deployment: "test".to_owned(),
        instance: InstanceId::new(),
    })
    .unwrap();
    let answers = async || counters.beat().await.is_ok();
    eventually("the counters answer", DEADLINE, answers).await;
    counters
}

/// A rule for every implementation.
macro_rules! rules {
    ($($rule:ident: $memory:ident $redis:ident $cluster:ident;)*) => {$(
        #[tokio::test]
        async fn $memory() {
            $rule(in_memory()).await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $redis() {
            let redis = RedisServer::start().await;
            $rule(over(&redis, &redis).await).await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $cluster() {
            let mut nodes = RedisServer::start_cluster::<3>().await;
            RedisServer::share_slots(&mut nodes).await;
            $rule(over(&nodes[0], &nodes[2]).await).await;
        }
    )*};
}

rules! {
    tokens_are_taken_together_or_not_at_all: all_or_none_in_memory all_or_none_in_redis all_or_none_in_a_cluster;
    what_is_noted_is_missing_elsewhere: notes_in_memory notes_in_redis notes_in_a_cluster;
    holdings_add_up_and_end_with_their_instance: holdings_in_memory holdings_in_redis holdings_in_a_cluster;
}

fn budget(name: &str, per_minute: u32) -> Budget {
    Budget {
        name: name.to_owned(),
        rate: Rate::per_minute(per_minute),
    }
}

fn held(name: &str, held: u64) -> Holding {
    Holding {
        name: name.to_owned(),
        held,
    }
}

/// A question's answer; a busy machine may take longer than is waited for.
async fn sure<T>(ask: impl AsyncFn() -> Result<T, Unanswered>) -> T {
    for _ in 0..20 {
        if let Ok(answer) = ask().await {
            return answer;
        }
    }
    panic!("no answer");
}

async fn tokens_are_taken_together_or_not_at_all(Pair { one, two }: Pair) {
    let (ada, all) = (budget("search.user.ada", 6), budget("search.fleet", 8));
    let of_ada = [ada.clone(), all.clone()];
    for number in 0..6 {
        let counters = if number % 2 == 0 { &one } else { &two };
        assert_eq!(sure(async || counters.take(&of_ada).await).await, Ok(()));
    }
    for counters in [&one, &two] {
        let wait = sure(async || counters.take(&of_ada).await).await;
        let wait = wait.expect_err("there were six");
        assert!(
            wait > Duration::from_secs(8) && wait <= Duration::from_secs(10),
            "{wait:?}"
        );
    }
    // What was refused took nothing of the others'.
    let of_bo = [budget("search.user.bo", 6), all];
    for counters in [&one, &two] {
        assert_eq!(sure(async || counters.take(&of_bo).await).await, Ok(()));
    }
    assert!(sure(async || one.take(&of_bo).await).await.is_err());
}

async fn what_is_noted_is_missing_elsewhere(Pair { one, two }: Pair) {
    let sends = Budget {
        name: "send.user.ada".to_owned(),
        rate: Rate::per_second(10, 20),
    };
    let ahead = sure(async || one.note(&[(sends.clone(), 15)]).await).await;
    let seconds = ahead[0].as_secs_f64();
    assert!((1.3..=1.5).contains(&seconds), "{ahead:?}");
    let ahead = sure(async || two.note(&[(sends.clone(), 35)]).await).await;
    let seconds = ahead[0].as_secs_f64();
    assert!((4.0..=5.0).contains(&seconds), "both together: {ahead:?}");
    assert!(
        sure(async || two.take(std::slice::from_ref(&sends)).await)
            .await
            .is_err()
    );
    // What is given back is there again, and never more than there was.
    let ahead = sure(async || one.note(&[(sends.clone(), -100)]).await).await;
    assert_eq!(ahead, [Duration::ZERO]);
    let taken = sure(async || two.take(std::slice::from_ref(&sends)).await).await;
    assert_eq!(taken, Ok(()));
    // A debt has an end, whatever is told.
    let ahead = sure(async || one.note(&[(sends.clone(), 1_000_000)]).await).await;
    assert!(
        ahead[0] <= limits::COUNTERS_DEBT + Duration::from_secs(3),
        "{ahead:?}"
    );
}

async fn holdings_add_up_and_end_with_their_instance(Pair { one, two }: Pair) {
    for counters in [&one, &two] {
        sure(async || counters.beat().await).await;
        assert!(!sure(async || counters.beat().await).await, "it is known");
    }
    let wanted = |own| {
        [
            (held("socket.user.ada", own), 3),
            (held("socket.fleet", own), 100),
        ]
    };
    assert_eq!(sure(async || one.open(&wanted(1)).await).await, Ok(()));
    assert_eq!(sure(async || one.open(&wanted(2)).await).await, Ok(()));
    assert_eq!(sure(async || two.open(&wanted(1)).await).await, Ok(()));
    assert_eq!(sure(async || two.open(&wanted(2)).await).await, Err(0));
    let full = [
        (held("socket.user.bo", 1), 3),
        (held("socket.fleet", 99), 100),
    ];
    assert_eq!(sure(async || two.open(&full).await).await, Err(1));
    // One closes, and says so as often as it likes.
    for _ in 0..2 {
        sure(async || one.hold(&[held("socket.user.ada", 1)]).await).await;
    }
    assert_eq!(sure(async || two.open(&wanted(2)).await).await, Ok(()));
    assert_eq!(sure(async || two.open(&wanted(3)).await).await, Err(0));
    // An instance that says goodbye holds nothing.
    one.close().await;
    assert_eq!(sure(async || two.open(&wanted(3)).await).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn what_a_silent_instance_holds_expires_and_counts_again_when_it_is_told_anew() {
    let Pair { one, two } = in_memory();
    assert_eq!((one.beat().await, two.beat().await), (Ok(true), Ok(true)));
    let wanted = [(held("socket.user.ada", 1), 1)];
    assert_eq!(one.open(&wanted).await, Ok(Ok(())));
    assert_eq!(two.open(&wanted).await, Ok(Err(0)));
    tokio::time::sleep(limits::COUNTERS_LIFETIME / 2).await;
    assert_eq!(two.beat().await, Ok(false));
    assert_eq!(two.open(&wanted).await, Ok(Err(0)));
    tokio::time::sleep(limits::COUNTERS_LIFETIME / 2 + Duration::from_millis(1)).await;
    assert_eq!(two.open(&wanted).await, Ok(Ok(())));
    assert_eq!(one.beat().await, Ok(true), "it must tell all anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_or_frozen_redis_costs_no_time_and_a_live_one_counts_again() {
    let mut redis = RedisServer::start().await;
    let counters = connected(&redis).await;
    let budgets = [budget("search.user.ada", 6)];
    sure(async || counters.take(&budgets).await).await.unwrap();
    redis.freeze();
    let began = Instant::now();
    assert_eq!(counters.take(&budgets).await, Err(Unanswered));
    let took = began.elapsed();
    assert!(
        took < limits::COUNTERS_WAIT + Duration::from_millis(200),
        "{took:?}"
    );
    // A beat finds out; from then on nothing is waited for.
    assert_eq!(counters.beat().await, Err(Unanswered));
    let began = Instant::now();
    for _ in 0..100 {
        assert_eq!(counters.take(&budgets).await, Err(Unanswered));
    }
    let took = began.elapsed();
    assert!(took < Duration::from_millis(500), "{took:?}");
    redis.thaw();
    let answers = async || counters.take(&budgets).await.is_ok();
    eventually("it counts again", DEADLINE, answers).await;
    redis.kill();
    assert_eq!(counters.take(&budgets).await, Err(Unanswered));
    redis.restart().await;
    eventually("it counts again", DEADLINE, answers).await;
    assert_eq!(counters.beat().await, Ok(true), "Redis forgot it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_in_redis_stays_for_ever_or_names_anybody() {
    let redis = RedisServer::start().await;
    let counters = connected(&redis).await;
    let ada = [budget("search.user.ada", 6)];
    sure(async || counters.take(&ada).await).await.unwrap();
    sure(async || counters.note(&[(budget("send.user.ada", 6), 3)]).await).await;
    sure(async || counters.hold(&[held("socket.user.ada", 3)]).await).await;
    let mut connection = redis.connection().await;
    let keys = redis::cmd("KEYS").arg("*").to_owned();
    let keys: Vec<String> = keys.query_async(&mut connection).await.unwrap();
    assert_eq!(keys.len(), 4, "{keys:?}");
    for key in keys {
        assert!(
            key.starts_with("salon:{test:counters}:") && !key.contains("ada"),
            "{key}"
        );
        let left = redis::cmd("PTTL").arg(&key).to_owned();
        let left: i64 = left.query_async(&mut connection).await.unwrap();
        let longest = i64::try_from(limits::COUNTERS_KEPT.as_millis()).unwrap();
        assert!((1..=longest).contains(&left), "{key}: {left}");
    }
}
