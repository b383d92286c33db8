//! Readers whose sockets are cut at random moments of a reply and come back on any instance with their cursor: no character
//! is lost, doubled or out of its order (P9).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::reader::{Reader, check_stamps};
use super::size;
use super::support::fake_provider::Answer;
use super::talk::{Asker, askers};
use super::world::World;

/// Pieces of one reply: some seconds.
const PIECES: usize = 120;
const BETWEEN: Duration = Duration::from_millis(25);
/// The longest that a reader stays before it is cut.
const STAYS_MS: u64 = 600;

#[tokio::test(flavor = "multi_thread")]
async fn sockets_cut_at_random_moments_lose_double_and_turn_no_character() {
    let (wanted, readers) = (size::count(200, 1_000), size::count(12, 24));
    let world = World::start(3, &[]).await;
    let answer = Answer::stream()
        .stamps(PIECES as u32, BETWEEN)
        .finish("end");
    world.provider.otherwise(answer);
    let all = askers(&world, 3, false).await;
    let ports: Vec<u16> = (0..3).map(|instance| world.port(instance)).collect();
    let (cuts, in_text): (Arc<AtomicUsize>, Arc<AtomicUsize>) = Default::default();
    let mut tasks = Vec::new();
    for number in 0..readers {
        let person = world.person(&format!("reader {number}")).await;
        let reader = Reader::new(&person, &all[number % all.len()].room);
        let (ports, counts) = (ports.clone(), (Arc::clone(&cuts), Arc::clone(&in_text)));
        tasks.push(tokio::spawn(be_cut(reader, ports, wanted, counts)));
    }
    let asking = all.into_iter().map(|asker| {
        let cuts = Arc::clone(&cuts);
        tokio::spawn(keep_asking(asker, wanted, cuts))
    });
    let asking: Vec<_> = asking.collect();
    let mut askers = Vec::new();
    for task in asking {
        askers.push(task.await.unwrap());
    }
    let mut compared = 0;
    for task in tasks {
        let mut reader = task.await.unwrap();
        let asker = askers
            .iter_mut()
            .find(|asker| reader.is_in(&asker.room))
            .unwrap();
        for asked in &asker.replies {
            let message = reader.read_settled(asked.seq).await;
            assert_eq!(
                message["body"],
                asker.reader.text(asked.seq),
                "the same for everyone"
            );
            compared += 1;
        }
    }
    let (cuts, in_text) = (
        cuts.load(Ordering::Relaxed),
        in_text.load(Ordering::Relaxed),
    );
    eprintln!(
        "{cuts} cuts, {in_text} of them inside a text; {compared} texts of {readers} readers are what was stored"
    );
    assert!(cuts >= wanted && in_text * 2 >= cuts, "{in_text} of {cuts}");
}

/// One reply after the other, until there were cuts enough; each is complete.
async fn keep_asking(mut asker: Asker, wanted: usize, cuts: Arc<AtomicUsize>) -> Asker {
    while cuts.load(Ordering::Relaxed) < wanted {
        asker.ask(1).await;
        let seq = asker.replies.last().unwrap().seq;
        let message = asker.reader.read_settled(seq).await;
        assert_eq!(message["state"], "complete", "{message}");
        check_stamps(message["body"].as_str().unwrap(), PIECES);
    }
    asker
}

/// Reads, is cut, and comes back, until there were cuts enough; it stays then. The reader itself fails where the text that it
/// holds does not go on from what it held.
async fn be_cut(
    mut reader: Reader,
    ports: Vec<u16>,
    wanted: usize,
    (cuts, in_text): (Arc<AtomicUsize>, Arc<AtomicUsize>),
) -> Reader {
    loop {
        let port = ports[rand::random_range(0..ports.len())];
        reader.join(port).await;
        if cuts.load(Ordering::Relaxed) >= wanted {
            return reader;
        }
        let stays = Duration::from_millis(rand::random_range(0..STAYS_MS));
        reader.read_for(stays).await;
        let running = reader.client.replies.values();
        let is_in_text = running.into_iter().any(|reply| !reply.text.is_empty());
        in_text.fetch_add(usize::from(is_in_text), Ordering::Relaxed);
        cuts.fetch_add(1, Ordering::Relaxed);
        reader.cut();
    }
}
