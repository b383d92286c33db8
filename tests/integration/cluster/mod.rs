//! The promises with whole processes: instances of the built program behind `HAProxy`, Postgres through `PgBouncer` in
//! transaction mode, Redis; members that connect as good clients do, and one part after another that is killed, frozen
//! or restarted under load. One file per part.

mod balancer;
mod conversation;
mod embedded;
mod instances;
mod presence;
pub(crate) mod redis;

use std::sync::Arc;
use std::time::Duration;

use super::support::cluster::{Cluster, Members, ROOM};
use super::support::member::Member;
use super::support::truth::{Truth, everybody_agrees, read_postgres};

/// Waiting for what no fault delays, on a machine that is busy with other tests.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// So many members of the room, through the balancer.
pub(crate) async fn members(cluster: &Cluster, count: usize) -> Members {
    Arc::new(Member::join_many(cluster.port(), count, ROOM).await)
}

/// What the database holds, after everybody was found to agree with it.
pub(crate) async fn settled_truth(cluster: &Cluster, members: &[Member]) -> Truth {
    let truth = read_postgres(&cluster.database_url(), ROOM).await;
    everybody_agrees(members, &truth, cluster.port(), ROOM).await;
    truth
}
