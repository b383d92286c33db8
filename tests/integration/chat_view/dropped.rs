//! A caller whose connection breaks while the assistant writes: a stream goes on at the reply's own address, and the reply of a
//! call for JSON is found in the room by the `client_id`.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use super::{Assembled, gated, server};
use crate::support::event_stream::ApiClient;
use crate::support::fake_provider::FakeProvider;
use crate::support::salon::SalonProcess;

/// A connection that has asked and can be cut.
async fn ask_over_a_socket(
    salon: &SalonProcess,
    who: &ApiClient,
    accept: &str,
    prompt: &Value,
) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", salon.port()))
        .await
        .unwrap();
    let body = prompt.to_string();
    let request = format!(
        "POST /api/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\nAccept: {accept}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        who.token(),
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// The room's message with this id, and the reply to it.
async fn found_by_client_id(who: &ApiClient, room: &str, client_id: &str) -> (Value, Value) {
    let (status, page) = who.get(&format!("/api/rooms/{room}/messages")).await;
    assert_eq!(status, 200, "{page}");
    let messages = page["messages"].as_array().unwrap();
    let prompt = messages
        .iter()
        .find(|message| message["client_id"] == client_id);
    let prompt = prompt.unwrap_or_else(|| panic!("{page}")).clone();
    let reply = messages
        .iter()
        .find(|message| message["reply"]["prompt_seq"] == prompt["seq"]);
    (
        prompt.clone(),
        reply.unwrap_or_else(|| panic!("{page}")).clone(),
    )
}

#[tokio::test]
async fn a_dropped_json_call_finds_its_reply_in_the_room_by_its_client_id() {
    let (script, gates) = gated(&["so far ", "and on"]);
    let provider = FakeProvider::start([script]);
    let salon = server(&provider).await;
    let ada = ApiClient::guest(&salon, "ada").await;
    let client_id = Uuid::new_v4().to_string();
    let prompt = json!({ "message": "hi", "room": "lobby", "client_id": client_id });
    let call = ask_over_a_socket(&salon, &ada, "application/json", &prompt).await;
    gates[0].reached().await;
    // Not a byte of the answer came, and none will.
    drop(call);
    let (stored, reply) = found_by_client_id(&ada, "lobby", &client_id).await;
    assert_eq!(stored["body"], "@assistant hi");
    assert_eq!(reply["state"], "queued", "it is being written");
    // It goes on without its caller, and is followed from here.
    let seq = reply["seq"].as_i64().unwrap();
    let mut events = ada.reply_events("lobby", seq, None).await;
    assert_eq!(events.expect("delta").await.data["text"], "so far ");
    gates.iter().for_each(super::Gate::open);
    let last = events.rest().await.pop().unwrap();
    assert_eq!(last.data["body"], "so far and on");
    let (_, reply) = found_by_client_id(&ada, "lobby", &client_id).await;
    assert_eq!((&reply["state"], &reply), (&json!("complete"), &last.data));
    // Asking again is answered by the same one, at once and without the model.
    let (status, again) = ada.post("/api/chat", &prompt).await;
    assert_eq!((status, &again["reply"]), (200, &reply));
    assert_eq!(provider.requests().len(), 1);
}

#[tokio::test]
async fn a_dropped_stream_goes_on_at_the_address_of_its_reply() {
    let (script, gates) = gated(&["one ", "zwö ", "three"]);
    let provider = FakeProvider::start([script]);
    let salon = server(&provider).await;
    let ada = ApiClient::guest(&salon, "ada").await;
    let client_id = Uuid::new_v4().to_string();
    let prompt = json!({ "message": "count", "room": "lobby", "client_id": client_id });
    let mut call = ask_over_a_socket(&salon, &ada, "text/event-stream", &prompt).await;
    // Reads up to the first piece, then the connection breaks.
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("event: delta") || !seen.ends_with(b"\n\n\r\n") {
        let mut buffer = [0; 4096];
        let count = call.read(&mut buffer).await.unwrap();
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend(&buffer[..count]);
    }
    drop(call);
    let text = String::from_utf8(seen).unwrap();
    let field = |name: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(name));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let [accepted, delta] = field("data: ").try_into().unwrap();
    let accepted: Value = serde_json::from_str(&accepted).unwrap();
    let delta: Value = serde_json::from_str(&delta).unwrap();
    assert_eq!(
        (&accepted["client_id"], &delta["text"]),
        (&json!(client_id), &json!("one "))
    );
    let id = field("id: ").pop().unwrap();
    let seq = accepted["reply_seq"].as_i64().unwrap();
    gates[0].open();
    gates[1].open();
    gates[2].reached().await;
    let mut rest = ada.reply_events("lobby", seq, Some(&id)).await;
    let mut assembled = Assembled {
        by_rule: "one ".into(),
        appended: "one ".into(),
        chunks: 1,
    };
    while assembled.appended != "one zwö three" {
        assembled.take(&rest.expect("delta").await);
    }
    gates[2].open();
    let settled = rest.rest().await.pop().unwrap();
    assert_eq!(settled.data["body"], "one zwö three");
    assert_eq!(assembled.by_rule, assembled.appended);
    let (_, reply) = found_by_client_id(&ada, "lobby", &client_id).await;
    assert_eq!(reply, settled.data);
    assert_eq!(provider.requests().len(), 1);
}
