//! A real OpenID provider of a test's own: the npm package `oidc-provider` in a process (`tests/openid/provider.mjs`), and a person
//! who goes through its pages. Its packages come by `tests/support/openid-install`; without them the test fails.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode, Url};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::process::{OwnedProcess, START_WITHIN, free_port, owned_command};

/// What the provider knows Salon as.
pub(crate) const CLIENT_ID: &str = "salon";
/// And by what.
pub(crate) const CLIENT_SECRET: &str = "a secret: with % and + in it";

/// A running provider.
pub(crate) struct OpenIdProvider {
    process: OwnedProcess,
    folder: TempDir,
    port: u16,
    callback: String,
}

impl OpenIdProvider {
    /// Starts one that sends people back to `origin`.
    pub(crate) async fn start(origin: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let port = free_port();
        let callback = format!("{origin}/api/oidc/callback");
        let process = launch(&folder, port, &callback, "first").await;
        Self {
            process,
            folder,
            port,
            callback,
        }
    }

    /// Its issuer.
    pub(crate) fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The settings of a Salon whose people sign in here, as flags.
    pub(crate) fn flags(&self, origin: &str) -> Vec<String> {
        let issuer = self.issuer();
        [
            ["--public-origin", origin],
            ["--oidc-issuer", &issuer],
            ["--oidc-client-id", CLIENT_ID],
            ["--oidc-client-secret", CLIENT_SECRET],
            ["--oidc-name", "Corp"],
            ["--rate-sign-ins", "100000"],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect()
    }

    /// Starts it again on the same port, with another key of another name, and without any memory.
    pub(crate) async fn restart_with_another_key(&mut self) {
        self.process.kill();
        self.process = launch(&self.folder, self.port, &self.callback, "second").await;
    }

    /// Ends it.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }
}

async fn launch(folder: &TempDir, port: u16, callback: &str, key_id: &str) -> OwnedProcess {
    let modules = modules().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openid/provider.mjs");
    let mut command = owned_command("node");
    command
        .arg(script)
        .env("OPENID_MODULES", modules)
        .env("OPENID_PORT", port.to_string())
        .env("OPENID_CLIENT", CLIENT_ID)
        .env("OPENID_SECRET", CLIENT_SECRET)
        .env("OPENID_CALLBACK", callback)
        .env("OPENID_KEY_ID", key_id);
    let mut process = OwnedProcess::start("openid", folder.path(), command);
    process.wait_for_port(port, START_WITHIN).await;
    process
}

async fn modules() -> PathBuf {
    static MODULES: OnceCell<PathBuf> = OnceCell::const_new();
    let install = || {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/openid-install");
        let output = Command::new(script).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    };
    let installed = MODULES.get_or_init(|| async {
        let installed = tokio::task::spawn_blocking(install);
        installed.await.unwrap()
    });
    installed.await.clone()
}

/// Goes from the provider's page as a browser does, as somebody of this name, or as one who says no; where it is sent back to.
pub(crate) async fn go_through(url: &str, name: Option<&str>) -> Url {
    let client = Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap();
    let origin = Url::parse(url).unwrap().origin();
    let mut cookies = Vec::<(String, String)>::new();
    let mut at = Url::parse(url).unwrap();
    let mut form = None;
    for _ in 0..10 {
        if at.origin() != origin {
            return at;
        }
        let jar: Vec<_> = cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let request = match form.take() {
            None => client.get(at.clone()),
            Some(form) => client
                .post(at.clone())
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form),
        };
        let response = request
            .header("cookie", jar.join("; "))
            .send()
            .await
            .unwrap();
        keep(&mut cookies, &response);
        match response.headers().get("location") {
            Some(place) => at = at.join(place.to_str().unwrap()).unwrap(),
            None => {
                assert_eq!(response.status(), StatusCode::OK, "{at}");
                form = Some(match name {
                    Some(name) => format!("login={name}&answer=yes"),
                    None => "login=&answer=no".to_owned(),
                });
            }
        }
    }
    panic!("it does not end: {at}");
}

fn keep(cookies: &mut Vec<(String, String)>, response: &Response) {
    for set in response.headers().get_all("set-cookie") {
        let pair = set.to_str().unwrap().split(';').next().unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        cookies.retain(|(kept, _)| kept != name);
        if !value.is_empty() {
            cookies.push((name.to_owned(), value.to_owned()));
        }
    }
}
