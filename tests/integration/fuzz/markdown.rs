//! Markdown: whatever the text, its HTML holds only what a message may hold, a browser's parser reads it as it stands, another
//! sanitiser takes nothing away from it, and it takes time and room in proportion to the text.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use ammonia::{Builder, UrlRelative};
use salon::chat::markdown::render;
use salon::limits;

use super::engine::Target;
use super::html::judge;
use super::within;

/// The longest that a text of full length may take; ten times as much without optimisation.
const LIMIT: Duration = Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 50 });

const WORDS: &[&str] = &[
    "**",
    "*",
    "_",
    "`",
    "```",
    "```rust\n",
    "~~",
    "\n",
    "\n\n",
    "> ",
    "- ",
    "1. ",
    "- [x] ",
    "# ",
    "***\n",
    "[",
    "](https://e.org)",
    "](javascript:x)",
    "![",
    "<https://e.org>",
    "<ada@e.org>",
    "<script>",
    "</script>",
    "<svg onload=x>",
    "<!--",
    "-->",
    "<![CDATA[",
    "&lt;",
    "&#x6a;",
    "|a|b|\n|:-|-:|\n",
    "|",
    "[a]: ",
    "[a]",
    "    ",
    "\t",
    "\\",
    "\" onmouseover=\"x",
    "data:text/html,x",
    "\u{202e}",
    "\u{a0}",
];

/// A sanitiser with the rules of `docs/protocol.md`, set up anew here.
fn sanitiser() -> Builder<'static> {
    let tags = "a blockquote br code del em h1 h2 h3 h4 h5 h6 hr li ol p pre strong table tbody td th thead tr ul";
    let mut builder = Builder::empty();
    builder
        .tags(tags.split(' ').collect())
        .tag_attributes(HashMap::from([
            ("a", HashSet::from(["href", "target", "rel"])),
            ("code", HashSet::from(["class"])),
            ("ol", HashSet::from(["start"])),
            ("td", HashSet::from(["class"])),
            ("th", HashSet::from(["class"])),
        ]))
        .link_rel(None)
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(UrlRelative::Deny);
    builder
}

fn check(sanitiser: &Builder<'_>, body: &str) -> Result<(), String> {
    let Some(html) = within(LIMIT, || render(body))? else {
        return Ok(());
    };
    judge(&html).map_err(|wrong| format!("{wrong} in {html:?}"))?;
    let again = sanitiser.clean(&html).to_string();
    if again != html {
        return Err(format!("cleaned again, {html:?} is {again:?}"));
    }
    // A tag for each two bytes, and a link's fixed attributes, are the most.
    if html.len() > 256 + 64 * body.len() {
        return Err(format!("{} bytes of {}", html.len(), body.len()));
    }
    match render(body) {
        Some(twice) if twice == html => Ok(()),
        twice => Err(format!("another time it is {twice:?}")),
    }
}

#[test]
fn fuzz_markdown() {
    let target = Target {
        name: "markdown",
        words: WORDS,
        max_bytes: limits::BODY_BYTES,
        seeds: Vec::new(),
    };
    let sanitiser = sanitiser();
    target.fuzz(|input, _| check(&sanitiser, &String::from_utf8_lossy(input)));
}
