//! Who comes while a reply is written: the text so far is there in time, on whichever instance, and then the rest.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::reader::{Reader, check_stamps};
use super::size::{self, Times};
use super::support::fake_provider::script::STAMP_BYTES;
use super::support::fake_provider::{Answer, Gate};
use super::talk::askers;
use super::world::{Person, World};

/// Pieces of text before the late ones come, and after.
const BEFORE: usize = 4_000;
const AFTER: usize = 40;
/// Who joins at the same time.
const TOGETHER: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_late_or_again_has_the_text_so_far_in_time_and_then_the_rest() {
    let world = World::start(3, &[]).await;
    let gate = Gate::new();
    let answer = Answer::stream()
        .stamps(BEFORE as u32, Duration::ZERO)
        .gate(&gate);
    let answer = answer
        .stamps(AFTER as u32, Duration::from_millis(20))
        .finish("end");
    world.provider.otherwise(answer);
    let mut all = askers(&world, 3, false).await;
    for asker in &mut all {
        asker.ask(1).await;
        let seq = asker.replies[0].seq;
        while asker.reader.text(seq).len() < BEFORE * STAMP_BYTES {
            asker.reader.next().await;
        }
    }
    let people = join_all((0..TOGETHER).map(|number| {
        let world = &world;
        async move { world.person(&format!("late {number}")).await }
    }))
    .await;
    let (mut times, mut stay) = (Times::default(), Vec::new());
    for round in 0..size::count(12, 125) {
        let joining = people.iter().enumerate().map(|(number, person)| {
            // Each instance and room in turn: nobody reads two of the three rooms on an instance before.
            let (instance, room) = ((number + round) % 3, (number / 3 + round) % 3);
            let (port, asker) = (world.port(instance), &all[room]);
            join_late(person, &asker.room, port, asker.replies[0].seq)
        });
        for (took, reader) in join_all(joining).await {
            times.push(took);
            if stay.len() < 24 {
                stay.push(reader);
            }
        }
    }
    eprintln!("from the join to {BEFORE} tokens of text: {}", times.told());
    assert!(
        times.percentile(99) <= size::bound(900, 150),
        "{}",
        times.told()
    );
    gate.open();
    let whole = join_all(all.iter_mut().map(|asker| async {
        let message = asker.read_to_the_end().await.remove(0);
        assert_eq!(message["state"], "complete", "{message}");
        (
            asker.room.clone(),
            message["body"].as_str().unwrap().to_owned(),
        )
    }))
    .await;
    for reader in &mut stay {
        let seq = *reader.grown.keys().next().unwrap();
        let message = reader.read_settled(seq).await;
        let (_, text) = whole.iter().find(|(room, _)| reader.is_in(room)).unwrap();
        assert_eq!(message["body"], text.as_str());
        check_stamps(text, BEFORE + AFTER);
        let (_, held) = *reader.grown[&seq].last().unwrap();
        assert_eq!(
            held,
            text.len(),
            "all of it was assembled before it settled"
        );
    }
}

/// How long after its join a reader holds all the text there is.
async fn join_late(person: &Person, room: &str, port: u16, seq: i64) -> (Duration, Reader) {
    let mut reader = Reader::new(person, room);
    reader.connect(port).await;
    let asked = Instant::now();
    reader.ask_to_join().await;
    while reader.text(seq).len() < BEFORE * STAMP_BYTES {
        reader.next().await;
    }
    (asked.elapsed(), reader)
}
