//! Presence with a clock in the test's hand: who is counted, what runs out when, and how little is told.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn user(number: usize) -> UserRow {
    UserRow {
        // Ascending, so that the first are known.
        id: UserId(uuid::Uuid::from_u128(number as u128 + 1)),
        name: format!("user {number}"),
        kind: UserKind::User,
    }
}

fn room() -> RoomRef {
    RoomRef {
        id: RoomId::new(),
        slug: "lobby".into(),
    }
}

fn json(frame: &Frame) -> serde_json::Value {
    serde_json::from_slice(&frame.payloads().next().unwrap()).unwrap()
}

/// Several instances whose news reaches all others at once, unless it is lost.
struct Fleet {
    instances: Vec<(InstanceId, State)>,
    now: Instant,
}

impl Fleet {
    fn of(count: usize) -> Self {
        let instance = |_| (InstanceId::new(), State::default());
        Self {
            instances: (0..count).map(instance).collect(),
            now: Instant::now(),
        }
    }

    /// One tick of every instance that lives; what each told its readers.
    fn tick(&mut self, lives: impl Fn(usize) -> bool) -> Vec<Vec<Telling>> {
        self.now += limits::PRESENCE_TICK;
        let mut told = Vec::new();
        for index in 0..self.instances.len() {
            let (from, state) = &mut self.instances[index];
            let from = *from;
            let work = match lives(index) {
                true => state.tick(self.now),
                false => Work::default(),
            };
            for news in work.news {
                let bytes = Notice { from, news }.to_bytes();
                assert!(bytes.len() <= limits::PRESENCE_BYTES + 64);
                for (to, state) in &mut self.instances {
                    if *to != from {
                        state.heard(Notice::from_bytes(&bytes).unwrap(), self.now);
                    }
                }
            }
            told.push(work.tellings);
        }
        told
    }

    fn run(&mut self, time: Duration, lives: impl Fn(usize) -> bool + Copy) {
        let end = self.now + time;
        while self.now < end {
            self.tick(lives);
        }
    }

    fn count(&self, index: usize, room: &RoomRef) -> usize {
        let known = self.instances[index].1.rooms.get(&room.id);
        known.map_or(0, |room| room.summary().0)
    }
}

#[test]
fn a_user_is_there_once_however_many_sockets_it_has_where() {
    let (mut fleet, room) = (Fleet::of(2), room());
    for _ in 0..3 {
        fleet.instances[0].1.arrived(&room, &user(1));
        fleet.instances[1].1.arrived(&room, &user(1));
    }
    fleet.instances[1].1.arrived(&room, &user(2));
    fleet.run(Duration::from_secs(3), |_| true);
    assert_eq!((fleet.count(0, &room), fleet.count(1, &room)), (2, 2));
    let present = fleet.instances[0]
        .1
        .present(room.id, &[user(2).id, user(3).id]);
    assert_eq!(present, HashSet::from([user(2).id]));
    // Gone with the last of its sockets, and the room with the last of its people.
    for left in 1..=3 {
        fleet.instances[1].1.left(room.id, user(1).id);
        fleet.instances[0].1.left(room.id, user(1).id);
        assert_eq!(fleet.instances[0].1.has_readers(room.id), left < 3);
    }
    fleet.instances[1].1.left(room.id, user(2).id);
    fleet.run(Duration::from_secs(3), |_| true);
    for (_, state) in &fleet.instances {
        assert!(state.rooms.is_empty() && state.held == 0 && state.held_rooms == 0);
    }
}

#[test]
fn f30_who_was_on_a_dead_instance_is_gone_within_45_s_of_its_death() {
    let (mut fleet, room) = (Fleet::of(2), room());
    fleet.instances[0].1.arrived(&room, &user(1));
    fleet.instances[1].1.arrived(&room, &user(2));
    // Killed at the worst moment: right after it told of itself.
    fleet.run(Duration::from_secs(31), |_| true);
    let killed = fleet.now;
    let mut right = None;
    while right.is_none() {
        assert!(fleet.now < killed + Duration::from_secs(60), "never");
        for telling in &fleet.tick(|index| index == 0)[0] {
            if json(&telling.frame)["count"] == 1 {
                right = Some(fleet.now - killed);
            }
        }
    }
    assert!(right.unwrap() <= Duration::from_secs(45), "{right:?}");
    assert!(right.unwrap() > limits::PRESENCE_WHOLE * 2, "{right:?}");
    // It lives again: it was only cut off.
    fleet.run(Duration::from_secs(16), |_| true);
    assert_eq!(fleet.count(0, &room), 2);
}

#[test]
fn what_is_told_again_in_time_never_runs_out() {
    let (mut fleet, room) = (Fleet::of(2), room());
    fleet.instances[0].1.arrived(&room, &user(1));
    fleet.instances[1].1.arrived(&room, &user(2));
    fleet.run(Duration::from_secs(3), |_| true);
    for _ in 0..1_000 {
        let told = fleet.tick(|_| true);
        assert!(told.iter().all(Vec::is_empty), "nothing changed");
        assert_eq!(fleet.count(0, &room), 2);
    }
}

#[test]
fn after_a_goodbye_the_others_wait_a_little_for_who_comes_back() {
    let (mut fleet, room) = (Fleet::of(2), room());
    fleet.instances[0].1.arrived(&room, &user(1));
    fleet.instances[1].1.arrived(&room, &user(2));
    fleet.run(Duration::from_secs(3), |_| true);
    let goodbye = Notice {
        from: fleet.instances[1].0,
        news: News::Goodbye,
    };
    let now = fleet.now;
    fleet.instances[0].1.heard(goodbye, now);
    fleet.run(limits::PRESENCE_GRACE / 2, |index| index == 0);
    assert_eq!(fleet.count(0, &room), 2);
    fleet.run(
        limits::PRESENCE_GRACE / 2 + limits::PRESENCE_TICK,
        |index| index == 0,
    );
    assert_eq!(fleet.count(0, &room), 1);
}

#[test]
fn a_thousand_joins_in_ten_seconds_are_a_frame_every_two_seconds() {
    let (mut fleet, room) = (Fleet::of(2), room());
    let mut frames: [Vec<Instant>; 2] = Default::default();
    let mut last = [serde_json::Value::Null, serde_json::Value::Null];
    for step in 0..60 {
        // 25 in a quarter of a second, now here, now there.
        for number in (0..1_000).skip(step * 25).take(25) {
            fleet.instances[number % 2].1.arrived(&room, &user(number));
        }
        for (index, told) in fleet.tick(|_| true).into_iter().enumerate() {
            for telling in told {
                assert_eq!(telling.audience, Audience::Everyone);
                assert!(telling.frame.len() < 8 * 1024);
                last[index] = json(&telling.frame);
                frames[index].push(fleet.now);
            }
        }
    }
    for (frames, last) in frames.iter().zip(&last) {
        assert!((3..=8).contains(&frames.len()), "{}", frames.len());
        assert!(
            frames
                .windows(2)
                .all(|pair| pair[1] - pair[0] >= limits::PRESENCE_INTERVAL)
        );
        // The last state is told, and names the first fifty.
        assert_eq!(last["count"], 1_000);
        let named = last["users"].as_array().unwrap();
        assert_eq!(named.len(), limits::PRESENCE_NAMED);
        assert_eq!(named[49]["name"], "user 49");
    }
}

#[test]
fn a_reader_that_comes_when_nothing_changes_is_told_alone() {
    let (mut state, room, now) = (State::default(), room(), Instant::now());
    state.arrived(&room, &user(1));
    let told = state.tick(now).tellings;
    assert_eq!(
        (told.len(), told[0].audience),
        (1, Audience::Everyone),
        "the first"
    );
    // A second tab.
    state.arrived(&room, &user(1));
    assert_eq!(state.tick(now + limits::PRESENCE_TICK).tellings, []);
    let told = state.tick(now + limits::PRESENCE_INTERVAL).tellings;
    assert_eq!((told.len(), told[0].audience), (1, Audience::Untold));
    assert_eq!(json(&told[0].frame)["count"], 1);
    // What a busy feed did not take is told again at once.
    state.not_told(room.id);
    let again = state.tick(now + limits::PRESENCE_INTERVAL).tellings;
    assert_eq!(again[0].audience, Audience::Everyone);
}

#[test]
fn more_people_than_are_told_of_one_by_one_are_counted() {
    let (mut fleet, room) = (Fleet::of(2), room());
    let many = limits::PRESENCE_USERS + 700;
    for number in 0..many {
        fleet.instances[0].1.arrived(&room, &user(number));
    }
    fleet.run(Duration::from_secs(2), |_| true);
    assert_eq!(fleet.count(1, &room), many);
    assert_eq!(fleet.instances[1].1.held, limits::PRESENCE_USERS);
    // More than may be held at all are counted too.
    let told = fleet.instances[0].1.here(room.id);
    let there = bounded(told.clone(), fleet.now, 10);
    assert_eq!((there.first.len(), there.others.len()), (10, 0));
    assert_eq!(there.held() + there.only_counted(), many);
    let none = bounded(told, fleet.now, 0);
    assert_eq!((none.held(), none.only_counted()), (0, many));
}

#[test]
fn many_rooms_are_told_in_several_publications() {
    let mut state = State::default();
    let rooms = limits::PRESENCE_ROOMS * 2 + 1;
    for _ in 0..rooms {
        state.arrived(&room(), &user(1));
    }
    let news = state.tick(Instant::now()).news;
    let sizes: Vec<usize> = news
        .iter()
        .map(|news| match news {
            News::Here(rooms) => rooms.len(),
            _ => 0,
        })
        .collect();
    assert_eq!(sizes, [limits::PRESENCE_ROOMS, limits::PRESENCE_ROOMS, 1]);
}

#[test]
fn typing_is_told_here_and_there_but_never_to_a_whole_crowds_measure() {
    let (mut fleet, room) = (Fleet::of(2), room());
    for index in 0..2 {
        fleet.instances[index].1.arrived(&room, &user(index));
    }
    fleet.run(Duration::from_secs(1), |_| true);
    let now = fleet.now;
    fleet.instances[0].1.typing(room.id, &user(0), now);
    let mut told = fleet.tick(|_| true);
    told.extend(fleet.tick(|_| true));
    let typing: Vec<&Telling> = told
        .iter()
        .flatten()
        .filter(|telling| telling.audience == Audience::Passing)
        .collect();
    assert_eq!(typing.len(), 2, "once on each instance");
    assert_eq!(json(&typing[1].frame)["user"]["name"], "user 0");
    // A crowd.
    let later = now + Duration::from_secs(10);
    for number in 0..500 {
        fleet.instances[0].1.typing(room.id, &user(number), later);
    }
    let burst = usize::try_from(limits::TYPING_BURST).unwrap();
    assert_eq!(fleet.instances[0].1.typing.len(), burst);
    // Of a room without readers here nothing is kept.
    let elsewhere = Notice {
        from: InstanceId::new(),
        news: News::Typing(vec![(RoomId::new(), user(1))]),
    };
    fleet.instances[0].1.heard(elsewhere, later);
    assert!(fleet.instances[0].1.typing_elsewhere.is_empty());
}

proptest! {
    /// Whoever comes and goes wherever, and whichever instances are cut off meanwhile: when all have heard each other
    /// again, each knows exactly who is there.
    #[test]
    fn in_the_end_everybody_knows_who_is_there(
        moves in prop::collection::vec((0_usize..3, 0_usize..6, any::<bool>(), 0_usize..4), 0..80),
    ) {
        let (mut fleet, room) = (Fleet::of(3), room());
        let mut readers: BTreeMap<(usize, usize), u32> = BTreeMap::new();
        for (index, number, comes, cut_off) in moves {
            let seats = readers.entry((index, number)).or_default();
            if comes {
                *seats += 1;
                fleet.instances[index].1.arrived(&room, &user(number));
            } else if *seats > 0 {
                *seats -= 1;
                fleet.instances[index].1.left(room.id, user(number).id);
            }
            fleet.tick(|index| index != cut_off);
        }
        fleet.run(limits::PRESENCE_LIFETIME + limits::PRESENCE_WHOLE, |_| true);
        let there: BTreeSet<usize> = readers
            .iter()
            .filter(|(_, seats)| **seats > 0)
            .map(|((_, number), _)| *number)
            .collect();
        for index in 0..3 {
            prop_assert_eq!(fleet.count(index, &room), there.len());
        }
    }
}
