//! Searching: a query over the rooms one may read, and of each message found the part that shows why. Called by
//! `http/search`. The stores find; this bounds how many ask at once, and cuts the snippets.

use std::ops::Range;

use super::Chat;
use crate::db::StoreError;
use crate::db::rows::Identity;
use crate::db::search::{Search, SearchPage, SearchQuery};
use crate::error::{ErrorCode, Refusal};
use crate::limits;

/// Text before the first place that is marked.
const LEAD_CHARS: usize = 60;
/// Text of a snippet in all.
const SNIPPET_CHARS: usize = 240;

/// A piece of a snippet: text as it was written, never HTML.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Piece {
    /// The text.
    pub text: String,
    /// Whether it is what was looked for.
    pub hit: bool,
}

impl Chat {
    /// What of the rooms that `who` is in fits a search, newest first.
    ///
    /// # Errors
    /// As finding the room, where one is named; `busy` when too many search at once.
    pub async fn search(&self, who: &Identity, search: Search) -> Result<SearchPage, Refusal> {
        let busy = || Refusal::from(ErrorCode::Busy).retry_after_ms(limits::RETRY_HINT_MS);
        if let Some(slug) = &search.room {
            self.prove(who.user.id, slug).await?;
        }
        let turn = tokio::time::timeout(limits::SEARCH_WAIT, self.searches.acquire());
        let Ok(Ok(_turn)) = turn.await else {
            return Err(busy());
        };
        self.store
            .search(who.user.id, search)
            .await
            .map_err(StoreError::into_refusal)
    }
}

/// The part of a text around the first place that fits, with every such place in it marked.
#[must_use]
pub fn snippet(query: &SearchQuery, text: &str) -> Vec<Piece> {
    let places = query.places(text);
    let window = window(text, places.first());
    let mut pieces = Vec::new();
    let mut at = window.start;
    let inside = |place: &Range<usize>| place.start >= window.start && place.end <= window.end;
    for place in places.into_iter().filter(inside) {
        push(&mut pieces, text.get(at..place.start), false);
        at = place.end;
        push(&mut pieces, text.get(place), true);
    }
    push(&mut pieces, text.get(at..window.end), false);
    if window.start > 0 {
        pieces.insert(0, piece("… ", false));
    }
    if window.end < text.len() {
        pieces.push(piece(" …", false));
    }
    pieces
}

fn push(pieces: &mut Vec<Piece>, text: Option<&str>, hit: bool) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        pieces.push(piece(text, hit));
    }
}

/// On one line.
fn piece(text: &str, hit: bool) -> Piece {
    let text = text.replace(char::is_control, " ");
    Piece { text, hit }
}

/// The range of a text that a snippet shows, at whole characters.
fn window(text: &str, first: Option<&Range<usize>>) -> Range<usize> {
    let first = first.map_or(0, |place| place.start);
    let before = text.get(..first).unwrap_or_default();
    let lead = before.char_indices().rev().take(LEAD_CHARS).last();
    let mut start = lead.map_or(first, |(start, _)| start);
    if start > 0 {
        // Not in the middle of a word, if there is a space before what was found.
        let lead = text.get(start..first).unwrap_or_default();
        start += lead.find(' ').map_or(0, |space| space + 1);
    }
    let rest = text.get(start..).unwrap_or_default();
    let end = rest.char_indices().nth(SNIPPET_CHARS);
    start..end.map_or(text.len(), |(end, _)| start + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(query: &str, text: &str) -> String {
        let pieces = snippet(&SearchQuery::parse(query).unwrap(), text);
        pieces
            .iter()
            .map(|piece| match piece.hit {
                true => format!("[{}]", piece.text),
                false => piece.text.clone(),
            })
            .collect()
    }

    #[test]
    fn what_was_looked_for_is_marked() {
        assert_eq!(
            shown("tea \"the kettle\"", "Tea: the\nkettle, <b>tea</b>"),
            "[Tea]: [the kettle], <b>[tea]</b>"
        );
        // Found by another form than it is read here: the beginning is shown all the same.
        assert_eq!(shown("tea", "nothing of it"), "nothing of it");
        assert_eq!(shown("tea", ""), "");
    }

    #[test]
    fn a_long_text_is_cut_around_it() {
        let text = format!(
            "{} Übrigens häuser hier {}",
            "ö".repeat(500),
            "ü ".repeat(500)
        );
        let shown = shown("häuser", &text);
        assert!(shown.starts_with("… Übrigens [häuser] hier ü ü"), "{shown}");
        assert!(
            shown.ends_with(" …") && shown.chars().count() < SNIPPET_CHARS + 10,
            "{shown}"
        );
        let shown = super::tests::shown("x", &format!("{}x", "y ".repeat(300)));
        assert!(
            shown.ends_with("y [x]") || shown.ends_with("y y yx"),
            "{shown}"
        );
    }
}
