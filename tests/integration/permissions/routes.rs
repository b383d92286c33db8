//! Every route of the table, asked by everybody in every way.

use std::time::Duration;

use reqwest::RequestBuilder;
use salon::error::ErrorCode;
use salon::ids::ClientId;
use salon::permissions::access::{Asker, Kind, Needs, ROUTES, Route, answer};
use salon::permissions::{Action, Role};
use serde_json::{Value, json};

use super::world::{About, Credential, People, Place, World};

/// Codes of those who were let through to something that was not as it must be: rights are judged before.
const BEYOND: &[&str] = &[
    "reply_settled",
    "reply_running",
    "bad_request",
    "not_found",
    "webhook_not_found",
    "assistant_not_found",
    "target_refused",
    "room_has_owner",
    "user_not_found",
];

/// The members who may and those who may not come in one room; strangers have one of their own.
fn groups(needs: Needs, own: bool) -> Vec<Vec<Asker>> {
    let (allowed, refused): (Vec<Asker>, Vec<Asker>) = Asker::ALL
        .into_iter()
        .filter(|asker| !matches!(asker, Asker::Stranger | Asker::Administrator))
        .partition(|asker| answer(needs, *asker, own).is_none());
    let mut groups: Vec<Vec<Asker>> = allowed.into_iter().map(|asker| vec![asker]).collect();
    groups.push(refused);
    groups.push(vec![Asker::Stranger]);
    groups.push(vec![Asker::Administrator]);
    groups
}

/// Whether the row is asked for what is one's own, for what is another's, or both.
fn owns(needs: Needs) -> &'static [bool] {
    match needs {
        Needs::Own(..) => &[false, true],
        Needs::Room(Action::ChangeOwnMessage) => &[true],
        _ => &[false],
    }
}

/// What a route is about.
fn about(path: &str) -> About {
    match path.contains("/replies/") || path.ends_with("/variants") {
        true => About::Reply,
        false => About::Message,
    }
}

/// The body that a route takes; null for none.
fn body(world: &World, route: &Route, slug: &str) -> Value {
    match (route.method, route.path) {
        ("patch", "/api/rooms/{slug}") => json!({"topic": "tides"}),
        ("put", "/api/rooms/{slug}/mute") => json!({"muted": true}),
        ("put", "/api/rooms/{slug}/retention") => json!({"days": 9}),
        ("post", "/api/rooms/{slug}/members" | "/api/rooms/{slug}/bans") => {
            json!({"name": "Newcomer"})
        }
        ("post", "/api/rooms/{slug}/transfer") => json!({"user": world.victim.id}),
        ("put", "/api/rooms/{slug}/bans/{user}") | ("post", "/api/rooms/{slug}/invites") => {
            json!({})
        }
        ("post", "/api/rooms/{slug}/messages") | ("patch", "/api/rooms/{slug}/messages/{seq}") => {
            json!({"body": "hi"})
        }
        ("post", "/api/rooms/{slug}/outgoing-webhooks") => {
            json!({"url": "https://hooks.example.org/", "events": ["message"]})
        }
        ("patch", "/api/rooms/{slug}/outgoing-webhooks/{id}") => json!({"enabled": false}),
        ("post", "/api/rooms/{slug}/incoming-hooks") => json!({"name": "builds"}),
        ("post", "/api/rooms/{slug}/assistants") => {
            json!({"name": format!("helper {}", ClientId::new())})
        }
        ("patch", "/api/rooms/{slug}/assistants/{user}") => json!({"enabled": false}),
        ("post", "/api/rooms/{slug}/replies/{seq}/select") => json!({"variant": 1}),
        ("post", "/api/chat") => json!({"room": slug, "message": "hi"}),
        ("patch", "/api/admin/rooms/{slug}") => json!({"archived": true}),
        ("put", "/api/admin/rooms/{slug}/owner") => json!({"user": world.victim.id}),
        ("put", "/api/admin/users/{user}/disabled") => json!({"disabled": false}),
        ("put", "/api/admin/users/{user}/admin") => json!({"admin": false}),
        ("post" | "put" | "patch", path) if !path.contains("{slug}") => json!({}),
        _ => Value::Null,
    }
}

/// Asks for a socket.
pub(super) fn upgrading(request: RequestBuilder) -> RequestBuilder {
    request
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
}

fn request(
    world: &World,
    route: &Route,
    place: &Place,
    user: &str,
    token: Option<(&str, Credential)>,
) -> RequestBuilder {
    let path = route
        .path
        .replace("{slug}", &place.slug)
        .replace("{seq}", &place.seq.to_string())
        .replace("{emoji}", "%F0%9F%91%8D")
        .replace("{invite}", &place.invite)
        .replace("{id}", "0191f0a0-0000-7000-8000-000000000000")
        .replace("{hook}", "0191f0a0-0000-7000-8000-000000000000")
        .replace("{user}", user);
    let mut request = world.request(route.method, &path, token);
    if route.path == "/ws" {
        request = upgrading(request);
    }
    match body(world, route, &place.slug) {
        Value::Null => request,
        body => request
            .header("content-type", "application/json")
            .body(body.to_string()),
    }
}

/// Status and problem; of what was let through no body is waited for, since a stream has no end.
async fn ask(request: RequestBuilder) -> (u16, Value) {
    let response = tokio::time::timeout(Duration::from_secs(60), request.send());
    let response = response.await.expect("no answer in time").unwrap();
    let status = response.status().as_u16();
    if status < 400 {
        return (status, Value::Null);
    }
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn check(what: &str, (status, problem): &(u16, Value), expected: Option<ErrorCode>) {
    match expected {
        Some(code) => assert_eq!(
            (problem["code"].as_str(), *status),
            (Some(code.as_str()), code.http_status()),
            "{what}"
        ),
        None => {
            let code = problem["code"].as_str().unwrap_or_default();
            let passed = *status < 400 || BEYOND.contains(&code);
            assert!(passed, "{what}: {status} {problem}");
        }
    }
}

/// Asks one route as everybody of a group, in their room.
async fn ask_as(world: &World, route: &Route, group: &[Asker], own: bool) {
    for &credential in world.people.credentials() {
        let author = own.then(|| group.first().copied()).flatten();
        let mut place = world.place(group, author, about(route.path)).await;
        for asker in group {
            if own && author != Some(*asker) && matches!(asker, Asker::Member(_)) {
                place = world
                    .place(&[*asker], Some(*asker), about(route.path))
                    .await;
            }
            let person = world.person(*asker);
            let token = person.map(|person| (person.token.as_str(), credential));
            let user = match (own, person) {
                (true, Some(person)) => &person.id,
                _ => &world.victim.id,
            };
            let what = format!(
                "{} {} as {asker:?} by {credential:?}, own: {own}",
                route.method, route.path
            );
            let expected = answer(route.needs, *asker, own);
            let got = ask(request(world, route, &place, user, token)).await;
            let expected = match (asker, route.path) {
                // The administrator has a session in any case.
                (asker, _)
                    if refuses_claims(world, route)
                        && !matches!(asker, Asker::Nobody | Asker::Administrator) =>
                {
                    Some(ErrorCode::SessionRequired)
                }
                // The last owner of a room cannot go; that is no right.
                (Asker::Member(Role::Owner), "/api/rooms/{slug}/members/{user}") if own => {
                    Some(ErrorCode::LastOwner)
                }
                _ => expected,
            };
            check(&what, &got, expected);
            let hidden = matches!(asker, Asker::Stranger | Asker::Administrator);
            if hidden && expected.is_some() {
                let missing = Place {
                    slug: "no-such-room".into(),
                    ..place.clone()
                };
                let missing = ask(request(world, route, &missing, user, token)).await;
                assert_eq!(got, missing, "{what}: hidden and missing look the same");
            }
        }
    }
}

async fn ask_room_route(world: &World, route: &Route) {
    for own in owns(route.needs) {
        for group in groups(route.needs, *own) {
            ask_as(world, route, &group, *own).await;
        }
    }
}

/// A route without a room: signed out as the table says, signed in let through.
async fn ask_other_route(world: &World, route: &Route) {
    let place = Place {
        slug: "lobby".into(),
        seq: 1,
        invite: String::new(),
    };
    let victim = &world.victim.id;
    let signed_out = ask(request(world, route, &place, victim, None)).await;
    let what = format!("{} {}", route.method, route.path);
    // Whoever may come signed out is asked for more than that here: it is not the session that is missed.
    let signed_out_code = signed_out.1["code"].as_str().unwrap_or_default();
    match answer(route.needs, Asker::Nobody, false) {
        Some(code) => check(&what, &signed_out, Some(code)),
        None => assert_ne!(signed_out_code, "unauthenticated", "{what}"),
    }
    for &credential in world.people.credentials() {
        // One of its own, because one of these routes ends the session.
        let token = world.passing().await;
        let got = ask(request(
            world,
            route,
            &place,
            victim,
            Some((&token, credential)),
        ))
        .await;
        if route.needs == Needs::Administrator {
            let expected = match refuses_claims(world, route) {
                true => Some(ErrorCode::SessionRequired),
                false => answer(route.needs, Asker::Stranger, false),
            };
            check(&what, &got, expected);
            // Its sessions may end by this.
            let other = world.passing_person().await.id;
            let person = world.person(Asker::Administrator).unwrap();
            let token = (person.token.as_str(), credential);
            let asked = request(world, route, &place, &other, Some(token));
            check(&what, &ask(asked).await, None);
            continue;
        }
        let code = got.1["code"].as_str().unwrap_or_default();
        let closed = refuses_claims(world, route);
        assert_eq!(code == "session_required", closed, "{what}: {got:?}");
        let refused = [
            "unauthenticated",
            "forbidden",
            "not_a_member",
            "room_not_found",
        ];
        assert!(
            !refused.contains(&code),
            "{what} by {credential:?}: {got:?}"
        );
    }
}

/// Whether it is closed to what everybody here has.
fn refuses_claims(world: &World, route: &Route) -> bool {
    world.people == People::Claims && route.refuses_claims()
}

/// Whether a route is about a room; `POST /api/chat` names it in its body.
fn has_room(route: &Route) -> bool {
    route.path.contains("{slug}") || route.path == "/api/chat"
}

async fn ask_all(people: People, kind: Kind) -> usize {
    let world = World::new(people).await;
    let mut asked = 0;
    for route in ROUTES.iter().filter(|route| route.kind == kind) {
        match has_room(route) {
            true => ask_room_route(&world, route).await,
            false => ask_other_route(&world, route).await,
        }
        asked += 1;
    }
    asked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_answer_as_the_table_says() {
    let asked = ask_all(People::Sessions, Kind::Answer).await;
    assert!(asked > 40, "{asked} routes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_answer_as_the_table_says() {
    let asked = ask_all(People::Sessions, Kind::Stream).await;
    assert!(asked >= 5, "{asked} streams");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_answer_claims_as_the_table_says() {
    let asked = ask_all(People::Claims, Kind::Answer).await;
    assert!(asked > 40, "{asked} routes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_answer_claims_as_the_table_says() {
    let asked = ask_all(People::Claims, Kind::Stream).await;
    assert!(asked >= 5, "{asked} streams");
}
