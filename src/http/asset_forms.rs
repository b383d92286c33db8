//! The page's files in the forms in which they go out: as they are, without the comments, and compressed by Brotli as far as it
//! goes. Each is made once and kept: a page of a hundred files costs no compressing. Used by [`super::assets`]; it never sees
//! what anybody wrote.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use std::sync::{LazyLock, PoisonError, RwLock};

use bytes::Bytes;

use super::page_files::PageFile;

/// How hard Brotli tries, of 11: a build that reads `static/` anew with each edit, and is slow by itself, takes less trouble.
const QUALITY: u32 = if cfg!(debug_assertions) { 5 } else { 11 };
/// Brotli's own default: 4 MiB. No file is as large.
const WINDOW: u32 = 22;

/// One file.
#[derive(Clone)]
pub(super) struct Forms {
    pub(super) plain: Bytes,
    pub(super) brotli: Bytes,
    /// Of the file from which they were made.
    hash: [u8; 32],
}

/// By path. There are as many as there are files in `static/`: only what was found there comes in.
static KNOWN: LazyLock<RwLock<HashMap<String, Forms>>> = LazyLock::new(RwLock::default);

/// The forms of a file that has gone out before, unless it has changed since.
pub(super) fn known(path: &str, file: &PageFile) -> Option<Forms> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let forms = known.get(path)?;
    (forms.hash == file.hash).then(|| forms.clone())
}

/// The forms of a file. Takes some milliseconds, the first time.
pub(super) fn of(path: &str, file: PageFile) -> Forms {
    if let Some(forms) = known(path, &file) {
        return forms;
    }
    let plain = as_sent(path, file.data);
    let forms = Forms {
        brotli: brotli(&plain, QUALITY).into(),
        plain: plain.into_owned().into(),
        hash: file.hash,
    };
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    known.insert(path.to_owned(), forms.clone());
    forms
}

/// Compressed, with this much trouble.
pub(super) fn brotli(data: &[u8], quality: u32) -> Vec<u8> {
    let mut compressed = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut compressed, 4096, quality, WINDOW);
    // Into memory: neither can fail.
    let _ = writer.write_all(data);
    drop(writer);
    compressed
}

/// A file as it goes out: scripts and style sheets without what only their readers need, a fourth of what is sent.
pub(super) fn as_sent(path: &str, data: Cow<'static, [u8]>) -> Cow<'static, [u8]> {
    let is_source = path.ends_with(".js") || path.ends_with(".css");
    match std::str::from_utf8(&data) {
        Ok(text) if is_source => Cow::Owned(for_machines(text).into_bytes()),
        _ => data,
    }
}

/// Without the comments that have lines of their own, and not indented. The lines stay, so that a trace names the line of the source.
/// A comment beside code stays too: only a parser could tell it from a string. No string of several lines has one that begins with a
/// space, which `tests/web/loading.test.js` looks at.
fn for_machines(text: &str) -> String {
    let mut rest = String::with_capacity(text.len());
    let mut is_inside = false;
    for line in text.split_inclusive('\n') {
        let words = line.trim();
        let end = words.split_once("*/");
        let begins =
            !is_inside && words.starts_with("/*") && end.is_none_or(|(_, code)| code.is_empty());
        let is_comment = is_inside || begins || words.starts_with("//");
        is_inside = (is_inside || begins) && end.is_none();
        if !is_comment {
            rest.push_str(line.trim_start_matches(' '));
        } else if line.ends_with('\n') {
            rest.push('\n');
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_with_lines_of_their_own_and_indentation_are_not_sent() {
        let source = "/**\n * What it is.\n */\n  const a = 1; // one\n  // two\n/* three */\nconst b = '/*';\n/* four */ f();\n";
        let sent = "\n\n\nconst a = 1; // one\n\n\nconst b = '/*';\n/* four */ f();\n";
        assert_eq!(for_machines(source), sent);
    }
}
