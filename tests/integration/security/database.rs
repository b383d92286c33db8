//! A server whose database user may read and write rows and nothing else: line 76. The grants are those of `docs/operate.md`.

use serde_json::{Value, json};

use crate::support::communicator::SocketClient;
use crate::support::event_stream::ApiClient;
use crate::support::postgres::{TestDatabase, USER, connect};
use crate::support::process::eventually;
use crate::support::salon::SalonProcess;

/// What the document has operators run, with this test's names.
fn grants(role: &str, database: &str) -> String {
    let document = include_str!("../../../docs/operate.md");
    let (_, after) = document
        .split_once("```sql\nCREATE ROLE chat_app")
        .expect("the grants are in the document");
    let (block, _) = after.split_once("```").unwrap();
    format!("CREATE ROLE chat_app{block}")
        .replace("chat_app", role)
        .replace("chat_owner", USER)
        .replace("DATABASE salon", &format!("DATABASE {database}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s76_a_server_runs_as_a_user_that_may_not_change_the_schema() {
    let template = TestDatabase::shared().await;
    let server = template.server();
    let (role, database) = ("app_of_s76", "least_rights");
    server
        .execute("postgres", &format!("CREATE DATABASE {database}"))
        .await;
    server.execute(database, &grants(role, database)).await;
    server
        .execute(
            database,
            "CREATE SCHEMA others; CREATE TABLE others.secrets (word text)",
        )
        .await;
    let owner_url = server.url(database);
    let app_url = owner_url.replace(&format!("{USER}@"), &format!("{role}@"));
    // One server migrates as the owner and serves as the other one.
    let salon = SalonProcess::start(&[
        ("DATABASE_URL", &app_url),
        ("MIGRATE_DATABASE_URL", &owner_url),
        // The server that tests share does not sync.
        ("SALON_ALLOW_DATA_LOSS", "on"),
        ("SALON_RATE_SIGN_INS", "1000"),
        ("SALON_WEBHOOK_ALLOW", "127.0.0.1"),
    ])
    .await;
    let document = include_str!("../../../docs/operate.md");
    let second = "REVOKE INSERT, UPDATE, DELETE ON __diesel_schema_migrations FROM chat_app";
    assert!(document.contains(second));
    server
        .execute(database, &second.replace("chat_app", role))
        .await;
    use_everything(&salon).await;
    // What that user may not do: the schema, whole tables, others' tables, other users, files of the server.
    let client = connect(&app_url).await.unwrap();
    for refused in [
        "CREATE TABLE mine (id int)",
        "CREATE TEMP TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "ALTER TABLE messages ADD COLUMN more int",
        "DROP TABLE messages",
        "TRUNCATE messages",
        "CREATE INDEX mine ON messages (id)",
        "ALTER TABLE messages DISABLE TRIGGER ALL",
        "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "SELECT * FROM others.secrets",
        "SELECT passwd FROM pg_shadow",
        "CREATE ROLE another",
        "SET ROLE salon",
        "COPY messages TO '/tmp/never'",
        "SELECT pg_read_file('/etc/passwd')",
        "INSERT INTO __diesel_schema_migrations (version) VALUES ('9')",
    ] {
        let error = client.batch_execute(refused).await.unwrap_err();
        let code = error.code().map(|code| code.code().to_owned());
        assert_eq!(code.as_deref(), Some("42501"), "{refused}: {error:?}");
    }
    let log = salon.log_text();
    assert!(!log.contains("permission denied"), "{log}");
    drop(client);
    drop(salon);
    // Without the owner it starts as well, once the schema is there; and what is missing it says and changes nothing.
    let alone = SalonProcess::start(&[
        ("DATABASE_URL", &app_url),
        ("SALON_MIGRATE", "off"),
        ("SALON_ALLOW_DATA_LOSS", "on"),
    ])
    .await;
    ApiClient::guest(&alone, "cy").await;
    template.drop().await;
}

/// Every kind of row is written, changed and deleted, and what jobs do in the background is done.
#[expect(clippy::too_many_lines, reason = "every kind of row")]
async fn use_everything(salon: &SalonProcess) {
    let ada = ApiClient::account(salon, "ada").await;
    let bo = ApiClient::account(salon, "bo").await;
    let (_, me) = bo.get("/api/me").await;
    let bo_id = me["user"]["id"].as_str().unwrap();
    let must = async |who: &ApiClient, path: &str, body: Value| {
        let (status, answer) = who.post(path, &body).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    };
    must(&ada, "/api/rooms", json!({"slug": "den", "name": "Den"})).await;
    must(&ada, "/api/rooms/den/members", json!({"name": "bo"})).await;
    must(&ada, "/api/rooms/den/invites", json!({})).await;
    must(&ada, "/api/direct", json!({"users": ["bo"]})).await;
    must(&ada, "/api/tokens", json!({"name": "ci", "scope": "write"})).await;
    must(&ada, "/api/bots", json!({"name": "helper"})).await;
    must(&ada, "/api/tickets", Value::Null).await;
    must(
        &ada,
        "/api/rooms/den/incoming-hooks",
        json!({"name": "builds"}),
    )
    .await;
    let hook = json!({"url": "http://127.0.0.1:9/", "events": ["message"]});
    must(&ada, "/api/rooms/den/outgoing-webhooks", hook).await;
    let seq = must(
        &ada,
        "/api/rooms/den/messages",
        json!({"body": "a kettle sings"}),
    )
    .await["seq"]
        .clone();
    for (method, path, body) in [
        (
            "PATCH",
            format!("/api/rooms/den/messages/{seq}"),
            json!({"body": "a kettle boils"}),
        ),
        (
            "PUT",
            format!("/api/rooms/den/messages/{seq}/reactions/%F0%9F%91%8D"),
            Value::Null,
        ),
        (
            "PUT",
            format!("/api/rooms/den/messages/{seq}/pin"),
            Value::Null,
        ),
        (
            "PATCH",
            "/api/rooms/den".to_owned(),
            json!({"topic": "tea"}),
        ),
        (
            "PUT",
            "/api/rooms/den/mute".to_owned(),
            json!({"muted": true}),
        ),
        (
            "PUT",
            "/api/rooms/den/retention".to_owned(),
            json!({"days": 9}),
        ),
        ("PUT", format!("/api/rooms/den/bans/{bo_id}"), json!({})),
        (
            "DELETE",
            format!("/api/rooms/den/bans/{bo_id}"),
            Value::Null,
        ),
    ] {
        let request = ada.request(method.parse().unwrap(), &path);
        let request = if body.is_null() {
            request
        } else {
            request.json(&body)
        };
        let (status, answer) = crate::support::event_stream::answer(request).await;
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {answer}"
        );
    }
    eventually(
        "it is found",
        std::time::Duration::from_secs(20),
        async || {
            let (_, found) = ada.get("/api/search?q=kettle").await;
            found["results"]
                .as_array()
                .is_some_and(|results| results.len() == 1)
        },
    )
    .await;
    let mut socket = SocketClient::connect(salon.port(), ada.token()).await;
    assert_eq!(socket.receive_json_from().await["type"], "welcome");
    socket.join("den").await;
    // A reply: its row, its chunks, its lease.
    socket.prompt("den", "@assistant what is a salon?").await;
    let within = std::time::Duration::from_secs(30);
    eventually("the reply is written", within, async || {
        let (_, page) = ada.get("/api/rooms/den/messages").await;
        let messages = page["messages"].as_array().unwrap();
        messages
            .iter()
            .any(|message| message["kind"] == "assistant" && message["state"] == "complete")
    })
    .await;
    let path = format!("/api/rooms/den/messages/{seq}");
    assert!((200..300).contains(&ada.delete(&path).await.0));
    assert!((200..300).contains(&ada.delete("/api/rooms/den").await.0));
    assert_eq!(ada.delete("/api/sessions/current").await.0, 204);
}
