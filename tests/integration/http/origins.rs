//! Whose pages may change things with a user's cookie.

use axum::http::{Method, StatusCode};

use crate::support::app::{ORIGIN, TestApp};

/// The status of a change by cookie with these headers.
async fn change(app: &TestApp, cookie: &str, headers: &[(&str, &str)]) -> StatusCode {
    let mut request = app
        .request(Method::POST, "/api/tickets")
        .header("cookie", cookie);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.send().await.status
}

#[tokio::test]
async fn the_own_page_may_and_others_may_not() {
    let app = TestApp::start(&[]).await;
    let cookie = format!("salon={}", app.guest("Bo").await);
    assert_eq!(change(&app, &cookie, &[("origin", ORIGIN)]).await, 201);
    assert_eq!(
        change(&app, &cookie, &[("sec-fetch-site", "same-origin")]).await,
        201
    );
    assert_eq!(change(&app, &cookie, &[]).await, 403);
    assert_eq!(
        change(&app, &cookie, &[("sec-fetch-site", "cross-site")]).await,
        403
    );
    assert_eq!(
        change(&app, &cookie, &[("origin", ORIGIN), ("origin", ORIGIN)]).await,
        403
    );
}

#[tokio::test]
async fn a_public_origin_is_the_only_one() {
    let app = TestApp::start(&[
        "--public-origin",
        "https://chat.example.org,https://b.example.org",
    ])
    .await;
    let cookie = format!("__Host-salon={}", app.guest("Bo").await);
    assert_eq!(
        change(&app, &cookie, &[("origin", "https://chat.example.org")]).await,
        201
    );
    assert_eq!(
        change(&app, &cookie, &[("origin", "https://b.example.org")]).await,
        201
    );
    assert_eq!(
        change(&app, &cookie, &[("origin", ORIGIN)]).await,
        403,
        "not what Host says"
    );
    assert_eq!(
        change(
            &app,
            &cookie,
            &[("origin", "https://chat.example.org.evil.com")]
        )
        .await,
        403
    );
}

#[tokio::test]
async fn a_program_with_a_token_has_no_origin() {
    let app = TestApp::start(&[]).await;
    let token = app.guest("Bo").await;
    let answer = app
        .request(Method::POST, "/api/tickets")
        .bearer(&token)
        .send()
        .await;
    assert_eq!(answer.status, 201);
}

#[tokio::test]
async fn no_other_origin_is_ever_granted() {
    let app = TestApp::start(&[]).await;
    let asked = app
        .request(Method::OPTIONS, "/api/rooms")
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "POST")
        .send()
        .await;
    assert_eq!(asked.status, 405);
    assert!(!asked.headers.contains_key("access-control-allow-origin"));
}
