//! A real third-party server that speaks both wire formats: LiteLLM's proxy in a process of a test's own, which answers by itself
//! (`tests/litellm/config.yaml`). Its packages come by `tests/support/litellm-install`; where they cannot be had there is none, and
//! why is printed.

use std::process::Command;

use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::process::{OwnedProcess, START_WITHIN, free_port, owned_command};
use super::salon::http_status;

/// What it lets in.
pub(crate) const KEY: &str = "sk-of-a-test";

/// A running proxy.
pub(crate) struct LiteLlm {
    process: OwnedProcess,
    port: u16,
    _folder: TempDir,
}

impl LiteLlm {
    /// Starts one; none where it cannot be installed.
    pub(crate) async fn start() -> Option<Self> {
        let program = program().await?;
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let config = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/litellm/config.yaml");
        let mut command = owned_command(program);
        command
            .args(["--config", config, "--host", "127.0.0.1", "--port"])
            .arg(port.to_string())
            .args(["--telemetry", "False"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder.path())
            // It asks no other server for anything.
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
            .env("LITELLM_MASTER_KEY", KEY)
            .env("SALON_TEST_PROXY", format!("http://127.0.0.1:{port}/v1"))
            .current_dir(folder.path());
        let mut process = OwnedProcess::start("litellm", folder.path(), command);
        let ready = async || http_status(port, "/health/liveliness").await == Some(200);
        process
            .wait_until("litellm is ready", START_WITHIN * 3, ready)
            .await;
        Some(Self {
            process,
            port,
            _folder: folder,
        })
    }

    /// For `ANTHROPIC_BASE_URL`.
    pub(crate) fn anthropic_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// For `OPENAI_BASE_URL`.
    pub(crate) fn openai_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// How often it was asked at this path.
    pub(crate) fn asked(&self, path: &str) -> usize {
        let line = format!("\"POST {path} HTTP/1.1\"");
        self.process.log_text().matches(&line).count()
    }
}

async fn program() -> Option<String> {
    static PROGRAM: OnceCell<Option<String>> = OnceCell::const_new();
    let install = || {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/litellm-install");
        let output = Command::new(script).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(3) {
            eprintln!("skipped, there is no LiteLLM here: {}", said.trim());
            return None;
        }
        assert!(output.status.success(), "{said}");
        Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    let installed = PROGRAM.get_or_init(|| async {
        let installed = tokio::task::spawn_blocking(install);
        installed.await.unwrap()
    });
    installed.await.clone()
}
