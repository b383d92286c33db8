//! A snapshot and all that came since are what one who comes now is shown: for every kind of change, at every cut, over the
//! wire, whether told whole or only what changed.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use salon::db::assistants::{AssistantEdit, AssistantSettings, NewAssistant};
use salon::db::changes::{Change, NewPost, NewPrompt, NewText, Outcome, RoomEdit, Settlement};
use salon::db::marks::Mark;
use salon::db::rows::{Identity, MessageState, ReplyMeta, RoomView, Visibility};
use salon::ids::{InstanceId, Seq, UserId};
use salon::permissions::Role;

use crate::message_changes::post;
use crate::store::fixtures::CAPS;
use crate::support::client::RoomClient;
use crate::support::communicator::WebsocketCommunicator;
use crate::support::instance::{Build, Instance, TestDatabase};

/// Any change of the room by anyone.
fn any_change(
    dice: &mut StdRng,
    people: &[Identity],
    last: Seq,
    replies: &[Seq],
    step: usize,
) -> Change {
    let who = &people[dice.random_range(0..people.len())];
    let (actor, seq) = (who.user.id, dice.random_range(1..=last.max(1)));
    let kinds = ["👍", "🎉", "❤️"];
    let caps = salon::spending::Caps::default();
    let mark = match dice.random_range(0..5) {
        0 => Mark::Pin,
        _ => Mark::Reaction(kinds[dice.random_range(0..kinds.len())].to_owned()),
    };
    match dice.random_range(0..12) {
        0 | 1 => post(who, &format!("post {step}")),
        2 | 3 => Change::EditMessage(NewText {
            actor,
            seq,
            body: format!("edit {step}"),
            html: None,
            if_version: None,
            resend: step.is_multiple_of(2).then_some(caps),
        }),
        4 if step.is_multiple_of(3) => Change::DeleteMessage {
            actor: people[0].user.id,
            seq,
        },
        5 if step.is_multiple_of(2) => Change::EditRoom {
            actor,
            edit: RoomEdit {
                name: Some(format!("name {step}")),
                topic: Some(format!("topic {}", step / 4)),
                ..RoomEdit::default()
            },
        },
        6 => Change::Unmark { actor, seq, mark },
        7 | 8 if !replies.is_empty() => {
            let seq = replies[dice.random_range(0..replies.len())];
            let actor = people[0].user.id;
            match dice.random_range(0..3) {
                0 => Change::RegenerateReply { actor, seq, caps },
                _ => Change::SelectVariant {
                    actor,
                    seq,
                    variant: dice.random_range(1..4),
                },
            }
        }
        _ => Change::Mark { actor, seq, mark },
    }
}

/// Any change of who answers in the room: `poet` comes and goes, both are set up.
fn assistant_change(
    dice: &mut StdRng,
    owner: &Identity,
    [own, poet]: [UserId; 2],
    step: usize,
) -> Change {
    let actor = owner.user.id;
    let assistant = [own, poet][dice.random_range(0..2)];
    match dice.random_range(0..4) {
        0 | 1 => Change::AddAssistant(NewAssistant {
            actor,
            id: poet,
            name: "poet".to_owned(),
            settings: AssistantSettings::default(),
        }),
        2 => Change::EditAssistant {
            actor,
            assistant,
            edit: AssistantEdit {
                enabled: Some(!step.is_multiple_of(5)),
                system: Some(format!("rhyme {step}")),
                may_prompt: Some([Role::Reader, Role::Member][step % 2]),
                ..AssistantEdit::default()
            },
        },
        _ => Change::RemoveAssistant { actor, assistant },
    }
}

/// A message that asks the one, and the other where it is there.
fn ask_both(who: &Identity, assistant: UserId, body: &str) -> Change {
    match ask(who, assistant, body) {
        Change::Post(post) => Change::Post(NewPost {
            mentions: vec![vec!["poet".to_owned()], vec!["assistant".to_owned()]],
            ..post
        }),
        other => other,
    }
}

/// A message that asks the assistant.
fn ask(who: &Identity, assistant: UserId, body: &str) -> Change {
    let Change::Post(post) = post(who, body) else {
        unreachable!()
    };
    Change::Post(NewPost {
        prompt: Some(NewPrompt {
            over_rate: false,
            assistant,
            mentioned: true,
            caps: Default::default(),
        }),
        ..post
    })
}

/// Ends every reply that waits, each with a text of its own.
async fn answer_all(salon: &Instance, room: &RoomView, step: usize) {
    let runner = InstanceId::new();
    for claimed in salon.store.claim_replies(runner, 20, CAPS).await.unwrap() {
        let (seq, attempt) = (claimed.seq, claimed.attempt);
        let last_word = Change::SettleReply(Settlement {
            seq,
            attempt,
            owner: runner,
            state: MessageState::ALL[1 + step % 4],
            body: format!("answer {attempt} to {seq}"),
            html: None,
            meta: ReplyMeta {
                prompt_seq: claimed.prompt_seq,
                attempt,
                ..ReplyMeta::default()
            },
        });
        salon.change(room, last_word).await.unwrap();
    }
}

/// A member with what it holds.
struct Watcher {
    identity: Identity,
    socket: WebsocketCommunicator,
    client: RoomClient,
}

impl Watcher {
    async fn arrive(salon: &Instance, room: &RoomView, number: usize) -> Self {
        let identity = salon.user(&format!("watcher {number}")).await;
        let mut socket = salon.connect(&identity).await;
        let mut client = RoomClient::new(&room.room.slug);
        client.take(&socket.join(&room.room.slug).await);
        Self {
            identity,
            socket,
            client,
        }
    }

    /// Goes and comes back with its cursor.
    async fn return_to(&mut self, salon: &Instance, slug: &str) {
        self.socket = salon.connect(&self.identity).await;
        let (epoch, cursor) = (self.client.epoch.clone(), self.client.cursor);
        let joined = self.socket.join_after(slug, &epoch, cursor).await;
        self.client.take(&joined);
    }

    async fn catch_up(&mut self, version: i64) {
        while self.client.cursor < version {
            let frame = self.socket.receive_json_from().await;
            self.client.take(&frame);
        }
        self.client.check();
    }
}

/// Whatever is done to a room, and wherever somebody's snapshot was taken: with all that came since, partial frames
/// and whole ones, live and caught up, it is what one who comes now is shown.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story with every kind of change")]
async fn a_snapshot_and_its_tail_equal_a_fresh_snapshot_at_every_cut() {
    let (mut several, mut earlier, mut poems) = (0, 0, 0);
    for seed in 0..4 {
        let mut dice = StdRng::seed_from_u64(seed);
        let database = TestDatabase::open().await;
        // What answers is this test, so that nothing moves by itself.
        let mut build = Build::over(database.store.clone());
        build.runs = false;
        let salon = Instance::start(build);
        let assistant = salon.store.assistant().await.unwrap().id;
        let poet = UserId::new();
        let owner = salon.user("owner").await;
        let room = salon.make_room(&owner, "den", Visibility::Public).await;
        let mut people = vec![owner.clone()];
        for number in 0..3 {
            let person = salon.user(&format!("person {number}")).await;
            salon.add(&room, &owner, &person).await;
            people.push(person);
        }
        salon.change(&room, post(&owner, "first")).await.unwrap();
        let (mut watchers, mut replies) = (Vec::new(), Vec::new());
        for step in 0..60 {
            if step % 3 == 0 {
                watchers.push(Watcher::arrive(&salon, &room, step).await);
            }
            if step % 4 == 1 {
                let place = dice.random_range(0..watchers.len());
                watchers[place].return_to(&salon, "den").await;
            }
            if step == 30 {
                let (actor, seq) = (owner.user.id, 1);
                let gone = salon
                    .change(&room, Change::DeleteMessage { actor, seq })
                    .await;
                assert!(gone.is_ok());
            }
            if step % 4 == 2 {
                answer_all(&salon, &room, step).await;
            }
            let last = salon.store.heads(&[room.room.id]).await.unwrap()[0].last_seq;
            let many = dice.random_range(1..4);
            let mut changes: Vec<Change> = (0..many)
                .map(|_| any_change(&mut dice, &people, last, &replies, step))
                .collect();
            if step % 8 == 1 {
                let who = &people[dice.random_range(0..people.len())];
                changes.push(ask(who, assistant, &format!("ask {step}")));
            }
            if step % 4 == 3 {
                let both = [assistant, poet];
                changes.push(assistant_change(&mut dice, &owner, both, step));
                let who = &people[dice.random_range(0..people.len())];
                changes.push(ask_both(who, assistant, &format!("ask both {step}")));
            }
            // Some together in one batch, as they come; what is refused changes nothing.
            let all = changes
                .into_iter()
                .map(|change| salon.change(&room, change));
            let outcomes = futures_util::future::join_all(all).await;
            replies.extend(outcomes.into_iter().filter_map(|outcome| match outcome {
                Ok(Outcome::Posted(posted)) => posted.reply_seq,
                _ => None,
            }));
        }
        // Nothing is left to whoever else runs replies.
        answer_all(&salon, &room, 60).await;
        let head = salon.store.heads(&[room.room.id]).await.unwrap()[0].version;
        // Of another instance: this one shares a page it has just read.
        let other = Instance::start(Build::over(database.store.clone()));
        let fresh = Watcher::arrive(&other, &room, 1_000).await.client;
        assert_eq!(fresh.cursor, head);
        let marked = fresh.messages.values();
        assert!(
            marked.clone().any(|row| row["reactions"].is_array()),
            "{fresh:?}"
        );
        assert!(marked.clone().any(|row| row["deleted_at"].is_string()));
        let by_poet = |row: &&serde_json::Value| row["author"]["id"] == poet.0.to_string();
        poems += marked.clone().filter(by_poet).count();
        let variants = marked.clone().map(|row| &row["reply"]["variants"]);
        several += variants.clone().filter(|told| told.is_object()).count();
        earlier += variants
            .filter(|told| told.is_object() && told["selected"] != told["count"])
            .count();
        let mut partials = 0;
        for watcher in &mut watchers {
            watcher.catch_up(head).await;
            partials += watcher.client.partials;
            // Who was there at the first holds more than the page that one is shown who comes now.
            let mut held = watcher.client.messages.clone();
            held.retain(|seq, _| fresh.messages.contains_key(seq));
            assert_eq!(held, fresh.messages, "seed {seed}");
        }
        assert!(partials > 100, "only {partials} partial frames");
    }
    assert!(
        several > 4 && earlier > 0 && poems > 4,
        "{several} {earlier} {poems}"
    );
}
