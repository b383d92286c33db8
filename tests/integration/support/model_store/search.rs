//! Searching in the model: every message of every room one may read is looked at.

use salon::db::rows::MessageState;
use salon::db::search::{Search, SearchHit, SearchPage, SearchPlace};
use salon::ids::UserId;

use super::tables::Tables;

impl Tables {
    /// What fits in the rooms of a user, newest first.
    pub(super) fn search(&self, user: UserId, search: &Search) -> SearchPage {
        let fits_room = |slug: &str| search.room.as_deref().is_none_or(|wanted| wanted == slug);
        let rooms = self.rooms.values().filter(|room| {
            !room.deleted && room.members.contains_key(&user) && fits_room(&room.row.slug)
        });
        let author = search.author.as_ref().map(|name| name.to_lowercase());
        let mut hits: Vec<SearchHit> = Vec::new();
        for room in rooms {
            for row in room.messages.values().map(|message| &message.row) {
                let place = SearchPlace {
                    at: row.created_at,
                    room: room.row.id,
                    seq: row.seq,
                };
                let fits = row.deleted_at.is_none()
                    && row.state != MessageState::Queued
                    && search.query.matches(&row.body)
                    && author
                        .as_ref()
                        .is_none_or(|name| row.author.name.to_lowercase() == *name)
                    && search.before.is_none_or(|before| row.created_at < before)
                    && search.after.is_none_or(|after| row.created_at >= after)
                    && search.from.is_none_or(|from| place < from);
                if fits {
                    hits.push(SearchHit {
                        room: room.row.slug.clone(),
                        room_name: room.row.name.clone(),
                        place,
                        message: row.clone(),
                    });
                }
            }
        }
        hits.sort_unstable_by_key(|hit| std::cmp::Reverse(hit.place));
        let limit = usize::try_from(search.limit).unwrap_or(0);
        let more = hits.len() > limit;
        hits.truncate(limit);
        let next = hits.last().filter(|_| more).map(|hit| hit.place);
        SearchPage { hits, next }
    }
}
