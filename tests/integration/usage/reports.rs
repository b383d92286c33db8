//! What is told of usage: in pages and as tables, to whom it may be told.

use serde_json::Value;

use super::Api;
use crate::support::server::TestServer;

const FLAGS: &[&str] = &[
    "--scripted-delay-ms",
    "0",
    "--model-input-price",
    "1",
    "--model-output-price",
    "2",
    "--currency",
    "EUR",
    "--spend-room-day",
    "100",
    "--rate-frames",
    "100000",
];

/// The header and the rows of a table without line breaks in its cells.
fn table(text: &str) -> (Vec<String>, Vec<Vec<String>>) {
    assert!(text.ends_with("\r\n"), "{text}");
    let mut lines = text.trim_end().split("\r\n").map(|line| {
        let cells = line.split(',').map(str::to_owned);
        cells.collect::<Vec<_>>()
    });
    (lines.next().unwrap(), lines.collect())
}

fn cell<'a>((head, rows): &'a (Vec<String>, Vec<Vec<String>>), row: usize, name: &str) -> &'a str {
    let place = head.iter().position(|cell| cell == name).unwrap();
    &rows[row][place]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_is_told_in_pages_and_as_tables_to_those_who_may() {
    let (server, root) = TestServer::start_with_admin(FLAGS).await;
    let url = format!("http://127.0.0.1:{}", server.port);
    let root = Api {
        token: root,
        ..Api::guest(&url, "nobody").await
    };
    assert_eq!(root.get("/api/config").await["currency"], "EUR");
    let ada = Api::guest(&url, "ada").await;
    // A name that a spreadsheet would compute.
    let formula = Api::guest(&url, "=1+1").await;
    ada.room("den").await;
    assert_eq!(
        formula.post("/api/rooms/den/join", Value::Null).await.0,
        200
    );
    for asker in [&ada, &formula, &ada] {
        assert_eq!(asker.reply("den").await["state"], "complete");
    }

    let page = ada.get("/api/rooms/den/usage?limit=2").await;
    assert_eq!(
        (&page["currency"], &page["more"]),
        (&"EUR".into(), &true.into())
    );
    let day = &page["spent"]["day"];
    assert_eq!(day["cost_limit_micros"], 100_000_000);
    assert_eq!(
        (&day["tokens_limit"], &day["running"]),
        (&Value::Null, &0.into())
    );
    let rows = page["rows"].as_array().unwrap();
    assert_eq!(rows[1]["user"]["name"], "=1+1");
    assert_eq!(
        (&rows[0]["room"], &rows[0]["seq"]),
        (&"den".into(), &6.into())
    );
    assert_eq!(
        (&rows[0]["state"], &rows[0]["estimated"]),
        (&"complete".into(), &true.into())
    );
    let last = rows[1]["id"].as_str().unwrap();
    let rest = ada
        .get(&format!("/api/rooms/den/usage?before={last}"))
        .await;
    assert_eq!(
        (rest["rows"].as_array().unwrap().len(), &rest["more"]),
        (1, &false.into())
    );
    let cost = |row: &Value| row["cost_micros"].as_i64().unwrap();
    let all: i64 = rows
        .iter()
        .chain(rest["rows"].as_array().unwrap())
        .map(cost)
        .sum();
    assert_eq!(day["cost_micros"], all);
    let own = formula.get("/api/me/usage").await;
    assert_eq!(own["rows"].as_array().unwrap().len(), 1);

    refusals(&ada, &formula, &root).await;
    summed_up(&root, all).await;
    tables(&ada, &root).await;
    server.shutdown.stop();
}

async fn tables(ada: &Api, root: &Api) {
    let asked = ada
        .send(
            "GET",
            "/api/rooms/den/usage?format=csv&limit=2",
            &Value::Null,
        )
        .await;
    let header = |name: &str| asked.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(
        header("content-disposition"),
        "attachment; filename=\"den-usage.csv\""
    );
    let next = header("link");
    let next = next
        .strip_prefix('<')
        .unwrap()
        .strip_suffix(">; rel=\"next\"")
        .unwrap()
        .to_owned();
    let first = table(&asked.text().await.unwrap());
    assert_eq!(first.1.len(), 2);
    assert_eq!(cell(&first, 1, "user"), "\"'=1+1\"");
    assert_eq!(
        (cell(&first, 0, "seq"), cell(&first, 0, "state")),
        ("6", "complete")
    );
    assert!(cell(&first, 0, "cost").starts_with("0.000"), "{first:?}");
    let asked = ada.send("GET", &next, &Value::Null).await;
    assert!(!asked.headers().contains_key("link"));
    assert_eq!(table(&asked.text().await.unwrap()).1.len(), 1);
    // As `Accept` says.
    let url = format!("{}/api/admin/usage?by=room", root.url);
    let asked = root
        .http
        .get(url)
        .bearer_auth(&root.token)
        .header("accept", "text/csv");
    let sums = table(&asked.send().await.unwrap().text().await.unwrap());
    assert_eq!(
        (cell(&sums, 0, "name"), cell(&sums, 0, "attempts")),
        ("\"den\"", "3")
    );
}

async fn refusals(ada: &Api, formula: &Api, root: &Api) {
    for (api, path, expected) in [
        (formula, "/api/rooms/den/usage", "forbidden"),
        (root, "/api/rooms/den/usage", "not_a_member"),
        (ada, "/api/rooms/nowhere/usage", "room_not_found"),
        (ada, "/api/admin/usage", "forbidden"),
        (ada, "/api/me/usage?limit=101", "bad_request"),
        (ada, "/api/me/usage?format=csv&limit=5001", "bad_request"),
        (ada, "/api/me/usage?format=xml", "bad_request"),
        (root, "/api/admin/usage?by=word", "bad_request"),
        (
            root,
            "/api/admin/usage?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z",
            "bad_request",
        ),
    ] {
        let refused: Value = api
            .send("GET", path, &Value::Null)
            .await
            .json()
            .await
            .unwrap();
        assert_eq!(refused["code"], expected, "{path}: {refused}");
    }
}

async fn summed_up(root: &Api, all: i64) {
    let by_user = root.get("/api/admin/usage?by=user&limit=1").await;
    assert_eq!(
        (by_user["rows"].as_array().unwrap().len(), &by_user["more"]),
        (1, &true.into())
    );
    let key = by_user["rows"][0]["key"].as_str().unwrap();
    let second = root
        .get(&format!("/api/admin/usage?by=user&after={key}"))
        .await;
    let names = [&by_user["rows"][0]["name"], &second["rows"][0]["name"]];
    assert!(names.contains(&&Value::from("ada")) && names.contains(&&Value::from("=1+1")));
    let by_model = root.get("/api/admin/usage?by=model").await;
    assert_eq!(by_model["rows"][0]["key"], "default/salon-demo");
    assert_eq!(by_model["rows"][0]["attempts"], 3);
    assert_eq!(by_model["rows"][0]["cost_micros"], all);
    let none = root
        .get("/api/admin/usage?by=day&to=2026-01-01T00:00:00Z")
        .await;
    assert_eq!(none["rows"], Value::Array(Vec::new()));
}
