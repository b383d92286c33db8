//! The operator's commands about users, rooms and the audit log, on the embedded database: columns and JSON, exit codes, and what
//! they say while a server has the database.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::salon::SalonProcess;

fn salon(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_salon"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("SALON_DATA", folder.join("data"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that ends before it reads is no failure of the test.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// What a command that must work says.
fn done(folder: &Path, arguments: &[&str]) -> String {
    let ended = salon(folder, arguments, "correct horse\n");
    assert_eq!(ended.status.code(), Some(0), "{arguments:?}: {ended:?}");
    String::from_utf8(ended.stdout).unwrap()
}

fn json(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let text = done(folder, &[arguments, &["--json"]].concat());
    serde_json::from_str(&text).unwrap()
}

/// What a command that is refused says.
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let ended = salon(folder, arguments, "");
    assert_eq!(ended.status.code(), Some(1), "{arguments:?}: {ended:?}");
    String::from_utf8(ended.stderr).unwrap()
}

#[test]
fn users_are_made_listed_and_given_the_right_to_administer() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, &["user", "create", "Root", "--admin"]);
    done(folder, &["user", "create", "Ada"]);
    let listed = done(folder, &["user", "list", "a"]);
    let mut lines = listed.lines();
    assert!(lines.next().unwrap().starts_with("name"), "{listed}");
    assert!(
        lines.any(|line| line.starts_with("Ada ") && line.contains(" no ")),
        "{listed}"
    );
    let last = refused(folder, &["user", "admin", "root", "off"]);
    assert!(last.contains("at least one administrator"), "{last}");
    done(folder, &["user", "admin", "ada", "on"]);
    done(folder, &["user", "admin", "root", "off"]);
    let shown = json(folder, &["user", "show", "ADA"]);
    assert_eq!(
        (&shown[0]["admin"], &shown[0]["name"]),
        (&true.into(), &"Ada".into())
    );
    assert_eq!(shown[0]["sessions"], 0, "nobody holds its first session");
    let missing = refused(folder, &["user", "show", "nobody"]);
    assert!(missing.contains("no such user"), "{missing}");
}

#[test]
fn passwords_sessions_and_accounts_are_the_operators() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, &["user", "create", "Root", "--admin"]);
    done(folder, &["user", "create", "Ada"]);
    done(folder, &["user", "password", "ada"]);
    let short = salon(folder, &["user", "password", "ada"], "short\n");
    assert_eq!(short.status.code(), Some(1), "{short:?}");
    assert_eq!(json(folder, &["user", "sessions", "ada"]).len(), 0);
    assert!(done(folder, &["user", "sign-out", "ada"]).contains("0 sessions"));
    let last = refused(folder, &["user", "disable", "root"]);
    assert!(last.contains("at least one administrator"), "{last}");
    done(folder, &["user", "disable", "ada"]);
    assert!(json(folder, &["user", "show", "ada"])[0]["disabled"].is_string());
    done(folder, &["user", "enable", "ada"]);
    done(folder, &["user", "delete", "ada"]);
    let rows = json(folder, &["audit"]);
    let acts: Vec<&str> = rows
        .iter()
        .map(|row| row["act"].as_str().unwrap())
        .collect();
    for act in [
        "password.set",
        "user.disabled",
        "user.enabled",
        "user.deleted",
    ] {
        assert!(acts.contains(&act), "{act}: {acts:?}");
    }
}

#[test]
fn rooms_are_listed_changed_and_given_another_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(folder, &["user", "create", "Ada"]);
    let rooms = json(folder, &["room", "list"]);
    assert_eq!(
        (&rooms[0]["slug"], &rooms[0]["members"]),
        (&"lobby".into(), &1.into())
    );
    done(folder, &["room", "role", "lobby", "ada", "owner"]);
    let members = json(folder, &["room", "members", "lobby"]);
    assert_eq!(
        (&members[0]["name"], &members[0]["role"]),
        (&"Ada".into(), &"owner".into())
    );
    done(folder, &["room", "archive", "lobby"]);
    assert_eq!(
        json(folder, &["room", "show", "lobby"])[0]["archived"],
        true
    );
    done(folder, &["room", "archive", "lobby", "off"]);
    assert!(done(folder, &["room", "new-epoch", "--all"]).contains("1 rooms"));
    assert_eq!(
        salon(folder, &["room", "new-epoch"], "").status.code(),
        Some(2)
    );
    done(folder, &["room", "delete", "lobby"]);
    assert!(refused(folder, &["room", "show", "lobby"]).contains("no such room"));
}

#[tokio::test]
async fn the_audit_log_is_shown_and_a_running_server_keeps_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    done(folder.path(), &["user", "create", "Ada", "--admin"]);
    let rows = json(folder.path(), &["audit", "--since", "1h", "--who", "ada"]);
    let acts: Vec<&str> = rows
        .iter()
        .map(|row| row["act"].as_str().unwrap())
        .collect();
    assert_eq!(acts, ["session.ended", "user.created"]);
    assert!(rows.iter().all(|row| row["way"] == "command"), "{rows:?}");
    let shown = done(folder.path(), &["audit", "--what", "user.created"]);
    assert!(
        shown.lines().count() == 2 && shown.contains("administrator"),
        "{shown}"
    );
    assert_eq!(
        salon(folder.path(), &["audit", "--what", "nonsense"], "")
            .status
            .code(),
        Some(2)
    );
    assert_eq!(
        json(folder.path(), &["audit", "--since", "2099-01-01"]).len(),
        0
    );

    let server = SalonProcess::start(&[("SALON_DATA", data.to_str().unwrap())]).await;
    for command in [&["audit"][..], &["user", "list"], &["room", "list"]] {
        let ended = salon(folder.path(), command, "");
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{said}");
        assert!(
            said.contains("in use")
                && said
                    .contains("stop that server, run this command again, start the server again")
                && said.contains("/api/admin"),
            "{said}"
        );
    }
    drop(server);
}
