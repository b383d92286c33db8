//! Replies on Postgres while somebody else holds their rows: a save of many waits for nobody.

use std::time::Duration;

use salon::ids::InstanceId;
use tokio::time::timeout;

use super::fixtures::append;
use super::postgres::on;
use crate::support::postgres::TestDatabase;

/// What takes longer waited for a lock.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Where it waited, it waited with rows that the one it waited for wanted next: the writer settles the replies of a batch as
/// they come, not by their numbers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_is_being_changed_holds_up_the_saves_of_no_other() {
    let database = TestDatabase::shared().await;
    let (client, looking) = (database.client().await, database.client().await);
    let store = on(database);
    let (owner, room) = store.owner_and_room().await;
    let runner = InstanceId::new();
    let mut claimed = Vec::new();
    for _ in 0..3 {
        store.prompt(room, &owner).await;
        claimed.push(store.claim_one(runner).await);
    }
    let changed = claimed[1].seq;
    let lock = format!("BEGIN; SELECT FROM replies WHERE seq = {changed} FOR UPDATE");
    client.batch_execute(&lock).await.unwrap();
    let save = |first| {
        let appends = claimed
            .iter()
            .map(|reply| append(reply, first, 1, Some("x")));
        timeout(AT_ONCE, store.append_chunks(runner, appends.collect()))
    };
    let states = save(1).await.expect("nobody was waited for").unwrap();
    let told: Vec<_> = states.iter().map(|state| (state.seq, state.busy)).collect();
    let seqs: Vec<_> = claimed.iter().map(|reply| reply.seq).collect();
    assert_eq!(told, [(seqs[0], false), (seqs[1], true), (seqs[2], false)]);
    assert!(states[0].held && states[2].held);
    let saved = async || {
        let question = "SELECT seq FROM reply_chunks ORDER BY seq, first";
        let rows = looking.query(question, &[]).await.unwrap();
        rows.iter()
            .map(|row| row.get::<_, i64>(0))
            .collect::<Vec<_>>()
    };
    assert_eq!(saved().await, [seqs[0], seqs[2]]);
    // It was stopped meanwhile, which the next save tells.
    let stop = format!("UPDATE replies SET stop_requested = true WHERE seq = {changed}; COMMIT");
    client.batch_execute(&stop).await.unwrap();
    let states = save(2).await.expect("nobody is in the way").unwrap();
    assert!(states.iter().all(|state| state.held && !state.busy));
    assert!(states[1].stop_requested);
    // Somebody else's by now, and being changed: that is no reason to go on.
    let taken = format!(
        "BEGIN; UPDATE replies SET attempt = attempt + 1 WHERE seq = {changed}; COMMIT; \
         BEGIN; SELECT FROM replies WHERE seq = {changed} FOR UPDATE"
    );
    client.batch_execute(&taken).await.unwrap();
    let states = save(3).await.expect("nobody was waited for").unwrap();
    assert!(!states[1].held && !states[1].busy, "{:?}", states[1]);
    client.batch_execute("COMMIT").await.unwrap();
    drop(looking);
    drop(client);
    store.end().await;
}
