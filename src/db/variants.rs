//! The variants of a reply: the texts it was given, of which the room has selected one. That one is the reply's message,
//! for everybody and for every prompt; the others are read when somebody asks. Rows and pure helpers for every store.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::StoreResult;
use super::rows::{MessageRow, MessageState, ReplyMeta};
use crate::ids::{Seq, UserId};
use crate::limits;

/// How many texts a reply has, and which of them its message is. Told with the message where there is more than one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Variants {
    /// All there are: numbers 1 to this one.
    pub count: i32,
    /// The one that the message is.
    pub selected: i32,
}

impl Variants {
    /// What the message tells: nothing while there is only one.
    #[must_use]
    pub const fn told(self) -> Option<Self> {
        if self.count > 1 { Some(self) } else { None }
    }

    /// With one more, which is the selected one from then on; `None` at the bound.
    #[must_use]
    pub const fn one_more(self) -> Option<Self> {
        if self.count >= limits::VARIANTS_PER_REPLY {
            return None;
        }
        Some(Self {
            count: self.count + 1,
            selected: self.count + 1,
        })
    }
}

/// One text of a reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VariantRow {
    /// Its number, from 1.
    pub variant: i32,
    /// How it ended.
    pub state: MessageState,
    /// The text.
    pub body: String,
    /// Its sanitised HTML.
    pub html: Option<String>,
    /// Of its making: its attempt, its model, its tokens.
    pub meta: ReplyMeta,
}

impl VariantRow {
    /// What a settled reply's message is at present.
    #[must_use]
    pub fn of(message: &MessageRow, variant: i32) -> Self {
        Self {
            variant,
            state: message.state,
            body: message.body.clone(),
            html: message.html.clone(),
            meta: ReplyMeta {
                variants: None,
                ..message.meta.reply.clone().unwrap_or_default()
            },
        }
    }

    /// How much of a page it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.body.len() + self.html.as_ref().map_or(0, String::len)
    }
}

/// Some of a reply's variants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VariantPage {
    /// Ascending. One that waits or is being written is not among them.
    pub variants: Vec<VariantRow>,
    /// How many there are, and which the message is.
    pub all: Variants,
    /// Whether there are more behind these.
    pub more: bool,
}

impl VariantPage {
    /// Of all variants above a place, ascending, as many as a page takes: at least one.
    #[must_use]
    pub fn cut(all: Variants, rows: Vec<VariantRow>) -> Self {
        let (found, mut bytes) = (rows.len(), 0);
        let variants: Vec<VariantRow> = rows
            .into_iter()
            .enumerate()
            .take_while(|(place, row)| {
                bytes += row.bytes();
                *place == 0 || bytes <= limits::PAGE_BYTES
            })
            .map(|(_, row)| row)
            .collect();
        let more = variants.len() < found;
        Self {
            variants,
            all,
            more,
        }
    }
}

/// The part of the contract that reads variants; see [`super::Store`], whose rules hold here too.
#[async_trait]
pub trait VariantStore {
    /// The texts of a reply above number `after`, ascending, as many as a page takes.
    ///
    /// # Errors
    /// `reply_not_found`, also of a deleted one; as every read.
    async fn variants(
        &self,
        user: UserId,
        slug: &str,
        seq: Seq,
        after: i32,
    ) -> StoreResult<VariantPage>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_what_fits_and_at_least_one() {
        let all = Variants {
            count: 3,
            selected: 3,
        };
        let row = |variant, bytes| VariantRow {
            variant,
            state: MessageState::Complete,
            body: "x".repeat(bytes),
            html: None,
            meta: ReplyMeta::default(),
        };
        let page = |rows| VariantPage::cut(all, rows);
        let half = limits::PAGE_BYTES / 2;
        let two = page(vec![row(1, half), row(2, half), row(3, 1)]);
        assert_eq!((two.variants.len(), two.more), (2, true));
        let one = page(vec![row(2, limits::PAGE_BYTES + 1), row(3, 1)]);
        assert_eq!((one.variants.len(), one.more), (1, true));
        let none = page(Vec::new());
        assert_eq!((none.variants.len(), none.more), (0, false));
    }

    #[test]
    fn variants_are_counted_up_to_a_bound() {
        let mut all = Variants {
            count: 1,
            selected: 1,
        };
        assert_eq!(all.told(), None);
        while let Some(more) = all.one_more() {
            assert_eq!(more.selected, more.count);
            all = more;
        }
        assert_eq!(all.count, limits::VARIANTS_PER_REPLY);
        assert_eq!(all.told(), Some(all));
    }
}
