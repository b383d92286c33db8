//! `salon room …`: rooms as the operator sees them, without what is said in them. A change is written as the server would write it, so
//! that instances that run follow within about a second.

use clap::{Subcommand, ValueEnum};
use salon::config::Config;
use salon::db::Store;
use salon::db::administration::RoomOverview;
use salon::db::changes::{Administered, Batch, Change, RoomApplied, RoomChanges};
use salon::ids::BatchId;
use salon::limits;
use salon::origin::Origin;
use salon::permissions::Role;
use serde_json::{Value, json};

use super::open::{refused, with_store};
use super::table::{Format, print};
use super::user::{OnOff, find};
use super::{Failure, say};

/// What is done about rooms.
#[derive(Subcommand)]
pub(crate) enum RoomCommand {
    /// List rooms, private ones too, but no direct ones
    List {
        /// Only those whose address begins so
        #[arg(default_value = "")]
        text: String,
        /// As one JSON array
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Show one room
    Show {
        /// Its address
        slug: String,
        /// As one JSON array
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: Box<Config>,
    },
    /// List who is in a room
    Members {
        /// Its address
        slug: String,
        /// As one JSON array
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Give somebody a role in a room; whoever is not in it comes in
    Role {
        /// The room's address
        slug: String,
        /// What the user is called
        name: String,
        /// From now on
        role: RoleName,
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Close a room to anything new, or open it again
    Archive {
        /// Its address
        slug: String,
        /// Whether it is closed
        #[arg(default_value = "on")]
        archived: OnOff,
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Delete a room
    Delete {
        /// Its address
        slug: String,
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Tell everybody that a room's history was replaced: the last step of a restore
    NewEpoch {
        /// Its address
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        slug: Option<String>,
        /// Every room
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        config: Box<Config>,
    },
}

/// A role.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum RoleName {
    /// Everything.
    Owner,
    /// Keeps order.
    Moderator,
    /// Reads and writes.
    Member,
    /// Reads.
    Reader,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Owner => Self::Owner,
            RoleName::Moderator => Self::Moderator,
            RoleName::Member => Self::Member,
            RoleName::Reader => Self::Reader,
        }
    }
}

const COLUMNS: &[&str] = &[
    "slug",
    "visibility",
    "archived",
    "members",
    "messages",
    "owners",
    "created",
    "name",
];

/// Runs one.
pub(crate) async fn run(command: RoomCommand) -> Result<(), Failure> {
    match command {
        RoomCommand::List { text, json, config } => {
            with_store(&config, async |store| {
                list(&*store, &text, Format::of(json)).await
            })
            .await
        }
        RoomCommand::Show { slug, json, config } => {
            with_store(&config, async |store| {
                let room = store.any_room(&slug).await.map_err(refused)?;
                print(Format::of(json), COLUMNS, &[row(&room)]);
                Ok(())
            })
            .await
        }
        RoomCommand::Members { slug, json, config } => {
            with_store(&config, async |store| {
                members(&*store, &slug, Format::of(json)).await
            })
            .await
        }
        RoomCommand::Role {
            slug,
            name,
            role,
            config,
        } => {
            with_store(&config, async |store| {
                set_role(&*store, &slug, &name, role.into()).await
            })
            .await
        }
        RoomCommand::Archive {
            slug,
            archived,
            config,
        } => {
            let archived = archived == OnOff::On;
            with_store(&config, async |store| {
                change(&*store, &slug, Administered::Archive { archived }).await?;
                let now = if archived { "is" } else { "is not" };
                say(&format!("{slug} {now} archived."));
                Ok(())
            })
            .await
        }
        RoomCommand::Delete { slug, config } => {
            with_store(&config, async |store| {
                change(&*store, &slug, Administered::Delete).await?;
                say(&format!("{slug} is deleted."));
                Ok(())
            })
            .await
        }
        RoomCommand::NewEpoch { slug, config, .. } => {
            with_store(&config, async |store| {
                let renewed = store.renew_epochs(slug.as_deref()).await.map_err(refused)?;
                say(&format!("{renewed} rooms have another epoch."));
                Ok(())
            })
            .await
        }
    }
}

async fn set_role(store: &dyn Store, slug: &str, name: &str, role: Role) -> Result<(), Failure> {
    let user = find(store, name).await?.user;
    let act = Administered::SetRole {
        user: user.id,
        role,
    };
    change(store, slug, act).await?;
    say(&format!("{} is {} of {slug}.", user.name, role.as_str()));
    Ok(())
}

async fn list(store: &dyn Store, text: &str, format: Format) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = store
            .all_rooms(text, after.as_deref(), limits::ADMIN_PAGE)
            .await
            .map_err(refused)?;
        after = page.last().map(|room| room.room.slug.to_string());
        let full = i64::try_from(page.len()) == Ok(limits::ADMIN_PAGE);
        rows.extend(page.iter().map(row));
        if !full {
            print(format, COLUMNS, &rows);
            return Ok(());
        }
    }
}

async fn members(store: &dyn Store, slug: &str, format: Format) -> Result<(), Failure> {
    let room = store.any_room(slug).await.map_err(refused)?.room.id;
    let mut rows = Vec::new();
    let mut after = None;
    loop {
        let page = store
            .members_of(room, after, limits::ADMIN_PAGE)
            .await
            .map_err(refused)?;
        after = page.last().map(|(user, _)| user.id);
        let full = i64::try_from(page.len()) == Ok(limits::ADMIN_PAGE);
        rows.extend(page.iter().map(|(user, role)| {
            json!({
                "id": user.id,
                "name": user.name,
                "kind": user.kind.as_str(),
                "role": role.as_str(),
            })
        }));
        if !full {
            print(format, &["name", "kind", "role", "id"], &rows);
            return Ok(());
        }
    }
}

/// Writes one change, as a writer's batch of its own.
async fn change(store: &dyn Store, slug: &str, act: Administered) -> Result<(), Failure> {
    let room = store.any_room(slug).await.map_err(refused)?.room.id;
    let batch = Batch {
        id: BatchId::new(),
        rerun: false,
        rooms: vec![RoomChanges {
            room,
            changes: vec![Change::Administer { actor: None, act }],
            origins: vec![(0, Origin::current())],
        }],
    };
    let applied = store.apply(batch).await.map_err(refused)?;
    match applied.rooms.into_iter().next() {
        Some(RoomApplied::Done(done)) => match done.outcomes.into_iter().next() {
            Some(Ok(_)) => Ok(()),
            Some(Err(refusal)) => Err(Failure::Running(refusal.message.into_owned())),
            None => Err(Failure::Running("nothing was done".to_owned())),
        },
        _ => Err(Failure::Running("the room is locked: try again".to_owned())),
    }
}

fn row(room: &RoomOverview) -> Value {
    let owners: Vec<&str> = room.owners.iter().map(|user| user.name.as_str()).collect();
    json!({
        "id": room.room.id,
        "slug": &*room.room.slug,
        "name": room.name,
        "visibility": room.visibility.as_str(),
        "archived": room.archived,
        "members": room.members,
        "messages": room.messages,
        "owners": owners,
        "created": room.created_at,
    })
}
