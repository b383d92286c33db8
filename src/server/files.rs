//! The files this process may open, which every connection is one of. When clients hold all of them, nothing else works
//! any more: no database, no provider, no `/metrics`. So a part is kept, and accepting pauses before it is touched: those
//! who are connected stay, those who come wait in the kernel's queue, and a balancer sees an instance that does not
//! answer its probe. Used by the accept loop only.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::consumer::connections::Connections;
use crate::limits;

/// How often it is looked whether somebody has left.
const LOOK: Duration = Duration::from_millis(100);
/// How often the log hears that the files are short.
const TELL: Duration = Duration::from_secs(10);

/// What clients may hold.
pub(super) struct Files {
    /// The sockets, which the accept loop no longer counts; none for a listener that is always served.
    sockets: Option<Arc<Connections>>,
    clients: usize,
    told: Option<Instant>,
}

impl Files {
    /// Those of clients: all but what is kept.
    pub(super) fn of_clients(sockets: &Arc<Connections>) -> Self {
        metrics::gauge!("salon_accepting").set(1.0);
        let all = std::fs::read_to_string("/proc/self/limits")
            .ok()
            .and_then(|limits| open_files(&limits));
        Self {
            sockets: Some(Arc::clone(sockets)),
            clients: all.map_or(usize::MAX, for_clients),
            told: None,
        }
    }

    /// Those that are kept.
    pub(super) fn kept() -> Self {
        Self {
            sockets: None,
            clients: usize::MAX,
            told: None,
        }
    }

    /// Returns when a client more may come. `requests` counts those that are no sockets.
    pub(super) async fn left(&mut self, requests: impl Fn() -> usize) {
        let Some(sockets) = &self.sockets else {
            return;
        };
        if requests() + sockets.count() < self.clients {
            return;
        }
        // One leaves, one comes, and so on: the log need not hear of each.
        if self.told.is_none_or(|told| told.elapsed() > TELL) {
            self.told = Some(Instant::now());
            tracing::warn!(
                clients = self.clients,
                "too few files may be opened (`ulimit -n`): connections wait until others end"
            );
        }
        metrics::gauge!("salon_accepting").set(0.0);
        while requests() + sockets.count() >= self.clients {
            tokio::time::sleep(LOOK).await;
        }
        metrics::gauge!("salon_accepting").set(1.0);
    }
}

/// What is left for clients of so many files.
fn for_clients(all: usize) -> usize {
    let kept = (all / limits::DESCRIPTORS_KEPT)
        .clamp(limits::DESCRIPTORS_KEPT_MIN, limits::DESCRIPTORS_KEPT_MAX);
    // However few there are, somebody must be able to come.
    all.saturating_sub(kept).max(all / 4)
}

/// The soft limit in the text of `/proc/self/limits`; none when there is no limit.
fn open_files(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_files_is_kept_from_clients() {
        let text = "Max processes  1 1 processes\nMax open files            1024                 524288               files\n";
        assert_eq!(open_files(text), Some(1_024));
        assert_eq!(open_files("Max open files unlimited unlimited files"), None);
        assert_eq!(for_clients(1_024), 896);
        assert_eq!(for_clients(256), 192);
        assert_eq!(for_clients(32), 8);
        assert_eq!(for_clients(1_000_000), 995_904);
    }
}
