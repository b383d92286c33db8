//! What balancers and supervisors ask.

use axum::http::Method;

use crate::support::app::TestApp;

#[tokio::test]
async fn a_live_process_is_ready_until_it_drains() {
    let app = TestApp::start(&[]).await;
    let ready = app.request(Method::GET, "/readyz").send().await;
    assert_eq!(
        (ready.status.as_u16(), ready.bytes.as_slice()),
        (200, &b"ok\n"[..])
    );
    app.app.shutdown.drain();
    let ready = app.request(Method::GET, "/readyz").send().await;
    assert_eq!(
        (ready.status.as_u16(), ready.bytes.as_slice()),
        (503, &b"draining\n"[..])
    );
    let live = app.request(Method::GET, "/livez").send().await;
    assert_eq!(
        (live.status.as_u16(), live.bytes.as_slice()),
        (200, &b"ok\n"[..])
    );
}

#[tokio::test]
async fn without_a_database_it_lives_but_is_not_ready() {
    let app = TestApp::start(&[]).await;
    app.store.close().await;
    let ready = app.request(Method::GET, "/readyz").send().await;
    assert_eq!(
        (ready.status.as_u16(), ready.bytes.as_slice()),
        (503, &b"database\n"[..])
    );
    assert_eq!(app.request(Method::GET, "/livez").send().await.status, 200);
}
