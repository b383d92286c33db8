//! `/.well-known/security.txt` (RFC 9116): whom to tell of a security problem of this server. What it says is the operator's
//! setting; without one there is no such file, since nobody else's address would be true.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, header};
use chrono::{SecondsFormat, TimeDelta, Utc};

use super::error::Problem;
use crate::app::App;
use crate::error::ErrorCode;

/// The path it has on every server.
const PATH: &str = "/.well-known/security.txt";

/// What is said holds so long from now: whoever asks later asks anew.
const VALID: TimeDelta = TimeDelta::days(30);

/// The file, or `not_found` where no contact is set.
///
/// # Errors
/// `not_found`.
pub async fn show(
    State(app): State<Arc<App>>,
) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    let Some(contact) = &app.config.security_contact else {
        return Err(ErrorCode::NotFound.into());
    };
    let expires = (Utc::now() + VALID).to_rfc3339_opts(SecondsFormat::Secs, true);
    let mut text = format!("Contact: {contact}\nExpires: {expires}\nPreferred-Languages: en\n");
    for origin in &app.config.public_origin {
        text.push_str(&format!("Canonical: {origin}{PATH}\n"));
    }
    let kind = "text/plain; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text))
}
