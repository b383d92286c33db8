//! One segment of a chaos run: a deployment, a load and a schedule of faults; then everything healed, everybody caught up,
//! the end written down, and the checker's verdict on the history.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use salon_checker::record::{FORMAT, Moment, What};
use tokio::time::Instant;

use super::collect;
use super::crowd::Crowd;
use super::deployment::Deployment;
use super::load::Load;
use super::plan::Plan;
use super::recorder::Recorder;
use super::schedule;
use super::support::postgres::connect;
use super::verdict::Verdict;
use super::world::World;

/// Load before the first fault, after which the resources are measured.
const WARM_UP: Duration = Duration::from_secs(4);
/// How long everybody is waited for past the bound: the history is to show by how much it was missed.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between the last word and the measure of what is still used.
const QUIET: Duration = Duration::from_secs(2);

/// Runs it in `folder`; what came of it.
pub(crate) async fn run(plan: Plan, folder: &Path) -> Verdict {
    let began = Instant::now();
    let history = folder.join("history.jsonl");
    let recorder = Recorder::create(&history);
    recorder.note(What::Run {
        format: FORMAT,
        seed: plan.seed,
        title: plan.title.clone(),
    });
    let mut draws = StdRng::seed_from_u64(plan.seed);
    let deployment = Deployment::start().await;
    let crowd = Crowd::gather(&recorder, &plan, &mut draws, &deployment).await;
    let world = Arc::new(World {
        plan,
        recorder,
        deployment,
        crowd,
    });
    world.progress("everybody is there");
    let shaken = shake(&world).await;
    world.progress("everything is healed");
    let caught_up = catch_up(&world).await;
    world.progress(&format!("caught up: {caught_up:?}"));
    tokio::time::sleep(QUIET).await;
    collect::resources(&world, Moment::After).await;
    collect::database(&world).await;
    collect::logs(&world.deployment, &world.recorder, folder).await;
    let tally = world.recorder.finish();
    let mut verdict = Verdict::of(&world.plan, tally, began.elapsed());
    verdict.caught_up_ms = caught_up.map(|time| u64::try_from(time.as_millis()).unwrap());
    verdict.complaints.extend(shaken.err());
    // The servers end before the judgement, which takes both cores.
    drop(world);
    verdict.judge(&history);
    verdict
}

/// Load and faults, then neither; what went wrong with them.
async fn shake(world: &Arc<World>) -> Result<(), String> {
    let deadline = Instant::now() + world.plan.at_most;
    let load = Load::start(world);
    tokio::time::sleep(WARM_UP).await;
    collect::resources(world, Moment::Before).await;
    let faults = schedule::carry_out(world, schedule::draw(&world.plan));
    let shaken = tokio::time::timeout_at(deadline, faults).await;
    while world.recorder.acked() < world.plan.acked && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    load.stop().await;
    world.deployment.links.heal();
    world.crowd.each(|client| {
        client.send_unknown_again();
        true
    });
    world.recorder.note(What::Healed {
        bound_ms: u64::try_from(world.plan.bound.as_millis()).unwrap(),
    });
    shaken.map_err(|late| format!("the faults took too long: {late}"))
}

/// Waits until everybody has everything and nothing is unsettled; after how long, if at all.
async fn catch_up(world: &World) -> Option<Duration> {
    let began = Instant::now();
    let deadline = began + world.plan.bound + PATIENCE;
    let url = world.deployment.database_url().await;
    let mut client = None;
    let mut done = None;
    while done.is_none() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if client.is_none() {
            client = connect(&url).await;
        }
        let Some(database) = &client else { continue };
        match rest(world, database).await {
            Some(rest) if rest.is_empty() => done = Some(began.elapsed()),
            Some(rest) if Instant::now() + Duration::from_secs(1) > deadline => {
                world.progress(&format!("not caught up: {rest:#?}"));
                break;
            }
            Some(_) => {}
            None => client = None,
        }
    }
    world.crowd.each(|client| {
        client.give_up();
        true
    });
    done
}

/// What is still to come; nothing when the database did not say.
async fn rest(world: &World, database: &tokio_postgres::Client) -> Option<Vec<String>> {
    let heads = "SELECT r.slug, h.version FROM room_heads h JOIN rooms r ON r.id = h.room_id";
    let heads: HashMap<String, i64> = database
        .query(heads, &[])
        .await
        .ok()?
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    let unsettled = "SELECT count(*) FROM replies WHERE state <> 'settled'";
    let unsettled: i64 = database.query_one(unsettled, &[]).await.ok()?.get(0);
    let mut rest = Vec::new();
    if unsettled > 0 {
        rest.push(format!("{unsettled} replies are not settled"));
    }
    let rest = std::sync::Mutex::new(rest);
    world.crowd.each(|client| {
        let state = client.state();
        if !state.continuing.is_empty() {
            let what = format!("{} waits for replies to go on", client.name());
            rest.lock().unwrap().push(what);
        }
        for (slug, room) in &state.rooms {
            let head = heads.get(slug).copied().unwrap_or_default();
            if room.cursor < head || !room.pending.is_empty() {
                rest.lock().unwrap().push(format!(
                    "{} in {slug}: at {} of {head}, {} sends pending, out: {}",
                    client.name(),
                    room.cursor,
                    room.pending.len(),
                    room.out
                ));
            }
        }
        true
    });
    rest.into_inner().ok()
}
