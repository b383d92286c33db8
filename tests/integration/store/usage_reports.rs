//! What attempts used, read in pages and summed up.

use chrono::{DateTime, TimeDelta, Utc};
use salon::db::rows::{UserRow, Visibility};
use salon::db::usage::{NewAttempt, SumBy, SumsWanted};
use salon::error::ErrorCode;
use salon::limits;
use salon::permissions::Role;
use salon::spending::{Caps, Counted};

use super::fixtures::{TestStore, new_room, refused};
use super::usage::{attempt, end};

pub(super) async fn sums(
    store: &TestStore,
    by: SumBy,
    after: Option<String>,
) -> (Vec<(String, String, i64, i64)>, Counted) {
    let wanted = SumsWanted {
        by,
        from: "2026-01-01T00:00:00Z".parse().unwrap(),
        to: Utc::now() + TimeDelta::days(1),
        after,
        limit: 2,
    };
    let found = store.usage_sums(wanted).await.unwrap();
    let rows = found.sums.into_iter();
    let rows = rows.map(|sum| {
        assert_eq!(sum.input_tokens, 40 * sum.attempts);
        assert_eq!(
            (sum.output_tokens, sum.cached_tokens),
            (10 * sum.attempts, 7 * sum.attempts)
        );
        assert_eq!(sum.estimated, 0);
        (sum.key, sum.name, sum.attempts, sum.cost_micros)
    });
    (rows.collect(), found.counted)
}

pub(super) async fn usage_is_read_in_pages_by_those_who_may_and_summed_up(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    let keeper = store.member(room, &owner, "keeper", Role::Moderator).await;
    let member = store.member(room, &owner, "=member", Role::Member).await;
    let assistant = store.assistant().await.unwrap();
    let direct = new_room("ours", Visibility::Direct);
    let direct = store
        .direct_room(member.id, assistant.id, direct)
        .await
        .unwrap();
    let days: [DateTime<Utc>; 3] = [
        "2026-03-01T23:59:59.5Z".parse().unwrap(),
        "2026-03-02T00:00:00Z".parse().unwrap(),
        "2026-03-31T00:00:00Z".parse().unwrap(),
    ];
    for (place, day) in days.into_iter().enumerate() {
        for (asker, room) in [(&owner, room), (&member, room), (&member, direct.room.id)] {
            let new = NewAttempt {
                asked_at: Some(day),
                ..attempt(
                    store,
                    room,
                    asker,
                    (2 * place as i64 + 2, i32::from(asker == &member) + 1),
                )
                .await
            };
            store
                .begin_attempt(new.clone(), Caps::default())
                .await
                .unwrap();
            store.end_attempt(end(&new, 100)).await.unwrap();
        }
    }
    pages_are_for_those_who_may(store, (&owner, &keeper, &member)).await;

    let (by_day, _) = sums(store, SumBy::Day, None).await;
    let day = |name: &str| (name.to_owned(), name.to_owned(), 3, 300);
    assert_eq!(by_day, [day("2026-03-01"), day("2026-03-02")]);
    let (next, _) = sums(store, SumBy::Day, Some("2026-03-02".into())).await;
    assert_eq!(next, [day("2026-03-31")]);
    let (mut by_user, _) = sums(store, SumBy::User, None).await;
    by_user.sort_by_key(|row| row.2);
    let of = |id: String, name: &str, count| (id, name.to_owned(), count, count * 100);
    let mine = of(owner.id.to_string(), "owner", 3);
    assert_eq!(by_user, [mine, of(member.id.to_string(), "=member", 6)]);
    let (by_room, _) = sums(store, SumBy::Room, None).await;
    let den = of(room.to_string(), "den", 6);
    assert!(
        by_room.contains(&den) && by_room.contains(&of(direct.room.id.to_string(), "direct", 3))
    );
    let (behind, _) = sums(store, SumBy::Room, Some(by_room[0].0.clone())).await;
    assert_eq!(behind, by_room[1..]);
    let (by_model, _) = sums(store, SumBy::Model, None).await;
    assert_eq!(
        by_model,
        [of("default/scripted-2".into(), "default/scripted-2", 9)]
    );

    // All but the last of each were asked too long ago.
    let age = (Utc::now() - days[2]).num_days() as u32 + 1;
    assert_eq!(store.sweep_usage(age).await.unwrap(), 6);
    assert_eq!(store.sweep_usage(age).await.unwrap(), 0);
    assert_eq!(
        store
            .own_usage(member.id, None, 99)
            .await
            .unwrap()
            .rows
            .len(),
        2
    );
    assert!(limits::USAGE_SWEEP_ROWS > 6);
}

async fn pages_are_for_those_who_may(
    store: &TestStore,
    (owner, keeper, member): (&UserRow, &UserRow, &UserRow),
) {
    let stranger = store.person("stranger").await;
    let first = store
        .room_usage(keeper.id, "den", None, 4)
        .await
        .unwrap()
        .rows;
    assert_eq!(first.len(), 4);
    assert!(first.is_sorted_by(|one, other| one.id > other.id));
    let before = Some(first[3].id);
    let rest = store
        .room_usage(owner.id, "den", before, 4)
        .await
        .unwrap()
        .rows;
    assert_eq!(rest.len(), 2);
    let own = store.own_usage(member.id, None, 99).await.unwrap().rows;
    assert_eq!(own.len(), 6);
    assert_eq!(own.iter().filter(|row| row.room == "ours").count(), 3);
    for (reader, code) in [
        (member, ErrorCode::Forbidden),
        (&stranger, ErrorCode::NotAMember),
    ] {
        let asked = store.room_usage(reader.id, "den", None, 9).await;
        assert_eq!(refused(asked), code);
    }
    for slug in ["nowhere", "ours"] {
        let asked = store.room_usage(owner.id, slug, None, 9).await;
        assert_eq!(refused(asked), ErrorCode::RoomNotFound);
    }
}
