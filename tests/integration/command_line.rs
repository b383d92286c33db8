//! The program as an operator meets it: exit codes, sentences, and no secret on any output.

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::redis::RedisServer;
use crate::support::salon::SalonProcess;

/// Runs `salon` to its end in a folder, with nothing inherited but `PATH`.
pub(crate) fn salon(
    folder: &Path,
    arguments: &[&str],
    settings: &[(&str, &str)],
    input: &str,
) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_salon"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(settings.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that ends before it reads is no failure of the test.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_wrong_setting_is_a_sentence_and_code_2_and_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    let redis = "redis://:hidden-word@127.0.0.1:1";
    let cases: [(&[(&str, &str)], &str); 9] = [
        (&[("SALON_LISTEN", "nowhere")], "--listen"),
        (&[("SALON_LISTEN", "203.0.113.1:80")], "203.0.113.1:80"),
        (&[("SALON_GUESTS", "maybe")], "--guests"),
        (
            &[("SALON_TRUSTED_PROXIES", "10.0.0.0/99")],
            "--trusted-proxies",
        ),
        (
            &[("SALON_PUBLIC_ORIGIN", "https://a.example/")],
            "SALON_PUBLIC_ORIGIN",
        ),
        (&[("SALON_LOG", "[[")], "SALON_LOG"),
        (&[("REDIS_URL", redis)], "DATABASE_URL"),
        (
            &[
                ("REDIS_URL", redis),
                ("DATABASE_URL", "postgres://a:hidden-word@b/c"),
            ],
            "SALON_CLUSTER_SECRET",
        ),
        (&[("SALON_LLM", "openai")], "OPENAI_API_KEY"),
    ];
    for (settings, named) in cases {
        for command in [&[][..], &["serve"]] {
            let ended = salon(folder.path(), command, settings, "");
            let said = text(&ended.stderr);
            assert_eq!(ended.status.code(), Some(2), "{settings:?}: {said}");
            assert!(said.contains(named), "{settings:?}: {said}");
            assert!(
                !said.contains("hidden-word") && ended.stdout.is_empty(),
                "{said}"
            );
        }
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "nothing was made"
    );
}

#[test]
fn a_taken_port_is_said_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = salon(folder.path(), &["serve", "--listen", &address], &[], "");
    let said = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains(&address), "{said}");
    assert!(!folder.path().join("salon-data").exists());
}

#[test]
fn help_names_every_setting_and_no_value_of_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = [
        ("OPENAI_API_KEY", "hidden-word"),
        ("DATABASE_URL", "postgres://hidden-word@h/d"),
    ];
    let help = salon(folder.path(), &["serve", "--help"], &secrets, "");
    assert_eq!(help.status.code(), Some(0));
    let help = text(&help.stdout);
    for name in [
        "SALON_LISTEN",
        "SALON_DATA",
        "DATABASE_URL",
        "REDIS_URL",
        "SALON_CLUSTER_SECRET",
        "SALON_LLM",
        "OPENAI_API_KEY",
    ] {
        assert!(help.contains(name), "{name}");
    }
    assert!(!help.contains("hidden-word"));
}

#[test]
fn check_says_what_answers_and_shows_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let fine = salon(
        folder.path(),
        &["check", "--listen", "127.0.0.1:0"],
        &[],
        "",
    );
    let said = text(&fine.stdout);
    assert_eq!(fine.status.code(), Some(0), "{said}");
    for part in ["listen", "database", "redis", "assistant", "scripted"] {
        assert!(said.contains(part), "{said}");
    }
    assert!(
        !folder.path().join("salon-data").exists(),
        "looking makes nothing"
    );

    let secret = "hidden-word-of-thirty-two-characters";
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = |scheme: &str| format!("{scheme}://ada:{secret}@{closed}/0?password={secret}");
    let settings = [
        ("DATABASE_URL", url("postgres")),
        ("REDIS_URL", url("redis")),
        ("SALON_CLUSTER_SECRET", secret.to_owned()),
        ("SALON_LLM", "openai".to_owned()),
        ("OPENAI_API_KEY", secret.to_owned()),
        ("OPENAI_BASE_URL", format!("http://{closed}/v1")),
        ("SALON_LLM_ALLOW", closed.to_string()),
        ("SALON_LISTEN", "127.0.0.1:0".to_owned()),
    ];
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let dead = salon(folder.path(), &["check"], &settings, "");
    let said = text(&dead.stdout);
    assert_eq!(dead.status.code(), Some(1), "{said}{}", text(&dead.stderr));
    assert!(said.contains(&format!("redis://{closed}/0: NO")), "{said}");
    assert!(said.contains(&format!("http://{closed}/v1: NO")), "{said}");
    assert!(
        !said.contains(secret) && !text(&dead.stderr).contains(secret),
        "{said}"
    );
}

#[tokio::test]
async fn the_operator_makes_an_account_that_then_signs_in() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let settings = [("SALON_DATA", data)];
    let short = salon(
        folder.path(),
        &["user", "create", "Ada"],
        &settings,
        "short\n",
    );
    assert_eq!(short.status.code(), Some(1));
    assert!(text(&short.stderr).contains("at least 8"), "{short:?}");
    let made = salon(
        folder.path(),
        &["user", "create", "Ada", "--admin"],
        &settings,
        "correct horse\r\n",
    );
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let again = salon(
        folder.path(),
        &["user", "create", "ada"],
        &settings,
        "correct horse\n",
    );
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("taken"), "{again:?}");

    let mut server = SalonProcess::start(&settings).await;
    let second = salon(folder.path(), &["--listen", "127.0.0.1:0"], &settings, "");
    assert_eq!(
        second.status.code(),
        Some(2),
        "one folder, one process: {second:?}"
    );
    let ada = serde_json::json!({"name": "ada", "password": "correct horse"});
    let entered = reqwest::Client::new()
        .post(format!("{}/api/sessions", server.url()))
        .json(&ada)
        .send()
        .await
        .unwrap();
    assert_eq!(entered.status(), 201);
    let answer: serde_json::Value = entered.json().await.unwrap();
    assert_eq!(answer["user"]["name"], "Ada");

    server.terminate();
    let ended = server
        .wait_for_exit(std::time::Duration::from_secs(30))
        .await;
    assert_eq!(ended.code(), Some(0));
    let log = server.log_text();
    assert!(
        log.contains(&format!("Salon is at {}", server.url())),
        "{log}"
    );
    assert!(
        !log.contains("correct horse") && !log.contains(answer["token"].as_str().unwrap()),
        "{log}"
    );
}

#[test]
fn migrate_makes_the_database_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let done = salon(folder.path(), &["migrate"], &[], "");
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert!(folder.path().join("salon-data").is_dir());
}

#[tokio::test]
async fn check_asks_redis_the_way_the_server_would() {
    let folder = tempfile::tempdir().unwrap();
    let mut redis = RedisServer::start().await;
    let url = redis.url();
    let settings = [
        ("DATABASE_URL", "postgres://127.0.0.1:1/none"),
        ("REDIS_URL", url.as_str()),
        (
            "SALON_CLUSTER_SECRET",
            "a-secret-of-at-least-thirty-two-characters",
        ),
        ("SALON_LISTEN", "127.0.0.1:0"),
    ];
    let ended = salon(folder.path(), &["check"], &settings, "");
    let said = text(&ended.stdout);
    assert!(
        said.lines()
            .any(|line| line.starts_with("redis") && line.contains(": answers")),
        "{said}"
    );
    assert!(said.contains("postgres://127.0.0.1:1/none: NO"), "{said}");
    assert_eq!(
        ended.status.code(),
        Some(1),
        "one that does not answer is enough"
    );
    redis.kill();
    let said = text(&salon(folder.path(), &["check"], &settings, "").stdout);
    assert!(
        said.lines()
            .any(|line| line.starts_with("redis") && line.contains(": NO")),
        "{said}"
    );
}

#[tokio::test]
async fn metrics_are_on_a_listener_of_their_own() {
    let port = crate::support::process::free_port();
    let listen = format!("127.0.0.1:{port}");
    let server = SalonProcess::start(&[("SALON_METRICS_LISTEN", &listen)]).await;
    let get = async |url: String| reqwest::get(url).await.unwrap();
    assert_eq!(
        get(format!("{}/api/config", server.url())).await.status(),
        200
    );
    let metrics = get(format!("http://{listen}/metrics")).await;
    assert_eq!(metrics.status(), 200);
    let said = metrics.text().await.unwrap();
    let counted = "salon_http_requests_total{route=\"/api/config\",status=\"200\"} 1";
    assert!(said.contains(counted), "{said}");
    assert_eq!(
        get(format!("{}/metrics", server.url())).await.status(),
        404,
        "not in public"
    );
    assert_eq!(
        get(format!("http://{listen}/api/config")).await.status(),
        404
    );
}
