//! Searching: words, phrases, exclusions, filters, pages, and that the index follows whatever is written.

use chrono::{DateTime, Utc};
use salon::db::StoreResult;
use salon::db::changes::Change;
use salon::db::rows::{MessageState, UserRow, Visibility};
use salon::db::search::{Search, SearchPage, SearchQuery};
use salon::ids::{InstanceId, RoomId, Seq, UserId};
use salon::permissions::Role;

use super::fixtures::{TestStore, changed, message, new_room, settlement};
use super::message_changes::edit;

/// For these words, in every room.
pub(super) fn search(query: &str) -> Search {
    Search {
        query: SearchQuery::parse(query).unwrap(),
        room: None,
        author: None,
        before: None,
        after: None,
        from: None,
        limit: 50,
    }
}

fn found(page: &SearchPage) -> Vec<(&str, Seq)> {
    let hits = page.hits.iter();
    hits.map(|hit| (hit.room.as_str(), hit.message.seq))
        .collect()
}

impl TestStore {
    /// Indexes all there is, where it was not as it was written.
    pub(crate) async fn index(&self) {
        loop {
            let rooms = self.rooms_behind_index(100).await.unwrap();
            if rooms.is_empty() {
                return;
            }
            self.index_new(&rooms, 100).await.unwrap();
        }
    }

    /// Indexes a part of what was written to some rooms; those with more.
    pub(super) async fn part(&self, rooms: &[RoomId], count: i64) -> StoreResult<Vec<RoomId>> {
        let behind = self.index_new(rooms, count).await?;
        Ok(behind.into_iter().map(|behind| behind.room).collect())
    }

    /// All that is found, page by page to the end, and how many of each page.
    pub(super) async fn pages(
        &self,
        user: UserId,
        search: Search,
    ) -> (Vec<(String, Seq)>, Vec<usize>) {
        let (mut found, mut pages, mut from) = (Vec::new(), Vec::new(), search.from);
        loop {
            let page = Search {
                from,
                ..search.clone()
            };
            let page = self.search(user, page).await.unwrap();
            assert!(page.hits.len() as i64 <= search.limit);
            pages.push(page.hits.len());
            found.extend(page.hits.into_iter().map(|hit| (hit.room, hit.message.seq)));
            let Some(next) = page.next else {
                return (found, pages);
            };
            assert!(from.is_none_or(|from| next < from), "it goes on");
            from = Some(next);
        }
    }

    /// The seqs found in the room `den`, newest first.
    pub(super) async fn seqs_of(&self, user: &UserRow, query: &str) -> Vec<Seq> {
        let page = self.search(user.id, search(query)).await.unwrap();
        found(&page)
            .into_iter()
            .map(|(room, seq)| {
                assert_eq!(room, "den");
                seq
            })
            .collect()
    }
}

pub(super) async fn words_phrases_and_exclusions_find(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let bodies = [
        "The kettle boils.",
        "A kettle; the tea is ready, don't wait",
        "HÄUSER in der Straße – e-mail: ada@tea.example/path?x=5e3x",
        "“quoted” or not, v2.0 & <b>bold</b>",
        "🫖 kettle的",
        "the the kettle",
    ];
    for body in bodies {
        store.post(room, message(&owner, body)).await;
    }
    store.index().await;
    for (query, expected) in [
        ("kettle", vec![6, 5, 2, 1]),
        ("\"kettle\"", vec![6, 2, 1]),
        ("KETTLE the", vec![6, 2, 1]),
        ("\"the kettle\"", vec![6, 1]),
        ("\"kettle the\"", vec![2]),
        ("kettle -tea", vec![6, 5, 1]),
        ("kettle -\"the kettle\"", vec![5, 2]),
        ("kettle -boils -tea", vec![6, 5]),
        ("kettl", vec![6, 5, 2, 1]),
        ("\"kettl\"", vec![]),
        ("häuser", vec![3]),
        ("straße", vec![3]),
        ("e-mail", vec![3]),
        ("tea.example", vec![3]),
        ("ada", vec![3]),
        ("5e3x", vec![3]),
        ("tea", vec![3, 2]),
        ("don't", vec![2]),
        ("quoted", vec![4]),
        ("or", vec![4]),
        ("b bold", vec![4]),
        ("\"v2 0\"", vec![4]),
        ("nothing of it", vec![]),
    ] {
        assert_eq!(store.seqs_of(&owner, query).await, expected, "{query}");
    }
}

pub(super) async fn only_rooms_one_is_in_are_searched(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let private = store
        .make_room(&owner, "private", Visibility::Private)
        .await
        .room
        .id;
    store.post(room, message(&owner, "secret tea")).await;
    store.post(private, message(&owner, "secret kettle")).await;
    store.index().await;
    let all = store.search(owner.id, search("secret")).await.unwrap();
    assert_eq!(found(&all), [("private", 1), ("den", 1)]);
    assert_eq!(all.hits[0].room_name, "The private");
    let stranger = store.person("stranger").await;
    // Not even of a public room that anybody could join.
    assert_eq!(
        found(&store.search(stranger.id, search("secret")).await.unwrap()),
        []
    );
    let reader = store.member(private, &owner, "reader", Role::Reader).await;
    assert_eq!(
        found(&store.search(reader.id, search("secret")).await.unwrap()),
        [("private", 1)]
    );
    let removed = Change::RemoveMember {
        actor: owner.id,
        user: reader.id,
    };
    changed(store.change(private, removed).await);
    assert_eq!(
        found(&store.search(reader.id, search("secret")).await.unwrap()),
        []
    );
    changed(
        store
            .change(private, Change::DeleteRoom { actor: owner.id })
            .await,
    );
    assert_eq!(
        found(&store.search(owner.id, search("secret")).await.unwrap()),
        [("den", 1)]
    );
}

pub(super) async fn a_search_is_filtered(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let ada = store.member(room, &owner, "Ada", Role::Member).await;
    let other = store
        .create_room(new_room("other", Visibility::Public), owner.id)
        .await
        .unwrap();
    let first = store.post(room, message(&owner, "tea one")).await;
    let second = store.post(room, message(&ada, "tea two")).await;
    store
        .post(other.room.id, message(&owner, "tea three"))
        .await;
    store.index().await;
    let ask = async |change: &dyn Fn(&mut Search)| {
        let mut search = search("tea");
        change(&mut search);
        let page = store.search(owner.id, search).await.unwrap();
        found(&page)
            .into_iter()
            .map(|(room, seq)| format!("{room} {seq}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(ask(&|_| {}).await, ["other 1", "den 2", "den 1"]);
    assert_eq!(
        ask(&|search| search.room = Some("den".into())).await,
        ["den 2", "den 1"]
    );
    assert_eq!(
        ask(&|search| search.room = Some("none".into())).await,
        Vec::<String>::new()
    );
    assert_eq!(
        ask(&|search| search.author = Some("ADA".into())).await,
        ["den 2"]
    );
    assert_eq!(
        ask(&|search| search.author = Some("nobody".into())).await,
        Vec::<String>::new()
    );
    let at: DateTime<Utc> = second.created_at;
    assert_eq!(
        ask(&|search| search.after = Some(at)).await,
        ["other 1", "den 2"]
    );
    let before = ask(&|search| search.before = Some(at)).await;
    let expected: &[&str] = if first.created_at < at {
        &["den 1"]
    } else {
        &[]
    };
    assert_eq!(before, expected);
}

pub(super) async fn what_is_found_comes_in_pages(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let other = store
        .create_room(new_room("other", Visibility::Public), owner.id)
        .await
        .unwrap();
    let mut expected = Vec::new();
    for number in 1..=7 {
        store.post(room, message(&owner, "tea")).await;
        let posts = vec![
            Change::Post(message(&owner, "tea, again")),
            Change::Post(message(&owner, "kettle")),
        ];
        store.write(other.room.id, posts).await;
        expected.push(("den", number));
        expected.push(("other", 2 * number - 1));
    }
    expected.reverse();
    store.index().await;
    for limit in [1, 3, 14, 15] {
        let asked = Search {
            limit,
            ..search("tea")
        };
        let (read, _) = store.pages(owner.id, asked).await;
        let read: Vec<(&str, Seq)> = read
            .iter()
            .map(|(room, seq)| (room.as_str(), *seq))
            .collect();
        assert_eq!(read, expected, "in pages of {limit}");
    }
}

pub(super) async fn the_index_follows_what_is_written(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    store.post(room, message(&owner, "tea for two")).await;
    store.prompt(room, &owner).await;
    store.index().await;
    assert_eq!(
        store.seqs_of(&owner, "hello").await,
        [2],
        "the prompt, not its empty reply"
    );
    let runner = InstanceId::new();
    let claimed = store.claim_one(runner).await;
    assert_eq!(store.seqs_of(&owner, "answered").await, Vec::<Seq>::new());
    let last_word = settlement(runner, &claimed, MessageState::Stopped, "tea is answered");
    store.write(room, vec![last_word]).await;
    assert_eq!(store.seqs_of(&owner, "answered").await, [3]);
    assert_eq!(store.seqs_of(&owner, "tea").await, [3, 1]);
    // Written again, it is not found until it is settled.
    let retry = Change::RetryReply {
        actor: owner.id,
        seq: 3,
        caps: salon::spending::Caps::default(),
    };
    changed(store.change(room, retry).await);
    assert_eq!(store.seqs_of(&owner, "tea").await, [1]);
    let claimed = store.claim_one(runner).await;
    let last_word = settlement(runner, &claimed, MessageState::Complete, "another kettle");
    store.write(room, vec![last_word]).await;
    assert_eq!(store.seqs_of(&owner, "kettle").await, [3]);
    assert_eq!(store.seqs_of(&owner, "answered").await, Vec::<Seq>::new());
    // A tombstone is never found.
    store.back_end.bury(room, 1).await;
    assert_eq!(store.seqs_of(&owner, "tea").await, Vec::<Seq>::new());
    assert_eq!(store.seqs_of(&owner, "two").await, Vec::<Seq>::new());
    // What was edited before its turn came is indexed as it is then.
    store.post(room, message(&owner, "coffee")).await;
    let text = edit(&owner, 4, "cocoa", None);
    changed(store.change(room, text).await);
    store.index().await;
    assert_eq!(store.seqs_of(&owner, "coffee").await, Vec::<Seq>::new());
    assert_eq!(store.seqs_of(&owner, "cocoa").await, [4]);
    // A whole history is indexed already.
    assert!(!store.index_older(10).await.unwrap());
}
