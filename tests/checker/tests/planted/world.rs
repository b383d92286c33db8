//! An ideal Salon with its clients, drawn from a seed, and the history that they leave. With a [`Bug`] it is less ideal.
//! What clients do is in `clients`, how frames reach them in `delivery`, what the end looks like in `ending`.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use salon_checker::record::{Phase, Record, What};
use serde_json::Value;

use crate::bugs::Bug;
use crate::room::Room;

/// What a socket follows of a room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subscription {
    pub(crate) cursor: i64,
    pub(crate) proof: i64,
    /// Chunks shown of each running reply, with its attempt.
    pub(crate) shown: BTreeMap<i64, (i64, usize)>,
}

/// One open socket.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) name: String,
    pub(crate) instance: usize,
    pub(crate) rooms: BTreeMap<usize, Subscription>,
}

/// A send whose outcome is not known.
#[derive(Clone, Debug)]
pub(crate) struct Unknown {
    pub(crate) room: usize,
    pub(crate) id: String,
    pub(crate) body: String,
}

/// A user's session.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(crate) name: String,
    pub(crate) user: String,
    pub(crate) sockets: Vec<Socket>,
    /// Where it stands in each room, and in which of its histories.
    pub(crate) cursors: BTreeMap<usize, i64>,
    pub(crate) epochs: BTreeMap<usize, String>,
    pub(crate) unknown: Vec<Unknown>,
    /// Left, or signed out.
    pub(crate) gone: bool,
}

/// Everything.
pub(crate) struct World {
    pub(crate) rng: StdRng,
    pub(crate) bug: Option<Bug>,
    pub(crate) t: u64,
    pub(crate) lines: Vec<Record>,
    pub(crate) rooms: Vec<Room>,
    pub(crate) clients: Vec<Client>,
    pub(crate) count: u64,
    /// How often the bug struck.
    pub(crate) struck: u32,
    /// Whom some bugs forget at the end.
    pub(crate) forgotten: Option<usize>,
}

/// The first epoch of every room.
const EPOCH: u64 = 0x1f00_c0ff_ee00_beef;

impl World {
    /// The history of so many steps.
    pub(crate) fn history(seed: u64, steps: u32, bug: Option<Bug>) -> (Vec<Record>, u32) {
        let mut world = Self {
            rng: StdRng::seed_from_u64(seed),
            bug,
            t: 0,
            lines: Vec::new(),
            rooms: Vec::new(),
            clients: Vec::new(),
            count: 0,
            struck: 0,
            forgotten: None,
        };
        world.begin(seed);
        let at_the_end = [Bug::NoHeadCheck, Bug::LostLastMessageNotLookedFor];
        let waits = bug.is_some_and(|bug| !at_the_end.contains(&bug));
        for step in 0..steps * 20 {
            if step >= steps && (world.struck > 0 || !waits) {
                break;
            }
            world.step();
        }
        world.end();
        world.jumble();
        (world.lines, world.struck)
    }

    fn begin(&mut self, seed: u64) {
        self.say(What::Run {
            format: 1,
            seed,
            title: "an ideal Salon".into(),
        });
        for (slug, private) in [("lobby", false), ("den", true)] {
            let members = (0..6).map(|client| format!("user-{client}")).collect();
            self.rooms.push(Room {
                slug,
                private,
                members,
                epoch: EPOCH,
                first_seq: 1,
                ..Room::default()
            });
        }
        for number in 0..6 {
            let (client, user) = (format!("client-{number}"), format!("user-{number}"));
            self.clients.push(Client {
                name: client.clone(),
                user: user.clone(),
                ..Client::default()
            });
            self.say(What::Client {
                client: client.clone(),
                user,
            });
            self.say(What::Secret {
                kind: "token".into(),
                text: format!("token-of-{client}\""),
            });
        }
        self.measure(salon_checker::record::Moment::Before);
        for client in 0..self.clients.len() {
            self.open(client);
        }
    }

    fn step(&mut self) {
        let client = self.rng.random_range(0..self.clients.len());
        let room = self.some_room();
        match self.rng.random_range(0..127) {
            0..24 => self.send(client, room),
            24..30 => self.pipeline(client, room),
            30..36 => self.lose(client, room),
            36..40 => self.prompt(client, room),
            40..54 => self.grow(room),
            54..58 => self.settle(room),
            58..61 => self.retry(room),
            61..66 => self.cut(client),
            66..80 => self.back(client),
            80..83 => self.overlap(client),
            83..86 => self.remove(client),
            86..90 => self.readmit(client),
            90..93 => self.refused(client, room),
            93..95 => self.rejoin(client, room),
            95..97 => self.page(client, room),
            97..98 if self.rng.random_bool(0.2) => self.revoke(client),
            98..99 => self.fault(),
            99..105 => self.edit(client, room),
            105..107 => self.delete(client, room),
            107..114 => self.react(client, room),
            114..117 => self.pin(room),
            117..121 => self.leave(client, room),
            121..124 => self.go_on(client, room),
            // What a bug did to what is gone in the end nobody can see.
            124..125 if self.bug.is_none() && self.rng.random_bool(0.3) => self.renew(room),
            125..126 if self.bug.is_none() => self.retain(room),
            _ => self.log(),
        }
        for client in 0..self.clients.len() {
            if self.rng.random_bool(0.6) {
                self.pump_client(client);
            }
        }
    }

    /// A room, and often the one that stands behind, so that the versions of both stay near each other: a cursor taken for the other
    /// room's is then one that could be its own.
    fn some_room(&mut self) -> usize {
        let behind = usize::from(self.rooms[1].version < self.rooms[0].version);
        if self.rng.random_bool(0.3) {
            behind
        } else {
            usize::from(self.rng.random_bool(0.4))
        }
    }

    /// One more record, a little later.
    pub(crate) fn say(&mut self, what: What) {
        self.t += self.rng.random_range(1_000..400_000);
        self.lines.push(Record { t: self.t, what });
    }

    pub(crate) fn received(&mut self, socket: &str, frame: Value) {
        self.say(What::Received {
            socket: socket.to_owned(),
            frame,
        });
    }

    pub(crate) fn is(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Whether the bug strikes now.
    pub(crate) fn strikes(&mut self, bug: Bug) -> bool {
        let strikes = self.is(bug) && (self.struck == 0 || self.rng.random_bool(0.3));
        self.struck += u32::from(strikes);
        strikes
    }

    pub(crate) fn fresh(&mut self, kind: &str) -> String {
        self.count += 1;
        format!("{kind}-{}", self.count)
    }

    /// What the database's clock says.
    pub(crate) fn now(&mut self, instance: usize) -> String {
        let wrong = instance == 1 && self.is(Bug::WallClockUsedForOrder);
        self.struck += u32::from(wrong);
        let ms = self.t / 1_000_000;
        let hour = if wrong { 11 } else { 12 };
        format!(
            "2026-01-31T{hour}:{:02}:{:02}.{:03}Z",
            ms / 60_000 % 60,
            ms / 1_000 % 60,
            ms % 1_000
        )
    }

    fn fault(&mut self) {
        for phase in [Phase::Begin, Phase::Heal] {
            self.say(What::Fault {
                row: "F10".into(),
                what: "cut Redis from an instance".into(),
                phase,
            });
        }
    }

    fn log(&mut self) {
        let line = format!("{{\"level\":\"info\",\"n\":{}}}", self.count);
        self.say(What::Log {
            of: "salon-0".into(),
            line,
        });
    }

    /// Lines of operations may be a little out of order; `t` tells.
    fn jumble(&mut self) {
        for at in 1..self.lines.len() {
            let is_frame = |what: &What| {
                matches!(
                    what,
                    What::Received { .. } | What::Sent { .. } | What::Run { .. }
                )
            };
            let (one, other) = (&self.lines[at - 1].what, &self.lines[at].what);
            if !is_frame(one) && !is_frame(other) && self.rng.random_bool(0.1) {
                self.lines.swap(at - 1, at);
            }
        }
    }
}
