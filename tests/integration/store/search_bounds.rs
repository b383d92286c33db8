//! One search looks at a bounded number of messages, whatever is asked for: its pages may be short or empty then, and going on
//! from them finds everything, once and in order. Counted, not timed; over more messages than one search may look at, written by
//! SQL beside the stores.

use salon::db::Store;
use salon::db::rows::{UserRow, Visibility};
use salon::db::search::Search;
use salon::ids::{RoomId, Seq};
use salon::limits;

use super::fixtures::TestStore;
use super::postgres::{on, store_at};
use super::search::search;
use super::sqlite;
use crate::support::postgres::TestDatabase;
use crate::support::process::eventually;

/// The server counts with some delay.
const SOON: std::time::Duration = std::time::Duration::from_secs(20);

/// More than one search may look at, and two may.
const MANY: i64 = limits::SEARCH_LOOKED * 4 / 3;
/// Of these, the oldest that have the word `old`: more than the index of words may give.
const OLD: i64 = limits::SEARCH_CANDIDATES * 2;

fn by(author: &str, query: &str) -> Search {
    Search {
        author: Some(author.to_owned()),
        ..search(query)
    }
}

/// What holds on any store whose room `den` is full of `tea kettle`: `old` in the first [`OLD`], a phrase in message 1,
/// `rare` in message 2.
async fn everything_is_found_in_bounded_steps(store: &TestStore, owner: &UserRow) {
    let (found, pages) = store.pages(owner.id, search("tea")).await;
    let all: Vec<Seq> = found.iter().map(|(_, seq)| *seq).take(500).collect();
    assert_eq!(all, (MANY - 499..=MANY).rev().collect::<Vec<_>>());
    let full = usize::try_from(MANY / 50).unwrap();
    assert!(
        pages[..full].iter().all(|page| *page == 50),
        "frequent: pages are full"
    );
    for rare in ["rare", "rar", "\"rare\"", "kett rar"] {
        let (found, pages) = store.pages(owner.id, search(rare)).await;
        assert_eq!(found, [("den".to_owned(), 2)], "{rare}");
        assert_eq!(pages, [1], "rare: one page has all");
    }
    for (asked, expected) in [
        (search("\"kettle tea\""), vec![1]),
        (search("kettle-te tea"), vec![]),
        (search("kettle-tea"), vec![1]),
        (search("kettl -kettle"), vec![]),
        (by("nobody", "tea"), vec![]),
        (by("OWNER", "rare tea"), vec![2]),
    ] {
        let (found, pages) = store.pages(owner.id, asked.clone()).await;
        let found: Vec<Seq> = found.into_iter().map(|(_, seq)| seq).collect();
        assert_eq!(found, expected, "{asked:?}");
        assert!(pages.len() <= 3, "{asked:?}: {pages:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_looks_at_a_bounded_number_of_messages() {
    let database = TestDatabase::shared().await;
    let (client, url) = (database.client().await, database.url());
    let store = on(database);
    let (owner, den) = store.owner_and_room().await;
    let (author, room) = (owner.id, den);
    client
        .batch_execute(&format!(
            "INSERT INTO messages (room_id, seq, version, created_version, author_id, client_id, kind, state, body, created_at)
             SELECT '{room}', n, n, n, '{author}', gen_random_uuid(), 'user', 'complete',
                 CASE n WHEN 1 THEN 'kettle tea old' WHEN 2 THEN 'tea kettle rare old' ELSE 'tea kettle' END
                     || CASE WHEN n BETWEEN 3 AND {OLD} THEN ' old' ELSE '' END,
                 now() - ({MANY} - n) * interval '1 second'
             FROM generate_series(1, {MANY}) n;
             INSERT INTO message_words (room_id, seq, created_at, words)
             SELECT room_id, seq, created_at, salon_words(body) FROM messages;
             ANALYZE message_words"
        ))
        .await
        .unwrap();
    everything_is_found_in_bounded_steps(&store, &owner).await;
    // Its newest messages say nothing of how often it was said before; the index must not give all of that.
    let (found, pages) = store.pages(owner.id, search("old")).await;
    let expected: Vec<_> = (1..=OLD).rev().map(|seq| ("den".to_owned(), seq)).collect();
    assert_eq!(found, expected);
    assert_eq!(pages[0], 0, "too many to give, too far away to meet");

    // What the server itself counted, of a store whose connections have ended.
    let read = "SELECT coalesce(idx_tup_fetch, 0) + coalesce(seq_tup_read, 0) FROM pg_stat_user_tables WHERE relname = 'message_words'";
    let count = async || -> i64 { client.query_one(read, &[]).await.unwrap().get(0) };
    for asked in [
        search("\"kettle tea\""),
        by("nobody", "tea"),
        search("old"),
        search("tea -kettle"),
        search("kettl -kettle"),
    ] {
        client
            .batch_execute("SELECT pg_stat_reset()")
            .await
            .unwrap();
        eventually("the count begins anew", SOON, async || count().await == 0).await;
        let searcher = store_at(&url);
        searcher.search(owner.id, asked.clone()).await.unwrap();
        drop(searcher);
        eventually("the count is told", SOON, async || count().await > 0).await;
        let read = count().await;
        assert!(read <= limits::SEARCH_LOOKED + 2, "{asked:?} read {read}");
        assert!(read >= 10_000, "{asked:?} read {read}");
    }
    store.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_finds_in_order_where_rooms_are_busy_and_quiet() {
    let database = TestDatabase::shared().await;
    let client = database.client().await;
    let store = on(database);
    let (owner, den) = store.owner_and_room().await;
    let mut rooms: Vec<RoomId> = vec![den];
    for slug in ["quiet", "silent", "ended"] {
        rooms.push(
            store
                .make_room(&owner, slug, Visibility::Public)
                .await
                .room
                .id,
        );
    }
    // A busy room, two that are not, and one that was busy once; many at the same time.
    for (room, (count, apart, ended)) in rooms.iter().zip([
        (20_000, 1, 0),
        (900, 20, 0),
        (9, 3_000, 0),
        (5_000, 1, 7_000),
    ]) {
        client
            .batch_execute(&format!(
                "INSERT INTO messages (room_id, seq, version, created_version, author_id, client_id, kind, state, body, created_at)
                 SELECT '{room}', n, n, n, '{}', gen_random_uuid(), 'user', 'complete',
                     CASE WHEN n % 9 = 0 THEN 'tea for ' || n ELSE 'nothing of it' END,
                     date_trunc('second', now()) - (({count} - n) * {apart} + {ended}) * interval '1 second'
                 FROM generate_series(1, {count}) n;
                 INSERT INTO message_words (room_id, seq, created_at, words)
                 SELECT room_id, seq, created_at, salon_words(body) FROM messages WHERE room_id = '{room}'",
                owner.id
            ))
            .await
            .unwrap();
    }
    let order = "SELECT r.slug, m.seq FROM messages m JOIN rooms r ON r.id = m.room_id WHERE m.body LIKE 'tea%' \
                 ORDER BY m.created_at DESC, m.room_id DESC, m.seq DESC";
    let rows = client.query(order, &[]).await.unwrap();
    let expected: Vec<(String, Seq)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(expected.len(), 2_222 + 100 + 1 + 555);
    let (found, _) = store.pages(owner.id, search("tea")).await;
    let first = found
        .iter()
        .zip(&expected)
        .position(|(one, other)| one != other);
    assert!(
        found == expected,
        "each once, newest first: {} of {}, {first:?}",
        found.len(),
        expected.len()
    );
    let (found, _) = store
        .pages(
            owner.id,
            Search {
                room: Some("ended".to_owned()),
                limit: 7,
                ..search("tea")
            },
        )
        .await;
    assert_eq!(found.len(), 555);
    let rare = store.pages(owner.id, search("tea 4995")).await.0;
    let both: Vec<_> = expected
        .iter()
        .filter(|(_, seq)| *seq == 4_995)
        .cloned()
        .collect();
    assert_eq!(both.len(), 2);
    assert_eq!(rare, both);
    store.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_looks_at_a_bounded_number_of_messages() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_path_buf();
    let store = sqlite::open(folder).await;
    let (owner, den) = store.owner_and_room().await;
    let (author, room) = (owner.id.0.simple(), den.0.simple());
    sqlite::run_in(path, format!(
            "WITH RECURSIVE made (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM made WHERE n < {MANY})
             INSERT INTO messages (room_id, seq, version, created_version, author_id, kind, state, body, created_at)
             SELECT x'{room}', n, n, n, x'{author}', 'user', 'complete',
                 CASE n WHEN 1 THEN 'kettle tea old' WHEN 2 THEN 'tea kettle rare old' ELSE 'tea kettle' END,
                 1700000000000000 + n FROM made"
        ))
        .await;
    everything_is_found_in_bounded_steps(&store, &owner).await;
    let nothing = store.search(owner.id, by("nobody", "tea")).await.unwrap();
    assert!(nothing.hits.is_empty());
    let next = nothing.next.expect("there are more");
    let looked = limits::SEARCH_LOOKS.iter().sum::<i64>() + limits::SEARCH_LAST_LOOK;
    assert_eq!(next.seq, MANY - looked + 1);
    store.end().await;
}

/// The index gathers what a beginning finds before it gives the first of it, so its time is bounded and not only its count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_goes_on_in_steps_where_its_index_of_words_takes_long() {
    let database = TestDatabase::shared().await;
    let client = database.client().await;
    let store = on(database);
    let (owner, room) = store.owner_and_room().await;
    let count = limits::SEARCH_LOOKS.iter().sum::<i64>() + 1_000;
    client
        .batch_execute(&format!(
            "INSERT INTO messages (room_id, seq, version, created_version, author_id, client_id, kind, state, body, created_at)
             SELECT '{room}', n, n, n, '{}', gen_random_uuid(), 'user', 'complete',
                 CASE n WHEN 2 THEN 'rarely' ELSE 'tea' END, now() - ({count} - n) * interval '1 second'
             FROM generate_series(1, {count}) n;
             INSERT INTO message_words (room_id, seq, created_at, words)
             SELECT room_id, seq, created_at, salon_words(body) FROM messages;
             CREATE FUNCTION to_tsquery(settings text, words text) RETURNS tsquery LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
                 IF current_query() LIKE '%found AS MATERIALIZED%' THEN PERFORM pg_sleep(60); END IF;
                 RETURN to_tsquery(settings::regconfig, words);
             END $$",
            owner.id
        ))
        .await
        .unwrap();
    // The two looks that come first do not reach it, and say that it is rare.
    let begun = std::time::Instant::now();
    let (found, pages) = store.pages(owner.id, search("rare")).await;
    assert_eq!((found, pages), (vec![("den".to_owned(), 2)], vec![1]));
    let took = u64::try_from(begun.elapsed().as_millis()).unwrap();
    assert!(
        took >= limits::SEARCH_INDEX_MS,
        "the index was asked: {took} ms"
    );
    store.end().await;
}
