//! One pair of connections from its first byte to its last, and the supervisor that makes one after the other.
//!
//! A session runs four things side by side, and is over when the first of them is: publishing what waits, following the
//! groups' members with subscriptions, probing, and listening for the end of the connection.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisError};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::super::GroupName;
use super::Shared;
use super::envelope::{Envelope, Kind};
use crate::limits;

/// Why a session ended. For the log only.
#[derive(Debug, thiserror::Error)]
enum SessionEnd {
    #[error("{0}")]
    Redis(#[from] RedisError),
    #[error("the subscribing connection was closed")]
    Closed,
    #[error("Redis did not confirm a subscription in time")]
    SubscribeTimeout,
    #[error("Redis did not answer a publication in time")]
    PublishTimeout,
    #[error("a probe did not come round: the connections are open but dead")]
    ProbeTimeout,
}

/// Runs sessions until it is told to stop. `first_try` hears when the first one is up or has failed.
pub(super) async fn supervise(
    shared: Arc<Shared>,
    stop: CancellationToken,
    first_try: oneshot::Sender<()>,
) {
    let mut first_try = Some(first_try);
    let mut failures: u32 = 0;
    loop {
        let mut was_up_since = None;
        let ended = tokio::select! {
            () = stop.cancelled() => None,
            end = run(&shared, &mut was_up_since, &mut first_try) => Some(end),
        };
        shared.subscriptions.end();
        first_try.take();
        let Some(end) = ended else { return };
        metrics::counter!("salon_layer_reconnects_total").increment(1);
        shared.log.warn(format_args!("connecting again: {end}"));
        let lasted = was_up_since.map_or(Duration::ZERO, |since: Instant| since.elapsed());
        // A session that lasted was a good one; one that did not must not be repeated at full speed.
        failures = if lasted > limits::LAYER_BACKOFF_MAX {
            0
        } else {
            failures.saturating_add(1)
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(backoff(failures)) => {}
        }
    }
}

/// Full jitter: instances that lost the same Redis do not come back in step.
pub(super) fn backoff(failures: u32) -> Duration {
    let longest = limits::LAYER_BACKOFF_FIRST
        .saturating_mul(1 << failures.min(16))
        .min(limits::LAYER_BACKOFF_MAX);
    longest.mul_f64(rand::random::<f64>())
}

async fn run(
    shared: &Arc<Shared>,
    was_up_since: &mut Option<Instant>,
    first_try: &mut Option<oneshot::Sender<()>>,
) -> SessionEnd {
    let lost = Arc::new(Notify::new());
    let (mut publisher, mut subscriber) = match connect(shared, &lost).await {
        Ok(connections) => connections,
        Err(error) => return error.into(),
    };
    if let Err(end) = subscribe_to_all(shared, &mut subscriber).await {
        return end;
    }
    // A Redis that takes subscriptions but no publications, or does not bring them round, is not up.
    if let Err(end) = probe_once(shared, &mut publisher).await {
        return end;
    }
    shared.outgoing.drop_stale();
    shared.subscriptions.go_up();
    shared.inbox.start_again();
    *was_up_since = Some(Instant::now());
    if let Some(first_try) = first_try.take() {
        // Nobody may be waiting any more.
        let _ = first_try.send(());
    }
    tokio::select! {
        () = lost.notified() => SessionEnd::Closed,
        end = publish(shared, publisher.clone()) => end,
        end = follow_members(shared, &mut subscriber) => end,
        end = probe(shared, publisher.clone()) => end,
    }
}

async fn connect(
    shared: &Arc<Shared>,
    lost: &Arc<Notify>,
) -> Result<(MultiplexedConnection, MultiplexedConnection), RedisError> {
    let publisher = shared.connector.publisher().await?;
    // Weak: the connection's task would otherwise keep alive what owns the connection.
    let inbox = Arc::downgrade(shared);
    let take = move |channel: &str, payload| {
        if let Some(shared) = inbox.upgrade() {
            shared.inbox.take(channel, payload);
        }
    };
    let subscriber = shared.connector.subscriber(take, Arc::clone(lost)).await?;
    Ok((publisher, subscriber))
}

async fn subscribe_to_all(
    shared: &Shared,
    subscriber: &mut MultiplexedConnection,
) -> Result<(), SessionEnd> {
    let own = [
        shared.sealer.own_channel(),
        shared.sealer.everyone_channel(),
    ];
    timeout(limits::SUBSCRIBE_TIMEOUT, subscriber.subscribe(&own[..]))
        .await
        .map_err(|_elapsed| SessionEnd::SubscribeTimeout)??;
    shared.subscriptions.begin(&shared.registry);
    apply_changes(shared, subscriber).await
}

/// Subscribes to groups with their first member, unsubscribes from those that lost the last one.
async fn follow_members(shared: &Shared, subscriber: &mut MultiplexedConnection) -> SessionEnd {
    loop {
        shared.subscriptions.wait_for_changes().await;
        if let Err(end) = apply_changes(shared, subscriber).await {
            return end;
        }
    }
}

async fn apply_changes(
    shared: &Shared,
    subscriber: &mut MultiplexedConnection,
) -> Result<(), SessionEnd> {
    let names = |groups: &[GroupName]| -> Vec<String> {
        groups
            .iter()
            .map(|group| shared.sealer.group_channel(group))
            .collect()
    };
    let changes = shared.subscriptions.take_changes(&shared.registry);
    for groups in changes.unsubscribe.chunks(limits::SUBSCRIBE_GROUPS) {
        timeout(
            limits::SUBSCRIBE_TIMEOUT,
            subscriber.unsubscribe(names(groups)),
        )
        .await
        .map_err(|_elapsed| SessionEnd::SubscribeTimeout)??;
        for group in groups {
            shared.inbox.forget(group);
        }
    }
    for groups in changes.subscribe.chunks(limits::SUBSCRIBE_GROUPS) {
        timeout(
            limits::SUBSCRIBE_TIMEOUT,
            subscriber.subscribe(names(groups)),
        )
        .await
        .map_err(|_elapsed| SessionEnd::SubscribeTimeout)??;
        for group in shared.subscriptions.confirm(groups) {
            shared.inbox.resync(&group);
        }
    }
    Ok(())
}

/// Publishes what waits, all that queued during one round trip in the next one.
async fn publish(shared: &Shared, mut publisher: MultiplexedConnection) -> SessionEnd {
    loop {
        let batch = shared.outgoing.take_batch().await;
        let mut commands = redis::pipe();
        if batch.gap_anywhere {
            commands.add_command(announcement(shared, Kind::GapAnywhere, None));
        }
        for group in &batch.gaps {
            commands.add_command(announcement(shared, Kind::Gap, Some(group)));
        }
        for message in &batch.messages {
            let sealed = shared.sealer.seal(&Envelope {
                kind: Kind::Message,
                group: message.group.as_str().to_owned(),
                origin: shared.sealer.instance(),
                number: message.number,
                previous: message.previous,
                payload: message.payload.clone(),
            });
            commands.add_command(Cmd::publish(
                shared.sealer.group_channel(&message.group),
                sealed,
            ));
        }
        match timeout(limits::PUBLISH_TIMEOUT, commands.exec_async(&mut publisher)).await {
            Ok(Ok(())) => batch.written(),
            Ok(Err(error)) => return error.into(),
            Err(_elapsed) => return SessionEnd::PublishTimeout,
        }
    }
}

/// "I dropped messages": to one group, or to everyone.
fn announcement(shared: &Shared, kind: Kind, group: Option<&GroupName>) -> Cmd {
    let sealed = shared.sealer.seal(&Envelope {
        kind,
        group: group.map_or_else(String::new, |group| group.as_str().to_owned()),
        origin: shared.sealer.instance(),
        number: 0,
        previous: 0,
        payload: bytes::Bytes::new(),
    });
    let channel = group.map_or_else(
        || shared.sealer.everyone_channel(),
        |group| shared.sealer.group_channel(group),
    );
    Cmd::publish(channel, sealed)
}

/// Sends a nonce round through Redis, again and again. A connection may be open and silent for minutes after a failover;
/// this notices within [`limits::PROBE_INTERVAL`] + [`limits::PROBE_TIMEOUT`].
async fn probe(shared: &Shared, mut publisher: MultiplexedConnection) -> SessionEnd {
    let mut said = false;
    loop {
        said = said || shared.log.info("up");
        if let Err(end) = probe_once(shared, &mut publisher).await {
            return end;
        }
        shared.inbox.sweep();
        sleep(limits::PROBE_INTERVAL).await;
    }
}

/// Sends a nonce from one connection to the other and waits for it.
async fn probe_once(
    shared: &Shared,
    publisher: &mut MultiplexedConnection,
) -> Result<(), SessionEnd> {
    let mut seen = shared.inbox.probes();
    let nonce = *seen.borrow_and_update() + 1;
    let sealed = shared.sealer.seal(&Envelope {
        kind: Kind::Probe,
        group: String::new(),
        origin: shared.sealer.instance(),
        number: nonce,
        previous: 0,
        payload: bytes::Bytes::new(),
    });
    let round = async {
        Cmd::publish(shared.sealer.own_channel(), sealed)
            .exec_async(publisher)
            .await?;
        // Fails only without a sender, which the inbox is.
        let _ = seen.wait_for(|seen| *seen >= nonce).await;
        Ok::<(), RedisError>(())
    };
    match timeout(limits::PROBE_TIMEOUT, round).await {
        Ok(round) => Ok(round?),
        Err(_elapsed) => Err(SessionEnd::ProbeTimeout),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_are_spread() {
        for failures in 0..40 {
            assert!(backoff(failures) <= limits::LAYER_BACKOFF_MAX);
        }
        assert!(backoff(0) <= limits::LAYER_BACKOFF_FIRST);
        let spread: std::collections::HashSet<Duration> = (0..50).map(|_| backoff(10)).collect();
        assert!(spread.len() > 10);
    }
}
