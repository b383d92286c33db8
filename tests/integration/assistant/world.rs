//! A deployment whose assistant is a provider of the test's own: [`World`], and the people in it. Every test of this crate
//! builds one; only one is up at a time.

use std::time::Duration;

use salon::db::postgres::migrate;
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use super::size;
use super::support::cluster::{Cluster, Postgres, empty_database};
use super::support::communicator::SocketClient;
use super::support::fake_provider::{FAKE_MODEL, FakeProvider};
use super::support::postgres::{PostgresServer, TestDatabase, connect};

/// What a test waits for at most before it gives up; bounds are tested apart.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The provider of the file: as the default one, but for more answers at once than that writes.
const WIDE: &str = "wide";

/// A deployment and its provider.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) provider: FakeProvider,
    _file: tempfile::NamedTempFile,
    _alone: MutexGuard<'static, ()>,
}

/// Somebody with a token.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) token: String,
}

impl World {
    /// So many instances with these settings besides the usual ones. At full size over a Postgres that syncs.
    pub(crate) async fn start(instances: usize, settings: &[(&str, &str)]) -> Self {
        static ALONE: Mutex<()> = Mutex::const_new(());
        let alone = ALONE.lock().await;
        let provider = FakeProvider::start([]);
        let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
        let wide = json!({"provider": [{
            "name": WIDE, "kind": "openai", "base_url": provider.openai_url(), "calls": 1_000,
            "model": [{"name": FAKE_MODEL, "context_tokens": 100_000, "output_tokens": 8_192}],
        }]});
        std::fs::write(file.path(), wide.to_string()).unwrap();
        let (base, reach) = (
            provider.openai_url(),
            format!("127.0.0.1:{}", provider.port()),
        );
        let mut all = vec![
            ("SALON_LLM", "openai"),
            ("OPENAI_API_KEY", "sk-of-a-test"),
            ("OPENAI_BASE_URL", &base),
            ("SALON_LLM_ALLOW", &reach),
            ("SALON_MODEL", FAKE_MODEL),
            ("SALON_PROVIDERS", file.path().to_str().unwrap()),
        ];
        all.extend(settings);
        let postgres = if size::is_full() {
            let server = PostgresServer::start(&[]).await;
            let database = empty_database(&server).await;
            // Also for instances that do not migrate themselves.
            migrate(&server.url(&database)).await.unwrap();
            Postgres::Own(server, database)
        } else {
            Postgres::Shared(TestDatabase::shared().await)
        };
        Self {
            cluster: Cluster::over(postgres, instances, &all).await,
            provider,
            _file: file,
            _alone: alone,
        }
    }

    /// Where an instance listens.
    pub(crate) fn port(&self, instance: usize) -> u16 {
        self.cluster.instances[instance].port()
    }

    /// A client of the database, past everything.
    pub(crate) async fn database(&self) -> tokio_postgres::Client {
        connect(&self.cluster.database_url()).await.unwrap()
    }

    /// A new guest.
    pub(crate) async fn person(&self, name: &str) -> Person {
        person(self.port(0), name).await
    }

    /// A new public room, its owner inside.
    pub(crate) async fn room(&self, owner: &Person, slug: &str) {
        owner.make_room(self.port(0), slug).await;
    }

    /// The same with an assistant at a provider that writes a thousand answers at once.
    pub(crate) async fn wide_room(&self, owner: &Person, slug: &str) {
        self.room(owner, slug).await;
        let url = format!(
            "http://127.0.0.1:{}/api/rooms/{slug}/assistants",
            self.port(0)
        );
        let http = reqwest::Client::new();
        let listed: Value = json_of(http.get(&url).bearer_auth(&owner.token)).await;
        let assistant = listed["assistants"][0]["id"].as_str().unwrap();
        let edit = json!({ "provider": WIDE, "history_tokens": 1_000 });
        let edited = http.patch(format!("{url}/{assistant}")).json(&edit);
        json_of(edited.bearer_auth(&owner.token)).await;
    }

    /// The first number of the first row.
    pub(crate) async fn number(&self, question: &str) -> i64 {
        let database = self.database().await;
        database.query_one(question, &[]).await.unwrap().get(0)
    }
}

impl Person {
    async fn make_room(&self, port: u16, slug: &str) {
        let room = json!({ "slug": slug, "name": slug, "visibility": "public" });
        let url = format!("http://127.0.0.1:{port}/api/rooms");
        let made = reqwest::Client::new().post(url).json(&room);
        json_of(made.bearer_auth(&self.token)).await;
    }

    /// Its socket, in the room.
    pub(crate) async fn enter(&self, port: u16, room: &str) -> SocketClient {
        let mut socket = SocketClient::connect(port, &self.token).await;
        socket.expect("welcome").await;
        socket.join(room).await;
        socket
    }
}

/// A new guest of an instance.
pub(crate) async fn person(port: u16, name: &str) -> Person {
    let url = format!("http://127.0.0.1:{port}/api/guests");
    let made = reqwest::Client::new()
        .post(url)
        .json(&json!({ "name": name }));
    let token = json_of(made).await["token"].as_str().unwrap().to_owned();
    Person { token }
}

async fn json_of(request: reqwest::RequestBuilder) -> Value {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).unwrap_or_default()
}
