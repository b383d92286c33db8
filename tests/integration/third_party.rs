//! Conversations through a server that nobody here wrote: LiteLLM's proxy, which speaks Anthropic's Messages and OpenAI's chat
//! completions. Where it cannot be installed the tests say so and skip.

use std::sync::Arc;
use std::time::Duration;

use salon::llm::LlmProvider;
use salon::llm::anthropic::{AnthropicProvider, AnthropicSettings};
use salon::llm::http::Timeouts;
use salon::llm::openai::{OpenAiProvider, OpenAiSettings};

use crate::replies::{enter, read_settled, read_text, salon_with};
use crate::support::litellm::{KEY, LiteLlm};

/// What it answers, as `tests/litellm/config.yaml` has it.
const WORDS: &str = "Grüße aus 世界 👩‍👩‍👧 😀: a mock says **hello** through a proxy.";

/// One of the two ways to ask it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Format {
    Messages,
    ChatCompletions,
}

impl Format {
    fn path(self) -> &'static str {
        match self {
            Self::Messages => "/v1/messages",
            Self::ChatCompletions => "/v1/chat/completions",
        }
    }

    /// The models that answer, and that refuse.
    fn models(self) -> [&'static str; 2] {
        match self {
            Self::Messages => ["through", "limited-through"],
            Self::ChatCompletions => ["mock", "limited"],
        }
    }

    fn provider(self, proxy: &LiteLlm, model: &str, key: &str) -> Arc<dyn LlmProvider> {
        let timeouts = Timeouts {
            retry_first: Duration::from_millis(10),
            retry_longest: Duration::from_millis(20),
            ..Timeouts::default()
        };
        let (api_key, model) = (key.into(), model.to_owned());
        let reach = crate::llm::on_this_machine();
        match self {
            Self::Messages => {
                let settings = AnthropicSettings {
                    base_url: proxy.anthropic_url(),
                    api_key,
                    model,
                    timeouts,
                    reach,
                };
                Arc::new(AnthropicProvider::new(settings).unwrap())
            }
            Self::ChatCompletions => {
                let settings = OpenAiSettings {
                    base_url: proxy.openai_url(),
                    api_key,
                    model,
                    timeouts,
                    reach,
                };
                Arc::new(OpenAiProvider::new(settings).unwrap())
            }
        }
    }
}

/// Three questions of two people, each answered for both as it was written.
async fn converse(format: Format) {
    let Some(proxy) = LiteLlm::start().await else {
        return;
    };
    let [model, limited] = format.models();
    let (salon, _database) = salon_with(format.provider(&proxy, model, KEY)).await;
    let (mut ada, mut hers) = enter(salon.arrive("ada").await).await;
    let (mut bob, mut his) = enter(salon.arrive("bob").await).await;
    for (question, by_bob) in [("hello", false), ("and to me?", true), ("again 😀", false)] {
        let asker = if by_bob { &mut bob } else { &mut ada };
        let seq = asker.prompt("lobby", question).await;
        let seen = read_text(&mut bob, &mut his, seq).await;
        assert!(WORDS.starts_with(&seen), "{seen:?}");
        for (socket, client) in [(&mut ada, &mut hers), (&mut bob, &mut his)] {
            let settled = read_settled(socket, client, seq).await;
            assert_eq!(settled["state"], "complete", "{settled}");
            assert_eq!(settled["body"], WORDS, "{settled}");
            let reply = &settled["reply"];
            assert_eq!(reply["stop_reason"], "end", "{settled}");
            assert!(
                reply["usage"]["output_tokens"].as_i64() > Some(5),
                "{settled}"
            );
        }
    }
    assert_eq!(
        proxy.asked(format.path()),
        3,
        "each question was asked once"
    );
    for (model, key, error) in [
        (limited, KEY, "provider_rate_limited"),
        ("nobody-has-it", KEY, "provider_refused"),
    ] {
        let (salon, _database) = salon_with(format.provider(&proxy, model, key)).await;
        let (mut ada, mut hers) = enter(salon.arrive("ada").await).await;
        let seq = ada.prompt("lobby", "hello").await;
        let settled = read_settled(&mut ada, &mut hers, seq).await;
        assert_eq!(settled["state"], "failed", "{settled}");
        assert_eq!(settled["reply"]["error"], error, "{settled}");
    }
}

#[tokio::test]
async fn a_conversation_through_a_proxy_that_speaks_messages() {
    converse(Format::Messages).await;
}

#[tokio::test]
async fn a_conversation_through_a_proxy_that_speaks_chat_completions() {
    converse(Format::ChatCompletions).await;
}
