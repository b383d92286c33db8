//! What may be sent where, whatever a URL looks like and whatever DNS says.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A lookup that answers each call with the next list, the last one for ever.
fn answers(lists: &'static [&'static [&'static str]]) -> Lookup {
    let calls = Arc::new(AtomicUsize::new(0));
    Arc::new(move |_name| {
        let call = calls.fetch_add(1, Ordering::SeqCst).min(lists.len() - 1);
        let found = lists[call]
            .iter()
            .map(|address| address.parse().unwrap())
            .collect();
        Box::pin(std::future::ready(Ok(found)))
    })
}

fn outbound(allowed: &[&str], lookup: Lookup) -> Outbound {
    let entries = allowed.iter().map(|entry| entry.parse().unwrap());
    Outbound::new(AllowList::new(entries.collect()), lookup)
}

#[tokio::test]
async fn every_spelling_of_a_private_address_is_refused() {
    let outbound = outbound(&[], answers(&[&["127.0.0.1"]]));
    for url in [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://017700000001/",
        "https://0177.0.0.1/",
        "https://127.0.0.1./",
        "https://%31%32%37.0.0.1/",
        "https://\u{2460}\u{2461}\u{2466}.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[0:0:0:0:0:0:0:1]/",
        "https://0/",
        "https://0.0.0.0/",
        "https://10.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[fe80::1]/",
        "https://localhost/",
        "https://LOCALHOST./",
        "https://inside.example/",
        "https:\\\\127.0.0.1\\",
        "https:127.0.0.1",
    ] {
        assert_eq!(
            outbound.check(url).await,
            Err(TargetError::NotAllowed),
            "{url}"
        );
        let sent = outbound.post(url, &[], Bytes::new()).await;
        assert_eq!(
            sent,
            Err(PostError::Blocked(TargetError::NotAllowed)),
            "{url}"
        );
    }
}

#[tokio::test]
async fn only_https_on_its_port_goes_to_the_public() {
    let outbound = outbound(
        &["named.example:8443", "10.0.0.0/8"],
        answers(&[&["93.184.216.34", "2606:4700::1"]]),
    );
    let check = async |url: &str| outbound.check(url).await;
    assert_eq!(
        check(" https://a.example/x?y#z ").await.unwrap(),
        "https://a.example/x?y"
    );
    assert_eq!(
        check("https://A.example:443").await.unwrap(),
        "https://a.example/"
    );
    assert!(check("https://93.184.216.34/").await.is_ok());
    assert!(check("https://named.example:8443/").await.is_ok());
    assert!(check("http://named.example:8443/").await.is_ok());
    assert!(check("http://10.2.3.4:81/").await.is_ok());
    for url in [
        "http://a.example/",
        "https://a.example:8443/",
        "https://a.example:80/",
        "http://93.184.216.34/",
        "https://named.example:8444/",
    ] {
        assert_eq!(check(url).await, Err(TargetError::NotAllowed), "{url}");
    }
    for url in [
        "",
        "a.example",
        "ftp://a.example/",
        "file:///etc/passwd",
        "https://",
        "gopher://x",
        "javascript:alert(1)",
        "https://[::1%25lo]/",
    ] {
        assert_eq!(check(url).await, Err(TargetError::NotAUrl), "{url}");
    }
    for url in [
        "https://user@a.example/",
        "https://:pass@a.example/",
        "https://a.example@127.0.0.1/",
    ] {
        assert_eq!(check(url).await, Err(TargetError::UserInfo), "{url}");
    }
    let long = format!(
        "https://a.example/{}",
        "x".repeat(limits::WEBHOOK_URL_BYTES)
    );
    assert_eq!(check(&long).await, Err(TargetError::TooLong));
}

#[tokio::test]
async fn one_private_address_among_public_ones_is_enough() {
    let outbound = outbound(&[], answers(&[&["93.184.216.34", "10.0.0.1"]]));
    let url = "https://a.example/";
    assert_eq!(outbound.check(url).await, Err(TargetError::NotAllowed));
    let sent = outbound.post(url, &[], Bytes::new()).await;
    assert_eq!(sent, Err(PostError::Blocked(TargetError::NotAllowed)));
}

#[tokio::test]
async fn a_name_without_an_address_is_refused_alike() {
    let outbound = outbound(&[], answers(&[&[]]));
    assert_eq!(
        outbound.check("https://a.example/").await,
        Err(TargetError::NotAllowed)
    );
}

#[tokio::test]
async fn an_answer_of_dns_that_changes_leads_nowhere() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let outbound = outbound(&[], answers(&[&["93.184.216.34"], &["127.0.0.1"]]));
    let url = "https://rebound.example/";
    assert!(
        outbound.check(url).await.is_ok(),
        "it was public when it was named"
    );
    let sent = outbound.post(url, &[], Bytes::new()).await;
    assert_eq!(sent, Err(PostError::Blocked(TargetError::NotAllowed)));
    let came = tokio::time::timeout(std::time::Duration::from_millis(50), listener.accept()).await;
    assert!(came.is_err(), "nobody connected");
}

#[tokio::test]
async fn the_connection_is_made_to_the_address_that_was_judged() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = vec![0; 4096];
        let read = stream.read(&mut seen).await.unwrap();
        let answer = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nRetry-After: 7\r\nContent-Length: 8\r\n\r\nno\u{7}\u{1b}[31m";
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&seen[..read]).into_owned()
    });
    // Resolved once: a second look-up would lead to a closed door.
    let outbound = outbound(&["127.0.0.1"], answers(&[&["127.0.0.1"], &["127.0.0.9"]]));
    let url = format!("http://hook.example:{port}/in");
    let sent = outbound
        .post(
            &url,
            &[("webhook-id", "x_1".into())],
            Bytes::from_static(b"{}"),
        )
        .await
        .unwrap();
    assert_eq!(
        (sent.status, sent.retry_after),
        (302, Some(std::time::Duration::from_secs(7)))
    );
    assert_eq!(sent.text, "no  [31m");
    let seen = serve.await.unwrap();
    assert!(
        seen.starts_with("POST /in HTTP/1.1\r\n") && seen.contains("webhook-id: x_1"),
        "{seen}"
    );
}
