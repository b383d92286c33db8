//! Instances that count together, over a real Redis: a limit holds on all of them, goes on on each without Redis, and counts
//! together again when it is back.

use std::time::Duration;

use salon::ids::ClientId;
use salon::limits;
use serde_json::{Value, json};

use crate::support::cluster::{Cluster, Postgres};
use crate::support::communicator::SocketClient;
use crate::support::postgres::TestDatabase;
use crate::support::process::eventually;

const DEADLINE: Duration = Duration::from_secs(20);
/// Somebody somewhere: the proxies of tests are believed.
const AT: &str = "198.51.100.7";

async fn cluster(instances: usize, settings: &[(&str, &str)]) -> Cluster {
    let shared = Postgres::Shared(TestDatabase::shared().await);
    Cluster::over(shared, instances, settings).await
}

/// Asks one instance from an address.
async fn ask(
    cluster: &Cluster,
    instance: usize,
    what: &str,
    (token, address): (&str, &str),
    body: &Value,
) -> (u16, Value) {
    let (method, path) = what.split_once(' ').unwrap();
    let url = format!("{}{path}", cluster.instances[instance].url());
    let mut request = reqwest::Client::new()
        .request(method.parse().unwrap(), url)
        .header("x-forwarded-for", address)
        .timeout(DEADLINE);
    if !token.is_empty() {
        request = request.bearer_auth(token);
    }
    if !body.is_null() {
        request = request.json(body);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    if status == 429 {
        assert!(answer.headers().contains_key("retry-after"), "{what}");
    }
    let body: Value = answer.json().await.unwrap_or_default();
    if status == 429 {
        assert!(body["retry_after_ms"].as_u64() > Some(0), "{body}");
    }
    (status, body)
}

async fn guest(cluster: &Cluster, name: &str) -> String {
    let wanted = json!({ "name": name });
    let (status, made) = ask(cluster, 0, "POST /api/guests", ("", AT), &wanted).await;
    assert_eq!(status, 201, "{made}");
    made["token"].as_str().unwrap().to_owned()
}

/// How many of these many searches, on all instances in turn, were answered.
async fn searches(cluster: &Cluster, token: &str, count: usize) -> usize {
    let mut answered = 0;
    for number in 0..count {
        let instance = number % cluster.instances.len();
        let what = "GET /api/search?q=tides";
        let (status, body) = ask(cluster, instance, what, (token, AT), &Value::Null).await;
        match status {
            200 => answered += 1,
            _ => assert_eq!((status, &body["code"]), (429, &json!("rate_limited"))),
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_holds_on_all_instances_and_on_each_without_redis() {
    let mut cluster = cluster(3, &[("SALON_RATE_SEARCHES", "6")]).await;
    cluster.wait_for_layer(true, DEADLINE).await;
    let ada = guest(&cluster, "ada").await;
    let answered = searches(&cluster, &ada, 24).await;
    // A token comes back in ten seconds.
    assert!((6..=8).contains(&answered), "{answered} of six");
    cluster.redis.kill();
    cluster.wait_for_layer(false, DEADLINE).await;
    let bo = guest(&cluster, "bo").await;
    let answered = searches(&cluster, &bo, 36).await;
    assert!(
        (18..=24).contains(&answered),
        "{answered} of six on each of three"
    );
    cluster.redis.restart().await;
    cluster.wait_for_layer(true, DEADLINE).await;
    // Redis has forgotten everybody; the instances have not, and somebody new is counted by all again.
    eventually("they count together", DEADLINE, async || {
        let cy = guest(&cluster, "cy").await;
        (6..=8).contains(&searches(&cluster, &cy, 24).await)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_users_sockets_on_all_instances_share_its_sends() {
    let settings = [
        ("SALON_RATE_SENDS", "2"),
        ("SALON_RATE_SENDS_BURST", "40"),
        ("SALON_RATE_SHARE_USER", "1"),
    ];
    let cluster = cluster(3, &settings).await;
    let ada = guest(&cluster, "ada").await;
    let mut sockets = Vec::new();
    for instance in &cluster.instances {
        let socket = SocketClient::try_connect_for(instance.port(), &ada, AT).await;
        let mut socket = socket.unwrap();
        let welcome = socket.expect("welcome").await;
        assert_eq!(welcome["limits"]["user"]["sends_burst"], 40);
        socket.join("lobby").await;
        sockets.push(socket);
    }
    // One spends most of what the user has; a moment later the others know.
    for number in 0..39 {
        sockets[0].send("lobby", &format!("{number}")).await;
    }
    eventually("the others know", DEADLINE, async || {
        let answer = try_send(&mut sockets[1]).await;
        answer["code"] == "rate_limited" && answer["retry_after_ms"].as_u64() > Some(0)
    })
    .await;
    assert_eq!(try_send(&mut sockets[1]).await["type"], "error");
    // Others are as before.
    let bo = guest(&cluster, "bo").await;
    let port = cluster.instances[1].port();
    let other = SocketClient::try_connect_for(port, &bo, "203.0.113.9").await;
    let mut other = other.unwrap();
    other.expect("welcome").await;
    other.join("lobby").await;
    for _ in 0..10 {
        other.send("lobby", "hello").await;
    }
}

async fn try_send(socket: &mut SocketClient) -> Value {
    socket.send_as("lobby", ClientId::new(), "more").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_are_counted_on_all_instances_and_a_killed_ones_count_no_more() {
    let settings = [
        ("SALON_SOCKETS_PER_USER", "4"),
        ("SALON_SOCKETS_PER_ADDRESS", "6"),
    ];
    let mut cluster = cluster(2, &settings).await;
    cluster.wait_for_layer(true, DEADLINE).await;
    let (ada, bo) = (guest(&cluster, "ada").await, guest(&cluster, "bo").await);
    let ports: Vec<u16> = cluster.instances.iter().map(|one| one.port()).collect();
    let open = |instance: usize, token: &str| {
        let (port, token) = (ports[instance], token.to_owned());
        async move { SocketClient::try_connect_for(port, &token, AT).await }
    };
    let mut kept = Vec::new();
    for number in 0..4 {
        kept.push(open(number % 2, &ada).await.ok().unwrap());
    }
    for instance in 0..2 {
        let (status, body) = open(instance, &ada).await.err().unwrap();
        assert_eq!((status, &body["code"]), (429, &json!("too_many")), "{body}");
        assert!(body["retry_after_ms"].as_u64() > Some(0), "{body}");
    }
    // Others of the same address have what is left of it.
    let mut others = Vec::new();
    for number in 0..2 {
        others.push(open(number, &bo).await.ok().unwrap());
    }
    assert_eq!(open(0, &bo).await.err().unwrap().0, 429);
    let elsewhere = SocketClient::try_connect_for(ports[0], &bo, "203.0.113.9").await;
    assert!(elsewhere.is_ok());
    // One that closes makes room everywhere.
    kept.remove(0).disconnect().await;
    eventually("there is room", DEADLINE, async || {
        match open(1, &ada).await {
            Ok(socket) => kept.push(socket),
            Err(_) => return false,
        }
        true
    })
    .await;
    // What a killed instance held expires.
    cluster.instances[1].kill();
    let lived = tokio::time::Instant::now();
    let within = limits::COUNTERS_LIFETIME + DEADLINE;
    eventually("there is room", within, async || {
        match open(0, &ada).await {
            Ok(socket) => kept.push(socket),
            Err(_) => return false,
        }
        true
    })
    .await;
    assert!(lived.elapsed() > Duration::from_secs(2), "it was counted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tries_at_an_account_are_counted_on_all_instances() {
    let cluster = cluster(2, &[("SALON_RATE_TRIES", "4")]).await;
    cluster.wait_for_layer(true, DEADLINE).await;
    let right = json!({"name": "ada", "password": "correct horse"});
    let made = ask(&cluster, 0, "POST /api/users", ("", AT), &right).await;
    assert_eq!(made.0, 201, "{made:?}");
    let wrong = json!({"name": "Ada", "password": "wrong horse"});
    let mut refused = 0;
    for number in 0..12 {
        let from = ("", "203.0.113.9");
        let (status, _) = ask(&cluster, number % 2, "POST /api/sessions", from, &wrong).await;
        refused += usize::from(status == 429);
    }
    assert!((6..=8).contains(&refused), "{refused} of twelve");
    // Elsewhere its owner signs in.
    let signed_in = ask(&cluster, 1, "POST /api/sessions", ("", AT), &right).await;
    assert_eq!(signed_in.0, 201, "{signed_in:?}");
}
