//! What ends sessions, and what of somebody who is gone stays: lines 14 to 17, 67 and 79.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use salon::db::Store;
use salon::db::accounts::{Accounts, DELETED_NAME};
use salon::db::administration::Administration;
use salon::db::postgres::{PostgresSettings, PostgresStore};
use salon::ids::UserId;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::app::{TestApp, ask, person};
use crate::support::cluster::{Cluster, ROOM};
use crate::support::communicator::SocketClient;
use crate::support::server::TestServer;

use super::{RATES, make_den, must};

const PASSWORD: &str = "correct horse";

/// Asks an instance; the status and the body.
async fn call(port: u16, token: &str, what: &str, body: &Value) -> (u16, Value) {
    let (method, path) = what.split_once(' ').unwrap();
    let request = Client::new()
        .request(
            method.parse().unwrap(),
            format!("http://127.0.0.1:{port}{path}"),
        )
        .json(body);
    let request = match token {
        "" => request,
        token => request.bearer_auth(token),
    };
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or(Value::Null))
}

/// One more session of an account.
async fn enter(port: u16, path: &str, name: &str) -> (String, UserId) {
    let body = json!({"name": name, "password": PASSWORD});
    let (status, made) = call(port, "", &format!("POST {path}"), &body).await;
    assert_eq!(status, 201, "{made}");
    let user = serde_json::from_value(made["user"]["id"].clone()).unwrap();
    (made["token"].as_str().unwrap().to_owned(), user)
}

/// A way in which sessions end.
#[derive(Clone, Copy, Debug)]
enum Cause {
    EndedOne,
    EndedOthers,
    EndedEverywhere,
    Password,
    RoleLost,
    Disabled,
    Deleted,
}

const CAUSES: [Cause; 7] = [
    Cause::EndedOne,
    Cause::EndedOthers,
    Cause::EndedEverywhere,
    Cause::Password,
    Cause::RoleLost,
    Cause::Disabled,
    Cause::Deleted,
];

/// Ends sessions: by another session of the same user where it can, else in the database, as an operator's command does.
async fn end(cause: Cause, port: u16, acting: &str, store: &PostgresStore, user: UserId) {
    let none = Value::Null;
    match cause {
        Cause::EndedOne => {
            let (_, listed) = call(port, acting, "GET /api/sessions", &none).await;
            for session in listed["sessions"].as_array().unwrap() {
                if session["current"] == false {
                    let path = format!("DELETE /api/sessions/{}", session["id"].as_str().unwrap());
                    assert_eq!(call(port, acting, &path, &none).await.0, 204);
                }
            }
        }
        Cause::EndedOthers => {
            let (status, ended) = call(port, acting, "DELETE /api/sessions", &none).await;
            assert_eq!((status, &ended["ended"]), (200, &json!(1)));
        }
        Cause::EndedEverywhere => {
            let (status, ended) = call(port, acting, "DELETE /api/sessions?all=true", &none).await;
            assert_eq!((status, &ended["ended"]), (200, &json!(2)));
        }
        Cause::Password => {
            let change = json!({"password": PASSWORD, "new_password": "battery staple"});
            let (status, changed) = call(port, acting, "PUT /api/me/password", &change).await;
            assert_eq!((status, &changed["ended"]), (200, &json!(1)));
        }
        Cause::RoleLost => {
            // A server keeps at least one.
            let (_, other) = enter(port, "/api/users", &format!("root {user}")).await;
            assert!(store.set_admin(None, other, true).await.unwrap());
            assert!(store.set_admin(None, user, true).await.unwrap());
            assert!(store.set_admin(None, user, false).await.unwrap());
        }
        Cause::Disabled => assert!(store.disable_user(user).await.unwrap()),
        Cause::Deleted => {
            let body = json!({"password": PASSWORD});
            assert_eq!(call(port, acting, "DELETE /api/me", &body).await.0, 204);
        }
    }
}

/// Whether the session that acts lives on.
fn survives(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::EndedOne | Cause::EndedOthers | Cause::Password
    )
}

async fn every_cause(ports: &[u16], store: &Arc<PostgresStore>, part: &str, within: Duration) {
    for (number, cause) in CAUSES.into_iter().enumerate() {
        let port = ports[number % ports.len()];
        let name = format!("{cause:?} {part}");
        let (watched, user) = enter(port, "/api/users", &name).await;
        let (acting, _) = enter(port, "/api/sessions", &name).await;
        let mut sockets = Vec::new();
        for port in ports {
            let mut socket = SocketClient::connect(*port, &watched).await;
            socket.expect("welcome").await;
            socket.join(ROOM).await;
            sockets.push(socket);
        }
        let mut own = SocketClient::connect(port, &acting).await;
        own.expect("welcome").await;
        own.join(ROOM).await;
        end(cause, port, &acting, store, user).await;
        let ended = Instant::now();
        for socket in &mut sockets {
            assert_eq!(socket.closed().await, 4501, "{cause:?}");
        }
        let took = ended.elapsed();
        assert!(took <= within, "{cause:?} {part}: {took:?}");
        match survives(cause) {
            true => drop(own.send(ROOM, "still here").await),
            false => assert_eq!(own.closed().await, 4501, "{cause:?}"),
        }
        for port in ports {
            let (status, _) = call(*port, &watched, "GET /api/me", &Value::Null).await;
            assert_eq!(status, 401, "{cause:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s14_whatever_ends_sessions_closes_their_sockets_on_every_instance_with_redis_and_without()
{
    let mut cluster = Cluster::start(3).await;
    let instances = cluster.instances.iter();
    let ports: Vec<u16> = instances.map(|instance| instance.port()).collect();
    let settings = PostgresSettings {
        url: SecretString::from(cluster.database_url()),
        pool_size: 4,
        wait: Duration::from_secs(2),
        connect_timeout: Duration::from_secs(3),
    };
    let store = PostgresStore::connect(&settings).unwrap();
    // Those that are made in the database nudge nobody: the log is read each second.
    every_cause(&ports, &store, "with", Duration::from_millis(1_500)).await;
    cluster.redis.kill();
    cluster.wait_for_layer(false, Duration::from_secs(5)).await;
    every_cause(&ports, &store, "without", Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s15_a_deleted_account_and_its_bots_are_gone_at_once() {
    let server = TestServer::start(RATES).await;
    let ask = async |token: &str, what: &str, body: &Value| {
        let (method, path) = what.split_once(' ').unwrap();
        server.request(method, path, Some(token), body).await
    };
    let account = json!({"name": "ada", "password": PASSWORD});
    let made = server.request("POST", "/api/users", None, &account).await.1;
    let ada = made["token"].as_str().unwrap();
    let bob = server.guest("bob").await;
    let none = Value::Null;
    let bot = ask(ada, "POST /api/bots", &json!({"name": "builder"}))
        .await
        .1;
    let path = format!(
        "POST /api/bots/{}/tokens",
        bot["user"]["id"].as_str().unwrap()
    );
    let wanted = json!({"name": "ci", "scope": "write"});
    let secret = ask(ada, &path, &wanted).await.1["secret"].clone();
    let secret = secret.as_str().unwrap();
    let mut ending = [server.connect(ada).await, server.connect(secret).await];
    let mut watching = server.connect(&bob).await;
    for socket in &mut ending {
        socket.join("lobby").await;
    }
    watching.join("lobby").await;
    let said = ending[0].send("lobby", "my words").await;

    for wrong in [json!({}), json!({"password": "wrong horse"})] {
        let (status, problem) = ask(ada, "DELETE /api/me", &wrong).await;
        assert_eq!((status, &problem["code"]), (401, &json!("bad_credentials")));
    }
    let (status, problem) = ask(secret, "DELETE /api/me", &none).await;
    assert_eq!(
        (status, &problem["code"]),
        (403, &json!("session_required"))
    );
    let confirmed = json!({"password": PASSWORD});
    assert_eq!(ask(ada, "DELETE /api/me", &confirmed).await.0, 204);
    let deleted = Instant::now();
    for socket in &mut ending {
        assert_eq!(socket.closed().await, 4501);
    }
    assert!(deleted.elapsed() < Duration::from_secs(1));
    for token in [ada, secret] {
        assert_eq!(ask(token, "GET /api/me", &none).await.0, 401);
    }
    // Both have left the room, each at a version, and what was said stays.
    let mut left = 0;
    while left < 2 {
        let frame = watching.expect("room.changed").await;
        assert_eq!(frame["change"], "removed", "{frame}");
        left += 1;
    }
    let path = format!("GET /api/rooms/lobby/messages/{}", said["seq"]);
    let (_, message) = ask(&bob, &path, &none).await;
    let shown = message.get("message").unwrap_or(&message);
    assert_eq!(shown["body"], "my words");
    assert_eq!(shown["author"]["name"], DELETED_NAME);
    assert_eq!(shown["author"]["kind"], "deleted");
    // Nobody comes by the name.
    let (status, problem) = server.request("POST", "/api/users", None, &account).await;
    assert_eq!((status, &problem["code"]), (409, &json!("name_taken")));
    let (status, _) = server
        .request("POST", "/api/sessions", None, &account)
        .await;
    assert_eq!(status, 401);
    // A guest has nothing to confirm it with.
    assert_eq!(ask(&bob, "DELETE /api/me", &json!({})).await.0, 204);
    assert_eq!(watching.closed().await, 4501);
    server.shutdown.stop();
}

#[tokio::test]
async fn s16_a_password_is_changed_by_who_knows_it_and_other_sessions_end() {
    let app = TestApp::start(RATES).await;
    let first = person(&app, "ada").await;
    let account = json!({"name": "ada", "password": PASSWORD});
    let second = must(&app, "", "POST /api/sessions", account.clone()).await;
    let second = second["token"].as_str().unwrap();
    let change = |old: &str, new: &str| json!({"password": old, "new_password": new});
    let path = "PUT /api/me/password";
    let wrong = ask(&app, &first, path, change("wrong horse", "battery staple")).await;
    assert_eq!(
        (wrong.status.as_u16(), wrong.code()),
        (401, "bad_credentials".into())
    );
    let short = ask(&app, &first, path, change(PASSWORD, "short")).await;
    assert_eq!(short.code(), "bad_request");
    let guest = app.guest("gus").await;
    let none = ask(&app, &guest, path, change("", "battery staple")).await;
    assert_eq!(none.code(), "forbidden");
    assert_eq!(
        ask(&app, second, "GET /api/me", Value::Null).await.status,
        200
    );
    let changed = must(&app, &first, path, change(PASSWORD, "battery staple")).await;
    assert_eq!(changed["ended"], 1);
    assert_eq!(
        ask(&app, &first, "GET /api/me", Value::Null).await.status,
        200
    );
    assert_eq!(
        ask(&app, second, "GET /api/me", Value::Null).await.status,
        401
    );
    let old = ask(&app, "", "POST /api/sessions", account).await;
    assert_eq!(old.code(), "bad_credentials");
    let new = json!({"name": "ada", "password": "battery staple"});
    must(&app, "", "POST /api/sessions", new).await;
}

#[tokio::test]
async fn s16_sessions_are_listed_and_ended_by_their_owner_only() {
    let app = TestApp::start(RATES).await;
    let ada = person(&app, "ada").await;
    let account = json!({"name": "ada", "password": PASSWORD});
    let request = app.request("POST".parse().unwrap(), "/api/sessions");
    let made = request
        .header("user-agent", "Browser 1")
        .peer("192.0.2.7")
        .json(&account)
        .send()
        .await;
    let other = made.json()["token"].as_str().unwrap().to_owned();
    let listed = must(&app, &ada, "GET /api/sessions", Value::Null).await;
    let sessions = listed["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2, "{listed}");
    let theirs = &sessions[0];
    assert_eq!(
        (
            &theirs["user_agent"],
            &theirs["address"],
            &theirs["current"]
        ),
        (&json!("Browser 1"), &json!("192.0.2.7"), &json!(false))
    );
    assert_eq!(sessions[1]["current"], true);
    for secret in [&ada, &other] {
        assert!(!listed.to_string().contains(secret.as_str()));
    }
    let path = format!("DELETE /api/sessions/{}", theirs["id"].as_str().unwrap());
    let eve = app.guest("eve").await;
    assert_eq!(
        ask(&app, &eve, &path, Value::Null).await.code(),
        "not_found"
    );
    must(&app, &ada, &path, Value::Null).await;
    assert_eq!(
        ask(&app, &ada, &path, Value::Null).await.code(),
        "not_found"
    );
    assert_eq!(
        ask(&app, &other, "GET /api/me", Value::Null).await.status,
        401
    );
    let gone = ask(&app, &ada, "DELETE /api/sessions?all=true", Value::Null).await;
    assert!(gone.cookie().ends_with('='), "the cookie goes: {gone:?}");
    assert_eq!(
        ask(&app, &ada, "GET /api/me", Value::Null).await.status,
        401
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s17_a_session_ends_unused_or_at_its_end_however_busy_its_socket() {
    let mut flags = vec!["--session-idle-s", "3", "--session-max-s", "8"];
    flags.extend(RATES);
    let server = TestServer::start(&flags).await;
    let (idle, busy) = (server.guest("idle").await, server.guest("busy").await);
    let began = Instant::now();
    let mut waiting = server.connect(&idle).await;
    let mut working = server.connect(&busy).await;
    waiting.join("lobby").await;
    working.join("lobby").await;
    // One only listens; the other says something all the time.
    let listening = async { (waiting.closed().await, began.elapsed()) };
    let talking = async {
        let mut pace = tokio::time::interval(Duration::from_millis(400));
        for number in 0.. {
            pace.tick().await;
            if began.elapsed() > Duration::from_secs(7) {
                break;
            }
            working.send("lobby", &format!("still here {number}")).await;
        }
        (working.closed().await, began.elapsed())
    };
    let ((idle_code, unused), (busy_code, used)) = tokio::join!(listening, talking);
    assert_eq!((idle_code, busy_code), (4501, 4501));
    let seconds = Duration::from_secs;
    assert!(
        unused >= seconds(2) && unused <= seconds(6),
        "unused: {unused:?}"
    );
    assert!(
        used >= seconds(7) && used <= seconds(10),
        "at the latest end: {used:?}"
    );
    for token in [&idle, &busy] {
        let (status, _) = server
            .request("GET", "/api/me", Some(token), &Value::Null)
            .await;
        assert_eq!(status, 401);
    }
    server.shutdown.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s67_a_reply_stops_when_whoever_asked_for_it_is_gone() {
    let mut flags = vec!["--scripted-delay-ms", "400"];
    flags.extend(RATES);
    let server = TestServer::start(&flags).await;
    let (owner, asker) = (server.guest("owner").await, server.guest("asker").await);
    let mut watching = server.connect(&owner).await;
    watching.join("lobby").await;
    let mut asking = server.connect(&asker).await;
    asking.join("lobby").await;
    let seq = asking.prompt("lobby", "tell me a long story").await;
    let begun = |frame: &Value| frame["seq"] == seq;
    watching.expect_where("reply.delta", begun).await;
    let (status, _) = server
        .request("DELETE", "/api/me", Some(&asker), &json!({}))
        .await;
    assert_eq!(status, 204);
    assert_eq!(asking.closed().await, 4501);
    let settled =
        |frame: &Value| frame["message"]["seq"] == seq && frame["message"]["state"] != "queued";
    let frame = watching.expect_where("message", settled).await;
    assert_eq!(frame["message"]["state"], "stopped", "{frame}");
    server.shutdown.stop();
}

#[tokio::test]
async fn s79_of_a_deleted_account_only_its_words_stay() {
    let app = TestApp::start(RATES).await;
    let owner = person(&app, "owner").await;
    make_den(&app, &owner).await;
    let ada = person(&app, "Ada Lovelace").await;
    let member = json!({"name": "Ada Lovelace"});
    must(&app, &owner, "POST /api/rooms/den/members", member).await;
    let said = json!({"body": "the kettle sings"});
    must(&app, &ada, "POST /api/rooms/den/messages", said).await;
    let id: UserId = {
        let me = must(&app, &ada, "GET /api/me", Value::Null).await;
        serde_json::from_value(me["user"]["id"].clone()).unwrap()
    };
    must(&app, &ada, "DELETE /api/me", json!({"password": PASSWORD})).await;
    for what in [
        "GET /api/rooms/den/messages",
        "GET /api/search?q=kettle",
        "GET /api/rooms/den/members",
        "GET /api/rooms/den/export",
    ] {
        let answer = ask(&app, &owner, what, Value::Null).await;
        let text = super::text(&answer);
        assert!(answer.status.is_success(), "{what}: {text}");
        assert!(!text.contains("Lovelace"), "{what}: {text}");
        let members = what.ends_with("/members");
        assert_eq!(text.contains("kettle"), !members, "{what}: {text}");
        assert_eq!(text.contains(DELETED_NAME), !members, "{what}: {text}");
    }
    // Nor in what a model is told.
    let me = must(&app, &owner, "GET /api/me", Value::Null).await;
    let keeper: UserId = serde_json::from_value(me["user"]["id"].clone()).unwrap();
    let room = app.store.room(keeper, "den").await.unwrap();
    let context = app.store.context(room.room.id, 1, 10).await.unwrap();
    assert_eq!(context.len(), 1);
    assert_eq!(context[0].author.name, DELETED_NAME);
    assert_eq!(app.store.sessions(id).await.unwrap(), []);
    assert_eq!(app.store.departures(None, 10).await.unwrap(), []);
}
