//! The users of a chaos run and their clients: talkers in the lobby and in private rooms, members that are removed and
//! added again, one whose session is revoked again and again, one that sends each message to two instances at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use salon_checker::record::What;

use super::api::{Api, PASSWORD, status};
use super::client::{Client, Habits, Session};
use super::deployment::Deployment;
use super::plan::Plan;
use super::recorder::Recorder;

/// The public room, with everybody in it.
pub(crate) const LOBBY: &str = "lobby";
/// Private rooms, with a part of the talkers in each.
pub(crate) const DENS: [&str; 3] = ["den-a", "den-b", "den-c"];
/// The private room from which members are removed.
pub(crate) const CLUB: &str = "club";
/// The private room that is told to keep less. Nobody in it is careless: what retention took is not found again by a resend.
pub(crate) const ATTIC: &str = "attic";
/// One talker of so many is in the attic.
const IN_THE_ATTIC: usize = 4;
/// Members that are removed.
const VICTIMS: usize = 2;
/// Talkers that are moderators of their own private room, one of each.
const MODERATORS: std::ops::Range<usize> = 3..6;
/// Talkers that forget what they sent when a socket breaks.
const CARELESS: usize = 2;
/// Talkers whose sockets have tiny buffers: the last ones.
pub(crate) const NARROW: usize = 2;
/// The user whose sessions are revoked.
const LEAVER: &str = "leaver";
/// Everybody is connected and in every room within this.
const ARRIVE: Duration = Duration::from_secs(30);

/// Everybody.
pub(crate) struct Crowd {
    /// Owns the private rooms; on no socket.
    pub(crate) keeper: Session,
    pub(crate) talkers: Vec<Client>,
    pub(crate) victims: Vec<Client>,
    /// Sends each message to two instances at once, over HTTP; its socket only listens.
    pub(crate) twin: Client,
    /// The one whose session is revoked, and those before it.
    pub(crate) leavers: Mutex<Vec<Arc<Client>>>,
}

impl Crowd {
    /// Signs everybody up and in, and waits until all are in their rooms.
    pub(crate) async fn gather(
        recorder: &Arc<Recorder>,
        plan: &Plan,
        draws: &mut StdRng,
        deployment: &Deployment,
    ) -> Self {
        let api = Api::at(deployment.balancer_port);
        let keeper = api.sign_up("keeper").await;
        for room in DENS.iter().chain(&[CLUB, ATTIC]) {
            api.make_room(&keeper, room).await;
        }
        let mut arrived = 0;
        let mut join = |name: String, rooms: Vec<String>, habits: Habits| {
            let (api, keeper) = (&api, &keeper);
            arrived += 1;
            let number = arrived;
            async move {
                // Whoever is easily slow stands at an instance itself, without anybody's buffers between.
                let ways = if habits.narrow {
                    deployment.instance_ports(number).await
                } else {
                    deployment.ways(number)
                };
                let session = api.sign_up(&name).await;
                for room in rooms.iter().filter(|room| *room != LOBBY) {
                    let role = match habits.moderates == Some(room.as_str()) {
                        true => "moderator",
                        false => "member",
                    };
                    let added = api.add_as(keeper, room, &name, role).await;
                    assert_eq!(status(&added), 200, "{name} in {room}: {added:?}");
                }
                Client::start(recorder, &name, session, &ways, &rooms, habits)
            }
        };
        let mut talkers = Vec::new();
        for number in 0..plan.talkers {
            let own = DENS[number % DENS.len()];
            let mut rooms = vec![LOBBY.to_owned(), own.to_owned()];
            let other = DENS[draws.random_range(0..DENS.len())];
            if other != own {
                rooms.push(other.to_owned());
            }
            if number % 5 == 0 {
                rooms.push(CLUB.to_owned());
            }
            let habits = Habits {
                careless: number < CARELESS,
                narrow: number >= plan.talkers - NARROW,
                moderates: MODERATORS.contains(&number).then_some(own),
            };
            if number % IN_THE_ATTIC == 2 && !habits.narrow {
                rooms.push(ATTIC.to_owned());
            }
            talkers.push(join(format!("talker-{number}"), rooms, habits).await);
        }
        let mut victims = Vec::new();
        for number in 0..VICTIMS {
            let rooms = vec![LOBBY.to_owned(), CLUB.to_owned()];
            victims.push(join(format!("victim-{number}"), rooms, Habits::default()).await);
        }
        let twin = join("twin".to_owned(), vec![LOBBY.to_owned()], Habits::default()).await;
        let leaver = join(LEAVER.to_owned(), vec![LOBBY.to_owned()], Habits::default()).await;
        let crowd = Self {
            keeper,
            talkers,
            victims,
            twin,
            leavers: Mutex::new(vec![Arc::new(leaver)]),
        };
        crowd.wait_until_joined().await;
        crowd.tell_secrets(recorder);
        crowd
    }

    async fn wait_until_joined(&self) {
        let deadline = tokio::time::Instant::now() + ARRIVE;
        while !self.each(|client| {
            client
                .state()
                .rooms
                .values()
                .all(|room| room.epoch.is_some())
        }) {
            assert!(tokio::time::Instant::now() < deadline, "nobody comes in");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn tell_secrets(&self, recorder: &Recorder) {
        let secret = |kind: &str, text: &str| What::Secret {
            kind: kind.to_owned(),
            text: text.to_owned(),
        };
        recorder.note(secret("password", PASSWORD));
        recorder.note(secret("token", &self.keeper.token));
        self.each(|client| {
            recorder.note(secret("token", &client.session.token));
            true
        });
    }

    /// Whether this holds of every client whose session lives.
    pub(crate) fn each(&self, holds: impl Fn(&Client) -> bool) -> bool {
        let leaver = self.leaver();
        let mut all = self.talkers.iter().chain(&self.victims);
        // Everybody is asked, whatever the first ones say.
        let mut every = true;
        for client in all.by_ref().chain([&self.twin, leaver.as_ref()]) {
            every &= holds(client);
        }
        every
    }

    /// Those who may pin.
    pub(crate) fn moderators(&self) -> &[Client] {
        self.talkers.get(MODERATORS).unwrap_or_default()
    }

    /// Those in the attic.
    pub(crate) fn in_the_attic(&self) -> Vec<&Client> {
        let is_in = |client: &&Client| client.state().rooms.contains_key(ATTIC);
        self.talkers.iter().filter(is_in).collect()
    }

    /// The one that will be signed out next.
    pub(crate) fn leaver(&self) -> Arc<Client> {
        let leavers = self.leavers.lock().unwrap();
        Arc::clone(leavers.last().expect("one that stays"))
    }

    /// A client of the same user with a new session, which takes over what the old one did not finish.
    pub(crate) fn succeed(&self, recorder: &Arc<Recorder>, session: Session, ways: &[u16]) {
        let mut leavers = self.leavers.lock().unwrap();
        let name = format!("{LEAVER}-{}", leavers.len());
        recorder.note(What::Secret {
            kind: "token".to_owned(),
            text: session.token.clone(),
        });
        let rooms = [LOBBY.to_owned()];
        let client = Client::start(recorder, &name, session, ways, &rooms, Habits::default());
        let before = leavers.last().expect("one that stays");
        for (room, pending) in before.give_up() {
            client.send(&room, &pending.id, &pending.body);
        }
        leavers.push(Arc::new(client));
    }
}
