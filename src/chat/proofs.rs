//! Proofs of membership for joins and sends, many in one statement: those asked for within `limits::PROOF_WINDOW`
//! share it, so a storm of reconnects costs the database little. Called by `chat`; never caches: a proof is as old as its
//! statement.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::db::Store;
use crate::db::rows::Proof;
use crate::error::{ErrorCode, Refusal};
use crate::ids::UserId;
use crate::limits;

/// Statements at once.
const STATEMENTS: usize = 2;

struct Wanted {
    user: UserId,
    slug: String,
    answer: oneshot::Sender<Result<Proof, Refusal>>,
}

/// Where proofs are asked for.
#[derive(Clone)]
pub struct Proofs {
    queue: mpsc::Sender<Wanted>,
}

impl Proofs {
    /// Starts the task that gathers them; it ends with the last handle.
    #[must_use]
    pub fn start(store: Arc<dyn Store>) -> Self {
        let (queue, inbox) = mpsc::channel(limits::PROOF_QUEUE);
        tokio::spawn(gather(store, inbox));
        Self { queue }
    }

    /// Proves that the user is a member of the room now.
    ///
    /// # Errors
    /// `not_a_member` for a public room it could join, `room_not_found` for any other; `busy` at the bound.
    pub async fn prove(&self, user: UserId, slug: &str) -> Result<Proof, Refusal> {
        let (answer, answered) = oneshot::channel();
        let busy = || Refusal::from(ErrorCode::Busy).retry_after_ms(limits::RETRY_HINT_MS);
        self.queue
            .try_send(Wanted {
                user,
                slug: slug.to_owned(),
                answer,
            })
            .map_err(|_full| busy())?;
        answered.await.unwrap_or_else(|_| Err(busy()))
    }
}

async fn gather(store: Arc<dyn Store>, mut inbox: mpsc::Receiver<Wanted>) {
    let statements = Arc::new(Semaphore::new(STATEMENTS));
    let mut batch = Vec::new();
    while let Some(first) = inbox.recv().await {
        batch.push(first);
        let window = tokio::time::sleep(limits::PROOF_WINDOW);
        tokio::pin!(window);
        while batch.len() < limits::PROOFS_PER_STATEMENT {
            tokio::select! {
                biased;
                () = &mut window => break,
                wanted = inbox.recv() => match wanted {
                    Some(wanted) => batch.push(wanted),
                    None => break,
                },
            }
        }
        let batch = std::mem::take(&mut batch);
        let (store, permit) = (
            Arc::clone(&store),
            Arc::clone(&statements).acquire_owned().await,
        );
        tokio::spawn(async move {
            prove(&store, batch).await;
            drop(permit);
        });
    }
}

async fn prove(store: &Arc<dyn Store>, batch: Vec<Wanted>) {
    let keys: Vec<(UserId, String)> = batch
        .iter()
        .map(|wanted| (wanted.user, wanted.slug.clone()))
        .collect();
    match store.prove(&keys).await {
        Ok(proofs) => {
            for (wanted, proof) in batch.into_iter().zip(proofs) {
                // Whoever asked may be gone.
                let _ = wanted.answer.send(proof);
            }
        }
        Err(error) => {
            let refusal = error.into_refusal();
            for wanted in batch {
                let _ = wanted.answer.send(Err(refusal.clone()));
            }
        }
    }
}
