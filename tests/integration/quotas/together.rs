//! Instances whose reporters tell each other what was taken and what is open, by a clock that tests pause; and an instance that
//! nobody hears.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use salon::channel_layer::counters::in_memory::InMemoryCounters;
use salon::channel_layer::counters::{Budget, Counters, Holding, Unanswered};
use salon::error::ErrorCode;
use salon::ids::UserId;
use salon::limits;
use salon::quotas::{Operation, Quotas};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::support::app::config;

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));

/// One instance, telling until its token is dropped or cancelled.
fn instance(flags: &[&str], counters: Arc<dyn Counters>) -> (Arc<Quotas>, CancellationToken) {
    let quotas = Quotas::new(&config(flags), counters);
    let stop = CancellationToken::new();
    tokio::spawn(Arc::clone(&quotas).run(stop.clone()));
    (quotas, stop)
}

#[tokio::test(start_paused = true)]
async fn what_one_instance_let_through_is_missing_on_the_other_soon() {
    let flags = [
        "--rate-sends",
        "1",
        "--rate-sends-burst",
        "10",
        "--rate-share-user",
        "1",
    ];
    let counters = InMemoryCounters::new();
    let (one, _) = instance(&flags, counters.clone());
    let (two, _) = instance(&flags, counters.another_instance());
    let user = UserId::new();
    let (here, there) = (one.client(user, ADDRESS), two.client(user, ADDRESS));
    for _ in 0..10 {
        assert!(here.take_now(Operation::Send).is_ok());
    }
    let refused = here.take_now(Operation::Send).unwrap_err();
    assert_eq!(refused.code, ErrorCode::RateLimited);
    assert!(refused.retry_after_ms.is_some());
    // For a moment the other has a burst of its own.
    for _ in 0..5 {
        assert!(there.take_now(Operation::Send).is_ok());
    }
    sleep(limits::QUOTA_REPORT_INTERVAL * 3).await;
    assert!(there.take_now(Operation::Send).is_err());
    // What was too much is waited for: five and the token itself.
    sleep(Duration::from_secs(4)).await;
    assert!(there.take_now(Operation::Send).is_err());
    sleep(Duration::from_secs(3)).await;
    assert!(there.take_now(Operation::Send).is_ok());
    // Others are as before.
    assert!(
        two.client(UserId::new(), ADDRESS)
            .take_now(Operation::Send)
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_open_is_told_again_when_it_was_forgotten() {
    let flags = ["--sockets-per-user", "2"];
    let counters = InMemoryCounters::new();
    let (one, stop) = instance(&flags, counters.clone());
    let (two, _) = instance(&flags, counters.another_instance());
    let user = UserId::new();
    let (here, there) = (one.client(user, ADDRESS), two.client(user, ADDRESS));
    sleep(limits::COUNTERS_BEAT).await;
    let places = (here.open().await.unwrap(), here.open().await.unwrap());
    let refused = there.open().await.err().unwrap();
    assert_eq!(refused.code, ErrorCode::TooMany);
    assert_eq!(refused.retry_after_ms, Some(limits::SOCKET_RETRY_MS));
    // As when Redis lost everything.
    counters.close().await;
    drop(there.open().await.unwrap());
    sleep(limits::COUNTERS_BEAT * 2).await;
    assert!(there.open().await.is_err());
    drop(places.0);
    sleep(limits::QUOTA_REPORT_INTERVAL * 2).await;
    let taken = there.open().await.unwrap();
    assert!(here.open().await.is_err());
    drop(taken);
    // It says goodbye as it stops.
    stop.cancel();
    sleep(limits::QUOTA_REPORT_INTERVAL * 2).await;
    assert!(there.open().await.is_ok());
    drop(places.1);
}

/// Counters that never answer.
struct Deaf;

#[async_trait]
impl Counters for Deaf {
    async fn take(&self, _: &[Budget]) -> Result<Result<(), Duration>, Unanswered> {
        Err(Unanswered)
    }

    async fn note(&self, _: &[(Budget, i64)]) -> Result<Vec<Duration>, Unanswered> {
        Err(Unanswered)
    }

    async fn open(&self, _: &[(Holding, u64)]) -> Result<Result<(), usize>, Unanswered> {
        Err(Unanswered)
    }

    async fn hold(&self, _: &[Holding]) -> Result<(), Unanswered> {
        Err(Unanswered)
    }

    async fn beat(&self) -> Result<bool, Unanswered> {
        Err(Unanswered)
    }

    async fn close(&self) {}
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_nobody_hears_counts_for_itself() {
    let flags = [
        "--rate-searches",
        "3",
        "--sockets-per-user",
        "2",
        "--sockets-per-address",
        "3",
        "--rate-prompts",
        "2",
    ];
    let (quotas, _) = instance(&flags, Arc::new(Deaf));
    let (ada, bo) = (
        quotas.client(UserId::new(), ADDRESS),
        quotas.client(UserId::new(), ADDRESS),
    );
    for _ in 0..3 {
        assert!(ada.take(Operation::Search).await.is_ok());
    }
    assert!(ada.take(Operation::Search).await.is_err());
    assert!(bo.take(Operation::Search).await.is_ok());
    // A prompt that is charged afterwards is owed.
    ada.charge(Operation::Prompt);
    assert!(ada.peek(Operation::Prompt).is_ok());
    for _ in 0..2 {
        ada.charge(Operation::Prompt);
    }
    sleep(Duration::from_secs(31)).await;
    assert!(ada.peek(Operation::Prompt).is_err(), "one was owed");
    sleep(Duration::from_secs(30)).await;
    assert!(ada.take_now(Operation::Prompt).is_ok());
    let places = [ada.open().await.unwrap(), ada.open().await.unwrap()];
    assert!(ada.open().await.is_err());
    let of_bo = bo.open().await.unwrap();
    let refused = bo.open().await.err().unwrap();
    assert!(refused.message.contains("your address"), "{refused}");
    drop((places, of_bo));
    assert!(bo.open().await.is_ok());
}
