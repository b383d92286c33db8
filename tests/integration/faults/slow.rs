//! Postgres is there but in trouble: slow, out of connections, with a room locked by somebody else, or with connections
//! that break in the middle of a transaction. What can be done is done; the rest is refused in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::asking::{Answered, Asker, check_refusals, counts, make_rooms, percentile, times};
use super::postgres::{BACK, REFUSED};
use crate::cluster::DEADLINE;
use crate::support::cluster::{GENEROUS, ROOM};
use crate::support::fault_proxy::{FaultProxy, Way};
use crate::support::pgbouncer::PgBouncer;
use crate::support::postgres::{PostgresServer, TestDatabase, USER, connect};
use crate::support::process::eventually;
use crate::support::salon::{SalonProcess, http_status};
use crate::support::truth::read_postgres;

/// An instance over the database at this address.
async fn instance(url: &str, more: &[(&str, &str)]) -> SalonProcess {
    let mut settings = vec![("DATABASE_URL", url), ("SALON_MIGRATE", "off")];
    settings.extend(GENEROUS);
    settings.extend(more);
    SalonProcess::start(&settings).await
}

/// The same database behind a proxy.
fn behind(proxy: &FaultProxy, database: &TestDatabase) -> String {
    format!(
        "postgres://{USER}@127.0.0.1:{}/{}",
        proxy.port(),
        database.name()
    )
}

async fn count(database: &TestDatabase, question: &str) -> i64 {
    let client = database.client().await;
    client.query_one(question, &[]).await.unwrap().get(0)
}

const IDLE_IN_TRANSACTION: &str = "SELECT count(*) FROM pg_stat_activity \
    WHERE state LIKE 'idle in transaction%' AND datname = current_database()";

#[tokio::test(flavor = "multi_thread")]
async fn f19_a_slow_postgres_sheds_and_does_not_collapse_after() {
    let database = TestDatabase::shared().await;
    let proxy = FaultProxy::start(database.server().port()).await;
    let salon = instance(&behind(&proxy, &database), &[]).await;
    let mut askers = Vec::new();
    for number in 0..12 {
        askers.push(Asker::enter(salon.port(), &format!("asker {number}"), ROOM).await);
    }
    for asker in &mut askers {
        asker.until_acked(DEADLINE).await;
    }
    // A round trip of 0.2 s, of 0.6 s, and of 2 s: then a transaction takes longer than anybody is kept waiting.
    for (delay, lasting, works) in [(100, 4, true), (300, 6, true), (1_000, 8, false)] {
        proxy.delay(Duration::from_millis(delay));
        let began = Instant::now();
        let lasting = Duration::from_secs(lasting);
        let asking = askers
            .iter_mut()
            .map(|asker| asker.keep_asking(Duration::ZERO, || began.elapsed() < lasting));
        let answers: Vec<Answered> = futures_util::future::join_all(asking).await.concat();
        let acks = percentile(&times(&answers, Answered::is_ack), 99);
        eprintln!(
            "F19: with {} ms a statement {}, acks' p99 {acks:?}",
            2 * delay,
            counts(&answers)
        );
        check_refusals(&answers, REFUSED);
        assert!(acks < REFUSED, "{acks:?}");
        let some = answers.iter().any(Answered::is_ack);
        assert!(some || !works, "nothing gets through");
    }
    proxy.heal();
    let healed = Instant::now();
    for asker in &mut askers {
        asker.until_acked(BACK).await;
    }
    assert!(healed.elapsed() < BACK, "{:?}", healed.elapsed());
    let mut after = Vec::new();
    for asker in &mut askers {
        after.extend(asker.ask_many(10, "after").await);
    }
    let slowest = percentile(&times(&after, |_| true), 100);
    eprintln!(
        "F19: all good {:?} after, then {} within {slowest:?}",
        healed.elapsed(),
        counts(&after)
    );
    assert!(after.iter().all(Answered::is_ack));
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    read_postgres(&database.url(), ROOM).await.check_gapless();
}

#[tokio::test(flavor = "multi_thread")]
async fn f20_a_locked_room_leaves_every_other_as_fast_as_it_was() {
    const CALM: [&str; 4] = ["calm-1", "calm-2", "calm-3", "calm-4"];
    let database = TestDatabase::shared().await;
    let salon = instance(&database.url(), &[]).await;
    make_rooms(salon.port(), &CALM).await;
    make_rooms(salon.port(), &["hot", "warm"]).await;
    let mut calm = Vec::new();
    for room in CALM {
        calm.push(Asker::enter(salon.port(), room, room).await);
    }
    let mut hot = Asker::enter(salon.port(), "hot", "hot").await;
    // Other tests have the two cores as well: what is noise does not come three times.
    let mut unchanged = false;
    for _ in 0..3 {
        let quiet = ask_all(&mut calm, Duration::from_secs(3)).await;
        let (during, refused) = while_locked(&database, &mut calm, &mut hot).await;
        check_refusals(&refused, REFUSED);
        assert!(refused.iter().all(|answer| !answer.is_ack()));
        assert!(refused.len() <= 10, "it was tried {} times", refused.len());
        for answer in quiet.iter().chain(&during) {
            assert!(answer.is_ack(), "{answer:?}");
        }
        hot.until_acked(BACK).await;
        unchanged = is_unchanged(&quiet, &during);
        if unchanged {
            break;
        }
    }
    assert!(unchanged, "others felt it");
    deadlock(&database, &salon).await;
}

/// What the calm rooms answer, and what the locked one, while somebody else holds its head for 4 s.
async fn while_locked(
    database: &TestDatabase,
    calm: &mut [Asker],
    hot: &mut Asker,
) -> (Vec<Answered>, Vec<Answered>) {
    const LOCKED: Duration = Duration::from_secs(4);
    let holder = database.client().await;
    let lock = "SELECT FROM room_heads h JOIN rooms r ON r.id = h.room_id WHERE slug = 'hot' FOR NO KEY UPDATE OF h";
    holder
        .batch_execute(&format!("BEGIN; {lock}"))
        .await
        .unwrap();
    let locked = Instant::now();
    let answers = tokio::join!(
        ask_all(calm, LOCKED),
        hot.keep_asking(Duration::from_millis(20), || locked.elapsed() < LOCKED)
    );
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    let waiting = count(database, waiting).await;
    assert!(waiting <= 2, "{waiting} connections wait for one room");
    holder.batch_execute("ROLLBACK").await.unwrap();
    answers
}

/// Whether the others were as fast as before: the row's 10 %, and what two busy cores add.
fn is_unchanged(quiet: &[Answered], during: &[Answered]) -> bool {
    let p = |answers: &[Answered], hundredth| percentile(&times(answers, |_| true), hundredth);
    eprintln!(
        "F20: others' acks p50 {:?} and p99 {:?} before, {:?} and {:?} while a room was locked",
        p(quiet, 50),
        p(quiet, 99),
        p(during, 50),
        p(during, 99)
    );
    p(during, 50) < p(quiet, 50).mul_f64(1.1) + Duration::from_millis(3)
        && p(during, 99) < p(quiet, 99).mul_f64(1.1) + Duration::from_millis(15)
        && p(during, 100) < Duration::from_secs(1)
}

/// Two others lock two rooms in opposite order: the database ends one of them, and sends to both go on.
async fn deadlock(database: &TestDatabase, salon: &SalonProcess) {
    let lock = |room: &str| {
        format!(
            "SELECT FROM room_heads h JOIN rooms r ON r.id = h.room_id WHERE slug = '{room}' FOR UPDATE OF h"
        )
    };
    let mut hot = Asker::enter(salon.port(), "hot", "hot").await;
    let mut warm = Asker::enter(salon.port(), "warm", "warm").await;
    let (one, two) = (database.client().await, database.client().await);
    one.batch_execute(&format!("BEGIN; {}", lock("hot")))
        .await
        .unwrap();
    two.batch_execute(&format!("BEGIN; {}", lock("warm")))
        .await
        .unwrap();
    let (then_warm, then_hot) = (lock("warm"), lock("hot"));
    let crossing = async {
        let (first, second) =
            tokio::join!(one.batch_execute(&then_warm), two.batch_execute(&then_hot));
        assert!(first.is_err() != second.is_err(), "one of them is ended");
        let _ = tokio::join!(one.batch_execute("ROLLBACK"), two.batch_execute("ROLLBACK"));
        Instant::now()
    };
    let (solved, _, _) = tokio::join!(
        crossing,
        hot.until_acked(DEADLINE),
        warm.until_acked(DEADLINE)
    );
    eprintln!(
        "F20: sends to both rooms went on {:?} after the deadlock",
        solved.elapsed()
    );
    assert!(solved.elapsed() < BACK);
}

/// All of them ask for so long.
async fn ask_all(askers: &mut [Asker], lasting: Duration) -> Vec<Answered> {
    let began = Instant::now();
    let asking = askers
        .iter_mut()
        .map(|asker| asker.keep_asking(Duration::from_millis(10), || began.elapsed() < lasting));
    futures_util::future::join_all(asking).await.concat()
}

/// Makes every transaction that changes a head take so long, at its COMMIT.
const SLOW: &str = "
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF current_setting('test.slept', true) IS DISTINCT FROM 'yes' THEN
            PERFORM set_config('test.slept', 'yes', true);
            PERFORM pg_sleep(1.5);
        END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON room_heads DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION slow()";

#[tokio::test(flavor = "multi_thread")]
async fn f21_an_exhausted_pool_refuses_leaves_probes_alone_and_recovers() {
    const ROOMS: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let database = TestDatabase::shared().await;
    let salon = instance(&database.url(), &[("SALON_DATABASE_POOL", "2")]).await;
    make_rooms(salon.port(), &ROOMS).await;
    let mut askers = Vec::new();
    for room in ROOMS {
        askers.push(Asker::enter(salon.port(), room, room).await);
    }
    database.execute(SLOW).await;
    let asking = askers
        .iter_mut()
        .map(|asker| asker.ask_many(50, "one of 500"));
    let began = Instant::now();
    let probing = async {
        let mut red = 0;
        while began.elapsed() < Duration::from_secs(3) {
            red += u32::from(http_status(salon.port(), "/readyz").await != Some(200));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        red
    };
    let (answers, red) = tokio::join!(futures_util::future::join_all(asking), probing);
    let answers: Vec<Answered> = answers.concat();
    let slowest = percentile(&times(&answers, |answer| !answer.is_ack()), 100);
    eprintln!(
        "F21: 500 sends over 2 connections: {}, slowest refusal {slowest:?}",
        counts(&answers)
    );
    check_refusals(&answers, REFUSED);
    assert!(
        answers.iter().any(|answer| !answer.is_ack()),
        "nothing was exhausted"
    );
    assert_eq!(red, 0, "a probe was blocked");
    let connections = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    assert!(count(&database, connections).await <= 6, "2 + 2 + 2");
    database.execute("DROP TRIGGER slow ON room_heads").await;
    let healed = Instant::now();
    for asker in &mut askers {
        asker.until_acked(BACK).await;
    }
    eprintln!("F21: all good {:?} after", healed.elapsed());
    assert!(healed.elapsed() < BACK);
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_a_call_waits_at_most_1_s_for_a_connection() {
    use salon::db::{Store, StoreError};
    let database = TestDatabase::shared().await;
    // Four connections, two of them the writer's own, and one second of patience.
    let store = crate::store::postgres::store_at(&database.url());
    let assistant = store.assistant().await.unwrap().id;
    let holder = database.client().await;
    holder
        .batch_execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let hogs: Vec<_> = (0..2)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.assistant().await })
        })
        .collect();
    eventually("all connections are taken", DEADLINE, async || {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        count(&database, waiting).await == 2
    })
    .await;
    let calls = (0..500).map(|_| {
        let store = Arc::clone(&store);
        async move {
            let began = Instant::now();
            (store.rooms(assistant, None, 1).await, began.elapsed())
        }
    });
    let (answers, ping) = tokio::join!(futures_util::future::join_all(calls), store.ping());
    assert!(ping.is_ok(), "a probe has its own way");
    let longest = answers.iter().map(|(_, took)| *took).max().unwrap();
    eprintln!("F21: 500 calls waited at most {longest:?}");
    assert!(
        answers
            .iter()
            .all(|(answer, _)| matches!(answer, Err(StoreError::Unavailable(_))))
    );
    assert!(longest < Duration::from_millis(1_500), "{longest:?}");
    holder.batch_execute("ROLLBACK").await.unwrap();
    for hog in hogs {
        let _ = hog.await.unwrap();
    }
    let healed = Instant::now();
    eventually("the pool works again", BACK, async || {
        store.rooms(assistant, None, 1).await.is_ok()
    })
    .await;
    assert!(healed.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn f22_a_connection_cut_between_statements_leaves_nothing_open() {
    let database = TestDatabase::shared().await;
    let pooler = PgBouncer::start_as_deployed(database.server()).await;
    for (way, port) in [
        ("direct", database.server().port()),
        ("pooled", pooler.port()),
    ] {
        let proxy = FaultProxy::start(port).await;
        let salon = instance(&behind(&proxy, &database), &[]).await;
        let mut asker = Asker::enter(salon.port(), way, ROOM).await;
        asker.until_acked(DEADLINE).await;
        for round in 0..5 {
            // The answer to what a transaction begins with stays here: it is open, and its next statement never comes.
            proxy.hold(Way::ToClient, b"BEGIN\0", 8);
            let cutting = async {
                eventually("a transaction stands open", DEADLINE, async || {
                    count(&database, IDLE_IN_TRANSACTION).await > 0
                })
                .await;
                proxy.cut();
                let cut = Instant::now();
                proxy.release();
                eventually("nothing stands open", Duration::from_secs(1), async || {
                    count(&database, IDLE_IN_TRANSACTION).await == 0
                })
                .await;
                cut.elapsed()
            };
            let (took, gone) = tokio::join!(asker.until_acked(BACK), cutting);
            eprintln!(
                "F22: {way} {round}: nothing open {gone:?} after the cut; acked after {took:?}"
            );
        }
        let answers = asker.ask_many(100, "after").await;
        assert!(answers.iter().all(Answered::is_ack), "{}", counts(&answers));
        // Jobs have transactions of their own, which end.
        eventually("nothing stands open", Duration::from_secs(1), async || {
            count(&database, IDLE_IN_TRANSACTION).await == 0
        })
        .await;
    }
    read_postgres(&database.url(), ROOM).await.check_gapless();
}

#[tokio::test(flavor = "multi_thread")]
async fn f26_without_connections_to_have_it_refuses_and_recovers() {
    let server = PostgresServer::start(&["max_connections=14", "autovacuum=off"]).await;
    let url = server.url("salon_template");
    let salon = instance(&url, &[]).await;
    let mut asker = Asker::enter(salon.port(), "asker", ROOM).await;
    asker.until_acked(DEADLINE).await;
    let admin = connect(&server.url("postgres")).await.unwrap();
    // Others take every connection there is, those that Salon had among them.
    let mut others = Vec::new();
    let taking = Instant::now();
    loop {
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'salon_template'";
        admin.batch_execute(cut).await.unwrap();
        while let Some(other) = connect(&server.url("postgres")).await {
            others.push(other);
        }
        let held = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'salon_template'";
        if admin.query_one(held, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            break;
        }
        assert!(taking.elapsed() < DEADLINE);
    }
    let full = Instant::now();
    let answers = asker
        .keep_asking(Duration::from_millis(100), || {
            full.elapsed() < Duration::from_secs(5)
        })
        .await;
    let slowest = percentile(&times(&answers, |_| true), 100);
    eprintln!("F26: {}, slowest {slowest:?}", counts(&answers));
    check_refusals(&answers, REFUSED);
    assert!(answers.iter().all(|answer| !answer.is_ack()));
    assert_eq!(http_status(salon.port(), "/livez").await, Some(200));
    assert_eq!(http_status(salon.port(), "/readyz").await, Some(503));
    drop(others);
    let took = asker.until_acked(BACK).await;
    eprintln!("F26: the first good send {took:?} after there are connections");
    eventually("it is ready", BACK, async || {
        http_status(salon.port(), "/readyz").await == Some(200)
    })
    .await;
}
