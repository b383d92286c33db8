//! Tokens, bots and incoming webhooks of the model, and which operation each unit of work is.

use async_trait::async_trait;
use chrono::TimeDelta;
use salon::db::StoreResult;
use salon::db::integrations::{
    BotRow, HookRow, HookUse, Integrations, NewHook, NewToken, TokenRow, TokenUse,
};
use salon::db::rows::{Identity, UserKind, UserRow, Visibility};
use salon::error::ErrorCode;
use salon::ids::{HookId, RoomId, SessionId, UserId};
use salon::limits::{BOTS_PER_USER, HOOKS_PER_ROOM, LAST_USED_S, TOKENS_PER_USER};
use salon::permissions::{Action, Role, allows};

use super::accounts::end;
use super::tables::{Hook, Tables, Token, User};
use super::{ModelStore, Moment, no, storable};

#[async_trait]
impl Integrations for ModelStore {
    async fn create_token(&self, actor: UserId, token: NewToken) -> StoreResult<TokenRow> {
        self.unit(|tables, now| tables.create_token(actor, token, now))
    }

    async fn tokens(&self, actor: UserId, holder: UserId) -> StoreResult<Vec<TokenRow>> {
        self.unit(|tables, now| {
            tables.require_holder(actor, holder)?;
            let rows = tables.tokens_of(holder, now);
            Ok(rows.cloned().collect())
        })
    }

    async fn delete_token(&self, actor: UserId, token: SessionId) -> StoreResult<bool> {
        self.unit(|tables, now| {
            let lived = tables.token_lives(token, now);
            let holder = tables.tokens.get(&token).map(|token| token.user);
            let mine = holder.is_some_and(|holder| holder == actor || tables.owns(actor, holder));
            Ok(mine && tables.tokens.remove(&token).is_some() && lived)
        })
    }

    async fn token_identity(&self, token_hash: &[u8; 32]) -> StoreResult<Option<TokenUse>> {
        Ok(self.unit(|tables, now| tables.token_identity(token_hash, now)))
    }

    async fn note_token_used(&self, token: SessionId) -> StoreResult<()> {
        self.unit(|tables, now| {
            if let Some(token) = tables.tokens.get_mut(&token) {
                token.row.last_used_at = Some(now);
            }
            Ok(())
        })
    }

    async fn create_bot(&self, owner: UserId, bot: UserRow) -> StoreResult<BotRow> {
        self.unit(|tables, now| tables.create_bot(owner, bot, now))
    }

    async fn bots(&self, owner: UserId) -> StoreResult<Vec<BotRow>> {
        Ok(self.unit(|tables, _| tables.bots_of(owner)))
    }

    async fn remove_bot(&self, owner: UserId, bot: UserId) -> StoreResult<bool> {
        self.unit(|tables, _| {
            if !tables.owns(owner, bot) {
                return Ok(false);
            }
            tables.users.get_mut(&bot).unwrap().disabled = true;
            tables.tokens.retain(|_, token| token.user != bot);
            Ok(true)
        })
    }

    async fn create_hook(&self, actor: UserId, slug: &str, hook: NewHook) -> StoreResult<HookRow> {
        self.unit(|tables, now| tables.create_hook(actor, slug, hook, now))
    }

    async fn hooks(&self, actor: UserId, slug: &str) -> StoreResult<Vec<HookRow>> {
        self.unit(|tables, _| {
            let room = tables.managed(actor, slug)?;
            let hooks = tables.hooks.values().filter(|hook| hook.room == room);
            Ok(hooks.map(|hook| hook.row.clone()).collect())
        })
    }

    async fn rotate_hook(
        &self,
        actor: UserId,
        slug: &str,
        hook: HookId,
        secret_hash: &[u8; 32],
    ) -> StoreResult<HookRow> {
        self.unit(|tables, _| {
            let hook = tables.managed_hook(actor, slug, hook)?;
            hook.hash = *secret_hash;
            Ok(hook.row.clone())
        })
    }

    async fn delete_hook(&self, actor: UserId, slug: &str, hook: HookId) -> StoreResult<UserRow> {
        self.unit(|tables, _| {
            let user = tables.managed_hook(actor, slug, hook)?.row.user.clone();
            tables.hooks.remove(&hook);
            tables.users.get_mut(&user.id).unwrap().disabled = true;
            Ok(user)
        })
    }

    async fn hook_by_secret(&self, secret_hash: &[u8; 32]) -> StoreResult<Option<HookUse>> {
        Ok(self.unit(|tables, now| {
            let mut hooks = tables.hooks.values();
            let hook = hooks.find(|hook| hook.hash == *secret_hash)?;
            let room = tables.rooms.get(&hook.room)?;
            (!room.deleted).then(|| HookUse {
                hook: hook.row.id,
                user: hook.row.user.clone(),
                slug: room.row.slug.clone(),
                note_due: note_due(hook.row.last_used_at, now),
            })
        }))
    }

    async fn note_hook_used(&self, hook: HookId) -> StoreResult<()> {
        self.unit(|tables, now| {
            if let Some(hook) = tables.hooks.get_mut(&hook) {
                hook.row.last_used_at = Some(now);
            }
            Ok(())
        })
    }
}

impl Tables {
    /// Whether a token lives.
    pub(super) fn token_lives(&self, token: SessionId, now: Moment) -> bool {
        self.tokens
            .get(&token)
            .is_some_and(|token| token.lives(now))
    }

    fn tokens_of(&self, holder: UserId, now: Moment) -> impl Iterator<Item = &TokenRow> {
        let tokens = self.tokens.values();
        tokens
            .filter(move |token| token.user == holder && token.lives(now))
            .map(|token| &token.row)
    }

    /// Whether it is a bot of `owner`'s, with a name of its own and not removed.
    fn owns(&self, owner: UserId, bot: UserId) -> bool {
        let bot = self.users.get(&bot).filter(|bot| !bot.disabled);
        bot.is_some_and(|bot| {
            bot.has_own_name && bot.owner.is_some_and(|(holder, _)| holder == owner)
        })
    }

    fn require_holder(&self, actor: UserId, holder: UserId) -> StoreResult<()> {
        let is_person = |user: &User| user.owner.is_none();
        let oneself = holder == actor && self.users.get(&holder).is_some_and(is_person);
        match oneself || self.owns(actor, holder) {
            true => Ok(()),
            false => no(ErrorCode::UserNotFound),
        }
    }

    fn create_token(
        &mut self,
        actor: UserId,
        token: NewToken,
        now: Moment,
    ) -> StoreResult<TokenRow> {
        storable(&token.name)?;
        self.require_holder(actor, token.user)?;
        if self.tokens_of(token.user, now).count() as i64 >= TOKENS_PER_USER {
            return no(ErrorCode::TooMany);
        }
        let row = TokenRow {
            id: token.id,
            name: token.name,
            scope: token.scope,
            created_at: now,
            expires_at: token.lifetime_s.map(|lifetime_s| end(now, lifetime_s)),
            last_used_at: None,
        };
        let token = Token {
            user: token.user,
            hash: token.token_hash,
            row: row.clone(),
        };
        self.tokens.insert(row.id, token);
        Ok(row)
    }

    fn token_identity(&self, hash: &[u8; 32], now: Moment) -> Option<TokenUse> {
        let mut tokens = self.tokens.values();
        let token = tokens.find(|token| token.hash == *hash && token.lives(now))?;
        let user = self.users.get(&token.user).filter(|user| !user.disabled)?;
        Some(TokenUse {
            identity: Identity {
                session: token.row.id,
                user: user.row.clone(),
                expires_at: token.row.expires_at,
                scope: Some(token.row.scope),
            },
            note_due: note_due(token.row.last_used_at, now),
        })
    }

    fn bots_of(&self, owner: UserId) -> Vec<BotRow> {
        let bots = self.users.values();
        bots.filter(|bot| self.owns(owner, bot.row.id))
            .filter_map(|bot| {
                Some(BotRow {
                    user: bot.row.clone(),
                    created_at: bot.owner?.1,
                })
            })
            .collect()
    }

    fn create_bot(&mut self, owner: UserId, bot: UserRow, now: Moment) -> StoreResult<BotRow> {
        storable(&bot.name)?;
        self.require_holder(owner, owner)?;
        if self.bots_of(owner).len() as i64 >= BOTS_PER_USER {
            return no(ErrorCode::TooMany);
        }
        if self.is_taken(&bot.name) {
            return no(ErrorCode::NameTaken);
        }
        let user = self.insert_bot(bot, owner, now, true);
        Ok(BotRow {
            user,
            created_at: now,
        })
    }

    fn insert_bot(&mut self, bot: UserRow, owner: UserId, now: Moment, named: bool) -> UserRow {
        let row = UserRow {
            kind: UserKind::Bot,
            ..bot
        };
        let user = User {
            has_own_name: named,
            owner: Some((owner, now)),
            ..User::of(row.clone())
        };
        self.users.insert(row.id, user);
        row
    }

    /// The room, for one who may manage its webhooks.
    fn managed(&self, actor: UserId, slug: &str) -> StoreResult<RoomId> {
        let Some(room) = self.by_slug(slug).filter(|room| !room.deleted) else {
            return no(ErrorCode::RoomNotFound);
        };
        match room.members.get(&actor) {
            Some(role) if allows(*role, Action::ManageIntegrations) => Ok(room.row.id),
            Some(_) => no(ErrorCode::Forbidden),
            None if room.row.visibility == Visibility::Public => no(ErrorCode::NotAMember),
            None => no(ErrorCode::RoomNotFound),
        }
    }

    fn managed_hook(&mut self, actor: UserId, slug: &str, hook: HookId) -> StoreResult<&mut Hook> {
        let room = self.managed(actor, slug)?;
        let hook = self.hooks.get_mut(&hook).filter(|hook| hook.room == room);
        hook.map_or_else(|| no(ErrorCode::NotFound), Ok)
    }

    fn create_hook(
        &mut self,
        actor: UserId,
        slug: &str,
        hook: NewHook,
        now: Moment,
    ) -> StoreResult<HookRow> {
        storable(&hook.user.name)?;
        let room = self.managed(actor, slug)?;
        let count = self.hooks.values().filter(|hook| hook.room == room).count();
        if count as i64 >= HOOKS_PER_ROOM {
            return no(ErrorCode::TooMany);
        }
        let user = self.insert_bot(hook.user, actor, now, false);
        let seated = self.rooms.get_mut(&room).unwrap();
        seated.seat(user.id, Role::Member);
        let row = HookRow {
            id: hook.id,
            user,
            created_by: self.user(actor).unwrap().clone(),
            created_at: now,
            last_used_at: None,
        };
        let hook = Hook {
            room,
            hash: hook.secret_hash,
            row: row.clone(),
        };
        self.hooks.insert(row.id, hook);
        Ok(row)
    }
}

fn note_due(last: Option<Moment>, now: Moment) -> bool {
    last.is_none_or(|last| last < now - TimeDelta::seconds(LAST_USED_S))
}
