//! `/api/oidc/…`: a browser on its way to the sign-in provider and back. Both addresses are gone to, not asked: they answer a
//! browser by sending it on, to the provider or to the page, which shows what went wrong; a program gets a problem.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum_extra::extract::cookie::CookieJar;

use super::auth::{TryAllowed, end_replaced, origin_of, session_cookie, set_cookie};
use super::error::Problem;
use super::extract::{QueryOf, cookie_name};
use crate::app::App;
use crate::auth::oidc::{Arrival, Oidc};
use crate::config::Config;
use crate::error::{ErrorCode, Refusal};
use crate::limits;

/// Where everybody lands: never an address that a request named.
const PAGE: &str = "/";

/// Begins a sign-in at the organisation's provider.
#[utoipa::path(get, path = "/api/oidc/start", tag = "accounts", security(()),
    responses((status = 303, description = "To the provider; a browser that cannot go there is sent to the page, with what went wrong after `#sign-in=`"), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn begin_sign_in(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    allowed: Result<TryAllowed, Problem>,
) -> Response {
    let departed = async {
        let provider = provider(&app)?;
        allowed?;
        // Another site must not have somebody signed in, as whom it likes; whoever follows a link begins on the page.
        if is_from_elsewhere(&headers) {
            return Err(ErrorCode::OriginRefused.into());
        }
        Ok(provider.depart().await?)
    };
    match departed.await {
        Ok(departure) => {
            let cookie = flow_cookie(&app.config, departure.cookie, limits::SIGN_IN_S);
            go_to(&departure.url, [cookie])
        }
        Err(problem) => went_wrong(&app, &headers, problem),
    }
}

/// Ends a sign-in that the provider sends a browser back from: a new session, whatever the browser had before.
#[utoipa::path(get, path = "/api/oidc/callback", tag = "accounts", security(()),
    responses((status = 303, description = "To the page, with the session's cookie, or with what went wrong after `#sign-in=`"), (status = "default", response = super::openapi::AnyProblem)))]
pub async fn end_sign_in(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    allowed: Result<TryAllowed, Problem>,
    arrival: Result<QueryOf<Arrival>, Problem>,
) -> Response {
    let arrived = async {
        let provider = provider(&app)?;
        let TryAllowed { client, .. } = allowed?;
        let QueryOf(arrival) =
            arrival.map_err(|_unread| Problem::from(ErrorCode::SignInInvalid))?;
        let jar = CookieJar::from_headers(&headers);
        let cookie = jar.get(&flow_cookie_name(&app.config));
        let cookie = cookie.map_or("", |cookie| cookie.value());
        let person = provider.arrive(&arrival, cookie).await?;
        Ok(app
            .auth
            .sign_in_person(&person, origin_of(client, &headers))
            .await?)
    };
    match arrived.await {
        Ok(signed_in) => {
            end_replaced(&app, &headers).await;
            let session = session_cookie(&app, &signed_in);
            let over = flow_cookie(&app.config, String::new(), 0);
            go_to(PAGE, [session, over])
        }
        Err(problem) => went_wrong(&app, &headers, problem),
    }
}

/// Whether a browser says that another site sends it. One that says nothing is old.
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    let sites = headers.get_all("sec-fetch-site").iter();
    sites
        .into_iter()
        .any(|site| site == "cross-site" || site == "same-site")
}

fn provider(app: &App) -> Result<&Oidc, Problem> {
    app.auth.oidc().ok_or_else(|| ErrorCode::NotFound.into())
}

fn flow_cookie_name(config: &Config) -> String {
    format!("{}-sign-in", cookie_name(config))
}

fn flow_cookie(config: &Config, value: String, lifetime_s: i64) -> String {
    set_cookie(config, flow_cookie_name(config), value, lifetime_s)
}

fn go_to<const COUNT: usize>(place: &str, cookies: [String; COUNT]) -> Response {
    let Ok(place) = HeaderValue::from_str(place) else {
        return Problem::from(ErrorCode::Internal).into_response();
    };
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, place);
    for cookie in cookies {
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            headers.append(header::SET_COOKIE, cookie);
        }
    }
    response
}

/// A browser is shown the page with the problem's code; the sign-in's cookie is over either way, unless it is another's turn.
fn went_wrong(app: &App, headers: &HeaderMap, problem: Problem) -> Response {
    let Problem(Refusal { code, .. }) = &problem;
    let is_browser = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    if *code == ErrorCode::NotFound || !is_browser {
        return problem.into_response();
    }
    tracing::info!(code = code.as_str(), "a sign-in went wrong");
    let over = flow_cookie(&app.config, String::new(), 0);
    go_to(&format!("{PAGE}#sign-in={}", code.as_str()), [over])
}
