//! The names of all metrics, in one place, and the way out: Prometheus' text form, served on a listener of its own.
//! Whoever counts uses a name of [`ALL`]; a test compares. Nothing is collected, and counting costs nothing, until
//! [`install`] is called.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// What a metric is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How values are spread; its unit is in its name.
    Histogram,
}

/// Every metric of Salon: kind, name, what it tells.
pub const ALL: &[(Kind, &str, &str)] = &[
    (
        Kind::Counter,
        "salon_audit_dropped_total",
        "Refusals that are counted in the audit log only, or not even there: it was full, or could not be written",
    ),
    (
        Kind::Counter,
        "salon_http_requests_total",
        "Requests answered, by route and status",
    ),
    (
        Kind::Histogram,
        "salon_http_request_seconds",
        "Time to answer a request, by route",
    ),
    (
        Kind::Counter,
        "salon_log_lines_dropped_total",
        "Log lines thrown away because standard error did not take them",
    ),
    (
        Kind::Counter,
        "salon_panics_total",
        "Panics: each failed one request, socket or task",
    ),
    (
        Kind::Counter,
        "salon_tokens_total",
        "Tokens that replies used, by model and kind: input, cached (of the input) and output",
    ),
    (
        Kind::Counter,
        "salon_cost_micros_total",
        "What they cost, by model, in millionths of the currency",
    ),
    (
        Kind::Counter,
        "salon_webhook_attempts_total",
        "Deliveries tried to outgoing webhooks, by outcome",
    ),
    (
        Kind::Gauge,
        "salon_accepting",
        "1 while connections are accepted, 0 while descriptors are short",
    ),
    (
        Kind::Gauge,
        "salon_database_durable",
        "1 while what the database confirms is on its disk, else 0",
    ),
    (
        Kind::Counter,
        "salon_changes_total",
        "Versioned changes committed",
    ),
    (
        Kind::Histogram,
        "salon_writer_batch_changes",
        "Changes in one transaction",
    ),
    (
        Kind::Histogram,
        "salon_writer_commit_seconds",
        "Time to write one batch",
    ),
    (
        Kind::Counter,
        "salon_writer_locked_rooms_total",
        "Rooms whose head lock was held by another transaction",
    ),
    (
        Kind::Counter,
        "salon_writer_lost_commits_total",
        "Commits whose answer was lost",
    ),
    (
        Kind::Counter,
        "salon_writer_refused_total",
        "Changes refused because a lane was full, or did not come to them in time",
    ),
    (
        Kind::Gauge,
        "salon_search_lag_seconds",
        "How long what was written to here has been waiting to be found by searches; 0 when nothing waits",
    ),
    (
        Kind::Counter,
        "salon_feed_fills_total",
        "Holes that a feed filled from the database",
    ),
    (
        Kind::Counter,
        "salon_history_reads_total",
        "Pages of a room's history read for joins, by kind; one read serves all who wait for it",
    ),
    (
        Kind::Counter,
        "salon_rate_limited_total",
        "What users, addresses and the fleet did too often or had too many of, by what and of whom",
    ),
    (
        Kind::Counter,
        "salon_counters_unanswered_total",
        "Questions about the fleet's counts that Redis did not answer in time",
    ),
    (
        Kind::Counter,
        "salon_lookups_refused_total",
        "Handshakes and requests refused because too many asked who they are",
    ),
    (
        Kind::Counter,
        "salon_database_refused_total",
        "Reads refused because too many waited for a connection",
    ),
    (
        Kind::Counter,
        "salon_layer_lagged_messages_total",
        "Messages a full channel did not take",
    ),
    (
        Kind::Gauge,
        "salon_layer_up",
        "Whether messages of other instances flow",
    ),
    (
        Kind::Counter,
        "salon_frozen_total",
        "Times this process stood still and had to read before delivering",
    ),
    (
        Kind::Counter,
        "salon_connections_refused_total",
        "Connections closed at once because there were too many",
    ),
    (
        Kind::Counter,
        "salon_slow_readers_closed_total",
        "Connections ended because their peers took nothing of an answer",
    ),
    (
        Kind::Counter,
        "salon_replies_orphaned_total",
        "Replies whose runner died, settled with what was saved",
    ),
    (Kind::Gauge, "salon_sockets", "Sockets open now"),
    (
        Kind::Gauge,
        "salon_outbox_bytes",
        "Bytes waiting for readers that are slower than what they are sent",
    ),
    (
        Kind::Gauge,
        "salon_event_streams",
        "Event streams and calls of /api/chat open now",
    ),
    (
        Kind::Counter,
        "salon_sockets_closed_total",
        "Sockets closed, by close code",
    ),
    (
        Kind::Counter,
        "salon_sockets_slow_total",
        "Sockets closed because they took nothing",
    ),
    (
        Kind::Gauge,
        "salon_provider_circuit_open",
        "1 while a model provider is left alone because answer after answer failed, by provider",
    ),
    (
        Kind::Gauge,
        "salon_replies_running",
        "Replies this process is writing now",
    ),
    (
        Kind::Counter,
        "salon_replies_total",
        "Replies ended, by state",
    ),
    (
        Kind::Histogram,
        "salon_reply_first_text_seconds",
        "Time from claiming a reply to its first text",
    ),
    (
        Kind::Counter,
        "salon_layer_published_total",
        "Messages published to Redis",
    ),
    (
        Kind::Counter,
        "salon_layer_received_total",
        "Messages of other instances taken from Redis",
    ),
    (
        Kind::Counter,
        "salon_layer_dropped_total",
        "Messages not published because Redis did not take them in time",
    ),
    (
        Kind::Counter,
        "salon_layer_refused_total",
        "Messages from Redis that were not authentic, or repeated",
    ),
    (
        Kind::Counter,
        "salon_layer_resyncs_total",
        "Gaps after which readers were told to read the database",
    ),
    (
        Kind::Counter,
        "salon_layer_reconnects_total",
        "Connections to Redis that ended",
    ),
    (
        Kind::Gauge,
        "salon_layer_up",
        "1 while messages of other instances flow, else 0",
    ),
    (
        Kind::Counter,
        "salon_connections_refused_total",
        "Connections closed at once because too many were open",
    ),
    (
        Kind::Counter,
        "salon_replies_orphaned_total",
        "Replies settled for a runner that died",
    ),
    (
        Kind::Counter,
        "salon_frozen_total",
        "Times the process stood still and stopped delivery to look again",
    ),
];

/// Bounds of the histograms of seconds.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];
/// Bounds of the histograms of counts.
const COUNTS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
/// Samples are folded into their buckets this often, scraped or not, so that they take no memory.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

static HANDLE: OnceLock<Result<PrometheusHandle, String>> = OnceLock::new();

/// Collects from now on everything that is counted in this process; a second call changes nothing.
///
/// # Errors
/// When something else collects already, or a bound above is wrong: a sentence for the operator.
pub fn install() -> Result<(), String> {
    HANDLE
        .get_or_init(|| recorder().map_err(|error| format!("metrics cannot be collected: {error}")))
        .as_ref()
        .map(|_handle| ())
        .map_err(Clone::clone)
}

/// What was counted, as Prometheus reads it; empty until [`install`].
#[must_use]
pub fn render() -> String {
    match HANDLE.get() {
        Some(Ok(handle)) => handle.render(),
        _ => String::new(),
    }
}

/// Folds samples until it is dropped; the server runs it beside everything else once [`install`] was called.
pub async fn upkeep() {
    let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        ticks.tick().await;
        if let Some(Ok(handle)) = HANDLE.get() {
            handle.run_upkeep();
        }
    }
}

/// A request was answered.
pub fn http_request(route: &str, status: u16, elapsed: Duration) {
    let route = route.to_owned();
    counter!("salon_http_requests_total", "route" => route.clone(), "status" => status.to_string())
        .increment(1);
    histogram!("salon_http_request_seconds", "route" => route).record(elapsed.as_secs_f64());
}

/// Something panicked; whatever it was for has failed, and nothing else.
pub fn panicked() {
    counter!("salon_panics_total").increment(1);
}

/// A log line was thrown away.
pub fn log_line_dropped() {
    counter!("salon_log_lines_dropped_total").increment(1);
}

fn recorder() -> Result<PrometheusHandle, metrics_exporter_prometheus::BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_changes".to_owned()), &COUNTS)?
        .install_recorder()?;
    for &(kind, name, help) in ALL {
        match kind {
            Kind::Counter => describe_counter!(name, Unit::Count, help),
            Kind::Gauge => describe_gauge!(name, help),
            Kind::Histogram => describe_histogram!(name, help),
        }
    }
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The names in string literals of every source file.
    fn names_in(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                names_in(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for macro_name in ["counter!(", "gauge!(", "histogram!("] {
                    for after in text.split(macro_name).skip(1) {
                        let literal = after.trim_start().strip_prefix('"');
                        found.extend(
                            literal
                                .and_then(|rest| rest.split('"').next())
                                .map(str::to_owned),
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn every_name_that_is_counted_is_described() {
        let mut found = Vec::new();
        names_in(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut found,
        );
        assert!(found.len() > 5, "{found:?}");
        found.retain(|name| {
            name.starts_with("salon_") && !ALL.iter().any(|(_, known, _)| known == name)
        });
        assert!(found.is_empty(), "not in metrics::ALL: {found:?}");
    }

    #[test]
    fn what_is_counted_can_be_read() {
        install().unwrap();
        install().unwrap();
        http_request("/metrics-test", 418, Duration::from_millis(7));
        let text = render();
        assert!(
            text.contains("route=\"/metrics-test\",status=\"418\"} 1"),
            "{text}"
        );
        assert!(text.contains("# HELP salon_http_requests_total"), "{text}");
    }
}
