//! The page's files and the headers every answer carries.

use axum::http::Method;

use crate::support::app::TestApp;

#[tokio::test]
async fn a_file_is_served_once_and_then_known() {
    let app = TestApp::start(&[]).await;
    let file = app.request(Method::GET, "/robots.txt").send().await;
    assert_eq!(file.status, 200);
    assert_eq!(file.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(file.headers["cache-control"], "no-cache");
    assert!(String::from_utf8_lossy(&file.bytes).contains("Disallow: /"));
    let tag = file.headers["etag"].to_str().unwrap();
    let known = app
        .request(Method::GET, "/robots.txt")
        .header("if-none-match", &format!("\"x\", {tag}"))
        .send()
        .await;
    assert_eq!((known.status.as_u16(), known.bytes.len()), (304, 0));
    assert_eq!(known.headers["etag"], tag);
    let other = app
        .request(Method::GET, "/robots.txt")
        .header("if-none-match", "W/\"other\"")
        .send()
        .await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn every_answer_keeps_browsers_safe() {
    let app = TestApp::start(&[]).await;
    for path in [
        "/robots.txt",
        "/api/config",
        "/api/me",
        "/nothing",
        "/livez",
    ] {
        let headers = app.request(Method::GET, path).send().await.headers;
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self';"),
            "{policy}"
        );
        assert!(
            policy.contains("frame-ancestors 'none'")
                && policy.contains("require-trusted-types-for 'script'")
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert_eq!(headers["cross-origin-opener-policy"], "same-origin");
        assert_eq!(headers["cross-origin-resource-policy"], "same-origin");
        assert!(
            !headers.contains_key("strict-transport-security"),
            "plain http promises no TLS"
        );
        if path.starts_with("/api") {
            assert_eq!(headers["cache-control"], "no-store", "{path}");
        }
    }
}
