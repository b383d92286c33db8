//! What a browser is told and what its other pages may have it do: lines 56 to 61.

use axum::http::{HeaderMap, Method};
use salon::permissions::access::ROUTES;
use serde_json::{Value, json};

use super::{RATES, answering_routes, filled, make_den, must, request};
use crate::support::app::{ORIGIN, TestApp, ask, person};

#[tokio::test]
async fn s56_the_page_needs_no_exception_from_its_policy() {
    let app = TestApp::start(&[]).await;
    let page = app.request(Method::GET, "/").send().await;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    let directives: Vec<&str> = policy.split(';').map(str::trim).collect();
    for wanted in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(directives.contains(&wanted), "{wanted}: {policy}");
    }
    for never in [
        "unsafe",
        "*",
        "http:",
        "https:",
        "blob:",
        "strict-dynamic",
        "nonce",
        "report-only",
    ] {
        assert!(!policy.contains(never), "{never}: {policy}");
    }
    // `data:` for pictures alone.
    assert_eq!(policy.matches("data:").count(), 1);
    assert!(directives.contains(&"img-src 'self' data:"), "{policy}");
    let html = super::text(&page).to_lowercase();
    for tag in html.split('<').filter(|tag| tag.starts_with("script")) {
        assert!(tag.contains("src=\"/"), "{tag}");
    }
    for inline in [
        "<style",
        " style=",
        " onload=",
        " onclick=",
        " onerror=",
        "=\"javascript:",
        "<base",
        "<iframe",
        "<object",
        "http://",
        "https://",
    ] {
        assert!(!html.contains(inline), "{inline} in the page");
    }
}

/// That an answer with these headers keeps browsers safe.
fn check_headers(what: &str, headers: &HeaderMap) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        let values: Vec<_> = headers.get_all(name).iter().collect();
        assert_eq!(values, [value], "{what}: {name}");
    }
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'"), "{what}");
}

#[tokio::test]
async fn s57_every_answer_of_every_route_keeps_browsers_safe() {
    let app = TestApp::start(RATES).await;
    let ada = person(&app, "ada").await;
    make_den(&app, &ada).await;
    for route in ROUTES.iter().filter(|route| route.path != "/metrics") {
        let what = format!("{} {}", route.method, route.path);
        // Nobody, and a page of another site.
        check_headers(&what, &request(&app, route, "den").send().await.headers);
        let foreign = request(&app, route, "den").header("origin", "https://evil.example");
        check_headers(&what, &foreign.send().await.headers);
    }
    for route in answering_routes().filter(|route| route.method == "get") {
        let answer = request(&app, route, "den").bearer(&ada).send().await;
        check_headers(route.path, &answer.headers);
    }
    for (method, path) in [
        ("GET", "/nothing"),
        ("PUT", "/api/rooms"),
        ("TRACE", "/"),
        ("GET", "/js/main.js"),
    ] {
        let asked = app.request(method.parse().unwrap(), path);
        check_headers(path, &asked.send().await.headers);
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "every page and every route")]
async fn s58_no_other_site_changes_anything_by_any_route() {
    let app = TestApp::start(RATES).await;
    let ada = person(&app, "ada").await;
    make_den(&app, &ada).await;
    let body = json!({"body": "hi"});
    must(&app, &ada, "POST /api/rooms/den/messages", body).await;
    let cookie = format!("salon={ada}");
    let seen = async || {
        let mut seen = Vec::new();
        for path in [
            "/api/me",
            "/api/rooms",
            "/api/rooms/den",
            "/api/rooms/den/members",
            "/api/rooms/den/messages",
            "/api/tokens",
            "/api/bots",
            "/api/rooms/den/invites",
            "/api/rooms/den/bans",
            "/api/rooms/den/incoming-hooks",
            "/api/rooms/den/outgoing-webhooks",
            "/api/rooms/den/retention",
        ] {
            seen.push(must(&app, &ada, &format!("GET {path}"), Value::Null).await);
        }
        seen
    };
    let before = seen().await;
    let pages: &[&[(&str, &str)]] = &[
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[
            ("origin", "https://evil.example"),
            ("sec-fetch-site", "same-origin"),
        ],
        &[("origin", ORIGIN), ("origin", "https://evil.example")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "same-origin, cross-site")],
        &[("referer", ORIGIN)],
        &[],
    ];
    let mut count = 0;
    for route in ROUTES.iter().filter(|route| route.method != "get") {
        // Its address is the credential: no cookie is looked at.
        if route.path == "/api/hooks/{secret}" {
            continue;
        }
        for page in pages {
            for kind in ["application/json", "text/plain"] {
                let method: Method = route.method.to_uppercase().parse().unwrap();
                let mut asked = app
                    .request(method, &filled(route.path, "den"))
                    .header("cookie", &cookie)
                    .header("content-type", kind)
                    .body(super::fitting(route).to_string());
                for (name, value) in *page {
                    asked = asked.header(name, value);
                }
                let answer = asked.send().await;
                assert_eq!(
                    answer.code(),
                    "origin_refused",
                    "{} {} {page:?}",
                    route.method,
                    route.path
                );
            }
        }
        count += 1;
    }
    assert!(count > 35, "{count}");
    // The own page's form, as text, changes nothing either.
    let form = app
        .request(Method::POST, "/api/rooms/den/messages")
        .header("cookie", &cookie)
        .header("origin", ORIGIN)
        .header("content-type", "text/plain")
        .body(r#"{"body":"hi"}"#);
    assert_eq!(form.send().await.status, 415);
    // A link or a picture on another page: what is got changes nothing.
    for route in answering_routes().filter(|route| route.method == "get") {
        request(&app, route, "den")
            .header("cookie", &cookie)
            .header("origin", "https://evil.example")
            .header("sec-fetch-site", "cross-site")
            .send()
            .await;
    }
    assert_eq!(seen().await, before);
}

#[tokio::test]
async fn s59_no_origin_is_ever_granted_anything() {
    let app = TestApp::start(RATES).await;
    let ada = person(&app, "ada").await;
    make_den(&app, &ada).await;
    let check = |what: &str, headers: &HeaderMap| {
        for name in headers.keys() {
            assert!(
                !name.as_str().starts_with("access-control-"),
                "{what}: {name}"
            );
        }
    };
    for origin in ["https://evil.example", "null", ORIGIN] {
        for route in ROUTES.iter().filter(|route| route.path != "/metrics") {
            let asked = request(&app, route, "den").header("origin", origin);
            check(route.path, &asked.send().await.headers);
            let preflight = app
                .request(Method::OPTIONS, &filled(route.path, "den"))
                .header("origin", origin)
                .header(
                    "access-control-request-method",
                    &route.method.to_uppercase(),
                )
                .header(
                    "access-control-request-headers",
                    "authorization, content-type",
                )
                .send()
                .await;
            assert_eq!(preflight.status, 405, "{}", route.path);
            check(route.path, &preflight.headers);
        }
        for route in answering_routes().filter(|route| route.method == "get") {
            let asked = request(&app, route, "den")
                .header("cookie", &format!("salon={ada}"))
                .header("origin", origin);
            check(route.path, &asked.send().await.headers);
        }
    }
}

#[tokio::test]
async fn s60_no_name_hides_or_turns_its_letters() {
    let app = TestApp::start(RATES).await;
    let ada = person(&app, "ada").await;
    make_den(&app, &ada).await;
    for name in [
        "\u{202e}nimda",
        "ad\u{200b}a",
        "ada\u{2066}",
        "a\u{7}da",
        "\u{1b}[31mada",
        "a\nda",
        "a\u{e0041}da",
        "\u{feff}ada",
    ] {
        for path in ["/api/users", "/api/guests"] {
            let wanted = json!({"name": name, "password": "correct horse"});
            let made = app.request(Method::POST, path).json(&wanted).send().await;
            assert_eq!(made.code(), "bad_request", "{path} {name:?}");
        }
        for (what, body) in [
            ("POST /api/rooms", json!({"slug": "cave", "name": name})),
            ("PATCH /api/rooms/den", json!({"name": name})),
            ("POST /api/tokens", json!({"name": name, "scope": "read"})),
            ("POST /api/bots", json!({"name": name})),
            ("POST /api/rooms/den/incoming-hooks", json!({"name": name})),
        ] {
            assert_eq!(
                ask(&app, &ada, what, body).await.code(),
                "bad_request",
                "{what} {name:?}"
            );
        }
    }
    // A word of a page's length is a message like any other, and longer ones are none.
    let word = "x".repeat(salon::limits::BODY_BYTES);
    must(
        &app,
        &ada,
        "POST /api/rooms/den/messages",
        json!({"body": word}),
    )
    .await;
    let longer = json!({"body": format!("{word}x")});
    assert_eq!(
        ask(&app, &ada, "POST /api/rooms/den/messages", longer)
            .await
            .code(),
        "too_large"
    );
}

#[tokio::test]
async fn s61_no_answer_of_the_api_is_kept_by_a_browser() {
    let app = TestApp::start(RATES).await;
    let ada = person(&app, "ada").await;
    make_den(&app, &ada).await;
    for route in answering_routes().filter(|route| route.path.starts_with("/api/")) {
        let mut asked = vec![request(&app, route, "den")];
        if route.method == "get" {
            asked.push(request(&app, route, "den").bearer(&ada));
        }
        for asked in asked {
            let answer = asked.send().await;
            assert_eq!(
                answer.headers["cache-control"], "no-store",
                "{}",
                route.path
            );
        }
    }
    let gone = ask(&app, &ada, "DELETE /api/sessions/current", Value::Null).await;
    let set = gone.headers["set-cookie"].to_str().unwrap();
    assert!(
        set.starts_with("salon=;") && set.contains("Max-Age=0"),
        "{set}"
    );
}
