//! The ledger of refusals at its bounds: many of one kind are one row, and what finds no place is counted.

use std::sync::Arc;

use chrono::Utc;
use salon::chat::ledger::Ledger;
use salon::db::Store;
use salon::db::audit::{Act, AuditFilter, AuditRow, NewAudit};
use salon::error::ErrorCode;
use salon::ids::UserId;
use salon::limits::LEDGER_KINDS;
use salon::origin::Parties;

use crate::support::model_store::ModelStore;

async fn rows(store: &Arc<dyn Store>, act: Act) -> Vec<AuditRow> {
    let filter = AuditFilter {
        act: Some(act),
        limit: 10_000,
        ..AuditFilter::default()
    };
    store.audit(filter).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn many_refusals_of_one_kind_are_one_row_and_what_is_too_much_is_counted() {
    let store: Arc<dyn Store> = ModelStore::new(Arc::new(Utc::now));
    let ledger = Ledger::start(Arc::clone(&store));
    let who = |user: UserId| Parties {
        who: Some(user),
        whom: None,
    };
    let ada = UserId::new();
    for _ in 0..50 {
        ledger.refused(ErrorCode::Forbidden, who(ada), Some("lobby"), "frame");
    }
    ledger.refused(ErrorCode::Busy, who(ada), Some("lobby"), "frame");
    ledger.refused(
        ErrorCode::Forbidden,
        who(ada),
        Some("No such slug!"),
        "frame",
    );
    for _ in 0..LEDGER_KINDS + 5 {
        ledger.refused(ErrorCode::NotAMember, who(UserId::new()), None, "frame");
    }
    ledger.note(NewAudit::of(Act::RoomExported));
    ledger.flush().await;
    let refused = rows(&store, Act::Refused).await;
    assert_eq!(refused.len(), LEDGER_KINDS);
    let many: Vec<&AuditRow> = refused.iter().filter(|row| row.times > 1).collect();
    let [many] = many.as_slice() else {
        panic!("{many:?}");
    };
    assert_eq!((many.times, many.room.as_deref()), (50, Some("lobby")));
    let dropped = rows(&store, Act::Dropped).await;
    assert_eq!(dropped.iter().map(|row| row.times).sum::<i32>(), 2 + 5 + 1);
    ledger.flush().await;
    assert_eq!(rows(&store, Act::Dropped).await.len(), 1, "it is empty now");

    ledger.refused(ErrorCode::RateLimited, who(ada), None, "frame");
    tokio::time::sleep(salon::limits::LEDGER_INTERVAL * 3).await;
    assert_eq!(
        rows(&store, Act::Refused).await.len(),
        LEDGER_KINDS + 1,
        "it writes by itself"
    );
}
