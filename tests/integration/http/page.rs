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

#[tokio::test]
async fn the_page_is_at_the_root_and_compressed_for_who_takes_it() {
    let app = TestApp::start(&[]).await;
    let page = app.request(Method::GET, "/").send().await;
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let html = String::from_utf8_lossy(&page.bytes).into_owned();
    assert!(html.to_lowercase().starts_with("<!doctype html>"), "{html}");

    let brotli = app
        .request(Method::GET, "/")
        .header("accept-encoding", "gzip, deflate, br")
        .send()
        .await;
    assert_eq!(brotli.headers["content-encoding"], "br");
    assert_eq!(brotli.headers["vary"], "accept-encoding");
    assert_eq!(brotli.headers["etag"], page.headers["etag"]);
    let mut plain = Vec::new();
    brotli::BrotliDecompress(&mut &brotli.bytes[..], &mut plain).unwrap();
    assert_eq!(plain, page.bytes);

    let zipped = app
        .request(Method::GET, "/")
        .header("accept-encoding", "gzip, br;q=0")
        .send()
        .await;
    assert_eq!(zipped.headers["content-encoding"], "gzip");
    assert!(
        zipped.headers["vary"]
            .to_str()
            .unwrap()
            .contains("accept-encoding")
    );
    assert_eq!(zipped.bytes[..2], [0x1f, 0x8b]);
    assert!(zipped.bytes.len() < page.bytes.len());
    assert_eq!(zipped.headers["etag"], page.headers["etag"]);

    // What may hold a secret is never compressed together with what somebody else chose.
    let config = app
        .request(Method::GET, "/api/openapi.json")
        .header("accept-encoding", "gzip")
        .send()
        .await;
    assert!(!config.headers.contains_key("content-encoding"));

    // What only tells Node that the scripts are modules is nobody's business.
    let hidden = app.request(Method::GET, "/package.json").send().await;
    assert_eq!(
        (hidden.status.as_u16(), hidden.code().as_str()),
        (404, "not_found")
    );

    // Everything the page names is there.
    for part in html.split('"').filter(|part| part.starts_with('/')) {
        assert_eq!(
            app.request(Method::GET, part).send().await.status,
            200,
            "{part}"
        );
    }
}
