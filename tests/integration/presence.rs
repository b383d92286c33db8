//! Who is in a room and who writes there: told to everybody on every instance, seldom, and never stored.

use std::sync::Arc;
use std::time::Duration;

use salon::channel_layer::ChannelLayer;
use salon::db::changes::Change;
use salon::db::rows::{Identity, Visibility};
use salon::limits;
use salon::permissions::Role;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::communicator::WebsocketCommunicator;
use crate::support::instance::{Build, Instance, TestDatabase};
use crate::support::lossy_layer::{Weather, lossy_pair};

/// A change is told on every instance within this, on two busy cores.
const SOON: Duration = Duration::from_secs(10);
const GOOD: Weather = Weather {
    lost: 0.0,
    doubled: 0.0,
    delayed: 0.0,
};

async fn two_instances(weather: Weather) -> (Instance, Instance, TestDatabase) {
    let database = TestDatabase::open().await;
    let (first, second) = lossy_pair(weather, 1);
    let start = |layer: Arc<dyn ChannelLayer>| {
        let mut build = Build::over(database.store.clone());
        (build.layer, build.runs, build.presence) = (layer, false, true);
        Instance::start(build)
    };
    (start(first), start(second), database)
}

async fn enter(instance: &Instance, who: &Identity, room: &str) -> WebsocketCommunicator {
    let mut socket = instance.connect(who).await;
    socket.join(room).await;
    socket
}

/// Waits until this socket was told that these, and nobody else, are there.
async fn expect_there(socket: &mut WebsocketCommunicator, names: &[&str]) -> Instant {
    let is_it = |frame: &Value| {
        let users = frame["users"].as_array().unwrap();
        frame["count"] == names.len()
            && users.len() == names.len()
            && names
                .iter()
                .all(|name| users.iter().any(|user| user["name"] == *name))
    };
    socket.expect_passing("presence", SOON, is_it).await.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_and_goes_is_told_on_every_instance() {
    let (one, two, _database) = two_instances(GOOD).await;
    let (ada, bob) = (one.user("ada").await, one.user("bob").await);
    let mut first = one.connect_raw(&ada, 64 * 1024).await.0;
    let features = first.receive_json_from().await["features"].clone();
    for feature in ["typing", "presence"] {
        assert!(features.as_array().unwrap().contains(&json!(feature)));
    }
    first.join("lobby").await;
    expect_there(&mut first, &["ada"]).await;
    let mut other = enter(&two, &bob, "lobby").await;
    expect_there(&mut first, &["ada", "bob"]).await;
    expect_there(&mut other, &["ada", "bob"]).await;
    // A second tab is nobody new; it alone is told.
    let mut tab = enter(&two, &ada, "lobby").await;
    expect_there(&mut tab, &["ada", "bob"]).await;
    assert_eq!(other.all_passing(limits::PRESENCE_INTERVAL).await, []);
    first.disconnect().await;
    assert_eq!(other.all_passing(limits::PRESENCE_INTERVAL * 2).await, []);
    // Leaving the room is going too.
    let left = tab
        .ask(json!({"type": "room.leave", "room": "lobby"}))
        .await;
    assert_eq!(left["type"], "ok");
    expect_there(&mut other, &["bob"]).await;
    assert_eq!(tab.all_passing(limits::PRESENCE_INTERVAL).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_show_who_is_there() {
    let (one, two, _database) = two_instances(GOOD).await;
    let (ada, bob, eve) = (
        one.user("ada").await,
        one.user("bob").await,
        one.user("eve").await,
    );
    let mut first = enter(&one, &ada, "lobby").await;
    let mut other = enter(&two, &bob, "lobby").await;
    enter(&one, &eve, "lobby").await.disconnect().await;
    expect_there(&mut first, &["ada", "bob"]).await;
    expect_there(&mut other, &["ada", "bob"]).await;
    for instance in [&one, &two] {
        let chat = &instance.app.chat;
        let members = chat.members(&ada, "lobby", None).await.unwrap();
        let online = chat.online(&ada, "lobby", &members).await.unwrap();
        assert!(members.iter().any(|member| member.user.id == eve.user.id));
        assert_eq!(online, [ada.user.id, bob.user.id].into());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typing_is_told_to_the_room_and_stored_nowhere() {
    let (one, two, database) = two_instances(GOOD).await;
    let (ada, bob) = (one.user("ada").await, one.user("bob").await);
    let mut first = enter(&one, &ada, "lobby").await;
    let mut other = enter(&two, &bob, "lobby").await;
    expect_there(&mut other, &["ada", "bob"]).await;
    let rows = rows_of(&database);
    for _ in 0..20 {
        first
            .send_json_to(&json!({"type": "typing", "room": "lobby"}))
            .await;
    }
    for socket in [&mut other, &mut first] {
        let (_, typing) = socket.expect_passing("typing", SOON, |_| true).await;
        assert_eq!(
            (&typing["room"], &typing["user"]["name"]),
            (&json!("lobby"), &json!("ada"))
        );
        // The others of the twenty were dropped.
        let more = socket.all_passing(Duration::from_secs(1)).await;
        assert!(more.iter().all(|(_, frame)| frame["type"] != "typing"));
    }
    assert_eq!(rows_of(&database), rows, "nothing was written");
    // The next one counts again.
    tokio::time::sleep(limits::TYPING_INTERVAL).await;
    first
        .send_json_to(&json!({"type": "typing", "room": "lobby"}))
        .await;
    other.expect_passing("typing", SOON, |_| true).await;
    first.receive_nothing(Duration::from_millis(100)).await;
}

/// How often anything in the database was changed.
fn rows_of(database: &TestDatabase) -> Vec<u8> {
    use diesel::connection::SimpleConnection;
    use diesel::{Connection, SqliteConnection};
    let path = database.folder.path().join("salon.sqlite3");
    let copy = database
        .folder
        .path()
        .join(format!("copy-{}.sqlite3", salon::ids::ConnectionId::new()));
    let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    conn.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
    conn.batch_execute(&format!("VACUUM INTO '{}'", copy.display()))
        .unwrap();
    std::fs::read(copy).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_post_may_not_type() {
    let (one, _two, _database) = two_instances(GOOD).await;
    let (owner, ada) = (one.user("owner").await, one.user("ada").await);
    let room = one.make_room(&owner, "club", Visibility::Private).await;
    let change = Change::SetMember {
        actor: owner.user.id,
        user: ada.user.id,
        role: Role::Reader,
    };
    one.change(&room, change).await.unwrap();
    let typing = |room: &str| json!({"type": "typing", "room": room});
    let mut reader = enter(&one, &ada, "club").await;
    assert_eq!(reader.ask(typing("club")).await["code"], "forbidden");
    let mut outside = one.connect(&owner).await;
    assert_eq!(outside.ask(typing("club")).await["code"], "not_joined");
    let stranger = one.user("stranger").await;
    let mut stranger = one.connect(&stranger).await;
    assert_eq!(stranger.ask(typing("club")).await["code"], "not_joined");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_member_is_no_longer_there_and_is_told_nothing() {
    let (one, two, _database) = two_instances(GOOD).await;
    let (owner, ada) = (one.user("owner").await, one.user("ada").await);
    let room = one.make_room(&owner, "club", Visibility::Private).await;
    one.add(&room, &owner, &ada).await;
    let mut watching = enter(&one, &owner, "club").await;
    let mut removed = enter(&two, &ada, "club").await;
    expect_there(&mut watching, &["ada", "owner"]).await;
    expect_there(&mut removed, &["ada", "owner"]).await;
    one.remove(&room, &owner, &ada).await;
    expect_there(&mut watching, &["owner"]).await;
    removed.expect("room.removed").await;
    watching
        .send_json_to(&json!({"type": "typing", "room": "club"}))
        .await;
    watching.expect_passing("typing", SOON, |_| true).await;
    assert_eq!(removed.all_passing(Duration::from_secs(3)).await, []);
    let refused = removed.ask(json!({"type": "typing", "room": "club"})).await;
    assert_eq!(refused["code"], "room_not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_leaves_says_goodbye() {
    let (one, two, _database) = two_instances(GOOD).await;
    let (ada, bob) = (one.user("ada").await, one.user("bob").await);
    let mut stays = enter(&one, &ada, "lobby").await;
    let mut goes = enter(&two, &bob, "lobby").await;
    expect_there(&mut stays, &["ada", "bob"]).await;
    expect_there(&mut goes, &["ada", "bob"]).await;
    two.leaving.cancel();
    let leaving = Instant::now();
    let gone = expect_there(&mut stays, &["ada"]).await - leaving;
    assert!(gone >= limits::PRESENCE_GRACE, "{gone:?}");
    // Who is still with it sees what it knows.
    let eve = two.user("eve").await;
    let _eve = enter(&two, &eve, "lobby").await;
    expect_there(&mut goes, &["ada", "bob", "eve"]).await;
    assert_eq!(stays.all_passing(Duration::from_secs(3)).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_dead_layer_an_instance_shows_who_is_with_it() {
    let weather = Weather { lost: 1.0, ..GOOD };
    let (one, two, _database) = two_instances(weather).await;
    let (ada, bob) = (one.user("ada").await, one.user("bob").await);
    let mut first = enter(&one, &ada, "lobby").await;
    let mut other = enter(&two, &bob, "lobby").await;
    expect_there(&mut first, &["ada"]).await;
    expect_there(&mut other, &["bob"]).await;
    let more = first.all_passing(Duration::from_secs(4)).await;
    assert_eq!(more, [], "the other instance is not heard");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_who_come_cost_each_a_frame_every_two_seconds() {
    const JOINS: usize = 1_000;
    let (one, two, _database) = two_instances(GOOD).await;
    let ada = one.user("ada").await;
    let mut watching = enter(&one, &ada, "lobby").await;
    let began = Instant::now();
    let watcher = tokio::spawn(async move {
        let mut frames: Vec<(Instant, Value)> = Vec::new();
        while frames
            .last()
            .is_none_or(|(_, frame)| frame["count"] != JOINS + 1)
        {
            assert!(began.elapsed() < Duration::from_secs(90), "never all");
            frames.extend(watching.all_passing(Duration::from_millis(200)).await);
        }
        frames
    });
    let mut sockets = Vec::new();
    for number in 0..JOINS {
        let instance = if number % 2 == 0 { &one } else { &two };
        let who = instance.user(&format!("member {number}")).await;
        sockets.push(enter(instance, &who, "lobby").await);
        // No faster than a thousand in ten seconds.
        tokio::time::sleep_until(began + Duration::from_millis(10 * number as u64)).await;
    }
    let frames = watcher.await.unwrap();
    let (last, frame) = frames.last().unwrap();
    assert_eq!(
        frame["users"].as_array().unwrap().len(),
        limits::PRESENCE_NAMED
    );
    let bytes = frame.to_string().len();
    let took = *last - began;
    println!(
        "{JOINS} joins: {} presence frames of at most {bytes} bytes in {took:?}",
        frames.len()
    );
    let allowed = took.as_secs_f64() / limits::PRESENCE_INTERVAL.as_secs_f64();
    assert!(frames.len() as f64 <= allowed + 2.0, "{}", frames.len());
}
