//! What the balancer does to sockets: it cuts those that are idle, and its old process goes in time after a reload. That it
//! dies is in [`super::storm`].

use std::time::{Duration, Instant};

use super::asking::{Asker, guest};
use crate::support::cluster::{Cluster, GENEROUS, ROOM};
use crate::support::communicator::SocketClient;
use crate::support::haproxy::HaproxyServer;
use crate::support::member::Member;
use crate::support::salon::SalonProcess;

#[tokio::test(flavor = "multi_thread")]
async fn f33_a_reloaded_balancer_lets_go_of_its_old_process_and_clients_come_back() {
    /// In place of the 30 s of deployments.
    const HARD_STOP: Duration = Duration::from_secs(3);
    let mut cluster = Cluster::start(2).await;
    let ports: Vec<u16> = cluster.instances.iter().map(SalonProcess::port).collect();
    cluster.balancer =
        HaproxyServer::start_with(&ports, &[("hard-stop-after 30s", "hard-stop-after 3s")]).await;
    let members = Member::join_many(cluster.port(), 6, ROOM).await;
    cluster.balancer.reload().await;
    let reloaded = Instant::now();
    // Sockets of before live on in the old process, and whoever comes is served.
    let late = Member::join(cluster.port(), "late", ROOM).await;
    for member in members.iter().chain([&late]) {
        member.send("during the reload");
        member.wait_for_acks(Duration::from_secs(10)).await;
    }
    assert_eq!(
        members[0].book().sockets,
        1,
        "a reload alone costs no socket"
    );
    cluster
        .balancer
        .wait_for_replaced(HARD_STOP + Duration::from_secs(2))
        .await;
    let gone = reloaded.elapsed();
    for member in &members {
        member
            .wait("it is back", Duration::from_secs(15), |book| {
                book.sockets == 2 && book.is_joined()
            })
            .await;
        member.send("after the reload");
        member.wait_for_acks(Duration::from_secs(10)).await;
    }
    eprintln!(
        "F33: the old process went {gone:?} after the reload (hard stop {HARD_STOP:?}); its sockets were back after {:?}",
        reloaded.elapsed()
    );
    let mut all = members;
    all.push(late);
    all.push(Member::join(cluster.port(), "later", ROOM).await);
    crate::cluster::settled_truth(&cluster, &all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f34_idle_sockets_outlive_a_balancers_idle_timeout_of_20_s() {
    const IDLE: Duration = Duration::from_secs(44);
    let salon = SalonProcess::start(&GENEROUS).await;
    let short = [
        ("timeout tunnel 60s", "timeout tunnel 20s"),
        ("timeout client 60s", "timeout client 20s"),
        ("timeout server 60s", "timeout server 20s"),
    ];
    let balancer = HaproxyServer::start_with(&[salon.port()], &short).await;
    let token = guest(salon.port(), "idle").await;
    let mut sockets = Vec::new();
    for _ in 0..5 {
        let mut socket = SocketClient::connect(balancer.port(), &token).await;
        socket.expect("welcome").await;
        socket.join(ROOM).await;
        sockets.push(socket);
    }
    let began = Instant::now();
    // They only answer pings, which reading does.
    let idle = sockets.iter_mut().map(|socket| async {
        let end = async { while socket.next_message().await.is_some() {} };
        let ended = tokio::time::timeout(IDLE, end).await.is_ok();
        assert!(
            !ended,
            "an idle socket was closed after {:?}",
            began.elapsed()
        );
    });
    futures_util::future::join_all(idle).await;
    let mut other = Asker::enter(salon.port(), "other", ROOM).await;
    assert!(other.ask_again("awake?").await.is_ack());
    for socket in &mut sockets {
        assert_eq!(socket.expect("message").await["message"]["body"], "awake?");
        socket.send(ROOM, "awake").await;
    }
    eprintln!(
        "F34: 5 sockets idle for {:?} behind an idle timeout of 20 s are all there",
        began.elapsed()
    );
}
