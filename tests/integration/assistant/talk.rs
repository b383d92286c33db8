//! Many prompts at once: rooms with an asker each, what each prompt was answered with, and which request of the provider it
//! became. Used by the tests that fill the runners.

use std::collections::HashMap;
use std::time::Instant;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::reader::Reader;
use super::support::fake_provider::{Ending, FakeProvider, Record};
use super::world::{Person, World};

/// One room, who asks in it, and its reader.
pub(crate) struct Asker {
    pub(crate) person: Person,
    pub(crate) room: String,
    pub(crate) reader: Reader,
    /// The replies asked for, in order.
    pub(crate) replies: Vec<Asked>,
}

/// One prompt.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) seq: i64,
    /// A word that stands in this prompt only.
    pub(crate) word: String,
}

/// So many of them, each in a room of its own, on the instances in turn.
pub(crate) async fn askers(world: &World, count: usize, wide: bool) -> Vec<Asker> {
    let entering = (0..count).map(|number| async move {
        let person = world.person(&format!("asker {number}")).await;
        let room = format!("room-{number}");
        if wide {
            world.wide_room(&person, &room).await;
        } else {
            world.room(&person, &room).await;
        }
        let mut reader = Reader::new(&person, &room);
        reader
            .join(world.port(number % world.cluster.instances.len()))
            .await;
        Asker {
            person,
            room,
            reader,
            replies: Vec::new(),
        }
    });
    join_all(entering).await
}

impl Asker {
    /// Asks so often, and reads on until every prompt has its reply.
    pub(crate) async fn ask(&mut self, times: usize) {
        for number in 0..times {
            let word = format!("{}-{}-{number}", self.room, self.replies.len());
            self.ask_with(&word).await;
        }
    }

    /// One prompt that holds this word.
    pub(crate) async fn ask_with(&mut self, word: &str) -> i64 {
        let id = uuid::Uuid::new_v4().to_string();
        let body = format!("@assistant go on about {word}");
        let send =
            json!({"type": "message.send", "room": self.room, "client_id": id, "body": body});
        self.reader.send(&send).await;
        loop {
            let frame = self.reader.next().await;
            if frame["client_id"] == id.as_str() && frame["type"] != "message" {
                let seq = frame["reply_seq"].as_i64();
                let seq = seq.unwrap_or_else(|| panic!("{frame}"));
                let word = word.to_owned();
                self.replies.push(Asked { seq, word });
                return seq;
            }
        }
    }

    /// Reads until every reply has ended.
    pub(crate) async fn read_to_the_end(&mut self) -> Vec<Value> {
        let mut ended = Vec::new();
        for asked in self.replies.clone() {
            ended.push(self.reader.read_settled(asked.seq).await);
        }
        ended
    }

    /// Reads until so many replies show text.
    pub(crate) async fn read_until_shown(&mut self, count: usize) {
        while self.reader.deltas.len() < count {
            self.reader.next().await;
        }
    }
}

/// By the word of its prompt: when and how the provider's answer ended, if it has.
pub(crate) fn endings(provider: &FakeProvider) -> HashMap<String, Option<(Ending, Instant)>> {
    let ended = provider.requests().into_iter();
    ended
        .filter_map(|record| Some((word_of(&record)?, record.ended)))
        .collect()
}

/// The words of the prompts in the order in which the provider was asked.
pub(crate) fn order_of(provider: &FakeProvider) -> Vec<String> {
    provider.requests().iter().filter_map(word_of).collect()
}

/// The word of the prompt that a request is about: the last one in it.
fn word_of(record: &Record) -> Option<String> {
    let turns = record.body["messages"].as_array()?;
    let text = turns.last()?["content"].as_str()?;
    Some(text.split_whitespace().next_back()?.to_owned())
}
