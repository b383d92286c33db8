//! What a reply costs, in what can be counted: bytes and frames on a real socket, publications on the layer, statements at the
//! database. None of it grows with the square of anything.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::reader::Reader;
use super::size;
use super::support::fake_provider::Answer;
use super::talk::{Asker, askers};
use super::world::World;

/// Bytes that a reply of [`TOKENS`] may cost a client, the settled message included.
const BYTES: u64 = 100_000;
const TOKENS: usize = 2_000;
/// What a short reply costs besides: the prompt, its ack, the settled message's fields.
const BESIDES: u64 = 3_000;
/// 50 tokens a second.
const BETWEEN: Duration = Duration::from_millis(20);
/// About what a model's tokens look like: four to five characters.
const WORDS: [&str; 8] = [
    "the ", "tide", " come", "s in ", "and", " goes ", "out", ", twice ",
];
/// Publications besides the deltas and the versions, of presence and of who waits, in a second.
const OTHERS: f64 = 3.0;
/// The database counts what ended with some delay: what an idle connection did last, ten seconds later.
const COUNTED_LATE: Duration = Duration::from_secs(11);

fn answer(tokens: usize) -> Answer {
    let words = WORDS.iter().cycle().take(tokens);
    let answer = words.fold(Answer::stream(), |answer, word| {
        answer.delay(BETWEEN).piece(word)
    });
    answer.finish("end")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_costs_a_reader_little_and_the_layer_the_same_whoever_reads() {
    let tokens = size::count(500, TOKENS);
    let world = World::start(1, &[]).await;
    world.provider.otherwise(answer(tokens));
    let mut asker = askers(&world, 1, false).await.remove(0);
    let alone = publications_of_one(&world, &mut asker, tokens, 0).await;
    let many = size::count(20, 100);
    let crowded = publications_of_one(&world, &mut asker, tokens, many).await;
    eprintln!(
        "publications besides the text's: {alone:.1} with one reader, {crowded:.1} with {many} more"
    );
}

/// One reply, read by so many more; checks what the reader's socket carried, and returns what was published besides.
async fn publications_of_one(world: &World, asker: &mut Asker, tokens: usize, more: usize) -> f64 {
    let watcher = world.person("watcher").await;
    let mut reader = Reader::new(&watcher, &asker.room);
    reader.join(world.port(0)).await;
    let readers = join_all((0..more).map(|_| async {
        let mut reader = Reader::new(&watcher, &asker.room);
        reader.join(world.port(0)).await;
        reader
    }))
    .await;
    let reading: Vec<_> = readers
        .into_iter()
        .map(|reader| tokio::spawn(read_on(reader)))
        .collect();
    // Whoever came was told of.
    reader.read_for(Duration::from_secs(1)).await;
    let published = "salon_layer_published_total";
    let (bytes, before) = (reader.bytes(), world.cluster.total(published).await);
    let began = Instant::now();
    let asked = asker.ask_with("what moves").await;
    // Who asked reads too: a socket that answers no ping is closed.
    let (seq, _) = tokio::join!(reader_seq(&mut reader, asked), asker.read_to_the_end());
    let took = began.elapsed().as_secs_f64();
    let (bytes, after) = (reader.bytes() - bytes, world.cluster.total(published).await);
    reading.iter().for_each(tokio::task::JoinHandle::abort);
    let deltas = &reader.deltas[&seq];
    let published = after - before;
    eprintln!(
        "{tokens} tokens to {} readers: {bytes} bytes and {} deltas for each within {took:.1} s, {published} publications",
        more + 2,
        deltas.len()
    );
    let share = BYTES * tokens as u64 / TOKENS as u64;
    let besides = if tokens == TOKENS { 0 } else { BESIDES };
    assert!(bytes <= share + besides, "{bytes} bytes");
    check_pace(deltas);
    check_sizes(deltas);
    let besides = published - deltas.len() as f64;
    assert!(
        besides <= 3.0 + OTHERS * took,
        "{besides} publications besides {} deltas",
        deltas.len()
    );
    besides
}

async fn reader_seq(reader: &mut Reader, seq: i64) -> i64 {
    let message = reader.read_settled(seq).await;
    assert_eq!(message["state"], "complete", "{message}");
    seq
}

async fn read_on(mut reader: Reader) {
    loop {
        reader.next().await;
    }
}

/// At most 25 frames in the first second and 15 in each after it. What came late and together has not come too often.
fn check_pace(deltas: &[(Instant, usize)]) {
    let first = deltas[0].0;
    for (number, (at, _)) in deltas.iter().enumerate() {
        let after = at.duration_since(first).as_secs_f64();
        // The first itself may have come late.
        let most = 25.0 * after.min(1.0) + 15.0 * (after - 1.0).max(0.0) + 6.0;
        assert!(number as f64 <= most, "{number} within {after} s");
    }
}

/// No frame grows with the text before it.
fn check_sizes(deltas: &[(Instant, usize)]) {
    let quarter = deltas.len() / 4;
    let mean = |part: &[(Instant, usize)]| {
        part.iter().map(|(_, bytes)| bytes).sum::<usize>() as f64 / part.len() as f64
    };
    // Behind the first second, whose frames are shorter; the numbers in them grow by a figure or two.
    let (early, late) = (
        mean(&deltas[quarter..2 * quarter]),
        mean(&deltas[3 * quarter..]),
    );
    assert!(
        late <= early * 1.1 + 4.0,
        "{early} bytes a frame became {late}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_is_asked_does_not_grow_with_the_replies_that_run() {
    let world = World::start(1, &[]).await;
    world
        .provider
        .otherwise(Answer::stream().stamps(100_000, Duration::from_millis(50)));
    let mut all = askers(&world, size::count(24, 63), true).await;
    // What making the rooms cost is counted late, too.
    let _ = asked_of_the_database(&world, &mut all, 0).await;
    let none = asked_of_the_database(&world, &mut all, 0).await;
    let few = asked_of_the_database(&world, &mut all[..2], 1).await;
    let many = asked_of_the_database(&world, &mut all[2..], 4).await;
    eprintln!("in a second, with no reply {none:?}; with few {few:?}; with many {many:?}");
    // Two saves, and what the database counts late or early.
    let most = none.transactions * 1.15 + 6.0;
    assert!(few.transactions <= most, "{none:?} {few:?}");
    assert!(many.transactions <= most, "{none:?} {many:?}");
    // A row for each reply and save, however many pieces of text came.
    assert!(many.rows / many.replies <= 2.5, "{many:?}");
    assert!(many.rows / many.replies >= 1.0, "they are saved: {many:?}");
}

/// In a second.
#[derive(Debug)]
struct Asked {
    transactions: f64,
    rows: f64,
    replies: f64,
}

/// Has so many more replies written in each of these rooms, and counts what the database is asked while all of them run.
async fn asked_of_the_database(world: &World, rooms: &mut [Asker], each: usize) -> Asked {
    join_all(rooms.iter_mut().map(|asker| async {
        asker.ask(each).await;
        asker.read_until_shown(each).await;
    }))
    .await;
    let database = world.database().await;
    let question = "SELECT (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()), \
        (SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'reply_chunks'), \
        (SELECT count(*) FROM replies WHERE state = 'streaming')";
    // Who is not read meanwhile answers no ping: all of it is shorter than a peer may be silent.
    let window = Duration::from_secs(size::count(6, 8) as u64);
    join_all(
        rooms
            .iter_mut()
            .map(|asker| asker.reader.read_for(COUNTED_LATE)),
    )
    .await;
    let before = database.query_one(question, &[]).await.unwrap();
    let began = Instant::now();
    join_all(rooms.iter_mut().map(|asker| asker.reader.read_for(window))).await;
    let after = database.query_one(question, &[]).await.unwrap();
    let seconds = began.elapsed().as_secs_f64();
    let grown = |column: usize| (after.get::<_, i64>(column) - before.get::<_, i64>(column)) as f64;
    assert_eq!(grown(2), 0.0, "all run, from the first to the last");
    Asked {
        transactions: grown(0) / seconds,
        rows: grown(1) / seconds,
        replies: after.get::<_, i64>(2) as f64,
    }
}
