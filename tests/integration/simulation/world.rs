//! The simulated world: instances over one database and one wire, clients that come and go, and whatever goes wrong. It
//! goes on step by step; what happens in a step and how long it takes is thrown.

use std::sync::Arc;

use futures_util::FutureExt;
use salon::db::Store;
use salon::db::changes::{Change, NewAccount, NewRoom, NewSession};
use salon::db::rows::{Identity, UserKind, UserRow, Visibility};
use salon::ids::{RoomId, RoomRef, Seq, SessionId, UserId};
use salon::permissions::Role;

use super::Check;
use super::book::Book;
use super::client::Client;
use super::database::{self, Database};
use super::dice::Dice;
use super::frames::Frames;
use super::model::SimModel;
use super::node::{Node, Parts};
use super::trace::Trace;
use super::wire::{self, Wire};

/// Instances.
pub(super) const NODES: usize = 3;
/// People, the owner of both rooms among them.
pub(super) const CLIENTS: usize = 6;
/// Who comes late, with a cursor from the beginning.
const LATE: usize = CLIENTS - 1;

/// An instance's place.
pub(super) struct Place {
    pub(super) node: Option<Node>,
    /// Starts again then.
    pub(super) down_until: u64,
    /// Stands still until then.
    pub(super) frozen_until: u64,
    /// Cut off from the others until then.
    pub(super) cut_until: u64,
}

/// All of it.
pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) trace: Trace,
    pub(super) database: Arc<Database>,
    pub(super) wire: Arc<Wire>,
    model: Arc<SimModel>,
    pub(super) places: Vec<Place>,
    pub(super) clients: Vec<Client>,
    pub(super) rooms: Vec<RoomRef>,
    /// The highest seq anybody was told, of each room.
    pub(super) told: Vec<Seq>,
    /// Sessions that were ended, and when.
    pub(super) ended: Vec<(SessionId, u64)>,
    /// The last moment when a fault may have kept a session's end from being seen.
    pub(super) troubled_until: u64,
    pub(super) said: u64,
}

impl World {
    /// A world in which nothing has happened.
    pub(super) fn new(seed: u64) -> Self {
        salon::randomness::seed_this_thread(seed);
        let dice = Dice::new(seed, 1);
        let weather = database::Weather {
            unavailable: dice.pick(&[0.0, 0.005, 0.03]),
            unknown: dice.pick(&[0.0, 0.01, 0.05]),
            delay_ms: dice.pick(&[0, 2, 10]),
        };
        let database = Database::new(weather, Dice::new(seed, 2));
        let weather = wire::Weather {
            lost: dice.pick(&[0.0, 0.05, 0.3]),
            doubled: dice.pick(&[0.0, 0.1]),
            delayed: dice.pick(&[0.0, 0.1, 0.5]),
            garbled: dice.pick(&[0.0, 0.02]),
        };
        let wire = Wire::new(NODES, weather, Dice::new(seed, 3));
        let place = |_| Place {
            node: None,
            down_until: 0,
            frozen_until: 0,
            cut_until: 0,
        };
        let mut world = Self {
            dice,
            trace: Trace::new(),
            database,
            wire,
            model: SimModel::new(Dice::new(seed, 4)),
            places: (0..NODES).map(place).collect(),
            clients: Vec::new(),
            rooms: Vec::new(),
            told: vec![0; 2],
            ended: Vec::new(),
            troubled_until: 0,
            said: 0,
        };
        world.furnish();
        world
    }

    /// Makes the people and the rooms: one public, one private, everybody in both.
    fn furnish(&mut self) {
        let people: Vec<Identity> = (0..CLIENTS).map(|number| self.sign_up(number)).collect();
        let owner = people[0].user.id;
        for (slug, visibility) in [("open", Visibility::Public), ("shut", Visibility::Private)] {
            let room = NewRoom {
                id: RoomId::new(),
                slug: slug.into(),
                name: slug.into(),
                visibility,
            };
            let id = room.id;
            now(self.database.model.create_room(room, owner)).unwrap();
            let mut tables = self.database.model.tables();
            let members = &mut tables.rooms.get_mut(&id).unwrap().members;
            members.extend(
                people[1..]
                    .iter()
                    .map(|person| (person.user.id, Role::Member)),
            );
            let slug = slug.into();
            self.rooms.push(RoomRef { id, slug });
        }
        let tables = self.database.model.tables();
        self.clients = people
            .into_iter()
            .enumerate()
            .map(|(number, identity)| {
                let book = |room: &RoomRef| Book::new(room.clone(), identity.user.id);
                let mut books: Vec<Book> = self.rooms.iter().map(book).collect();
                if number == LATE {
                    for book in &mut books {
                        let epoch = tables.rooms[&book.room.id].head.epoch;
                        book.epoch = Some(epoch.to_string());
                    }
                }
                Client {
                    number,
                    user: identity.user.clone(),
                    identity: identity.clone(),
                    socket: None,
                    books,
                    connect_at: if number == LATE { 5_000 } else { 0 },
                    deaf_until: 0,
                }
            })
            .collect();
    }

    fn sign_up(&self, number: usize) -> Identity {
        let user = UserRow {
            id: UserId::new(),
            name: format!("person{number}"),
            kind: UserKind::User,
        };
        let session = new_session(user.id);
        let account = NewAccount {
            user,
            password_hash: None,
            admin: false,
        };
        let signed_in = now(self.database.model.create_account(account, session));
        signed_in.unwrap().identity
    }

    /// A new session for somebody.
    pub(super) fn sign_in(&self, user: UserId) -> Identity {
        now(self.database.model.create_session(new_session(user)))
            .unwrap()
            .identity
    }

    /// Ends a session.
    pub(super) fn sign_out(&self, session: SessionId) {
        now(self.database.model.delete_session(session)).unwrap();
    }

    /// The instances that run.
    pub(super) fn running(&self) -> Vec<usize> {
        let now = self.trace.now_ms;
        let runs = |place: &usize| {
            let place = &self.places[*place];
            place.node.is_some() && place.frozen_until <= now
        };
        (0..NODES).filter(runs).collect()
    }

    /// Lets so many milliseconds pass.
    pub(super) fn pass(&mut self, milliseconds: u64) -> Check {
        self.trace.now_ms += milliseconds;
        let now = self.trace.now_ms;
        self.database.pass(now);
        self.wire.pass(now);
        for number in 0..NODES {
            self.run_node(number, now);
        }
        for number in 0..CLIENTS {
            self.run_client(number, now)?;
        }
        self.look_at_sessions()
    }

    fn run_node(&mut self, number: usize, now_ms: u64) {
        let place = &mut self.places[number];
        if place.cut_until != 0 && place.cut_until <= now_ms {
            place.cut_until = 0;
            self.trace
                .note(format_args!("instance {number} hears the others again"));
            self.wire.mend(number);
        }
        if place.node.is_none() && place.down_until <= now_ms {
            self.trace.note(format_args!("instance {number} starts"));
            place.node = Some(Node::start(Parts {
                number,
                database: Arc::clone(&self.database),
                wire: Arc::clone(&self.wire),
                provider: Arc::clone(&self.model) as Arc<dyn salon::llm::LlmProvider>,
                now_ms,
            }));
        }
        let Some(node) = &place.node else { return };
        if place.frozen_until > now_ms {
            return;
        }
        if place.frozen_until != 0 {
            place.frozen_until = 0;
            self.trace.note(format_args!("instance {number} goes on"));
            node.thaw(now_ms);
        }
        node.run_until(now_ms);
    }

    fn run_client(&mut self, number: usize, now_ms: u64) -> Check {
        let running = self.running();
        let client = &mut self.clients[number];
        if client.socket.is_none() && client.connect_at <= now_ms && !running.is_empty() {
            let node = self.dice.pick(&running);
            let pipe_bytes = self.dice.pick(&[2_048, 8_192, 65_536, 65_536]);
            self.trace
                .note(format_args!("client {number} connects to {node}"));
            let instance = self.places[node].node.as_ref().unwrap();
            let stream = instance.accept(&client.identity, pipe_bytes);
            client.connected(Frames::new(stream), node, now_ms);
        }
        let bytes = match self.dice.chance(0.1) {
            true => usize::try_from(self.dice.range(1..300)).unwrap(),
            false => usize::MAX,
        };
        let tables = self.database.model.tables();
        client.run(bytes, &tables, &mut self.trace)?;
        for (told, book) in self.told.iter_mut().zip(&client.books) {
            *told = book.acked.values().fold(*told, |told, seq| told.max(*seq));
        }
        Ok(())
    }

    /// Somebody wants to say something in a room.
    pub(super) fn say(&mut self, client: usize, room: usize, prompts: bool) {
        self.said += 1;
        let body = match prompts {
            true => format!("@assistant question {}", self.said),
            false => format!("message {}", self.said),
        };
        self.clients[client].submit(room, body, self.told[room]);
    }

    /// Changes a room at some instance that runs.
    pub(super) fn change(&mut self, room: usize, change: Change) {
        let running = self.running();
        if !running.is_empty() {
            let node = self.dice.pick(&running);
            self.trace
                .note(format_args!("at instance {node}: {change:?}"));
            let instance = self.places[node].node.as_ref().unwrap();
            instance.change(&self.rooms[room], change);
        }
    }
}

fn new_session(user: UserId) -> NewSession {
    NewSession {
        id: SessionId::new(),
        user,
        token_hash: rand::Rng::random(&mut salon::randomness::rng()),
        lifetime_s: 1_000_000,
        idle_s: 1_000_000,
        origin: salon::db::changes::SessionOrigin::default(),
        verified: None,
    }
}

/// What a call of the model gives: it never waits.
fn now<T>(call: impl Future<Output = T>) -> T {
    call.now_or_never().expect("the model never waits")
}
