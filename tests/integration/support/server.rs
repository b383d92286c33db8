//! A whole [`Server`] inside the test's process, on a free port, over the embedded database in a folder of its own.

use std::time::Duration;

use salon::auth::{Auth, Standing};
use salon::db::sqlite::SqliteStore;
use salon::server::Server;
use salon::shutdown::Shutdown;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::app::config;
use super::communicator::SocketClient;

/// A server that serves until it is stopped.
pub(crate) struct TestServer {
    pub(crate) port: u16,
    pub(crate) shutdown: Shutdown,
    running: tokio::task::JoinHandle<()>,
    folder: tempfile::TempDir,
}

impl TestServer {
    /// Starts one with these flags.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), flags).await
    }

    async fn start_in(folder: tempfile::TempDir, flags: &[&str]) -> Self {
        let data = folder.path().join("data");
        let mut all = vec!["--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
        all.extend(flags);
        let server = Server::bind(config(&all)).await.unwrap();
        let (port, shutdown) = (server.address().port(), Shutdown::new());
        Self {
            port,
            running: tokio::spawn(server.run(shutdown.clone())),
            shutdown,
            folder,
        }
    }

    /// The same with an administrator of the server, `Root`, and a token of its session.
    pub(crate) async fn start_with_admin(flags: &[&str]) -> (Self, String) {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        // As the operator makes it, before the server has the database.
        let store = SqliteStore::open(&data).await.unwrap();
        let auth = Auth::new(store.clone());
        let made = auth.create_user("Root", "correct horse", Standing::Admin);
        let token = made.await.unwrap().token.reveal().to_owned();
        drop(auth);
        store.close().await;
        (Self::start_in(folder, flags).await, token)
    }

    /// One request; the status and the body as JSON, null where it is none.
    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> (u16, Value) {
        let authorization = token.map_or(String::new(), |token| {
            format!("Authorization: Bearer {token}\r\n")
        });
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{authorization}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.port,
            body.len()
        );
        let exchange = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
            stream.write_all(request.as_bytes()).await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            let status = answer.split_whitespace().nth(1)?.parse().ok()?;
            let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            Some((status, serde_json::from_str(body).unwrap_or(Value::Null)))
        };
        let answer = tokio::time::timeout(Duration::from_secs(10), exchange).await;
        answer
            .expect("no answer in time")
            .unwrap_or((0, Value::Null))
    }

    /// A guest's token.
    pub(crate) async fn guest(&self, name: &str) -> String {
        let (status, body) = self
            .request("POST", "/api/guests", None, &json!({"name": name}))
            .await;
        assert_eq!(status, 201, "{body}");
        body["token"].as_str().unwrap().to_owned()
    }

    /// A socket with that token, welcomed.
    pub(crate) async fn connect(&self, token: &str) -> SocketClient {
        let mut socket = SocketClient::connect(self.port, token).await;
        assert_eq!(socket.receive_json_from().await["type"], "welcome");
        socket
    }

    /// Waits until it has stopped by itself.
    pub(crate) async fn stopped(self, within: Duration) {
        self.stopped_with_data(within).await;
    }

    /// The same; its folder, in which `data` is.
    pub(crate) async fn stopped_with_data(self, within: Duration) -> tempfile::TempDir {
        tokio::time::timeout(within, self.running)
            .await
            .expect("it did not stop in time")
            .unwrap();
        self.folder
    }
}
