//! Writing a batch of changes on Postgres, after the contract of [`Store::apply`](crate::db::Store::apply): the hot
//! path of the server. Called by [`super::PostgresStore`].
//!
//! A batch of posts takes two round trips. The first begins, locks the heads and asks all that judging needs: later
//! statements, so that each sees what the lock waited for, but sent without waiting. Then everything is judged and
//! numbered here, in memory. The second writes it all in one statement, and commits. Other changes are rare: they
//! run their own statements in between, one by one.

mod administer;
mod asking_again;
mod assistants;
mod bans;
mod departures;
mod invites;
mod judge;
mod members;
mod messages;
mod posts;
mod questions;
mod replies;
mod rerun;
mod retention;
mod room;
mod settings;
mod variants;

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

/// Judges, numbers and writes every change of a batch; a room that is written alone is waited for.
pub(super) async fn apply(pools: &Pools, batch: &Batch) -> StoreResult<Applied> {
    let questions = Questions::of(batch);
    let deadline = deadline();
    let (connection, answers) = ask(pools, &questions, deadline).await?;
    let [only] = batch.rooms.as_slice() else {
        return judge_and_write(connection, batch, answers).await;
    };
    if !answers.is_locked_elsewhere(only.room) {
        return judge_and_write(connection, batch, answers).await;
    }
    // It waits on a connection of the few that may, so that the usual case takes nothing from them.
    connection.rollback().await;
    let mut connection = pools.waiting_until(deadline).await?;
    let answers = questions.ask(&mut connection, Locking::Wait).await?;
    judge_and_write(connection, batch, answers).await
}

/// The same without any wait for a lock.
pub(super) async fn apply_unless_locked(pools: &Pools, batch: &Batch) -> StoreResult<Applied> {
    let (connection, answers) = ask(pools, &Questions::of(batch), deadline()).await?;
    judge_and_write(connection, batch, answers).await
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_millis(limits::WRITE_MS)
}

/// Begins, locks what can be locked at once, and asks.
async fn ask(
    pools: &Pools,
    questions: &Questions,
    deadline: Instant,
) -> StoreResult<(Conn, Answers)> {
    let mut connection = pools.shared_until(deadline).await?;
    let answers = questions.ask(&mut connection, Locking::Skip).await?;
    Ok((connection, answers))
}

async fn judge_and_write(
    connection: Conn,
    batch: &Batch,
    answers: Answers,
) -> StoreResult<Applied> {
    let kept = match answers.kept.as_ref().map(rerun::load).transpose() {
        Ok(kept) => kept.unwrap_or_default(),
        Err(error) => {
            connection.rollback().await;
            return Err(error);
        }
    };
    write(connection, batch, answers, kept).await
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
