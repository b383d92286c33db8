//! [`Administration`] and [`AuditLog`] on SQLite: which unit of work each method is, with the SQL of the first.

use async_trait::async_trait;
use diesel::prelude::*;

use super::accounts::{UserColumns, held, user_row};
use super::columns::{Micros, StoredId, name_key, named, now, storable, time};
use super::failure::Work;
use super::schema::{memberships, room_heads, rooms, sessions as session_rows, users};
use super::{SqliteStore, account_ends, audit, revocations, sessions};
use crate::db::StoreResult;
use crate::db::accounts::RevocationKind;
use crate::db::administration::{AccountAct, Administration, RoomOverview, UserAccount};
use crate::db::audit::{Act, AuditFilter, AuditLog, AuditRoom, AuditRow, NewAudit};
use crate::db::rows::{UserKind, UserRow, Visibility};
use crate::error::{ErrorCode, Refusal};
use crate::ids::{Epoch, RoomId, RoomRef, UserId};
use crate::limits::OWNERS_SHOWN;
use crate::permissions::Role;

/// An account's columns.
type AccountColumns = (UserColumns, bool, Micros, Option<Micros>);
/// A room's columns.
type RoomColumns = (StoredId, String, String, String, bool, Micros, i64);

#[async_trait]
impl Administration for SqliteStore {
    async fn is_admin(&self, user: UserId) -> StoreResult<bool> {
        self.read(move |conn| is_admin(conn, user)).await
    }

    async fn user_accounts(
        &self,
        text: &str,
        after: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<UserAccount>> {
        let text = name_key(text);
        self.read(move |conn| accounts(conn, &text, after, limit))
            .await
    }

    async fn user_account(&self, user: UserId) -> StoreResult<UserAccount> {
        self.read(move |conn| account(conn, user)).await
    }

    async fn user_account_by_name(&self, name: &str) -> StoreResult<UserAccount> {
        let key = name_key(name);
        self.read(move |conn| {
            let (user, _) = held(conn, storable(&key)?)?.ok_or(ErrorCode::UserNotFound)?;
            account(conn, UserId(user.0.0))
        })
        .await
    }

    async fn set_admin(
        &self,
        actor: Option<UserId>,
        user: UserId,
        admin: bool,
    ) -> StoreResult<bool> {
        self.write(move |conn| set_admin(conn, actor, user, admin))
            .await
    }

    async fn administer_account(
        &self,
        actor: UserId,
        user: UserId,
        act: AccountAct,
    ) -> StoreResult<bool> {
        self.write(move |conn| administer_account(conn, actor, user, act))
            .await
    }

    async fn all_rooms(
        &self,
        text: &str,
        after: Option<&str>,
        limit: i64,
    ) -> StoreResult<Vec<RoomOverview>> {
        let (text, after) = (text.to_owned(), after.unwrap_or_default().to_owned());
        self.read(move |conn| all_rooms(conn, &text, &after, limit))
            .await
    }

    async fn any_room(&self, slug: &str) -> StoreResult<RoomOverview> {
        let slug = slug.to_owned();
        self.read(move |conn| any_room(conn, &slug)).await
    }

    async fn members_of(
        &self,
        room: RoomId,
        after: Option<UserId>,
        limit: i64,
    ) -> StoreResult<Vec<(UserRow, Role)>> {
        self.read(move |conn| members_of(conn, room, after, limit))
            .await
    }

    async fn renew_epochs(&self, slug: Option<&str>) -> StoreResult<u64> {
        let slug = slug.map(str::to_owned);
        self.write(move |conn| renew_epochs(conn, slug.as_deref()))
            .await
    }
}

#[async_trait]
impl AuditLog for SqliteStore {
    async fn note(&self, rows: Vec<NewAudit>) -> StoreResult<()> {
        self.write(move |conn| rows.iter().try_for_each(|row| audit::insert(conn, row)))
            .await
    }

    async fn audit(&self, filter: AuditFilter) -> StoreResult<Vec<AuditRow>> {
        self.read(move |conn| audit::list(conn, &filter)).await
    }

    async fn sweep_audit(&self, days: u32) -> StoreResult<u64> {
        self.write(move |conn| audit::sweep(conn, days)).await
    }
}

/// Whether somebody administers the server now.
pub(super) fn is_admin(conn: &mut SqliteConnection, user: UserId) -> Work<bool> {
    let found = users::table
        .find(StoredId(user.0))
        .filter(users::disabled_at.is_null())
        .select(users::admin)
        .first::<bool>(conn)
        .optional()?;
    Ok(found.unwrap_or(false))
}

fn account_of(conn: &mut SqliteConnection, columns: AccountColumns) -> Work<UserAccount> {
    let (user, admin, created_at, disabled_at) = columns;
    let sessions = session_rows::table
        .filter(session_rows::user_id.eq(user.0))
        .filter(session_rows::expires_at.gt(now()))
        .count()
        .get_result(conn)?;
    Ok(UserAccount {
        user: user_row(user)?,
        admin,
        created_at: time(created_at)?,
        disabled_at: disabled_at.map(time).transpose()?,
        sessions,
    })
}

fn accounts(
    conn: &mut SqliteConnection,
    text: &str,
    after: Option<UserId>,
    limit: i64,
) -> Work<Vec<UserAccount>> {
    let after = after.map_or(uuid::Uuid::nil(), |after| after.0);
    let found = users::table
        .filter(users::id.gt(StoredId(after)))
        .filter(users::name_key.ge(storable(text)?))
        .filter(users::name_key.lt(format!("{text}\u{10FFFF}")))
        .order(users::id)
        .limit(limit)
        .select((
            (users::id, users::name, users::kind, users::owner_id),
            users::admin,
            users::created_at,
            users::disabled_at,
        ))
        .load::<AccountColumns>(conn)?;
    found
        .into_iter()
        .map(|columns| account_of(conn, columns))
        .collect()
}

fn account(conn: &mut SqliteConnection, user: UserId) -> Work<UserAccount> {
    let found = users::table
        .find(StoredId(user.0))
        .select((
            (users::id, users::name, users::kind, users::owner_id),
            users::admin,
            users::created_at,
            users::disabled_at,
        ))
        .first::<AccountColumns>(conn)
        .optional()?;
    account_of(conn, found.ok_or(ErrorCode::UserNotFound)?)
}

/// Refuses whoever administers nothing (any more).
fn require_admin(conn: &mut SqliteConnection, actor: UserId) -> Work<()> {
    match is_admin(conn, actor)? {
        true => Ok(()),
        false => Err(Refusal::not_an_administrator().into()),
    }
}

fn administer_account(
    conn: &mut SqliteConnection,
    actor: UserId,
    user: UserId,
    act: AccountAct,
) -> Work<bool> {
    require_admin(conn, actor)?;
    match act {
        AccountAct::Disable => account_ends::disable(conn, user),
        AccountAct::Enable => account_ends::enable(conn, user),
        AccountAct::EndSessions => {
            account(conn, user)?;
            Ok(sessions::end_all(conn, user, None)? > 0)
        }
    }
}

fn set_admin(
    conn: &mut SqliteConnection,
    actor: Option<UserId>,
    user: UserId,
    admin: bool,
) -> Work<bool> {
    if let Some(actor) = actor {
        require_admin(conn, actor)?;
    }
    let account = account(conn, user)?;
    if account.admin == admin {
        return Ok(false);
    }
    if admin && (account.user.kind != UserKind::User || account.disabled_at.is_some()) {
        return Err(Refusal::cannot_administer().into());
    }
    if !admin {
        require_another(conn, user)?;
    }
    diesel::update(users::table.find(StoredId(user.0)))
        .set(users::admin.eq(admin))
        .execute(conn)?;
    let act = if admin {
        Act::AdminGiven
    } else {
        Act::AdminTaken
    };
    let note = NewAudit {
        who: actor,
        ..NewAudit::of(act).to(user)
    };
    audit::insert(conn, &note)?;
    if !admin {
        // Its windows show what it may no longer see.
        sessions::delete_all(conn, user, None)?;
        revocations::add(conn, RevocationKind::Role, user, None)?;
    }
    Ok(true)
}

/// Refuses to take a server its last administrator.
pub(super) fn require_another(conn: &mut SqliteConnection, user: UserId) -> Work<()> {
    if is_admin(conn, user)? && others(conn, user)? == 0 {
        return Err(ErrorCode::LastAdministrator.into());
    }
    Ok(())
}

/// Administrators beside this one.
fn others(conn: &mut SqliteConnection, user: UserId) -> Work<i64> {
    Ok(users::table
        .filter(users::admin.eq(true))
        .filter(users::disabled_at.is_null())
        .filter(users::id.ne(StoredId(user.0)))
        .count()
        .get_result(conn)?)
}

fn overview(conn: &mut SqliteConnection, columns: RoomColumns) -> Work<RoomOverview> {
    let (id, slug, name, visibility, archived, created_at, messages) = columns;
    let members = memberships::table
        .filter(memberships::room_id.eq(id))
        .count()
        .get_result(conn)?;
    let owners = memberships::table
        .inner_join(users::table)
        .filter(memberships::room_id.eq(id))
        .filter(memberships::role.eq(Role::Owner.as_str()))
        .order(users::id)
        .limit(OWNERS_SHOWN)
        .select((users::id, users::name, users::kind, users::owner_id))
        .load::<UserColumns>(conn)?;
    Ok(RoomOverview {
        room: RoomRef {
            id: RoomId(id.0),
            slug: slug.into(),
        },
        name,
        visibility: named(Visibility::from_name, &visibility)?,
        archived,
        created_at: time(created_at)?,
        members,
        messages,
        owners: owners
            .into_iter()
            .map(user_row)
            .collect::<Work<Vec<UserRow>>>()?,
    })
}

fn all_rooms(
    conn: &mut SqliteConnection,
    text: &str,
    after: &str,
    limit: i64,
) -> Work<Vec<RoomOverview>> {
    let found = rooms::table
        .inner_join(room_heads::table)
        .filter(rooms::deleted_at.is_null())
        .filter(rooms::visibility.ne(Visibility::Direct.as_str()))
        .filter(rooms::slug.gt(storable(after)?))
        .filter(rooms::slug.ge(storable(text)?))
        .filter(rooms::slug.lt(format!("{text}\u{10FFFF}")))
        .order(rooms::slug)
        .limit(limit)
        .select((
            rooms::id,
            rooms::slug,
            rooms::name,
            rooms::visibility,
            rooms::archived,
            rooms::created_at,
            room_heads::last_seq,
        ))
        .load::<RoomColumns>(conn)?;
    found
        .into_iter()
        .map(|columns| overview(conn, columns))
        .collect()
}

fn any_room(conn: &mut SqliteConnection, slug: &str) -> Work<RoomOverview> {
    let found = rooms::table
        .inner_join(room_heads::table)
        .filter(rooms::deleted_at.is_null())
        .filter(rooms::slug.eq(storable(slug)?))
        .select((
            rooms::id,
            rooms::slug,
            rooms::name,
            rooms::visibility,
            rooms::archived,
            rooms::created_at,
            room_heads::last_seq,
        ))
        .first::<RoomColumns>(conn)
        .optional()?;
    overview(conn, found.ok_or(ErrorCode::RoomNotFound)?)
}

fn members_of(
    conn: &mut SqliteConnection,
    room: RoomId,
    after: Option<UserId>,
    limit: i64,
) -> Work<Vec<(UserRow, Role)>> {
    let after = after.map_or(uuid::Uuid::nil(), |after| after.0);
    let found = memberships::table
        .inner_join(users::table)
        .filter(memberships::room_id.eq(StoredId(room.0)))
        .filter(memberships::user_id.gt(StoredId(after)))
        .order(memberships::user_id)
        .limit(limit)
        .select((
            (users::id, users::name, users::kind, users::owner_id),
            memberships::role,
        ))
        .load::<(UserColumns, String)>(conn)?;
    found
        .into_iter()
        .map(|(user, role)| Ok((user_row(user)?, named(Role::from_name, &role)?)))
        .collect()
}

fn renew_epochs(conn: &mut SqliteConnection, slug: Option<&str>) -> Work<u64> {
    let epoch = room_heads::epoch.eq(Epoch::random().0);
    let renewed = match slug {
        Some(slug) => {
            let room = any_room(conn, slug)?.room.id;
            diesel::update(room_heads::table.find(StoredId(room.0)))
                .set(epoch)
                .execute(conn)?
        }
        None => diesel::update(room_heads::table).set(epoch).execute(conn)?,
    };
    let note = NewAudit {
        room: slug.map_or(AuditRoom::None, |slug| AuditRoom::Slug(slug.to_owned())),
        ..NewAudit::of(Act::EpochRenewed)
    };
    audit::insert(conn, &note)?;
    Ok(renewed as u64)
}
