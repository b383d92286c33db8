//! Fits a prompt to its model. What may always be sent is what [`tokens`] counts, which is never too little but often too
//! much; so where that leaves history out and the provider counts itself, it is asked. Called by [`super::reply`].
//!
//! It never fails: a provider that cannot count costs some history, not the reply. The same counts give the same prompt.

use crate::chat::prompt::Built;
use crate::llm::registry::Model;
use crate::llm::{Prompt, tokens};

/// Providers call their counts estimates: so much of the room is used by them, in hundredths.
const COUNTED: u64 = 97;

/// The prompt of a model; `build` makes the one that takes at most so many tokens by our own count.
pub(super) async fn fit(model: &Model, build: impl Fn(u64) -> Built) -> Built {
    let room = u64::from(model.limits.prompt_tokens());
    let sure = build(room);
    let whole = build(u64::MAX);
    if sure == whole {
        return sure;
    }
    let counted_room = room * COUNTED / 100;
    let Some(count) = count(model, &whole.prompt).await else {
        return sure;
    };
    if count <= counted_room {
        return whole;
    }
    // Its parts come to as much less as the whole does, about; less a margin that makes a second miss rare.
    let ours = tokens::of_prompt(&whole.prompt);
    let ours = ours.saturating_mul(counted_room) / count.max(1) * 9 / 10;
    if ours <= room {
        return sure;
    }
    let closer = build(ours);
    match self::count(model, &closer.prompt).await {
        Some(count) if count <= counted_room => closer,
        _ => sure,
    }
}

async fn count(model: &Model, prompt: &Prompt) -> Option<u64> {
    match model.llm.count_tokens(prompt).await {
        Ok(count) => count,
        Err(error) => {
            tracing::info!(%error, "the provider did not count; the prompt is kept shorter");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use futures_util::{StreamExt, stream};

    use super::*;
    use crate::error::ErrorCode;
    use crate::llm::{DeltaStream, LlmError, LlmProvider, ModelLimits, Turn, TurnRole};

    /// Counts a token for so many bytes; for none it fails.
    struct Counting {
        bytes_per_token: Option<usize>,
        asked: AtomicUsize,
    }

    #[async_trait]
    impl LlmProvider for Counting {
        fn model(&self) -> &str {
            "counting"
        }

        async fn answer(&self, _prompt: Prompt) -> Result<DeltaStream, LlmError> {
            Ok(stream::empty().boxed())
        }

        async fn count_tokens(&self, prompt: &Prompt) -> Result<Option<u64>, LlmError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let Some(bytes) = self.bytes_per_token else {
                return Err(LlmError::new(ErrorCode::ProviderTimeout, "late"));
            };
            Ok(u64::try_from(prompt.bytes() / bytes).ok())
        }
    }

    /// So much history as there is room for, of at most 200 messages of 100 tokens.
    fn build(tokens: u64) -> Built {
        let messages = (tokens / 112).clamp(1, 200);
        let text = "1".repeat(100 * usize::try_from(messages).unwrap());
        let prompt = Prompt {
            system: String::new(),
            turns: vec![Turn {
                role: TurnRole::User,
                text,
            }],
            max_tokens: 1_000,
            model: None,
            temperature: None,
        };
        Built {
            prompt,
            context_from: None,
        }
    }

    async fn fitted(context_tokens: u32, bytes_per_token: Option<usize>) -> (usize, usize) {
        let llm = Arc::new(Counting {
            bytes_per_token,
            asked: AtomicUsize::new(0),
        });
        let model = Model {
            llm: Arc::clone(&llm) as Arc<dyn LlmProvider>,
            limits: ModelLimits {
                context_tokens,
                output_tokens: 1_000,
            },
            provider: "test".into(),
            prices: None,
        };
        let built = fit(&model, build).await;
        assert_eq!(
            built,
            fit(&model, build).await,
            "the same counts, the same prompt"
        );
        (built.prompt.bytes(), llm.asked.load(Ordering::SeqCst) / 2)
    }

    #[tokio::test]
    async fn what_surely_fits_is_not_counted() {
        assert_eq!(fitted(40_000, Some(4)).await, (20_000, 0));
    }

    #[tokio::test]
    async fn what_the_provider_says_fits_is_sent_whole() {
        assert_eq!(fitted(9_000, Some(4)).await, (20_000, 1));
    }

    #[tokio::test]
    async fn what_does_not_fit_is_cut_by_the_providers_count() {
        let (bytes, asked) = fitted(4_000, Some(4)).await;
        assert_eq!(asked, 2);
        let tokens = bytes / 4;
        assert!((2_200..=2_910).contains(&tokens), "{tokens} of 3,000");
    }

    #[tokio::test]
    async fn without_its_count_ours_holds() {
        let sure = build(3_000).prompt.bytes();
        assert_eq!(fitted(4_000, None).await, (sure, 1));
        // One that counts more than we thought possible: nothing longer than ours is sent.
        assert_eq!(fitted(4_000, Some(1)).await.0, sure);
    }
}
