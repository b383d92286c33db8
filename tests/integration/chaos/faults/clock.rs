//! What is done to one instance's clock. Orders and leases are the database's, waits are monotonic: nothing may change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rand::Rng;

use super::{DATABASE, Fault, INSTANCES, Kind};
use crate::deployment::INSTANCES as COUNT;
use crate::world::World;

/// How long it works with the clock set back, at the end.
const SET_BACK: Duration = Duration::from_millis(1_500);

/// The kinds of this file.
pub(super) const KINDS: &[Kind] = &[Kind {
    row: "F43",
    parts: DATABASE | INSTANCES,
    lasts_ms: (1_500, 4_000),
    heals_ms: 4_000,
    make: |draws| {
        Box::new(WrongClock {
            instance: draws.random_range(0..COUNT),
            folder: None,
        })
    },
}];

/// F43: an instance's clock goes an hour before, then jumps back by two.
struct WrongClock {
    instance: usize,
    /// Holds the file that says what time it is.
    folder: Option<tempfile::TempDir>,
}

/// The library that tells a process another time.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten();
    let found = folders
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists());
    found.expect("package faketime is not installed")
}

fn set(folder: &Path, offset: &str) {
    // In one step: a half-written time is none.
    let new = folder.join("new");
    std::fs::write(&new, format!("{offset}\n")).unwrap();
    std::fs::rename(new, folder.join("time")).unwrap();
}

#[async_trait(?Send)]
impl Fault for WrongClock {
    fn what(&self) -> String {
        format!(
            "the clock of instance {} is an hour fast, then jumps two hours back",
            self.instance
        )
    }

    async fn begin(&mut self, world: &Arc<World>) {
        let folder = tempfile::tempdir().unwrap();
        set(folder.path(), "+3600s");
        let (library, file) = (library(), folder.path().join("time"));
        let settings = [
            ("LD_PRELOAD", library.to_str().unwrap()),
            ("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap()),
            ("FAKETIME_CACHE_DURATION", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ];
        let mut instance = world.deployment.instances[self.instance].lock().await;
        instance.restart_with(&settings).await;
        self.folder = Some(folder);
    }

    async fn heal(&mut self, world: &Arc<World>) {
        if let Some(folder) = &self.folder {
            set(folder.path(), "-3600s");
        }
        tokio::time::sleep(SET_BACK).await;
        let mut instance = world.deployment.instances[self.instance].lock().await;
        instance.restart().await;
    }
}
