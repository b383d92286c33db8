//! `salon user …`: accounts, as the operator sees and makes them; the way to the first administrator.

use std::sync::Arc;

use clap::{Subcommand, ValueEnum};
use salon::auth::{Auth, Standing};
use salon::config::Config;
use salon::db::Store;
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
        let full = page.len() as i64 == limits::ADMIN_PAGE;
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
