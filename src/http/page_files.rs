//! The page's files as they stand in `static/`, embedded in the binary (a debug build reads the folder, so that an edit needs no
//! build), and the one style sheet that is joined of its parts. Asked by [`super::assets`]; it serves nothing itself.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::LazyLock;

use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

/// What the page links: a list of `@import`s, which a browser would follow one by one. It goes out with its parts in their place: one
/// request instead of twenty, and a third less to send, since what compresses has all of it before it.
const SHEET: &str = "css/page.css";

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/static/"]
struct Static;

/// A file of the page.
#[derive(Clone)]
pub(super) struct PageFile {
    pub(super) data: Cow<'static, [u8]>,
    /// Of what is in it: SHA-256.
    pub(super) hash: [u8; 32],
}

/// The style sheet of a release build, whose parts never change.
static JOINED: LazyLock<Option<PageFile>> = LazyLock::new(joined);

/// The paths of all that a browser may ask for, without the stroke before them.
pub(super) fn paths() -> impl Iterator<Item = Cow<'static, str>> {
    Static::iter().filter(|path| !is_hidden(path))
}

/// The file at a path, where a browser may ask for it.
pub(super) fn get(path: &str) -> Option<PageFile> {
    if path == SHEET {
        return if cfg!(debug_assertions) {
            joined()
        } else {
            JOINED.clone()
        };
    }
    let file = Static::get(path).filter(|_| !is_hidden(path))?;
    Some(PageFile {
        hash: file.metadata.sha256_hash(),
        data: file.data,
    })
}

/// A file no browser has business with: an editor's, or what tells Node that the scripts are modules.
fn is_hidden(path: &str) -> bool {
    path == "package.json" || path.split('/').any(|part| part.starts_with('.'))
}

/// Whether it is a part of the style sheet, which a page of the release before asks for by itself.
#[cfg(test)]
pub(super) fn is_part(path: &str) -> bool {
    path.starts_with("css/") && path != SHEET
}

/// The style sheet with its parts; none where one of them is not there.
fn joined() -> Option<PageFile> {
    let mut all = String::new();
    for line in std::str::from_utf8(&Static::get(SHEET)?.data).ok()?.lines() {
        let imported = line.strip_prefix("@import \"");
        match imported.and_then(|rest| rest.strip_suffix("\";")) {
            Some(part) => {
                let part = Static::get(&format!("css/{part}"))?;
                all.push_str(std::str::from_utf8(&part.data).ok()?);
            }
            None => writeln!(all, "{line}").ok()?,
        }
    }
    Some(PageFile {
        hash: Sha256::digest(&all).into(),
        data: Cow::Owned(all.into_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_sheet_has_all_its_parts_in_their_order_and_none_is_forgotten() {
        let list = Static::get(SHEET).expect("there is one");
        let list = String::from_utf8(list.data.into_owned()).expect("it is text");
        let parts: Vec<&str> = list
            .lines()
            .filter_map(|line| line.strip_prefix("@import \"")?.strip_suffix("\";"))
            .collect();
        let all = get(SHEET).expect("each part is there");
        let text = String::from_utf8(all.data.into_owned()).expect("it is text");
        assert!(!text.contains("@import"), "a browser would ask for more");
        let mut behind = 0;
        for part in &parts {
            let part = Static::get(&format!("css/{part}")).expect("it is there");
            let part = String::from_utf8(part.data.into_owned()).expect("it is text");
            let at = text[behind..]
                .find(&part)
                .expect("it stands where it should");
            behind += at + part.len();
        }
        let there = Static::iter().filter(|path| is_part(path));
        assert_eq!(there.count(), parts.len());
        assert!(get("css/room.css").is_some() && get("package.json").is_none());
    }
}
