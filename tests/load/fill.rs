//! Fills a Postgres database with a history to search and to export: rooms, members and messages of made-up words, written by
//! SQL past the server, indexed for searches with them. A word's rank is drawn so that the second is half as frequent as the
//! first, as in real text.

use std::time::Instant;

use tokio_postgres::{Client, NoTls};

/// Messages of one statement.
const PART: i64 = 20_000;
/// Words there are.
const VOCABULARY: i64 = 50_000;

pub(crate) async fn run(database: &str, messages: i64, rooms: i64) {
    let (client, connection) = tokio_postgres::connect(database, NoTls)
        .await
        .expect("the database");
    tokio::spawn(connection);
    let began = Instant::now();
    client
        .batch_execute(
            "INSERT INTO users (id, name, name_key, kind) SELECT gen_random_uuid(), 'writer ' || n, 'writer ' || n, 'guest' \
             FROM generate_series(1, 100) n",
        )
        .await
        .expect("writers");
    let share = messages / rooms;
    for room in 1..=rooms {
        fill(&client, room, share).await;
        println!(
            "room {room} of {rooms}: {share} messages, {:.0?} so far",
            began.elapsed()
        );
    }
    client.batch_execute("ANALYZE").await.expect("ANALYZE");
    // As autovacuum does by and by: what waits to be indexed is indexed.
    client
        .batch_execute("VACUUM message_words")
        .await
        .expect("VACUUM");
}

async fn fill(client: &Client, room: i64, messages: i64) {
    let slug = format!("fill-{room}");
    client
        .execute(
            "WITH made AS (INSERT INTO rooms (id, slug, name, visibility) VALUES (gen_random_uuid(), $1, $1, 'public') RETURNING id) \
             INSERT INTO room_heads (room_id, epoch, version, last_seq) SELECT id, 1, $2, $2 FROM made",
            &[&slug, &messages],
        )
        .await
        .expect("a room");
    let mut from = 1;
    while from <= messages {
        let to = (from + PART - 1).min(messages);
        client
            .execute(
                "WITH made AS (INSERT INTO messages (room_id, seq, version, created_version, author_id, client_id, kind, state, body, created_at) \
                 SELECT r.id, n, n, n, w.ids[1 + n % 100], gen_random_uuid(), 'user', 'complete', \
                     (SELECT string_agg('word' || floor(exp(random() * ln($4::float8)))::int, ' ') \
                      FROM generate_series(1, 8 + (n % 9)::int) WHERE n > 0), \
                     now() - ($5::bigint - n) * interval '20 seconds' \
                 FROM generate_series($2::bigint, $3::bigint) n, \
                     (SELECT array_agg(id) AS ids FROM (SELECT id FROM users WHERE name_key LIKE 'writer %' LIMIT 100) u) w, rooms r \
                 WHERE r.slug = $1 RETURNING room_id, seq, created_at, body) \
                 INSERT INTO message_words (room_id, seq, created_at, words) \
                 SELECT room_id, seq, created_at, salon_words(body) FROM made ON CONFLICT DO NOTHING",
                &[&slug, &from, &to, &(VOCABULARY as f64), &messages],
            )
            .await
            .expect("messages");
        from = to + 1;
    }
    client
        .execute(
            "INSERT INTO search_progress (room_id, indexed) SELECT id, $2 FROM rooms WHERE slug = $1 \
             ON CONFLICT (room_id) DO UPDATE SET indexed = excluded.indexed",
            &[&slug, &messages],
        )
        .await
        .expect("the mark of what is indexed");
}
