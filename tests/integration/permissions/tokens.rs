//! Every route of the table, asked with a program's token: what is about the account, or outlives the token, is closed to it.

use reqwest::Client;
use salon::permissions::access::{Needs, ROUTES};
use serde_json::{Value, json};

use crate::support::server::TestServer;

/// A uuid of nothing.
const NOTHING: &str = "0191f0a0-0000-7000-8000-000000000000";

/// A token of this scope, of an account of its own.
async fn token(server: &TestServer, scope: &str) -> String {
    let account = json!({"name": format!("ada-{scope}"), "password": "correct horse"});
    let (_, made) = server.request("POST", "/api/users", None, &account).await;
    let session = made["token"].as_str().unwrap().to_owned();
    let wanted = json!({"name": "ci", "scope": scope});
    let made = server.request("POST", "/api/tokens", Some(&session), &wanted);
    let (status, made) = made.await;
    assert_eq!(status, 201, "{made}");
    made["secret"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_refused_where_the_table_says_so_and_nowhere_else() {
    let server = TestServer::start(&[]).await;
    let client = Client::new();
    let (mut closed, mut open) = (0, 0);
    for scope in ["read", "write"] {
        let token = token(&server, scope).await;
        for route in ROUTES {
            if matches!(route.needs, Needs::Nothing | Needs::Operator) || route.path == "/ws" {
                continue;
            }
            let mut path = route.path.replace("{slug}", "nowhere");
            path = path
                .replace("{seq}", "1")
                .replace("{emoji}", "%F0%9F%91%8D");
            for name in ["{user}", "{invite}", "{hook}", "{id}", "{bot}", "{token}"] {
                path = path.replace(name, NOTHING);
            }
            let method = route.method.to_uppercase().parse().unwrap();
            let asked = client
                .request(method, format!("http://127.0.0.1:{}{path}", server.port))
                .bearer_auth(&token)
                .json(&json!({"room": "nowhere", "message": "hi"}))
                .send();
            let text = asked.await.unwrap().text().await.unwrap();
            let problem: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
            let code = problem["code"].as_str().unwrap_or_default();
            let what = format!("{} {path} by {scope}: {text}", route.method);
            if route.session_only {
                closed += 1;
                assert_eq!(code, "session_required", "{what}");
            } else {
                open += 1;
                let may = scope == "write" || route.method == "get";
                assert_ne!(code, "session_required", "{what}");
                assert_eq!(code == "scope_missing", !may, "{what}");
            }
        }
    }
    assert!(closed >= 40 && open >= 60, "{closed} closed, {open} open");
    server.shutdown.stop();
}
