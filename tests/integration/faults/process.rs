//! What befalls one instance's process: it stands still and goes on, one of its consumers panics, another version of the
//! schema comes while it runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use salon::ids::ClientId;
use serde_json::json;

use super::asking::{Asker, guest};
use super::postgres::BACK;
use crate::cluster::{DEADLINE, settled_truth};
use crate::support::cluster::{Cluster, GENEROUS, Postgres, ROOM};
use crate::support::communicator::message;
use crate::support::faulty_store::FaultyStore;
use crate::support::instance::{Build, Instance, TestDatabase as EmbeddedDatabase};
use crate::support::member::book::Book;
use crate::support::member::{Load, Member, wait_for_progress};
use crate::support::postgres::{TestDatabase, connect};
use crate::support::process::eventually;
use crate::support::salon::{SalonProcess, http_status};

/// A balancer sends nobody to an instance that stands still, from then on.
const EJECTED: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn f6_a_thawed_instance_shows_a_revoked_session_nothing_and_keeps_no_lease() {
    let settings = [("SALON_SCRIPTED_DELAY_MS", "400")];
    let shared = Postgres::Shared(TestDatabase::shared().await);
    let cluster = Cluster::over(shared, 2, &settings).await;
    let (frozen, other) = (cluster.instances[0].port(), cluster.instances[1].port());
    let talker = Member::join(other, "talker", ROOM).await;
    let prompter = Member::join(frozen, "prompter", ROOM).await;
    let token = guest(frozen, "victim").await;
    let mut victim = Asker::with(frozen, &token, ROOM).await;
    prompter.send("@assistant how do tides work?");
    eventually("it is written on the first", DEADLINE, async || {
        cluster.metric(0, "salon_replies_running").await >= Some(1.0)
    })
    .await;
    talker
        .wait("it is shown", DEADLINE, |book| book.deltas > 0)
        .await;

    cluster.instances[0].freeze();
    let stopped = Instant::now();
    let ejected = time_until_balanced(&cluster).await;
    sign_out(other, &token).await;
    talker.send("not for the victim's eyes");
    talker.wait_for_acks(DEADLINE).await;
    // It waits in the frozen instance's kernel, and is a command of nobody.
    let late = ClientId::new();
    victim
        .socket
        .send_json_to(&message(ROOM, late, "sent after signing out"))
        .await;
    // Longer than the lease: the reply is settled by the living one.
    talker
        .wait("the reply is settled", Duration::from_secs(25), |book| {
            reply_of(book).is_some_and(|(_, state)| state != "queued")
        })
        .await;
    let stood = stopped.elapsed();
    let before = reply_of(&talker.book());

    cluster.instances[0].thaw();
    let thawed = Instant::now();
    let code = victim.socket.closed().await;
    eprintln!(
        "F6: balanced away {ejected:?} after the freeze; stood for {stood:?}; the revoked socket closed {:?} after the thaw",
        thawed.elapsed()
    );
    assert_eq!(code, 4501);
    assert!(thawed.elapsed() < Duration::from_secs(5));
    saw_nothing(&mut victim, late).await;
    // The old runner had two seconds of its own lease to come back in, and writes nothing more.
    eventually("its runner has let go", DEADLINE, async || {
        cluster.metric(0, "salon_replies_running").await == Some(0.0)
    })
    .await;
    assert!(cluster.metric(0, "salon_frozen_total").await >= Some(1.0));
    assert_eq!(
        reply_of(&talker.book()),
        before,
        "a settled reply was written again"
    );
    for member in [&talker, &prompter] {
        member.send("and on");
        member.wait_for_acks(DEADLINE).await;
    }
    let truth = settled_truth(&cluster, &[talker, prompter]).await;
    let bodies = truth.rows.iter().map(|row| row.body.as_str());
    assert!(
        !bodies
            .into_iter()
            .any(|body| body == "sent after signing out")
    );
}

/// The version and the state of the room's only reply.
fn reply_of(book: &Book) -> Option<(i64, String)> {
    let mut replies = book.messages.values();
    let reply = replies.find(|held| held.client_id.is_none())?;
    Some((reply.version, reply.state.clone()))
}

/// Of all that the victim's socket got: nothing that was said after it was signed out, no answer to what it sent then.
async fn saw_nothing(victim: &mut Asker, late: ClientId) {
    while let Some(frame) = victim.socket.receive_within(Duration::ZERO).await {
        assert_ne!(
            frame["message"]["body"], "not for the victim's eyes",
            "{frame}"
        );
        assert_ne!(frame["client_id"], late.to_string(), "{frame}");
    }
}

/// How long after the freeze every new connection through the balancer is answered; ten in a row say so.
async fn time_until_balanced(cluster: &Cluster) -> Duration {
    let stopped = Instant::now();
    let (mut in_a_row, mut since) = (0, stopped);
    while in_a_row < 10 {
        assert!(stopped.elapsed() < 2 * EJECTED, "it is still sent clients");
        if http_status(cluster.port(), "/livez").await == Some(200) {
            in_a_row += 1;
        } else {
            (in_a_row, since) = (0, Instant::now());
        }
    }
    let took = since.duration_since(stopped);
    assert!(took < EJECTED, "{took:?}");
    took
}

async fn sign_out(port: u16, token: &str) {
    let answer = reqwest::Client::new()
        .delete(format!("http://127.0.0.1:{port}/api/sessions/current"))
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 204);
}

#[tokio::test]
async fn f52_a_frame_that_makes_a_consumer_panic_closes_that_socket_only() {
    let database = EmbeddedDatabase::open().await;
    let store = FaultyStore::over(database.store.clone());
    let salon = Instance::start(Build::over(store.clone()));
    let mut bystander = salon.arrive("bystander").await;
    bystander.join("lobby").await;
    // On the consumer's own task: the first send asks who the assistant is. On a task of its own: a page of history.
    for method in ["assistant", "history"] {
        let mut victim = salon.arrive(&format!("{method}-victim")).await;
        victim.join("lobby").await;
        store.panic_in(method);
        let frame = if method == "assistant" {
            message("lobby", ClientId::new(), "poison")
        } else {
            json!({"type": "message.history", "ref": "1", "room": "lobby", "before": 10, "limit": 5})
        };
        victim.send_json_to(&frame).await;
        assert_eq!(victim.closed().await, 1011, "{method}");
        eventually("its socket is gone", BACK, async || {
            salon.consumers.connections.count() == 1
        })
        .await;
        // Nobody else noticed, and the victim comes back.
        let ack = bystander.send("lobby", "still here").await;
        assert_eq!(ack["type"], "message.accepted");
        let mut again = salon.arrive(&format!("{method}-again")).await;
        again.join("lobby").await;
        assert_eq!(
            again.send("lobby", "back").await["type"],
            "message.accepted"
        );
        again.disconnect().await;
    }
    bystander
        .expect_where("message", |frame| frame["message"]["body"] == "back")
        .await;
}

/// What a later release's expanding migration may do while this release runs; see migrations/README.md.
const EXPANSION: &str = "
    ALTER TABLE messages ADD COLUMN later_note text;
    ALTER TABLE messages ADD COLUMN later_count integer NOT NULL DEFAULT 0;
    ALTER TABLE room_heads ADD COLUMN later_flag boolean NOT NULL DEFAULT false;
    ALTER TABLE rooms ADD COLUMN later_topic text;
    ALTER TABLE users ADD COLUMN later_bio text;
    ALTER TABLE sessions ADD COLUMN later_device text;
    ALTER TABLE memberships ADD COLUMN later_muted boolean NOT NULL DEFAULT false;
    ALTER TABLE replies ADD COLUMN later_cost bigint;
    CREATE TABLE later_reactions (room_id uuid, seq bigint, emoji text, PRIMARY KEY (room_id, seq, emoji));
    INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000001')";
/// What the release after that may take away again, once nobody knows it.
const CONTRACTION: &str = "
    ALTER TABLE messages DROP COLUMN later_note;
    ALTER TABLE users DROP COLUMN later_bio;
    DROP TABLE later_reactions";

#[tokio::test(flavor = "multi_thread")]
async fn f46_old_and_new_run_side_by_side_with_a_migration_in_between() {
    let mut cluster = Cluster::start(2).await;
    let members = crate::cluster::members(&cluster, 8).await;
    let load = Load::start(&members, Duration::from_millis(40));
    wait_for_progress(&members, 10, DEADLINE).await;
    migrate(&cluster, EXPANSION).await;
    talks_on(&members).await;
    // A new instance beside the old one; then the new build is rolled back: the old one starts over the new schema.
    cluster.instances[0].terminate();
    cluster.instances[0]
        .wait_for_exit(Duration::from_secs(30))
        .await;
    cluster.instances[0].restart().await;
    talks_on(&members).await;
    migrate(&cluster, CONTRACTION).await;
    talks_on(&members).await;
    let newcomer = Member::join(cluster.port(), "newcomer", ROOM).await;
    newcomer.send("@assistant hello");
    newcomer.wait_for_acks(DEADLINE).await;
    load.stop(&members, DEADLINE).await;
    newcomer
        .wait("the reply is settled", DEADLINE, |book| {
            let mut replies = book.messages.values();
            replies.any(|held| held.client_id.is_none() && held.state == "complete")
        })
        .await;
    settled_truth(&cluster, &members).await;
    let refused: usize = members
        .iter()
        .map(|member| member.book().refused.values().sum::<usize>())
        .sum();
    eprintln!("F46: {refused} refusals at the first try, none for good");
    for instance in &cluster.instances {
        let log = instance.log_text();
        let found = log.lines().find(|line| line.contains("ERROR"));
        assert_eq!(found, None, "no error on either");
    }
    another_release(&cluster).await;
}

/// One table a transaction, as `migrations/README.md` wants it under load: two would wait for each other with the traffic.
async fn migrate(cluster: &Cluster, statements: &str) {
    let database = connect(&cluster.database_url()).await.unwrap();
    for statement in statements.split(';') {
        eventually(statement, DEADLINE, async || {
            database.batch_execute(statement).await.is_ok()
        })
        .await;
    }
}

async fn talks_on(members: &[Member]) {
    let since = Instant::now();
    for member in members {
        member
            .wait("everybody talks on", DEADLINE, |book| {
                book.acked.values().any(|ack| ack.at > since)
            })
            .await;
    }
}

/// The same database served by the program of another release, where one is given.
async fn another_release(cluster: &Cluster) {
    let Some(program) = std::env::var_os("SALON_OTHER_RELEASE") else {
        eprintln!(
            "F46: skipped the part with another release's program: SALON_OTHER_RELEASE names none"
        );
        return;
    };
    let url = cluster.database_url();
    let mut settings = vec![("DATABASE_URL", url.as_str())];
    settings.extend(GENEROUS);
    let program = program.to_str().unwrap();
    let other = SalonProcess::start_program(program, &settings).await;
    let here = Arc::new(vec![
        Member::join(other.port(), "there", ROOM).await,
        Member::join(cluster.port(), "here", ROOM).await,
    ]);
    for member in here.iter() {
        member.send("from one release to the other");
        member.wait_for_acks(DEADLINE).await;
    }
    settled_truth(cluster, &here).await;
    assert!(!other.log_text().contains("ERROR"));
}
