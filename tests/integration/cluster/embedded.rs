//! One process with the embedded database: an ack is as durable as on Postgres.

use std::sync::Arc;
use std::time::Duration;

use super::DEADLINE;
use crate::support::cluster::{GENEROUS, ROOM};
use crate::support::member::{Load, Member, wait_for_progress};
use crate::support::salon::SalonProcess;
use crate::support::truth::{everybody_agrees, read_history};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kills_of_the_only_process() {
    let mut salon = SalonProcess::start(&GENEROUS).await;
    let members = Arc::new(Member::join_many(salon.port(), 6, ROOM).await);
    let load = Load::start(&members, Duration::from_millis(30));
    for round in 1..=3 {
        wait_for_progress(&members, round * 15, DEADLINE).await;
        salon.kill();
        salon.restart().await;
    }
    load.stop(&members, DEADLINE).await;
    let truth = read_history(salon.port(), &members[0].token, ROOM).await;
    assert!(truth.last_seq >= 6 * 45, "{}", truth.last_seq);
    everybody_agrees(&members, &truth, salon.port(), ROOM).await;
    for member in members.iter() {
        assert_eq!(member.book().sockets, 4, "three times away");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_folder_is_refused_and_harms_nothing() {
    let salon = SalonProcess::start(&GENEROUS).await;
    let members = vec![Member::join(salon.port(), "one", ROOM).await];
    members[0].send("before");
    members[0].wait_for_acks(DEADLINE).await;
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_salon"))
        .arg("serve")
        .env_clear()
        .env("SALON_LISTEN", "127.0.0.1:0")
        .env("SALON_DATA", salon.data())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(2), "{said}");
    assert!(
        said.contains("in use") || said.contains("another"),
        "{said}"
    );
    members[0].send("after");
    members[0].wait_for_acks(DEADLINE).await;
    let truth = read_history(salon.port(), &members[0].token, ROOM).await;
    assert_eq!(truth.last_seq, 2);
    everybody_agrees(&members, &truth, salon.port(), ROOM).await;
}
