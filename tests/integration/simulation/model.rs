//! The language model of a simulation: it writes some words with pauses, and ends as the dice say: well, with an error,
//! in the middle, or only after a long silence. Now and then it has no place.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use salon::error::ErrorCode;
use salon::llm::calls::Place;
use salon::llm::{Completion, Delta, DeltaStream, LlmError, LlmProvider, Prompt};

use super::dice::Dice;

/// The model.
pub(super) struct SimModel(Dice);

impl SimModel {
    pub(super) fn new(dice: Dice) -> Arc<Self> {
        Arc::new(Self(dice))
    }
}

#[async_trait]
impl LlmProvider for SimModel {
    fn model(&self) -> &str {
        "simulated"
    }

    async fn place(&self) -> Result<Place, LlmError> {
        let dice = &self.0;
        if dice.chance(0.1) {
            tokio::time::sleep(Duration::from_millis(dice.range(1..1_000))).await;
            return Err(LlmError::no_place());
        }
        Ok(Place::default())
    }

    async fn answer(&self, _: Prompt) -> Result<DeltaStream, LlmError> {
        let dice = &self.0;
        tokio::time::sleep(Duration::from_millis(dice.range(1..300))).await;
        if dice.chance(0.05) {
            return Err(LlmError::new(ErrorCode::ProviderOverloaded, "simulated"));
        }
        let (words, pause) = (dice.range(0..16), dice.range(1..200));
        let mut parts: Vec<(u64, Option<Result<Delta, LlmError>>)> = (0..words)
            .map(|number| (pause, Some(Ok(Delta::Text(format!("wörd{number} "))))))
            .collect();
        parts.push(match dice.range(0..20) {
            0 | 1 => {
                let error = LlmError::new(ErrorCode::ProviderMalformed, "simulated");
                (pause, Some(Err(error)))
            }
            2 => {
                let error = LlmError::new(ErrorCode::ProviderTimeout, "simulated");
                (dice.range(1_000..5_000), Some(Err(error)))
            }
            3 => (pause, None),
            _ => (pause, Some(Ok(Delta::Done(Completion::default())))),
        });
        let parts = stream::iter(parts).then(|(pause, part)| async move {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            part
        });
        Ok(parts.filter_map(std::future::ready).boxed())
    }
}
