//! `/metrics`, on the listener of `SALON_METRICS_LISTEN` only: what is counted, for Prometheus.

use axum::http::{HeaderName, header};

use crate::metrics;

/// Everything counted so far, in Prometheus' text form.
pub async fn show() -> ([(HeaderName, &'static str); 1], String) {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics::render())
}
