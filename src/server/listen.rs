//! The accept loop: one task per connection, HTTP/1.1, with bounds on headers and their time. Our own, rather than
//! `axum::serve`, so that Nagle is off, the peer's address is known, connections are bounded, and an upgraded
//! socket's raw stream stays in reach.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::files::Files;
use crate::http::extract::Hangup;
use crate::http::patient_stream::PatientStream;
use crate::limits;
use crate::shutdown::Shutdown;

/// After an accept that failed for want of descriptors: existing connections go on, and some will end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts and serves until `closing`; then requests in flight finish, which `shutdown` waits for.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: Shutdown,
    closing: CancellationToken,
    mut files: Files,
) {
    // Sockets leave this count when they are upgraded; they have a bound of their own.
    let places = Arc::new(Semaphore::new(limits::HTTP_CONNECTIONS));
    let mut short = false;
    loop {
        let requests = || limits::HTTP_CONNECTIONS.saturating_sub(places.available_permits());
        let accepting = async {
            files.left(requests).await;
            listener.accept().await
        };
        let accepted = tokio::select! {
            () = closing.cancelled() => return,
            accepted = accepting => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if concerns_all(&error) {
                    // Ten times a second for as long as it lasts: once is enough.
                    if !std::mem::replace(&mut short, true) {
                        tracing::warn!(%error, "connections cannot be accepted");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                continue;
            }
        };
        short = false;
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            // Closing at once is the only answer that costs nothing.
            ::metrics::counter!("salon_connections_refused_total").increment(1);
            continue;
        };
        let (router, closing) = (router.clone(), closing.clone());
        shutdown.spawn("request", async move {
            serve_connection(stream, peer, router, closing).await;
            drop(place);
        });
    }
}

/// Most failures concern one connection; only the want of descriptors or memory is worth waiting for.
fn concerns_all(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    closing: CancellationToken,
) {
    // Frames are written whole: waiting for more (Nagle) would only stall them by 40 ms.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let hangup = Hangup::default();
    let end = hangup.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(hangup.clone());
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HEADER_TIMEOUT)
        .max_buf_size(limits::HEADER_BYTES)
        .max_headers(limits::HEADER_COUNT)
        .serve_connection(TokioIo::new(PatientStream::new(stream)), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let served = async {
        tokio::select! {
            result = connection.as_mut() => result,
            () = closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    let result = tokio::select! {
        result = served => result,
        () = end.hung_up() => return,
    };
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "a connection failed");
    }
}
