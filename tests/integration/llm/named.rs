//! Several providers at once, by name: what the settings and the file of `SALON_PROVIDERS` mean, what each costs the others,
//! where they may be, and what an operator is told.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use salon::config::Config;
use salon::error::ErrorCode;
use salon::limits;
use salon::llm::anthropic::AnthropicProvider;
use salon::llm::breaker::{Breaker, SharedCircuit};
use salon::llm::calls::{Capped, Places};
use salon::llm::openai::OpenAiProvider;
use salon::llm::reach::{Lookup, Reach};
use salon::llm::registry::Providers;
use salon::llm::{LlmProvider, ModelLimits};
use serde_json::{Value, json};

use super::{BOTH, KEY, Kind, anthropic, ask, openai, prompt, provider, read, timeouts};
use crate::command_line::salon;
use crate::support::fake_provider::{Answer, FakeProvider, Gate};
use crate::support::server::TestServer;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    config: Config,
}

fn built(arguments: &[&str]) -> Result<Arc<Providers>, String> {
    let line = Line::parse_from([&["salon"], arguments].concat());
    Providers::from_config(&line.config)
}

/// A file of two providers beside the default one.
fn write_file(folder: &Path, server: &FakeProvider) -> PathBuf {
    let path = folder.join("providers.toml");
    let (openai, anthropic) = (server.openai_url(), server.anthropic_url());
    let text = format!(
        r#"
[[provider]]
name = "local"
kind = "openai"
base_url = "{openai}"
calls = 1

[[provider.model]]
name = "small"
context_tokens = 4096
output_tokens = 1024

[[provider.model]]
name = "large"
context_tokens = 131072
output_tokens = 16384

[[provider]]
name = "other"
kind = "anthropic"
base_url = "{anthropic}"

[[provider.model]]
name = "claude-x"
context_tokens = 200000
output_tokens = 64000
"#
    );
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn each_is_asked_by_its_name_and_model() {
    let folder = tempfile::tempdir().unwrap();
    let server = FakeProvider::start([]);
    server.otherwise(Answer::text(&["yes"]));
    let file = write_file(folder.path(), &server);
    let providers = built(&[
        "--providers",
        file.to_str().unwrap(),
        "--llm-allow",
        "127.0.0.1",
    ])
    .unwrap();
    let model = providers.default_model();
    assert_eq!(model.llm.model(), salon::llm::scripted::MODEL);
    let names: Vec<&str> = providers
        .all()
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["default", "local", "other"]);
    for (name, model, path, asked) in [
        ("local", None, "/v1/chat/completions", "small"),
        ("local", Some("large"), "/v1/chat/completions", "large"),
        ("other", None, "/v1/messages", "claude-x"),
    ] {
        let model = providers.get(name, model).unwrap();
        assert_eq!(ask(&model.llm).await.text, "yes");
        let request = server.requests().pop().unwrap();
        assert_eq!(
            (request.path.as_str(), &request.body["model"]),
            (path, &json!(asked))
        );
        for header in ["authorization", "x-api-key"] {
            assert!(!request.headers.contains_key(header), "no key, no header");
        }
    }
    let large = providers.get("local", Some("large")).unwrap().limits;
    assert_eq!(
        (large.answer_tokens(), large.prompt_tokens()),
        (8_192, 122_880)
    );
    for (name, model) in [("nobody", None), ("local", Some("claude-x")), ("", None)] {
        assert!(providers.get(name, model).is_none(), "{name} {model:?}");
    }
}

#[tokio::test]
async fn the_settings_of_one_provider_mean_the_default_one() {
    let limits_of = |arguments: &[&str]| built(arguments).unwrap().default_model().limits;
    let pair = |limits: ModelLimits| (limits.context_tokens, limits.output_tokens);
    let key = ["--llm", "openai", "--openai-api-key", "k"];
    assert_eq!(pair(limits_of(&key)), (128_000, 8_192));
    let elsewhere = [&key[..], &["--openai-base-url", "https://llm.example/v1"]].concat();
    assert_eq!(pair(limits_of(&elsewhere)), (32_768, 4_096));
    let said = [
        &elsewhere[..],
        &[
            "--model-context-tokens",
            "8192",
            "--model-output-tokens",
            "1000",
        ],
    ]
    .concat();
    assert_eq!(pair(limits_of(&said)), (8_192, 1_000));
    let anthropic = ["--llm", "anthropic", "--anthropic-api-key", "k"];
    assert_eq!(pair(limits_of(&anthropic)), (200_000, 8_192));
    for wrong in [
        ["--model-context-tokens", "2047"],
        ["--model-output-tokens", "0"],
    ] {
        let said = built(&[&key[..], &wrong].concat()).err().unwrap();
        assert!(said.starts_with("SALON_MODEL_CONTEXT_TOKENS"), "{said}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_file_is_said_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let server = FakeProvider::start([]);
    let file = write_file(folder.path(), &server);
    let path = file.to_str().unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let said = built(&["--providers", path]).err().unwrap();
    assert!(
        said.starts_with("SALON_PROVIDERS, `local`") && said.contains("SALON_LLM_ALLOW=127.0.0.1:"),
        "{said}"
    );
    let allowed = ["--providers", path, "--llm-allow", "127.0.0.1"];
    for (from, to, expected) in [
        ("calls = 1", "calls = \"hush\"", "line 6"),
        (
            "calls = 1",
            "key_env = \"SALON_TEST_NO_SUCH_KEY\"",
            "SALON_TEST_NO_SUCH_KEY is not set",
        ),
        ("base_url = \"http", "base_url = \"hush", "`base_url`"),
    ] {
        std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
        let said = built(&allowed).err().unwrap();
        assert!(said.contains(expected) && !said.contains("hush"), "{said}");
    }
    std::fs::write(&file, "#".repeat(limits::PROVIDER_FILE_BYTES as usize + 1)).unwrap();
    assert!(built(&allowed).err().unwrap().contains("bytes"));
    let ended = salon(
        folder.path(),
        &["serve"],
        &[("SALON_PROVIDERS", "no-such-file")],
        "",
    );
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    assert!(String::from_utf8_lossy(&ended.stderr).contains("SALON_PROVIDERS"));
    assert!(!folder.path().join("salon-data").exists());
}

#[tokio::test]
async fn a_circuit_is_of_one_provider_and_of_all_its_models() {
    let failing = FakeProvider::start([]);
    failing.otherwise(Answer::status(529, "overloaded_error"));
    let working = FakeProvider::start([]);
    working.otherwise(Answer::text(&["well"]));
    let once = super::Timeouts {
        tries: 1,
        ..timeouts()
    };
    let open_for = Duration::from_secs(60);
    let circuit = SharedCircuit::new("failing", open_for);
    let guarded = |server, circuit: &SharedCircuit| -> Arc<dyn LlmProvider> {
        let inner = provider(Kind::OpenAi, server, once.clone());
        Arc::new(Breaker::around(inner, circuit))
    };
    let [one, other] = [guarded(&failing, &circuit), guarded(&failing, &circuit)];
    let elsewhere = guarded(&working, &SharedCircuit::new("working", open_for));
    for _ in 0..limits::PROVIDER_CIRCUIT_FAILURES {
        assert_eq!(ask(&one).await.code(), Some(ErrorCode::ProviderOverloaded));
    }
    let asked = failing.requests().len();
    assert_eq!(
        ask(&other).await.code(),
        Some(ErrorCode::ProviderOverloaded)
    );
    assert_eq!(
        failing.requests().len(),
        asked,
        "the other model is left alone too"
    );
    assert_eq!(ask(&elsewhere).await.text, "well");
}

#[tokio::test]
async fn a_full_provider_is_waited_for_and_has_a_place_again_when_one_is_given_up() {
    for kind in BOTH {
        let gate = Gate::new();
        let server = FakeProvider::start([Answer::stream().piece("first").gate(&gate)]);
        server.otherwise(Answer::text(&["second"]));
        let places = Places::new(1, Duration::from_millis(300));
        let inner = provider(kind, &server, timeouts());
        let capped: Arc<dyn LlmProvider> = Arc::new(Capped::around(inner, places));
        let place = capped.place().await.unwrap();
        let running = capped.answer(prompt()).await.unwrap();
        gate.reached().await;
        assert_eq!(capped.place().await.unwrap_err().code, ErrorCode::Busy);
        assert_eq!(server.requests().len(), 1, "{kind:?}: nobody was asked");
        drop((running, place));
        let _place = capped.place().await.unwrap();
        let next = read(capped.answer(prompt()).await.unwrap()).await;
        assert_eq!(next.text, "second", "{kind:?}");
    }
}

fn finding(address: &'static str) -> Lookup {
    Arc::new(move |_name| Box::pin(std::future::ready(Ok(vec![address.parse().unwrap()]))))
}

fn at(kind: Kind, url: &str, reach: Reach) -> Arc<dyn LlmProvider> {
    let form = FakeProvider::start([]);
    match kind {
        Kind::Anthropic => {
            let mut settings = anthropic(&form, timeouts());
            url.clone_into(&mut settings.base_url);
            settings.reach = reach;
            Arc::new(AnthropicProvider::new(settings).unwrap())
        }
        Kind::OpenAi => {
            let mut settings = openai(&form, timeouts());
            url.clone_into(&mut settings.base_url);
            settings.reach = reach;
            Arc::new(OpenAiProvider::new(settings).unwrap())
        }
    }
}

#[tokio::test]
async fn s62_a_provider_whose_name_leads_inside_gets_neither_key_nor_question() {
    for kind in BOTH {
        let server = FakeProvider::start([]);
        server.otherwise(Answer::text(&["yes"]));
        let port = server.port();
        let url = format!("http://llm.example:{port}/v1");
        let refused = at(
            kind,
            &url,
            Reach::with_lookup(Vec::new(), finding("127.0.0.1")),
        );
        let answered = ask(&refused).await;
        assert_eq!(
            answered.code(),
            Some(ErrorCode::ProviderUnavailable),
            "{kind:?}"
        );
        let cause = answered.end.unwrap_err().cause;
        assert!(cause.contains("SALON_LLM_ALLOW"), "{cause}");
        assert!(server.requests().is_empty());

        // Named, it is connected to at the address that was judged: the name has no other.
        let named = vec![format!("llm.example:{port}").parse().unwrap()];
        let allowed = at(kind, &url, Reach::with_lookup(named, finding("127.0.0.1")));
        assert_eq!(ask(&allowed).await.text, "yes", "{kind:?}");
        let host = server.requests()[0].headers["host"].clone();
        assert_eq!(host, format!("llm.example:{port}"));
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn anthropics_own_count_is_asked_for() {
    let server = FakeProvider::start([
        Answer::document(&json!({"input_tokens": 2095})),
        Answer::status(404, "not_found_error"),
        Answer::document(&json!({"input_tokens": "many"})),
    ]);
    let provider = provider(Kind::Anthropic, &server, timeouts());
    assert_eq!(provider.count_tokens(&prompt()).await.unwrap(), Some(2_095));
    let request = server.requests().pop().unwrap();
    assert_eq!(request.path, "/v1/messages/count_tokens");
    assert_eq!(request.headers["x-api-key"], KEY);
    let mut fields: Vec<&String> = request.body.as_object().unwrap().keys().collect();
    fields.sort();
    assert_eq!(fields, ["messages", "model", "system"]);
    let error = provider.count_tokens(&prompt()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ProviderRefused);
    assert_eq!(provider.count_tokens(&prompt()).await.unwrap(), None);
    let openai = super::provider(Kind::OpenAi, &server, timeouts());
    assert_eq!(openai.count_tokens(&prompt()).await.unwrap(), None);
}

#[tokio::test]
async fn check_asks_each_provider_and_the_api_lists_them_without_keys() {
    let folder = tempfile::tempdir().unwrap();
    let server = FakeProvider::start([]);
    let file = write_file(folder.path(), &server);
    let settings = [
        ("SALON_PROVIDERS", file.to_str().unwrap()),
        ("SALON_LLM_ALLOW", "127.0.0.1"),
        ("SALON_LISTEN", "127.0.0.1:0"),
    ];
    server.push(Answer::document(&json!({"data": []})));
    server.push(Answer::status(401, "authentication_error"));
    let ended = salon(folder.path(), &["check"], &settings, "");
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    let line = |name: &str| said.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(line("assistant").ends_with("scripted: built in"), "{said}");
    assert!(line("provider local").ends_with("/v1: answers"), "{said}");
    assert!(
        line("provider other").contains(": NO, provider_auth"),
        "{said}"
    );
    let paths: Vec<String> = server.requests().into_iter().map(|one| one.path).collect();
    assert_eq!(paths, ["/v1/models", "/v1/models"]);

    let flags = [
        "--providers",
        file.to_str().unwrap(),
        "--llm-allow",
        "127.0.0.1",
    ];
    let salon = TestServer::start(&flags).await;
    let wanted = json!({"name": "ada"});
    let (_, made) = salon.request("POST", "/api/guests", None, &wanted).await;
    let session = made["token"].as_str();
    let listed = salon.request("GET", "/api/models", session, &Value::Null);
    let (status, listed) = listed.await;
    assert_eq!(status, 200, "{listed}");
    let default = json!({"provider": "default", "model": "salon-demo"});
    assert_eq!(listed["default"], default);
    assert_eq!(
        listed["providers"][1],
        json!({"name": "local", "models": [
            {"name": "small", "context_tokens": 4_096, "output_tokens": 1_024},
            {"name": "large", "context_tokens": 131_072, "output_tokens": 8_192},
        ]})
    );
    assert!(!listed.to_string().contains("127.0.0.1"), "{listed}");
}
