//! `docs/permissions.md` says what the tables say, because it is written from them: with `SALON_WRITE_DOCUMENTS=1` set, this
//! test writes it; without, it compares.

use std::fmt::Write;

use salon::permissions::access::{Asker, FRAMES, Kind, Needs, ROUTES, answer};
use salon::permissions::{Action, Role, allows};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/permissions.md");

const HEAD: &str = "# Who may do what

This page is written from the tables in `src/permissions/`, which are also what the server judges by and what its tests
compare every answer with. To change it, change a table and run

```sh
SALON_WRITE_DOCUMENTS=1 cargo test --locked --test integration permissions::document
```

A right is judged in the transaction that uses it, under the lock of the room. Whoever may not see a room is told what
it would be told of a room that is not there (`room_not_found`); whoever may see a public room and is not in it is told
`not_a_member`; a member without the right, `forbidden`.

## Roles and actions

";

const ROLES: &str = "
A role is given and taken by those who manage members; that of an owner by owners alone. A room has an owner as long as
it is there: the last one cannot leave, be removed or step down (`last_owner`), and gives the room away first
(`POST /api/rooms/{slug}/transfer`: the member is an owner and the giver a moderator, both or neither). Nobody bans itself.
A direct room has nobody but those it was made for: no invites, no bans, no transfer.

Whoever is banned is no member and becomes none, whichever way: by joining, by an invite, or
added by another (each time `banned`), until the ban is lifted; no list of public rooms has the room for it. An invite works while the one who made it may invite into its role.

## Routes

What each needs, and what it says to those who have it not. *own, else* tells two rights: for what is one's own, and for
what is another's. *No token*: a token is refused (`session_required`), whatever its scope. An application's signed *claim* (JWT) is as a token of scope `write`, and is taken where
it says so. Whatever is not in this table is a file of the page, for anybody.

";

const FRAMES_HEAD: &str = "
## Frames of a socket

A socket is opened with a session, by cookie, bearer token or ticket. `typing` and `room.leave` are for rooms joined on
that socket, else `not_joined`.

";

fn needs(needs: Needs) -> String {
    match needs {
        Needs::Nothing => "nothing".into(),
        Needs::Operator => "the operator's own listener".into(),
        Needs::Session => "a session".into(),
        Needs::Account => "a session that no token is".into(),
        Needs::Administrator => "an administrator of the server".into(),
        Needs::Sight => "a member, or a public room".into(),
        Needs::Entry => "a member, or a public room one is not banned from".into(),
        Needs::Room(action) => format!("{action:?}"),
        Needs::Own(own, other) => format!("own: {own:?}, else {other:?}"),
    }
}

fn column(asker: Asker) -> &'static str {
    match asker {
        Asker::Member(role) => role.as_str(),
        Asker::Outsider => "not in it (public)",
        Asker::Banned => "banned (public)",
        Asker::Stranger => "not in it (private)",
        Asker::Administrator => "administrator, not in it (private)",
        Asker::Nobody => "signed out",
    }
}

/// What the table says to somebody, for what is another's and, where it differs, for its own.
fn cell(wanted: Needs, asker: Asker) -> String {
    let word = |own| answer(wanted, asker, own).map_or("yes", salon::error::ErrorCode::as_str);
    match (word(true), word(false)) {
        (own, other) if own == other => own.to_owned(),
        (own, other) => format!("own: {own}, else {other}"),
    }
}

fn table(text: &mut String, first: &str, rows: impl Iterator<Item = (String, Needs)>) {
    let columns = Asker::ALL.map(column).join(" | ");
    writeln!(text, "| {first} | needs | {columns} |").unwrap();
    writeln!(text, "| --- | --- |{}", " --- |".repeat(Asker::ALL.len())).unwrap();
    for (what, wanted) in rows {
        let cells = Asker::ALL.map(|asker| cell(wanted, asker)).join(" | ");
        writeln!(text, "| {what} | {} | {cells} |", needs(wanted)).unwrap();
    }
}

fn document() -> String {
    let mut text = HEAD.to_owned();
    let roles = Role::ALL.map(Role::as_str).join(" | ");
    writeln!(text, "| action | {roles} | what it is |").unwrap();
    writeln!(text, "| --- |{} --- |", " --- |".repeat(Role::ALL.len())).unwrap();
    for action in Action::ALL {
        let cells = Role::ALL.map(|role| if allows(role, *action) { "yes" } else { "·" });
        writeln!(
            text,
            "| {action:?} | {} | {} |",
            cells.join(" | "),
            action.says()
        )
        .unwrap();
    }
    text += ROLES;
    let routes = ROUTES.iter().map(|route| {
        let stream = match route.kind {
            Kind::Answer => "",
            Kind::Stream => " (stream)",
        };
        let what = format!("`{} {}`{stream}", route.method.to_uppercase(), route.path);
        let what = match (route.session_only, route.claims_too) {
            (true, true) => format!("{what}, no token but a claim"),
            (true, false) => format!("{what}, no token"),
            (false, _) => what,
        };
        (what, route.needs)
    });
    table(&mut text, "route", routes);
    text += FRAMES_HEAD;
    let frames = FRAMES
        .iter()
        .map(|(kind, needs)| (format!("`{kind}`"), *needs));
    table(&mut text, "frame", frames);
    text
}

#[test]
fn the_document_is_written_from_the_tables() {
    let wanted = document();
    if std::env::var_os("SALON_WRITE_DOCUMENTS").is_some() {
        std::fs::write(PATH, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/permissions.md is not what the tables say: run this test with SALON_WRITE_DOCUMENTS=1 set, and look at what changed"
    );
}
