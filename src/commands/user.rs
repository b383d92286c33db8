//! `salon user …`: accounts, as the operator sees and makes them; the way to the first administrator.

use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use salon::auth::{Auth, Standing};
use salon::config::Config;
use salon::db::Store;
use salon::db::accounts::{NewPassword, Seen};
use salon::db::administration::UserAccount;
use salon::error::Refusal;
use salon::limits;
use serde_json::{Value, json};

use super::open::{refused, with_store};
use super::table::{Format, print};
use super::{Failure, password, say};

/// What is done about accounts.
#[derive(Subcommand)]
pub(crate) enum UserCommand {
    /// Make an account; the password is asked for, or the first line of standard input
    Create {
        /// What it is called
        name: String,
        /// May administer the server
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        config: Box<Config>,
    },
    /// List users, guests and bots
    List {
        /// Only those whose name begins so
        #[arg(default_value = "")]
        text: String,
        /// As one JSON array
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Show one user
    Show {
        /// What it is called
        name: String,
        /// As one JSON array
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Make somebody an administrator of the server, or one no more
    Admin {
        /// What it is called
        name: String,
        /// From now on
        admin: OnOff,
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Set somebody's password; it is asked for, or the first line of standard input. All sessions end
    Password(Named),
    /// Keep somebody out: sessions end, tokens and bots stop working
    Disable(Named),
    /// Let somebody in again
    Enable(Named),
    /// List the sessions of somebody that live
    Sessions {
        /// What it is called
        name: String,
        /// As one JSON array
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: Box<Config>,
    },
    /// End all sessions of somebody
    SignOut(Named),
    /// Delete an account: its messages stay, by "Deleted user"
    Delete(Named),
}

/// Somebody.
#[derive(Args)]
pub(crate) struct Named {
    /// What it is called
    name: String,
    #[command(flatten)]
    config: Box<Config>,
}

/// Yes or no.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum OnOff {
    /// Yes.
    On,
    /// No.
    Off,
}

const COLUMNS: &[&str] = &[
    "name", "kind", "admin", "disabled", "sessions", "created", "id",
];

/// Runs one. On Postgres beside a running server; the embedded database belongs to one process.
pub(crate) async fn run(command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Create {
            name,
            admin,
            config,
        } => create(&config, &name, admin).await,
        UserCommand::List { text, json, config } => {
            with_store(&config, async |store| {
                list(&*store, &text, Format::of(json)).await
            })
            .await
        }
        UserCommand::Show { name, json, config } => {
            with_store(&config, async |store| {
                let account = find(&*store, &name).await?;
                print(Format::of(json), COLUMNS, &[row(&account)]);
                Ok(())
            })
            .await
        }
        UserCommand::Password(Named { name, config }) => set_password(&config, &name).await,
        UserCommand::Disable(Named { name, config }) => {
            with_store(&config, async |store| {
                let user = find(&*store, &name).await?.user;
                store.disable_user(user.id).await.map_err(refused)?;
                say(&format!("{} is disabled.", user.name));
                Ok(())
            })
            .await
        }
        UserCommand::Enable(Named { name, config }) => {
            with_store(&config, async |store| {
                let user = find(&*store, &name).await?.user;
                store.enable_user(user.id).await.map_err(refused)?;
                say(&format!("{} is enabled.", user.name));
                Ok(())
            })
            .await
        }
        UserCommand::Sessions { name, json, config } => {
            with_store(&config, async |store| {
                sessions(&*store, &name, Format::of(json)).await
            })
            .await
        }
        UserCommand::SignOut(Named { name, config }) => {
            with_store(&config, async |store| sign_out(&*store, &name).await).await
        }
        UserCommand::Delete(Named { name, config }) => {
            with_store(&config, async |store| delete(&*store, &name).await).await
        }
        UserCommand::Admin {
            name,
            admin,
            config,
        } => {
            let admin = admin == OnOff::On;
            with_store(&config, async |store| {
                set_admin(&*store, &name, admin).await
            })
            .await
        }
    }
}

async fn sign_out(store: &dyn Store, name: &str) -> Result<(), Failure> {
    let user = find(store, name).await?.user;
    let ended = store.end_sessions(user.id, None).await.map_err(refused)?;
    say(&format!("{ended} sessions of {} are ended.", user.name));
    Ok(())
}

async fn delete(store: &dyn Store, name: &str) -> Result<(), Failure> {
    let user = find(store, name).await?.user;
    store
        .delete_account(user.id, Seen::Operator)
        .await
        .map_err(refused)?;
    say(&format!(
        "{} is deleted; a server takes it out of its rooms.",
        user.name
    ));
    Ok(())
}

async fn create(config: &Config, name: &str, admin: bool) -> Result<(), Failure> {
    config.check().map_err(Failure::Starting)?;
    let password = password::read()?;
    let standing = if admin {
        Standing::Admin
    } else {
        Standing::Ordinary
    };
    let failed = |refusal: Refusal| Failure::Running(refusal.message.into_owned());
    with_store(config, async |store: Arc<dyn Store>| {
        let auth = Auth::new(store);
        let made = auth
            .create_user(name, &password, standing)
            .await
            .map_err(failed)?;
        // Nobody holds the session that every account begins with.
        auth.sign_out(made.identity.session).await.map_err(failed)?;
        say(&format!("{} is made.", made.identity.user.name));
        Ok(())
    })
    .await
}

async fn set_password(config: &Config, name: &str) -> Result<(), Failure> {
    config.check().map_err(Failure::Starting)?;
    let password = password::read()?;
    let failed = |refusal: Refusal| Failure::Running(refusal.message.into_owned());
    with_store(config, async |store: Arc<dyn Store>| {
        let user = find(&*store, name).await?.user;
        let auth = Auth::new(Arc::clone(&store));
        let hash = auth
            .hash_password(&user.name, &password)
            .await
            .map_err(failed)?;
        let new = NewPassword {
            hash,
            seen: Seen::Operator,
            keep: None,
        };
        store.set_password(user.id, new).await.map_err(refused)?;
        say(&format!("{} has another password.", user.name));
        Ok(())
    })
    .await
}

async fn sessions(store: &dyn Store, name: &str, format: Format) -> Result<(), Failure> {
    let user = find(store, name).await?.user;
    let found = store.sessions(user.id).await.map_err(refused)?;
    let rows: Vec<Value> = found
        .iter()
        .map(|session| {
            json!({
                "id": session.id,
                "created": session.created_at,
                "seen": session.last_seen_at,
                "expires": session.expires_at,
                "address": session.address,
                "program": session.user_agent,
            })
        })
        .collect();
    let columns = ["created", "seen", "expires", "address", "program", "id"];
    print(format, &columns, &rows);
    Ok(())
}

/// One user by its name.
pub(crate) async fn find(store: &dyn Store, name: &str) -> Result<UserAccount, Failure> {
    store.user_account_by_name(name).await.map_err(refused)
}

async fn list(store: &dyn Store, text: &str, format: Format) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let mut after = None;
    loop {
        let page = store.user_accounts(text, after, limits::ADMIN_PAGE).await;
        let page = page.map_err(refused)?;
        after = page.last().map(|account| account.user.id);
        let full = i64::try_from(page.len()) == Ok(limits::ADMIN_PAGE);
        rows.extend(page.iter().map(row));
        if !full {
            print(format, COLUMNS, &rows);
            return Ok(());
        }
    }
}

async fn set_admin(store: &dyn Store, name: &str, admin: bool) -> Result<(), Failure> {
    let account = find(store, name).await?;
    store
        .set_admin(None, account.user.id, admin)
        .await
        .map_err(refused)?;
    let now = if admin { "is" } else { "is not" };
    say(&format!("{} {now} an administrator.", account.user.name));
    Ok(())
}

fn row(account: &UserAccount) -> Value {
    json!({
        "id": account.user.id,
        "name": account.user.name,
        "kind": account.user.kind.as_str(),
        "admin": account.admin,
        "disabled": account.disabled_at,
        "sessions": account.sessions,
        "created": account.created_at,
    })
}
