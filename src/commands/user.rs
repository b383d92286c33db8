//! `salon user create`: an account made by the operator, the way to the first administrator.

use std::io::{BufRead, IsTerminal, Read, Write};
use std::time::Duration;

use salon::auth::{Auth, Standing};
use salon::config::Config;
use salon::limits;
use salon::server;

use super::{Failure, say};

/// A server waits for its database; an operator wants to know.
const OPEN_WITHIN: Duration = Duration::from_secs(15);

/// Makes an account. Works beside a running server on Postgres; the embedded database belongs to one process.
pub(crate) async fn create(config: Config, name: &str, admin: bool) -> Result<(), Failure> {
    config.check().map_err(Failure::Starting)?;
    let password = read_password().map_err(|error| Failure::Starting(error.to_string()))?;
    let opening = tokio::time::timeout(OPEN_WITHIN, server::open_store(&config));
    let Ok(store) = opening.await else {
        return Err(Failure::Running("the database does not answer".to_owned()));
    };
    let store = store?;
    let standing = if admin {
        Standing::Admin
    } else {
        Standing::Ordinary
    };
    let auth = Auth::new(store);
    let failed = |refusal: salon::error::Refusal| Failure::Running(refusal.message.into_owned());
    let made = auth
        .create_user(name, &password, standing)
        .await
        .map_err(failed)?;
    // Nobody holds the session that every account begins with.
    auth.sign_out(made.identity.session).await.map_err(failed)?;
    say(&format!("{} is made.", made.identity.user.name));
    Ok(())
}

/// The first line of standard input, without its end.
fn read_password() -> std::io::Result<String> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        // Shown as it is typed: a terminal is for trying out, a pipe for real.
        write!(std::io::stderr(), "Password (it will be shown): ")?;
    }
    let mut line = String::new();
    let longest = limits::PASSWORD_MAX_BYTES as u64 + 2;
    stdin.lock().take(longest).read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
