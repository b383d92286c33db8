//! The names of all metrics, in one place, and the way out: `/metrics` in Prometheus' text form, on a listener of its
//! own. Everybody counts through the functions here, so that a name is spelt once.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Requests answered, by `route` and `status`.
pub const HTTP_REQUESTS: &str = "salon_http_requests_total";
/// Time to answer a request, in seconds, by `route`.
pub const HTTP_SECONDS: &str = "salon_http_request_seconds";
/// Log lines thrown away because standard output did not take them.
pub const LOG_LINES_DROPPED: &str = "salon_log_lines_dropped_total";

/// Bounds of the histograms of seconds.
const SECONDS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// Collects from now on everything that is counted in this process. Once per process.
///
/// # Errors
/// When something else collects already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .install_recorder()?;
    describe();
    Ok(handle)
}

/// The text of `/metrics`.
#[must_use]
pub fn render(handle: &PrometheusHandle) -> String {
    handle.run_upkeep();
    handle.render()
}

/// A request was answered.
pub fn http_request(route: &str, status: u16, elapsed: Duration) {
    let route = route.to_owned();
    counter!(HTTP_REQUESTS, "route" => route.clone(), "status" => status.to_string()).increment(1);
    histogram!(HTTP_SECONDS, "route" => route).record(elapsed.as_secs_f64());
}

/// A log line was thrown away.
pub fn log_line_dropped() {
    counter!(LOG_LINES_DROPPED).increment(1);
}

fn describe() {
    describe_counter!(HTTP_REQUESTS, Unit::Count, "Requests answered");
    describe_histogram!(HTTP_SECONDS, Unit::Seconds, "Time to answer a request");
    describe_counter!(
        LOG_LINES_DROPPED,
        Unit::Count,
        "Log lines thrown away because standard output did not take them"
    );
}
