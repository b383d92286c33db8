//! Writing a batch of changes on Postgres, after the contract of [`Store::apply`](crate::db::Store::apply): the hot
//! path of the server. Called by [`super::PostgresStore`].
//!
//! A batch of posts takes two round trips. The first begins, locks the heads and asks all that judging needs: later
//! statements, so that each sees what the lock waited for, but sent without waiting. Then everything is judged and
//! numbered here, in memory. The second writes it all in one statement, and commits. Other changes are rare: they
//! run their own statements in between, one by one.

mod judge;
mod members;
mod posts;
mod questions;
mod replies;
mod rerun;
mod room;
mod settings;

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::pool::{Conn, Pools};
use crate::db::changes::{Applied, Batch, Change, RoomApplied, RoomDone};
use crate::db::{StoreError, StoreResult};
use crate::ids::RoomId;
use crate::limits;
use judge::Judge;
use questions::{Answers, Locking, Questions};

/// Judges, numbers and writes every change of a batch.
pub(super) async fn apply(pools: &Pools, batch: &Batch) -> StoreResult<Applied> {
    let questions = Questions::of(batch);
    let (connection, answers) = lock(pools, batch, &questions).await?;
    let kept = match answers.kept.as_ref().map(rerun::load).transpose() {
        Ok(kept) => kept.unwrap_or_default(),
        Err(error) => {
            connection.rollback().await;
            return Err(error);
        }
    };
    write(connection, batch, answers, kept).await
}

/// Locks what can be locked at once. A room that is written alone is waited for, on a connection of the few that may
/// wait; only when it is locked, so that the usual case takes nothing from them.
async fn lock(pools: &Pools, batch: &Batch, questions: &Questions) -> StoreResult<(Conn, Answers)> {
    let deadline = Instant::now() + Duration::from_millis(limits::WRITE_MS);
    let mut connection = pools.shared_until(deadline).await?;
    let answers = questions.ask(&mut connection, Locking::Skip).await?;
    let [only] = batch.rooms.as_slice() else {
        return Ok((connection, answers));
    };
    if !answers.is_locked_elsewhere(only.room) {
        return Ok((connection, answers));
    }
    connection.rollback().await;
    let mut connection = pools.waiting_until(deadline).await?;
    let answers = questions.ask(&mut connection, Locking::Wait).await?;
    Ok((connection, answers))
}

async fn write(
    mut connection: Conn,
    batch: &Batch,
    answers: Answers,
    mut kept: HashMap<RoomId, RoomDone>,
) -> StoreResult<Applied> {
    let mut judge = Judge::new(answers)?;
    let mut rooms = Vec::with_capacity(batch.rooms.len());
    for wanted in &batch.rooms {
        rooms.push(match kept.remove(&wanted.room) {
            Some(done) => RoomApplied::Done(done),
            None => judge.room(&mut connection, wanted).await?,
        });
    }
    let any_judged = rooms
        .iter()
        .any(|room| matches!(room, RoomApplied::Done(_)));
    if keeps_answer(batch) && any_judged {
        connection.run(rerun::keep(batch.id, &rooms)?).await?;
    } else if judge.is_idle() {
        connection.rollback().await;
        return Ok(Applied { rooms });
    }
    let (last, heads) = judge.into_write();
    let written = connection.commit_with(last).await?;
    // The heads were locked and there: another count cannot be.
    if written == heads {
        Ok(Applied { rooms })
    } else {
        Err(StoreError::Broken(format!(
            "{written} of {heads} heads were written"
        )))
    }
}

/// Posts find themselves by their `client_id`; anything else needs the batch's own answer for a rerun.
fn keeps_answer(batch: &Batch) -> bool {
    batch
        .rooms
        .iter()
        .flat_map(|room| &room.changes)
        .any(|change| !matches!(change, Change::Post(_)))
}
