//! Replies that are written again, for who was not there meanwhile.

use futures_util::StreamExt;
use salon::llm::{Delta, LlmError};
use serde_json::json;

use crate::replies::{endless, enter, read_settled, read_text, salon_with};
use crate::support::instance::FakeModel;

fn again(delta: Result<Delta, LlmError>) -> Result<Delta, LlmError> {
    delta.map(|delta| match delta {
        Delta::Text(text) => Delta::Text(text.replace("wörd", "again")),
        other => other,
    })
}

/// What a long chaos run found: who came back from before the end was greeted with the retry's text, and then told of the end.
#[tokio::test]
async fn who_was_away_over_an_end_and_its_retry_sees_them_in_their_order() {
    let model = FakeModel::new(|call| match call {
        0 => endless(),
        _ => endless().map(again).boxed(),
    });
    let (salon, _database) = salon_with(model).await;
    let (mut ada, mut hers) = enter(salon.arrive("ada").await).await;
    let reader = salon.user("bob").await;
    let (mut bob, mut his) = enter(salon.connect(&reader).await).await;
    let seq = ada.prompt("lobby", "go").await;
    read_text(&mut bob, &mut his, seq).await;
    drop(bob);
    ada.ask(json!({"type": "reply.stop", "room": "lobby", "seq": seq}))
        .await;
    let stopped = read_settled(&mut ada, &mut hers, seq).await;
    let retry = json!({"type": "reply.retry", "room": "lobby", "seq": seq});
    let retried = ada.ask(retry).await["version"].as_i64().unwrap();
    while hers.cursor < retried || !hers.replies[&seq].text.contains("again") {
        hers.take(&ada.receive_json_from().await);
    }
    let mut bob = salon.connect(&reader).await;
    let joined = bob.join_after("lobby", &his.epoch, his.cursor).await;
    assert_eq!(joined["replies"], json!([]), "none of them began by then");
    his.take(&joined);
    let mut states = Vec::new();
    while !his
        .replies
        .get(&seq)
        .is_some_and(|reply| reply.text.contains("again"))
    {
        let frame = bob.receive_json_from().await;
        if frame["message"]["seq"] == seq {
            states.push(frame["message"]["state"].as_str().unwrap().to_owned());
        }
        his.take(&frame);
        his.check();
    }
    assert_eq!(states, ["stopped", "queued"]);
    // All of the text, from its first word on.
    assert!(
        his.replies[&seq].text.starts_with("again"),
        "{:?}",
        his.replies
    );
    assert_ne!(stopped["body"], "");
}
