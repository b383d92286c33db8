//! The queue is fair: somebody with a hundred prompts delays another's first by at most one reply.

use std::time::Duration;

use super::support::fake_provider::{Answer, Gate};
use super::talk::{askers, order_of};
use super::world::World;

/// As many as one asker may have waiting, over as many rooms as that takes.
const MANY: usize = 100;
const PER_ROOM: usize = 16;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_prompts_of_one_user_delay_anothers_first_by_one_reply() {
    let world = World::start(2, &[("SALON_REPLIES", "1")]).await;
    let gate = Gate::new();
    world
        .provider
        .push(Answer::stream().piece("first").gate(&gate).finish("end"));
    world.provider.otherwise(
        Answer::stream()
            .stamps(3, Duration::from_millis(5))
            .finish("end"),
    );
    let mut rooms = askers(&world, MANY.div_ceil(PER_ROOM) + 1, false).await;
    let mut other = rooms.pop().unwrap();
    let many = rooms[0].person.clone();
    let mut asked = 0;
    for room in &mut rooms {
        let mut socket = many.enter(world.port(0), &room.room).await;
        for _ in 0..PER_ROOM.min(MANY - asked) {
            socket
                .prompt(&room.room, &format!("about many-{asked}"))
                .await;
            asked += 1;
        }
    }
    // All wait behind the first, and now somebody else has a question.
    gate.reached().await;
    other.ask_with("other-0").await;
    other.ask_with("other-1").await;
    gate.open();
    let ended = other.read_to_the_end().await;
    assert!(ended.iter().all(|message| message["state"] == "complete"));
    let order = order_of(&world.provider);
    let place = |word: &str| order.iter().position(|asked| asked == word);
    assert_eq!(order[0], "many-0", "the one that ran");
    assert_eq!(place("other-0"), Some(1), "{order:?}");
    // Their second takes turns with the many's.
    assert!(place("other-1") <= Some(3), "{order:?}");
}
