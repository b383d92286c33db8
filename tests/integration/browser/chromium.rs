//! A `chromedriver` of a test's own and the Chromiums it starts, each with a profile of its own.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use tempfile::TempDir;
use thirtyfour::prelude::*;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::support::process::{OwnedProcess, START_WITHIN, free_port, owned_command};

/// Tests with a Chromium at once: each has half a dozen processes, and the machine may have two cores.
const AT_ONCE: u32 = 2;
static TURNS: Semaphore = Semaphore::const_new(AT_ONCE as usize);

const FLAGS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

/// A running `chromedriver`. Its Chromiums end with it.
pub(crate) struct Chromium {
    _process: OwnedProcess,
    folder: TempDir,
    port: u16,
    profiles: AtomicU32,
    _turn: SemaphorePermit<'static>,
}

impl Chromium {
    /// Waits for a turn and starts one on a free port.
    pub(crate) async fn start() -> Self {
        Self::start_in(TURNS.acquire().await.unwrap()).await
    }

    /// The same with no other beside it, for what is measured.
    pub(crate) async fn start_alone() -> Self {
        Self::start_in(TURNS.acquire_many(AT_ONCE).await.unwrap()).await
    }

    async fn start_in(turn: SemaphorePermit<'static>) -> Self {
        let folder = TempDir::new().unwrap();
        let port = free_port();
        let mut command = owned_command("chromedriver");
        command
            .arg(format!("--port={port}"))
            .env("TMPDIR", folder.path())
            .env("HOME", folder.path());
        let mut process = OwnedProcess::start("chromedriver", folder.path(), command);
        process.wait_for_port(port, START_WITHIN).await;
        Self {
            _process: process,
            folder,
            port,
            profiles: AtomicU32::new(0),
            _turn: turn,
        }
    }

    /// A new Chromium that nobody has used.
    pub(crate) async fn browser(&self) -> WebDriver {
        let number = self.profiles.fetch_add(1, Ordering::Relaxed);
        let profile = self.folder.path().join(format!("profile-{number}"));
        let mut wanted = DesiredCapabilities::chrome();
        wanted.set_binary(&self.binary()).unwrap();
        for flag in FLAGS {
            wanted.add_arg(flag).unwrap();
        }
        let profile = format!("--user-data-dir={}", profile.display());
        wanted.add_arg(&profile).unwrap();
        wanted.add_arg("--window-size=1280,800").unwrap();
        let everything = json!({ "browser": "ALL" });
        wanted.set("goog:loggingPrefs", everything).unwrap();
        let address = format!("http://127.0.0.1:{}", self.port);
        WebDriver::builder(address, wanted)
            .request_timeout(START_WITHIN)
            .connect()
            .await
            .unwrap()
    }

    /// A Chromium that is killed when its driver ends, which alone would leave it running.
    fn binary(&self) -> String {
        let path = self.folder.path().join("chromium");
        let script = "#!/bin/sh\nexec setpriv --pdeathsig KILL -- chromium \"$@\"\n";
        if !path.exists() {
            std::fs::write(&path, script).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        }
        path.display().to_string()
    }
}

/// `target/screenshots/<name>.png`
pub(crate) fn screenshot_path(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    let path = folder.join(format!("{name}.png"));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    path
}
