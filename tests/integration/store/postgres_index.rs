//! The index for searches on Postgres, which is written behind the messages: what waits is found by a scan, what is edited or
//! deleted meanwhile is never indexed as it was, and nobody waits for anybody.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use salon::db::Store;
use salon::db::changes::Change;
use salon::db::search::Behind;
use salon::ids::{RoomId, Seq};
use salon::writer::WrittenRooms;
use salon::{jobs, limits};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::fixtures::{changed, message};
use super::message_changes::{delete, edit, react};
use super::postgres::{on, store_at};
use super::search::search;
use crate::support::postgres::TestDatabase;
use crate::support::process::eventually;

/// What takes longer waited for a lock.
const AT_ONCE: Duration = Duration::from_millis(limits::LOCK_WAIT_MS / 2);
/// Written within so long once nobody is in the way.
const SOON: Duration = Duration::from_secs(10);

async fn count(client: &tokio_postgres::Client, question: &str) -> i64 {
    client.query_one(question, &[]).await.unwrap().get(0)
}

/// Messages whose words are missing, or are not theirs, and words of what cannot be found.
const WRONG: &str = "SELECT count(*) FROM (
        SELECT room_id, seq, salon_words(body) AS words FROM messages
        WHERE body <> '' AND deleted_at IS NULL AND state <> 'queued'
    ) m FULL JOIN message_words w ON w.room_id = m.room_id AND w.seq = m.seq
    WHERE w.words IS DISTINCT FROM m.words";

async fn seqs(store: &dyn Store, user: salon::ids::UserId, query: &str) -> Vec<Seq> {
    let page = store.search(user, search(query)).await.unwrap();
    page.hits.iter().map(|hit| hit.message.seq).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_is_bounded_and_the_next_goes_on() {
    let database = TestDatabase::shared().await;
    let client = database.client().await;
    let store = on(database);
    let (owner, den) = store.owner_and_room().await;
    let other = store
        .make_room(&owner, "other", salon::db::rows::Visibility::Public)
        .await
        .room
        .id;
    let many = |count: usize, body: &str| {
        (0..count)
            .map(|_| Change::Post(message(&owner, body)))
            .collect()
    };
    store.write(den, many(10, "tea")).await;
    store.write(other, many(2, "tea")).await;
    let behind: BTreeSet<RoomId> = store
        .rooms_behind_index(9)
        .await
        .unwrap()
        .into_iter()
        .collect();
    assert_eq!(behind, BTreeSet::from([den, other]));
    assert_eq!(store.rooms_behind_index(1).await.unwrap().len(), 1);
    assert_eq!(
        seqs(&*store.store, owner.id, "tea").await,
        Vec::<Seq>::new()
    );
    // Each room has its share.
    assert_eq!(store.part(&[den, other], 6).await.unwrap(), [den]);
    assert_eq!(seqs(&*store.store, owner.id, "tea").await, [2, 1, 3, 2, 1]);
    assert_eq!(store.rooms_behind_index(9).await.unwrap(), [den]);
    assert_eq!(store.part(&[den], 6).await.unwrap(), [den]);
    assert_eq!(store.part(&[den], 6).await.unwrap(), []);
    assert_eq!(store.rooms_behind_index(9).await.unwrap(), []);
    assert_eq!(count(&client, WRONG).await, 0);
    // What is left tells how long it waits, and what somebody else indexes does not.
    store.write(den, many(4, "tea")).await;
    let old = "UPDATE messages SET created_at = created_at - CASE seq WHEN 13 THEN interval '1 hour' ELSE interval '2 hours' END \
               WHERE seq > 10 AND room_id = (SELECT id FROM rooms WHERE slug = 'den')";
    client.execute(old, &[]).await.unwrap();
    let behind = store.index_new(&[den], 2).await.unwrap();
    let age = behind[0].age.unwrap().as_secs();
    assert!((3_600..3_660).contains(&age), "of message 13: {age} s");
    assert_eq!(store.part(&[den], 2).await.unwrap(), []);
    // Long texts count by their length; one always goes.
    let long = "tea ".repeat(limits::BODY_BYTES / 4);
    let fit = usize::try_from(limits::INDEX_BYTES).unwrap() / long.len();
    for _ in 0..fit + 2 {
        store.post(den, message(&owner, &long)).await;
    }
    assert_eq!(store.part(&[den], 1_000).await.unwrap(), [den]);
    let indexed = count(&client, "SELECT max(indexed) FROM search_progress").await;
    assert_eq!(indexed, 14 + i64::try_from(fit).unwrap());
    assert_eq!(store.part(&[den], 1_000).await.unwrap(), []);
    // What retention took before its turn came is no obstacle.
    store.write(other, many(20, "coffee")).await;
    let gone = "DELETE FROM messages WHERE seq <= 15 AND room_id IN (SELECT id FROM rooms WHERE slug = 'other')";
    client.execute(gone, &[]).await.unwrap();
    assert_eq!(store.part(&[other], 7).await.unwrap(), []);
    assert_eq!(
        seqs(&*store.store, owner.id, "coffee").await,
        (16..=22).rev().collect::<Vec<_>>()
    );
    assert_eq!(count(&client, WRONG).await, 0);
    store.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_or_edited_while_it_is_indexed_leaves_no_words() {
    let database = TestDatabase::shared().await;
    let client = database.client().await;
    // Between the reading of the text and the end.
    database
        .execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN IF new.seq = 3 THEN PERFORM pg_sleep(1); END IF; RETURN NEW; END $$;
             CREATE TRIGGER slow BEFORE INSERT ON message_words FOR EACH ROW EXECUTE FUNCTION slow()",
        )
        .await;
    let url = database.url();
    let store = on(database);
    let (owner, room) = store.owner_and_room().await;
    for body in ["secret one", "secret two", "three"] {
        store.post(room, message(&owner, body)).await;
    }
    let writer = store_at(&url);
    let indexing = tokio::spawn(async move { writer.index_new(&[room], 100).await });
    eventually("the texts are read and not yet written", SOON, async || {
        count(&client, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()")
            .await > 0
    })
    .await;
    changed(store.change(room, delete(&owner, 1)).await);
    changed(store.change(room, edit(&owner, 2, "public", None)).await);
    assert_eq!(indexing.await.unwrap().unwrap(), []);
    assert_eq!(count(&client, WRONG).await, 0);
    assert_eq!(
        seqs(&*store.store, owner.id, "secret").await,
        Vec::<Seq>::new()
    );
    assert_eq!(seqs(&*store.store, owner.id, "public").await, [2]);
    store.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_hold_is_passed_over_and_indexed_later() {
    let database = TestDatabase::shared().await;
    let (client, mut holder) = (database.client().await, database.client().await);
    let store = on(database);
    let (owner, room) = store.owner_and_room().await;
    for body in ["one", "two", "three", "four"] {
        store.post(room, message(&owner, body)).await;
    }
    let held = holder.transaction().await.unwrap();
    let statement = "UPDATE messages SET version = 100 + seq, body = CASE seq WHEN 2 THEN 'edited' ELSE '' END, \
                     deleted_at = CASE seq WHEN 3 THEN now() END WHERE seq IN (2, 3)";
    assert_eq!(held.execute(statement, &[]).await.unwrap(), 2);
    let part = timeout(AT_ONCE, store.part(&[room], 100)).await;
    assert_eq!(part.expect("no wait for a message").unwrap(), [room]);
    assert_eq!(seqs(&*store.store, owner.id, "four").await, [4]);
    assert_eq!(
        count(&client, "SELECT indexed FROM search_progress").await,
        1
    );
    held.commit().await.unwrap();
    assert_eq!(store.part(&[room], 100).await.unwrap(), []);
    assert_eq!(count(&client, WRONG).await, 0);
    assert_eq!(seqs(&*store.store, owner.id, "edited").await, [2]);
    // A mark that another instance moves is passed over too, whole.
    store.post(room, message(&owner, "five")).await;
    let held = holder.transaction().await.unwrap();
    held.execute("SELECT 1 FROM search_progress FOR UPDATE", &[])
        .await
        .unwrap();
    let part = timeout(AT_ONCE, store.index_new(&[room], 100)).await;
    let passed_over = Behind { room, age: None };
    assert_eq!(part.expect("no wait for a mark").unwrap(), [passed_over]);
    assert_eq!(
        seqs(&*store.store, owner.id, "five").await,
        Vec::<Seq>::new()
    );
    held.rollback().await.unwrap();
    assert_eq!(store.part(&[room], 100).await.unwrap(), []);
    assert_eq!(seqs(&*store.store, owner.id, "five").await, [5]);
    store.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_index_while_others_write_and_nothing_is_missed() {
    const ROUNDS: i64 = 60;
    let database = TestDatabase::shared().await;
    let client = database.client().await;
    let url = database.url();
    let store = on(database);
    let (owner, den) = store.owner_and_room().await;
    let other = store
        .make_room(&owner, "other", salon::db::rows::Visibility::Public)
        .await
        .room
        .id;
    let stop = CancellationToken::new();
    let indexers: Vec<_> = [[den, other], [other, den]]
        .into_iter()
        .map(|rooms| {
            let (store, stop) = (store_at(&url), stop.clone());
            tokio::spawn(async move {
                let mut parts = 0;
                while !stop.is_cancelled() {
                    store.index_new(&rooms, 7).await.unwrap();
                    parts += 1;
                }
                parts
            })
        })
        .collect();
    let write = async |room: RoomId| {
        for round in 1..=ROUNDS {
            let (seq, body) = (round * 3, format!("text of {round}"));
            let posts = (0..3).map(|_| Change::Post(message(&owner, &body)));
            store.write(room, posts.collect()).await;
            let changes = vec![
                edit(&owner, seq, "another text", None),
                react(&owner, seq - 1, "🫖"),
                delete(&owner, seq - 2),
            ];
            for outcome in store.write(room, changes).await.outcomes {
                changed(outcome);
            }
        }
    };
    tokio::join!(write(den), write(other));
    stop.cancel();
    for indexer in indexers {
        assert!(indexer.await.unwrap() > 0);
    }
    store.index().await;
    assert_eq!(count(&client, WRONG).await, 0);
    assert_eq!(
        count(&client, "SELECT count(*) FROM message_words").await,
        ROUNDS * 2 * 2
    );
    store.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_job_finds_what_was_left_and_hears_of_what_is_written() {
    let store = on(TestDatabase::shared().await);
    let (owner, room) = store.owner_and_room().await;
    store.post(room, message(&owner, "left by another")).await;
    let (written, stop) = (Arc::<WrittenRooms>::default(), CancellationToken::new());
    let job = jobs::index::run(Arc::clone(&store.store), Arc::clone(&written), stop.clone());
    let job = tokio::spawn(job);
    eventually("what was left is found", SOON, async || {
        seqs(&*store.store, owner.id, "left").await == [1]
    })
    .await;
    store.post(room, message(&owner, "fresh")).await;
    written.note(room);
    eventually(
        "what was written is found before the next scan",
        limits::INDEX_SCAN / 2,
        async || seqs(&*store.store, owner.id, "fresh").await == [2],
    )
    .await;
    stop.cancel();
    timeout(SOON, job).await.expect("it stops").unwrap();
    store.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_migration_goes_back_and_forth_under_messages() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("migrations/postgres/2026-11-25-000007_index_progress");
    let script = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let database = TestDatabase::shared().await;
    let (client, down) = (database.client().await, script("down.sql"));
    let store = on(database);
    let (owner, room) = store.owner_and_room().await;
    store.post(room, message(&owner, "indexed")).await;
    store.index().await;
    store.post(room, message(&owner, "waiting")).await;
    client.batch_execute(&down).await.unwrap();
    // As before: with the message, and the rest as the past.
    store.post(room, message(&owner, "at once")).await;
    assert_eq!(seqs(&*store.store, owner.id, "once").await, [3]);
    assert_eq!(count(&client, WRONG).await, 1);
    client.batch_execute(&script("up.sql")).await.unwrap();
    store.post(room, message(&owner, "behind")).await;
    while store.index_older(2).await.unwrap() {}
    assert_eq!(seqs(&*store.store, owner.id, "waiting").await, [2]);
    store.index().await;
    assert_eq!(seqs(&*store.store, owner.id, "behind").await, [4]);
    assert_eq!(count(&client, WRONG).await, 0);
    store.end().await;
}
