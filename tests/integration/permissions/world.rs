//! A server, somebody for each column of the table, and rooms in which what is asked for is there to be done.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder};
use salon::permissions::Role;
use salon::permissions::access::Asker;
use serde_json::{Value, json};

use crate::support::app::RATES;
use crate::support::event_stream::answer;
use crate::support::process::eventually;
use crate::support::server::TestServer;
use crate::support::signer::{AUDIENCE, ISSUER, Signer, claims};

/// The longest wait for a reply of the demo.
const REPLY: Duration = Duration::from_secs(20);

/// What claims are signed with.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

const FLAGS: &[&str] = &["--scripted-delay-ms", "0"];

/// How somebody says who it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Credential {
    Cookie,
    Bearer,
}

/// What everybody in a world has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum People {
    /// A session.
    Sessions,
    /// A claim of an embedding application.
    Claims,
}

impl People {
    /// The ways to show it: a claim is never a cookie.
    pub(super) const fn credentials(self) -> &'static [Credential] {
        match self {
            Self::Sessions => &[Credential::Cookie, Credential::Bearer],
            Self::Claims => &[Credential::Bearer],
        }
    }
}

/// Somebody.
pub(super) struct Person {
    pub(super) id: String,
    pub(super) token: String,
}

/// The server and all who ask.
pub(super) struct World {
    pub(super) server: TestServer,
    pub(super) people: People,
    http: Client,
    /// Owns every room; what is another's is its.
    keeper: Person,
    /// In the order of [`Asker::ALL`].
    askers: Vec<Person>,
    /// Whom things are done to.
    pub(super) victim: Person,
    rooms: std::sync::atomic::AtomicUsize,
}

/// A room with what is needed in it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) slug: String,
    /// A message, or a reply where one is asked about.
    pub(super) seq: i64,
    /// An invite that works.
    pub(super) invite: String,
}

/// Whether it is to find a room that it may not see.
fn is_strange(asker: &Asker) -> bool {
    matches!(asker, Asker::Stranger | Asker::Administrator)
}

/// What is asked about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum About {
    /// A message.
    Message,
    /// A reply, settled.
    Reply,
}

/// Somebody's session, or its claim.
async fn somebody(people: People, server: &TestServer, name: &str) -> String {
    match people {
        People::Sessions => server.guest(name).await,
        People::Claims => Signer::secret(SECRET.as_bytes()).sign(&claims(name, 3_600, &json!({}))),
    }
}

impl World {
    pub(super) async fn new(people: People) -> Self {
        let claims = [
            "--jwt-issuer",
            ISSUER,
            "--jwt-audience",
            AUDIENCE,
            "--jwt-secret",
            SECRET,
        ];
        let flags: &[&str] = match people {
            People::Sessions => &[],
            People::Claims => &claims,
        };
        let (server, administrator) =
            TestServer::start_with_admin(&[RATES, FLAGS, flags].concat()).await;
        let what = people;
        let http = Client::builder().no_proxy().build().unwrap();
        let mut people = Vec::new();
        for number in 0..Asker::ALL.len() + 2 {
            let token = match number
                .checked_sub(2)
                .and_then(|place| Asker::ALL.get(place))
            {
                Some(Asker::Administrator) => administrator.clone(),
                _ => somebody(what, &server, &format!("guest {number}")).await,
            };
            let (_, me) = server
                .request("GET", "/api/me", Some(&token), &Value::Null)
                .await;
            let id = me["user"]["id"].as_str().unwrap().to_owned();
            people.push(Person { id, token });
        }
        let newcomer = json!({"name": "Newcomer", "password": "correct horse"});
        let (status, body) = server.request("POST", "/api/users", None, &newcomer).await;
        assert_eq!(status, 201, "{body}");
        Self {
            server,
            people: what,
            http,
            keeper: people.remove(0),
            victim: people.remove(0),
            askers: people,
            rooms: 0.into(),
        }
    }

    /// Somebody new.
    pub(super) async fn passing(&self) -> String {
        let number = self.rooms.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        somebody(self.people, &self.server, &format!("passing {number}")).await
    }

    /// The same, with its id.
    pub(super) async fn passing_person(&self) -> Person {
        let token = self.passing().await;
        let me = self
            .server
            .request("GET", "/api/me", Some(&token), &Value::Null);
        let id = me.await.1["user"]["id"].as_str().unwrap().to_owned();
        Person { id, token }
    }

    /// Who stands for a column; `None` is nobody.
    pub(super) fn person(&self, asker: Asker) -> Option<&Person> {
        let place = Asker::ALL.iter().position(|known| *known == asker).unwrap();
        (asker != Asker::Nobody).then(|| &self.askers[place])
    }

    /// A request of somebody.
    pub(super) fn request(
        &self,
        method: &str,
        path: &str,
        token: Option<(&str, Credential)>,
    ) -> RequestBuilder {
        let origin = format!("http://127.0.0.1:{}", self.server.port);
        let method: Method = method.to_uppercase().parse().unwrap();
        let request = self.http.request(method, format!("{origin}{path}"));
        match token {
            Some((token, Credential::Bearer)) => request.bearer_auth(token),
            Some((token, Credential::Cookie)) => request
                .header("cookie", format!("salon={token}"))
                .header("origin", origin),
            None => request,
        }
    }

    /// The keeper does something that must work.
    async fn keep(&self, method: &str, path: &str, body: Value) -> Value {
        self.done_by(&self.keeper, method, path, body).await
    }

    async fn done_by(&self, who: &Person, method: &str, path: &str, body: Value) -> Value {
        let token = Some((who.token.as_str(), Credential::Bearer));
        let request = self.request(method, path, token);
        let request = request
            .header("content-type", "application/json")
            .body(body.to_string());
        let (status, body) = answer(request).await;
        assert!((200..300).contains(&status), "{method} {path}: {body}");
        body
    }

    /// A fresh room with these in it as what they are, and a message of `author`, or the keeper's.
    pub(super) async fn place(
        &self,
        askers: &[Asker],
        author: Option<Asker>,
        about: About,
    ) -> Place {
        let number = self.rooms.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let slug = format!("room-{number}");
        let visibility = match askers.iter().any(is_strange) {
            true => "private",
            false => "public",
        };
        self.keep(
            "POST",
            "/api/rooms",
            json!({"slug": slug, "visibility": visibility}),
        )
        .await;
        let room = format!("/api/rooms/{slug}");
        let everybody = format!("{room}/invites");
        let way_in = self.keep("POST", &everybody, json!({"max_uses": 20})).await;
        self.come(&self.victim, &way_in).await;
        for asker in askers {
            match asker {
                Asker::Member(_) => self.come(self.person(*asker).unwrap(), &way_in).await,
                Asker::Banned => {
                    let banned = &self.person(*asker).unwrap().id;
                    self.keep("PUT", &format!("{room}/bans/{banned}"), json!({}))
                        .await;
                }
                Asker::Outsider | Asker::Stranger | Asker::Administrator | Asker::Nobody => {}
            }
        }
        let author = author.filter(|asker| matches!(asker, Asker::Member(_)));
        let author = author.and_then(|asker| self.person(asker));
        let seq = self
            .write(author.unwrap_or(&self.keeper), &slug, about)
            .await;
        // The owner last: the keeper keeps order from then on.
        for asker in askers.iter().rev() {
            if let Asker::Member(role) = asker {
                self.give(&slug, &self.person(*asker).unwrap().id, *role)
                    .await;
            }
        }
        let invite = way_in["id"].as_str().unwrap().to_owned();
        Place { slug, seq, invite }
    }

    async fn come(&self, who: &Person, way_in: &Value) {
        let held = json!({"token": way_in["token"]});
        self.done_by(who, "POST", "/api/invites/accept", held).await;
    }

    /// Gives a member its role. Guests have no name of their own, so it comes by an invite of that role.
    async fn give(&self, slug: &str, id: &str, role: Role) {
        let room = format!("/api/rooms/{slug}");
        let asker = self.askers.iter().find(|person| person.id == id).unwrap();
        match role {
            Role::Member => {}
            Role::Owner => {
                self.keep("POST", &format!("{room}/transfer"), json!({"user": id}))
                    .await;
            }
            Role::Moderator | Role::Reader => {
                self.keep("DELETE", &format!("{room}/members/{id}"), Value::Null)
                    .await;
                let wanted = json!({"role": role.as_str()});
                let made = self.keep("POST", &format!("{room}/invites"), wanted).await;
                self.come(asker, &made).await;
            }
        }
    }

    async fn write(&self, author: &Person, slug: &str, about: About) -> i64 {
        let path = format!("/api/rooms/{slug}/messages");
        let body = match about {
            About::Message => "hello",
            About::Reply => "@assistant hello",
        };
        let sent = self
            .done_by(author, "POST", &path, json!({"body": body}))
            .await;
        if about == About::Message {
            return sent["seq"].as_i64().unwrap();
        }
        let reply = sent["reply_seq"].as_i64().unwrap();
        let path = format!("{path}/{reply}");
        eventually("a reply is settled", REPLY, async || {
            let reply = self.keep("GET", &path, Value::Null).await;
            reply["state"] != "queued"
        })
        .await;
        reply
    }
}
