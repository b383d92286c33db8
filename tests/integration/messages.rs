//! Sending: an ack only for what is stored, everyone told once and in order, resends recognised, nothing overtaking what
//! was refused (P1, P2, P3, P4, P10).

use std::time::Duration;

use salon::db::Store;
use salon::db::rows::Visibility;
use salon::ids::ClientId;
use serde_json::{Value, json};

use crate::support::client::RoomClient;
use crate::support::communicator::message;
use crate::support::instance::{Build, Instance, TestDatabase};

#[tokio::test]
async fn a_message_is_acked_stored_and_told_to_everyone() {
    let (salon, _database) = Instance::alone().await;
    let ada = salon.user("ada").await;
    let mut writing = salon.connect(&ada).await;
    let mut reading = salon.arrive("bob").await;
    writing.join("lobby").await;
    let joined = reading.join("lobby").await;
    let client_id = ClientId::new();
    let ack = writing.send_as("lobby", client_id, "**hello** 🌍").await;
    assert_eq!(ack["type"], "message.accepted");
    assert_eq!(
        (&ack["seq"], &ack["duplicate"], &ack["reply_seq"]),
        (&json!(1), &json!(false), &Value::Null)
    );
    assert_eq!(ack["client_id"], json!(client_id));
    for socket in [&mut writing, &mut reading] {
        let frame = socket.expect("message").await;
        assert_eq!(frame["version"], ack["version"]);
        assert_eq!(frame["prev"], joined["room"]["version"]);
        let told = &frame["message"];
        assert_eq!(
            (&told["seq"], &told["body"]),
            (&json!(1), &json!("**hello** 🌍"))
        );
        assert_eq!(
            (&told["client_id"], &told["author"]["name"]),
            (&json!(client_id), &json!("ada"))
        );
        assert_eq!(
            (&told["state"], &told["kind"]),
            (&json!("complete"), &json!("user"))
        );
        assert_eq!(told["created_at"], ack["created_at"]);
        assert!(
            told["html"]
                .as_str()
                .unwrap()
                .contains("<strong>hello</strong>")
        );
    }
    let stored = salon.store.message(ada.user.id, "lobby", 1).await.unwrap();
    assert_eq!(stored.body, "**hello** 🌍");
}

#[tokio::test]
async fn a_resend_gets_the_first_seq_on_any_socket_and_instance() {
    let database = TestDatabase::open().await;
    let one = Instance::start(Build::over(database.store.clone()));
    let two = Instance::start(Build::over(database.store.clone()));
    let ada = one.user("ada").await;
    let mut first = one.connect(&ada).await;
    first.join("lobby").await;
    let client_id = ClientId::new();
    let ack = first.send_as("lobby", client_id, "once").await;
    first.expect("message").await;
    let mut again = vec![first.send_as("lobby", client_id, "once").await];
    let mut other = two.connect(&ada).await;
    other.join("lobby").await;
    again.push(other.send_as("lobby", client_id, "other words").await);
    for answer in again {
        assert_eq!(answer["duplicate"], true, "{answer}");
        for field in ["seq", "version", "created_at"] {
            assert_eq!(answer[field], ack[field], "{field}");
        }
    }
    first.receive_nothing(Duration::from_millis(200)).await;
    assert_eq!(
        database
            .store
            .message(ada.user.id, "lobby", 1)
            .await
            .unwrap()
            .body,
        "once"
    );
    // Another author's id is another message.
    let mut bob = two.arrive("bob").await;
    bob.join("lobby").await;
    assert_eq!(bob.send_as("lobby", client_id, "mine").await["seq"], 2);
}

#[tokio::test]
async fn pipelined_sends_of_many_sockets_keep_each_sockets_order_and_leave_no_hole() {
    const SENDERS: usize = 6;
    const EACH: usize = 60;
    let (salon, _database) = Instance::alone().await;
    let mut reader = salon.arrive("reader").await;
    let mut client = RoomClient::new("lobby");
    client.take(&reader.join("lobby").await);
    let mut senders = Vec::new();
    for number in 0..SENDERS {
        let mut socket = salon.arrive(&format!("sender{number}")).await;
        socket.join("lobby").await;
        senders.push(tokio::spawn(async move {
            for count in 0..EACH {
                let body = format!("{number} {count}");
                socket
                    .send_json_to(&message("lobby", ClientId::new(), &body))
                    .await;
            }
            let mut seqs = Vec::new();
            while seqs.len() < EACH {
                seqs.push(
                    socket.expect("message.accepted").await["seq"]
                        .as_i64()
                        .unwrap(),
                );
            }
            seqs
        }));
    }
    while client.messages.len() < SENDERS * EACH {
        client.take(&reader.receive_json_from().await);
    }
    client.check();
    let mut all = Vec::new();
    for sender in senders {
        let seqs = sender.await.unwrap();
        assert!(seqs.is_sorted(), "acks in the order sent: {seqs:?}");
        all.extend(seqs);
    }
    all.sort_unstable();
    let whole: Vec<i64> = (1..).take(SENDERS * EACH).collect();
    assert_eq!(all, whole, "seq has no hole");
    for number in 0..SENDERS {
        let prefix = format!("{number} ");
        let bodies = client.bodies();
        let counts: Vec<usize> = bodies
            .iter()
            .filter_map(|body| body.strip_prefix(&prefix)?.parse().ok())
            .collect();
        assert_eq!(counts, (0..EACH).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn nothing_overtakes_a_send_that_was_refused_for_its_rate() {
    let database = TestDatabase::open().await;
    let mut build = Build::over(database.store.clone());
    build.flags = vec!["--rate-sends", "2", "--rate-sends-burst", "2"];
    let salon = Instance::start(build);
    let mut socket = salon.arrive("ada").await;
    socket.join("lobby").await;
    let ids: Vec<ClientId> = (0..6).map(|_| ClientId::new()).collect();
    for (number, id) in ids.iter().enumerate() {
        let mut frame = message("lobby", *id, &format!("{number}"));
        frame["ref"] = json!(format!("s{number}"));
        socket.send_json_to(&frame).await;
    }
    let mut codes = Vec::new();
    for number in 0..ids.len() {
        let answer = socket.answer(&format!("s{number}")).await;
        codes.push(answer["code"].as_str().unwrap_or("accepted").to_owned());
        if codes[number] == "rate_limited" {
            assert_eq!(answer["client_id"], json!(ids[number]));
        }
    }
    assert_eq!(codes[..2], ["accepted", "accepted"]);
    assert_eq!(codes[2], "rate_limited");
    // Behind the refused one all are refused, even one whose token had come back meanwhile.
    assert!(
        codes[3..]
            .iter()
            .all(|code| code == "behind" || code == "rate_limited"),
        "{codes:?}"
    );
    // Also once there are tokens again.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let overtaking = socket.send_as("lobby", ClientId::new(), "!").await;
    assert_eq!(overtaking["code"], "behind", "{overtaking}");
    // A repeat of what is stored is answered though it is over the rate.
    let repeat = socket.send_as("lobby", ids[0], "0").await;
    assert!(
        repeat["duplicate"] == true || repeat["code"] == "behind",
        "{repeat}"
    );
    // Resent in their order they get their seqs in their order.
    for (number, id) in ids.iter().enumerate().skip(2) {
        loop {
            let answer = socket.send_as("lobby", *id, &format!("{number}")).await;
            if answer["type"] == "message.accepted" {
                assert_eq!(answer["seq"], json!(number + 1));
                break;
            }
            assert_eq!(answer["code"], "rate_limited");
            tokio::time::sleep(Duration::from_millis(
                answer["retry_after_ms"].as_u64().unwrap(),
            ))
            .await;
        }
    }
    let joined = salon.arrive("bob").await.join("lobby").await;
    let bodies: Vec<&str> = joined["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["body"].as_str().unwrap())
        .collect();
    assert_eq!(bodies, ["0", "1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn a_join_lifts_what_holds_back_a_sockets_sends() {
    let database = TestDatabase::open().await;
    let mut build = Build::over(database.store.clone());
    build.flags = vec!["--rate-sends", "4", "--rate-sends-burst", "1"];
    let salon = Instance::start(build);
    let mut socket = salon.arrive("ada").await;
    socket.join("lobby").await;
    socket.send("lobby", "first").await;
    let refused = socket.send_as("lobby", ClientId::new(), "refused").await;
    assert_eq!(refused["code"], "rate_limited");
    let wait = Duration::from_millis(refused["retry_after_ms"].as_u64().unwrap());
    tokio::time::sleep(wait).await;
    assert_eq!(
        socket.send_as("lobby", ClientId::new(), "behind").await["code"],
        "behind"
    );
    socket.join("lobby").await;
    tokio::time::sleep(wait).await;
    socket.send("lobby", "anew").await;
}

#[tokio::test]
async fn an_answer_names_what_it_answers_and_only_what_exists() {
    let (salon, _database) = Instance::alone().await;
    let mut socket = salon.arrive("ada").await;
    socket.join("lobby").await;
    socket.send("lobby", "question").await;
    let mut answer = message("lobby", ClientId::new(), "answer");
    answer["reply_to"] = json!(1);
    assert_eq!(socket.ask(answer).await["type"], "message.accepted");
    let told = socket
        .expect_where("message", |frame| frame["message"]["seq"] == 2)
        .await;
    assert_eq!(told["message"]["reply_to"], 1);
    for missing in [0, 3, 99, -1] {
        let mut answer = message("lobby", ClientId::new(), "answer");
        answer["reply_to"] = json!(missing);
        assert_eq!(
            socket.ask(answer).await["code"],
            "message_not_found",
            "{missing}"
        );
    }
    // What was refused took no number.
    assert_eq!(socket.send("lobby", "next").await["seq"], 3);
}

#[tokio::test]
async fn who_may_not_write_is_told_so_and_changes_nothing() {
    let (salon, _database) = Instance::alone().await;
    let owner = salon.user("owner").await;
    salon.make_room(&owner, "open", Visibility::Public).await;
    salon.make_room(&owner, "closed", Visibility::Private).await;
    let mut socket = salon.arrive("ada").await;
    assert_eq!(
        socket.send_as("open", ClientId::new(), "x").await["code"],
        "not_a_member"
    );
    assert_eq!(
        socket.send_as("closed", ClientId::new(), "x").await["code"],
        "room_not_found"
    );
    assert_eq!(
        socket.send_as("nowhere", ClientId::new(), "x").await["code"],
        "room_not_found"
    );
    let joined = salon.connect(&owner).await.join("open").await;
    assert_eq!(joined["messages"], json!([]));
}

#[tokio::test]
async fn history_is_paged_back_without_holes() {
    let (salon, _database) = Instance::alone().await;
    let mut socket = salon.arrive("ada").await;
    socket.join("lobby").await;
    for number in 1..=25 {
        socket.send("lobby", &format!("{number}")).await;
    }
    let mut seqs = Vec::new();
    let mut before = Value::Null;
    loop {
        let page = socket
            .ask(json!({"type": "message.history", "room": "lobby", "limit": 10, "before": before}))
            .await;
        assert_eq!(page["type"], "message.page", "{page}");
        let part: Vec<i64> = page["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| message["seq"].as_i64().unwrap())
            .collect();
        before = json!(part[0]);
        seqs.splice(0..0, part);
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(seqs, (1..=25).collect::<Vec<_>>());
}

/// Refused at once, before the socket had used the room: what comes after it waits all the same.
#[tokio::test]
async fn nothing_overtakes_a_send_that_was_refused_before_its_room_was_known() {
    let database = TestDatabase::open().await;
    let mut build = Build::over(database.store.clone());
    build.flags = vec!["--rate-frames", "1", "--rate-sends-burst", "1"];
    let salon = Instance::start(build);
    let mut socket = salon.arrive("ada").await;
    for _ in 0..2 {
        socket.ask(json!({ "type": "ping" })).await;
    }
    let (first, second) = (ClientId::new(), ClientId::new());
    let refused = socket.send_as("lobby", first, "first").await;
    assert_eq!(refused["code"], "rate_limited", "{refused}");
    for (id, expected) in [
        (second, "behind"),
        (first, "accepted"),
        (second, "accepted"),
    ] {
        let answer = loop {
            // Longer than the rate needs, so that only the order can refuse.
            tokio::time::sleep(Duration::from_millis(1_100)).await;
            let answer = socket.send_as("lobby", id, "again").await;
            if answer["code"] != "rate_limited" {
                break answer;
            }
        };
        assert_eq!(
            answer["code"].as_str().unwrap_or("accepted"),
            expected,
            "{answer}"
        );
    }
}
