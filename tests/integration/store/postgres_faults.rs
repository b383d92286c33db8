//! What the Postgres store does when its server, its pooler or the network fails: in time, under the right name, and
//! without a trace of what did not happen. Each test has a server of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use salon::db::changes::{Batch, Change, Outcome, RoomApplied};
use salon::db::postgres::PostgresStore;
use salon::db::rows::{UserRow, Visibility};
use salon::db::{Store, StoreError};
use salon::error::ErrorCode;
use salon::ids::{RoomId, Seq};
use salon::limits;
use salon::permissions::Role;

use super::fixtures::{BackEnd, TestStore, batch, done, message, posted};
use super::postgres::store_at;
use crate::support::pgbouncer::PgBouncer;
use crate::support::postgres::{PostgresServer, TestDatabase};
use crate::support::process::eventually;
use crate::support::proxy::Proxy;

/// A call's longest time: its transaction and what it waited for before.
const CALL: Duration = Duration::from_millis(limits::TRANSACTION_MS + 1_000);
const BACK: Duration = Duration::from_secs(5);

/// A store whose test looks after the rest.
struct Plain;

impl BackEnd for Plain {
    fn age(&self, _seconds: i64) -> futures_util::future::BoxFuture<'_, ()> {
        async { panic!("these tests do not wait for leases") }.boxed()
    }

    fn set_clock_back(&self, _seconds: i64) -> futures_util::future::BoxFuture<'_, ()> {
        async { panic!("these tests do not look at the clock") }.boxed()
    }

    fn age_messages(&self, _: i64) -> futures_util::future::BoxFuture<'_, ()> {
        async { panic!("these tests remove nothing") }.boxed()
    }

    fn bury(&self, _room: RoomId, _seq: Seq) -> futures_util::future::BoxFuture<'_, ()> {
        async { panic!("these tests bury nothing") }.boxed()
    }

    fn rows_of(&self, _room: RoomId) -> futures_util::future::BoxFuture<'_, Vec<(String, usize)>> {
        async { panic!("these tests delete nothing") }.boxed()
    }

    fn end(self: Box<Self>) -> futures_util::future::BoxFuture<'static, ()> {
        async {}.boxed()
    }
}

fn plain(store: Arc<PostgresStore>) -> TestStore {
    TestStore {
        store,
        back_end: Box::new(Plain),
    }
}

fn post(author: &UserRow, body: &str) -> Change {
    Change::Post(message(author, body))
}

async fn count(database: &TestDatabase, question: &str) -> i64 {
    let rows = database.client().await.query(question, &[]).await.unwrap();
    rows[0].get(0)
}

/// How many transactions somebody has left open.
async fn left_open(database: &TestDatabase) -> i64 {
    let question = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' \
                    AND datname = current_database()";
    count(database, question).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_room_stalls_no_other() {
    let database = TestDatabase::shared().await;
    let store = plain(store_at(&database.url()));
    let (owner, locked) = store.owner_and_room().await;
    let free = store.make_room(&owner, "free", Visibility::Public).await;
    let free = free.room.id;
    let holder = database.client().await;
    holder
        .batch_execute(&format!(
            "BEGIN; SELECT FROM room_heads WHERE room_id = '{locked}' FOR NO KEY UPDATE"
        ))
        .await
        .unwrap();

    let both = batch(vec![
        (locked, vec![post(&owner, "waits")]),
        (free, vec![post(&owner, "goes")]),
    ]);
    let applied = store.apply(both.clone()).await.unwrap();
    assert!(matches!(applied.rooms[0], RoomApplied::Locked));
    let went = done(applied.rooms[1].clone());
    assert_eq!(posted(went.outcomes[0].clone()).seq, 1);
    let alone = batch(vec![(locked, vec![post(&owner, "does not wait")])]);
    let begun = Instant::now();
    let applied = store.apply_unless_locked(alone).await.unwrap();
    assert!(matches!(applied.rooms[0], RoomApplied::Locked));
    assert!(begun.elapsed() < Duration::from_secs(1));

    // More than may wait at once, and more than the pool has: the free room is written all the same.
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store.store);
            let alone = batch(vec![(locked, vec![post(&owner, "waits alone")])]);
            tokio::spawn(async move {
                let begun = Instant::now();
                (store.apply(alone).await, begun.elapsed())
            })
        })
        .collect();
    let begun = Instant::now();
    for _ in 0..20 {
        store.post(free, message(&owner, "goes")).await;
        store.ping().await.unwrap();
    }
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    for waited in waiting {
        let (result, time) = waited.await.unwrap();
        assert!(
            matches!(result, Err(StoreError::Unavailable(_))),
            "{result:?}"
        );
        assert!(time < CALL, "{time:?}");
    }

    // One that waits gets the lock when it is free.
    let alone = store.apply(batch(vec![(locked, vec![post(&owner, "in time")])]));
    let (applied, _) = tokio::join!(alone, async {
        eventually("somebody waits", BACK, async || {
            let question = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                            AND datname = current_database()";
            count(&database, question).await == 1
        })
        .await;
        holder.batch_execute("ROLLBACK").await.unwrap();
    });
    let written = done(applied.unwrap().rooms.remove(0));
    assert_eq!(posted(written.outcomes[0].clone()).seq, 1);
    assert_eq!(left_open(&database).await, 0);
    database.drop().await;
}

/// Rights are read by statements of their own after the lock: one statement would see what was there before it waited.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_removed_while_its_post_waited_for_the_lock_is_refused() {
    let database = TestDatabase::shared().await;
    let store = plain(store_at(&database.url()));
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "ada", Role::Member).await;
    let holder = database.client().await;
    holder
        .batch_execute(&format!(
            "BEGIN; SELECT FROM room_heads WHERE room_id = '{room}' FOR NO KEY UPDATE; \
             DELETE FROM memberships WHERE room_id = '{room}' AND user_id = '{}'",
            ada.id
        ))
        .await
        .unwrap();
    let waits = store.apply(batch(vec![(room, vec![post(&ada, "too late")])]));
    let (applied, _) = tokio::join!(waits, async {
        eventually("somebody waits", BACK, async || {
            let question = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                            AND datname = current_database()";
            count(&database, question).await == 1
        })
        .await;
        holder.batch_execute("COMMIT").await.unwrap();
    });
    let judged = done(applied.unwrap().rooms.remove(0));
    let refused = judged.outcomes[0].as_ref().unwrap_err();
    assert!(
        matches!(
            refused.code,
            ErrorCode::NotAMember | ErrorCode::RoomNotFound
        ),
        "{refused:?}"
    );
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_unavailable_in_time() {
    let server = Arc::new(PostgresServer::start(&[]).await);
    let database = server.database().await;
    let store = plain(store_at(&database.url()));
    let (owner, room) = store.owner_and_room().await;
    let first = store.post(room, message(&owner, "before")).await;
    store.ping().await.unwrap();

    server.freeze();
    let begun = Instant::now();
    let lost = batch(vec![(room, vec![post(&owner, "lost")])]);
    let (applied, ping, read) = tokio::join!(
        store.apply(lost),
        store.ping(),
        store.changes_after(room, 0, 10)
    );
    assert!(begun.elapsed() < CALL, "{:?}", begun.elapsed());
    assert!(
        matches!(applied, Err(StoreError::Unavailable(_))),
        "{applied:?}"
    );
    assert!(matches!(ping, Err(StoreError::Unavailable(_))), "{ping:?}");
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");

    server.thaw();
    eventually("it answers again", BACK, async || {
        store.ping().await.is_ok()
    })
    .await;
    let next = store.post(room, message(&owner, "after")).await;
    assert_eq!(
        next.seq,
        first.seq + 1,
        "what was unavailable did not happen"
    );
    eventually("nothing stays open", BACK, async || {
        left_open(&database).await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acked_survives_the_death_of_the_server() {
    let mut server = PostgresServer::start(&[]).await;
    server
        .execute("postgres", "CREATE DATABASE alone TEMPLATE salon_template")
        .await;
    let store = plain(store_at(&server.url("alone")));
    let (owner, room) = store.owner_and_room().await;
    let kept = message(&owner, "kept");
    let first = store.post(room, kept.clone()).await;

    server.kill();
    let begun = Instant::now();
    let result = store
        .apply(batch(vec![(room, vec![post(&owner, "no")])]))
        .await;
    assert!(
        matches!(result, Err(StoreError::Unavailable(_))),
        "{result:?}"
    );
    assert!(matches!(
        store.ping().await,
        Err(StoreError::Unavailable(_))
    ));
    assert!(begun.elapsed() < CALL, "{:?}", begun.elapsed());

    server.restart().await;
    eventually("it answers again", BACK, async || {
        store.ping().await.is_ok()
    })
    .await;
    let again = store.post(room, kept).await;
    assert!(again.duplicate);
    assert_eq!((again.seq, again.created_at), (first.seq, first.created_at));
    assert_eq!(store.post(room, message(&owner, "next")).await.seq, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_begins_without_its_server() {
    let store = store_at("postgres://salon@127.0.0.1:1/nowhere");
    assert!(matches!(
        store.ping().await,
        Err(StoreError::Unavailable(_))
    ));
}

/// Makes every COMMIT of a changed head take so long, so that a test can act in the middle of one.
async fn slow_commits(database: &TestDatabase, seconds: f64) {
    database
        .execute(&format!(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END $$;
             CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON room_heads DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION slow()"
        ))
        .await;
}

async fn in_commit(database: &TestDatabase) {
    eventually("a COMMIT is under way", BACK, async || {
        let question = "SELECT count(*) FROM pg_stat_activity WHERE query = 'COMMIT -- ' \
                        AND state = 'active' AND wait_event = 'PgSleep' AND datname = current_database()";
        count(database, question).await > 0
    })
    .await;
}

fn again(batch: &Batch) -> Batch {
    Batch {
        rerun: true,
        ..batch.clone()
    }
}

/// A store behind a proxy, with an owner, a room, and a batch of posts and a batch of another kind to be lost.
async fn batches_to_lose(store: &TestStore) -> (RoomId, Batch, Batch) {
    let (owner, room) = store.owner_and_room().await;
    let friend = store.person("friend").await;
    let posts = batch(vec![(room, vec![post(&owner, "one"), post(&owner, "two")])]);
    let mixed = batch(vec![(
        room,
        vec![
            post(&owner, "three"),
            Change::SetMember {
                actor: owner.id,
                user: friend.id,
                role: Role::Moderator,
            },
            Change::DeleteRoom { actor: friend.id },
        ],
    )]);
    (room, posts, mixed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_found_by_its_rerun() {
    let database = TestDatabase::shared().await;
    let proxy = Proxy::start(database.server().port()).await;
    let store = plain(store_at(&proxy.url(database.name())));
    let (room, posts, mixed) = batches_to_lose(&store).await;
    slow_commits(&database, 0.5).await;
    let mut expected = 0;
    for (lost, versions) in [(posts, 2), (mixed, 2)] {
        let (result, ()) = tokio::join!(store.apply(lost.clone()), async {
            in_commit(&database).await;
            proxy.cut_answers();
        });
        assert!(
            matches!(result, Err(StoreError::CommitUnknown(_))),
            "{result:?}"
        );
        proxy.heal();
        // The lost transaction may still be at it: its room is waited for.
        let found = done(store.apply(again(&lost)).await.unwrap().rooms.remove(0));
        assert!(found.changes.is_empty(), "nothing was written twice");
        expected += versions;
        assert_eq!(found.head.version, expected);
        for outcome in found.outcomes.iter().flatten() {
            let version = match outcome {
                Outcome::Posted(posted) => posted.version,
                Outcome::Changed { version } => *version,
            };
            assert!(version <= expected && version > expected - versions);
        }
        let once_more = done(store.apply(again(&lost)).await.unwrap().rooms.remove(0));
        assert_eq!(once_more.outcomes, found.outcomes);
    }
    assert_eq!(store.all_changes(room, 0).await.len(), 4);
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_did_not_happen_is_done_by_its_rerun() {
    let database = TestDatabase::shared().await;
    let store = plain(store_at(&database.url()));
    let (room, posts, mixed) = batches_to_lose(&store).await;
    slow_commits(&database, 0.5).await;
    for lost in [posts, mixed] {
        let before = store.heads(&[room]).await.unwrap()[0].version;
        let (result, ()) = tokio::join!(store.apply(lost.clone()), async {
            in_commit(&database).await;
            database
                .execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE query = 'COMMIT -- ' AND state = 'active' AND datname = current_database()",
                )
                .await;
        });
        assert!(
            matches!(result, Err(StoreError::CommitUnknown(_))),
            "{result:?}"
        );
        assert_eq!(store.heads(&[room]).await.unwrap()[0].version, before);
        let written = done(store.apply(again(&lost)).await.unwrap().rooms.remove(0));
        assert_eq!((written.from, written.changes.len()), (before, 2));
    }
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_leaves_no_transaction_open() {
    let database = TestDatabase::shared().await;
    let store = plain(store_at(&database.url()));
    let (owner, room) = store.owner_and_room().await;
    let mut left = 0;
    for turn in 0..50 {
        let apply = store.apply(batch(vec![(room, vec![post(&owner, "gone")])]));
        if turn % 2 == 0 {
            // Polled once, then dropped: the work goes on without its caller.
            left += usize::from(apply.now_or_never().is_none());
        } else {
            apply.await.unwrap();
        }
    }
    eventually("all are written", BACK, async || {
        store.heads(&[room]).await.unwrap()[0].last_seq == 50
    })
    .await;
    assert!(left > 0, "all were done before they could be left");
    assert_eq!(left_open(&database).await, 0);
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_cannot_be_stored_is_broken_alone() {
    let database = TestDatabase::shared().await;
    let store = plain(store_at(&database.url()));
    let (owner, room) = store.owner_and_room().await;
    let poison = batch(vec![(
        room,
        vec![post(&owner, "good"), post(&owner, "b\0d")],
    )]);
    let result = store.apply(poison).await;
    assert!(matches!(result, Err(StoreError::Broken(_))), "{result:?}");
    assert_eq!(store.post(room, message(&owner, "good")).await.seq, 1);
    assert_eq!(left_open(&database).await, 0);
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_dies_or_pauses_is_unavailable_in_time() {
    let database = TestDatabase::shared().await;
    let mut pooler = PgBouncer::start(database.server(), 3, &[]).await;
    let store = plain(store_at(&pooler.url(database.name())));
    let (owner, room) = store.owner_and_room().await;

    pooler.kill();
    let result = store
        .apply(batch(vec![(room, vec![post(&owner, "no")])]))
        .await;
    assert!(
        matches!(result, Err(StoreError::Unavailable(_))),
        "{result:?}"
    );
    pooler.restart().await;
    eventually("it answers again", BACK, async || {
        store.ping().await.is_ok()
    })
    .await;
    assert_eq!(store.post(room, message(&owner, "first")).await.seq, 1);

    pooler.admin("PAUSE").await;
    let begun = Instant::now();
    let result = store
        .apply(batch(vec![(room, vec![post(&owner, "no")])]))
        .await;
    assert!(
        matches!(result, Err(StoreError::Unavailable(_))),
        "{result:?}"
    );
    assert!(begun.elapsed() < CALL, "{:?}", begun.elapsed());
    pooler.admin("RESUME").await;
    eventually("it answers again", BACK, async || {
        store.ping().await.is_ok()
    })
    .await;
    assert_eq!(store.post(room, message(&owner, "second")).await.seq, 2);
    drop(store);
    database.drop().await;
}
