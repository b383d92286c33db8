//! Markdown to HTML that any browser may show: parsed by pulldown-cmark, then cut down by ammonia to the few tags named
//! here. Pure. Called once for each message that is stored, before its transaction.
//!
//! Two fences, each enough by itself: no raw HTML, image or foreign scheme leaves the parser's side, and the sanitiser
//! lets nothing else through. Work and memory are bounded by the length of the text, whatever its nesting.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use pulldown_cmark::{
    Alignment, CodeBlockKind, CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html,
};

/// Tags within tags; what is nested deeper loses its tags and keeps its text. HTML parsers take time by the square of the depth.
const DEPTH: usize = 24;
/// Characters of the name of a code block's language.
const LANGUAGE_CHARS: usize = 32;
/// Parser events for each byte of text: real text has fewer than two; a table that is filled up has thousands.
const EVENTS_PER_BYTE: usize = 3;
/// Parser events that any text may have.
const EVENTS_FREE: usize = 256;

/// What a table's cell may have as its class; the style sheet says what they mean.
const ALIGN_CLASSES: [&str; 3] = ["align-left", "align-center", "align-right"];

/// The HTML of `body`, or `None` where Markdown adds nothing to it: then the text is shown as it stands. Also `None`
/// where the HTML would be out of all proportion to the text.
#[must_use]
pub fn render(body: &str) -> Option<String> {
    let most_events = body.len() * EVENTS_PER_BYTE + EVENTS_FREE;
    let mut screen = Screen::default();
    for event in Parser::new_ext(body, options()) {
        screen.take(event);
        if screen.events.len() > most_events {
            return None;
        }
    }
    if !screen.is_rich {
        return None;
    }
    let mut raw = String::with_capacity(body.len() * 2);
    html::push_html(&mut raw, screen.events.into_iter());
    Some(SANITIZER.clean(&raw).to_string())
}

fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS
}

/// What HTML may hold. `class` only as `language-…` on code and `align-…` on cells; no `style`, no `id`, no image, no form, no frame.
static SANITIZER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let tags = [
        "a",
        "blockquote",
        "br",
        "code",
        "del",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "li",
        "ol",
        "p",
        "pre",
        "strong",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    ];
    let attributes = HashMap::from([
        ("a", HashSet::from(["href"])),
        ("code", HashSet::from(["class"])),
        ("ol", HashSet::from(["start"])),
        ("td", HashSet::from(["class"])),
        ("th", HashSet::from(["class"])),
    ]);
    let mut builder = Builder::empty();
    builder
        .tags(HashSet::from(tags))
        .clean_content_tags(HashSet::from(["script", "style"]))
        .tag_attributes(attributes)
        .set_tag_attribute_value("a", "target", "_blank")
        .link_rel(Some("noopener noreferrer nofollow"))
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .url_relative(UrlRelative::Deny)
        .attribute_filter(|tag, attribute, value| match (tag, attribute) {
            ("code", "class") => value
                .strip_prefix("language-")
                .is_some_and(|name| language(name) == Some(name))
                .then_some(Cow::Borrowed(value)),
            ("td" | "th", "class") => ALIGN_CLASSES
                .contains(&value)
                .then_some(Cow::Borrowed(value)),
            _ => Some(Cow::Borrowed(value)),
        });
    builder
});

/// The parser's events, made harmless.
#[derive(Default)]
struct Screen<'text> {
    events: Vec<Event<'text>>,
    /// For each tag that is open, whether it was kept.
    open: Vec<bool>,
    /// How many of them were kept.
    depth: usize,
    /// Links and images that are open: only the outermost becomes a link.
    links: usize,
    /// The address of the image that is open, until it shows any text.
    silent_image: Option<CowStr<'text>>,
    /// The table that is open; cells hold no tables.
    table: Table,
    /// A line of raw HTML was shown in this block.
    is_in_html: bool,
    /// Anything but paragraphs, text and line breaks.
    is_rich: bool,
}

/// Where in a table the parser is.
#[derive(Default)]
struct Table {
    columns: Vec<Alignment>,
    column: usize,
    is_in_head: bool,
}

impl Table {
    /// The cell's tag and its class, for a column that is aligned; the renderer itself would write `style`.
    fn aligned_cell(&self) -> Option<(&'static str, &'static str)> {
        let [left, center, right] = ALIGN_CLASSES;
        let class = match self.columns.get(self.column)? {
            Alignment::None => return None,
            Alignment::Left => left,
            Alignment::Center => center,
            Alignment::Right => right,
        };
        Some((if self.is_in_head { "th" } else { "td" }, class))
    }
}

impl<'text> Screen<'text> {
    fn take(&mut self, event: Event<'text>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(end) => self.end(end),
            Event::Text(text) => self.text(text),
            Event::Html(text) => {
                if std::mem::replace(&mut self.is_in_html, true) {
                    self.events.push(Event::HardBreak);
                }
                self.text(trim_line_end(text));
            }
            Event::InlineHtml(text) => self.text(text),
            // People in a chat mean the line breaks that they type.
            Event::SoftBreak | Event::HardBreak => self.events.push(Event::HardBreak),
            Event::Code(_) => {
                self.is_rich = true;
                self.silent_image = None;
                self.events.push(event);
            }
            Event::Rule => {
                self.is_rich = true;
                self.events.push(event);
            }
            Event::TaskListMarker(is_done) => {
                let mark = if is_done { "☑ " } else { "☐ " };
                self.events.push(Event::Text(mark.into()));
            }
            // Not enabled.
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.text(text);
            }
        }
    }

    fn text(&mut self, text: CowStr<'text>) {
        self.silent_image = None;
        self.events.push(Event::Text(text));
    }

    fn start(&mut self, tag: Tag<'text>) {
        let kept = match tag {
            Tag::Link {
                link_type: LinkType::Email,
                dest_url,
                ..
            } => self.start_link(format!("mailto:{dest_url}").into()),
            Tag::Link { dest_url, .. } => self.start_link(dest_url),
            Tag::Image { dest_url, .. } => {
                self.silent_image = Some(dest_url.clone());
                self.start_link(dest_url)
            }
            Tag::HtmlBlock => {
                self.is_in_html = false;
                Some(Tag::Paragraph)
            }
            Tag::Paragraph => Some(Tag::Paragraph),
            Tag::CodeBlock(kind) => Some(Tag::CodeBlock(safe_kind(kind))),
            Tag::Heading { level, .. } => Some(Tag::Heading {
                level,
                id: None,
                classes: Vec::new(),
                attrs: Vec::new(),
            }),
            Tag::BlockQuote(_) => Some(Tag::BlockQuote(None)),
            Tag::Table(columns) => {
                let plain = vec![Alignment::None; columns.len()];
                self.table.columns = columns;
                Some(Tag::Table(plain))
            }
            Tag::TableHead | Tag::TableRow => {
                self.table.column = 0;
                self.table.is_in_head = tag == Tag::TableHead;
                Some(tag)
            }
            Tag::List(_)
            | Tag::Item
            | Tag::TableCell
            | Tag::Emphasis
            | Tag::Strong
            | Tag::Strikethrough => Some(tag),
            // Not enabled.
            _ => None,
        };
        let kept = kept.filter(|_| self.depth < DEPTH);
        self.open.push(kept.is_some());
        if let Some(tag) = kept {
            self.depth += 1;
            self.is_rich = self.is_rich || tag != Tag::Paragraph;
            let cell = self.table.aligned_cell().filter(|_| tag == Tag::TableCell);
            self.events.push(match cell {
                Some((name, class)) => {
                    Event::InlineHtml(format!("<{name} class=\"{class}\">").into())
                }
                None => Event::Start(tag),
            });
        }
    }

    /// A link to `address`, where it may be one.
    fn start_link(&mut self, address: CowStr<'text>) -> Option<Tag<'text>> {
        self.links += 1;
        (self.links == 1 && is_safe_address(&address)).then(|| Tag::Link {
            link_type: LinkType::Inline,
            dest_url: address,
            title: "".into(),
            id: "".into(),
        })
    }

    fn end(&mut self, end: TagEnd) {
        let end = match end {
            TagEnd::Link => {
                self.links = self.links.saturating_sub(1);
                end
            }
            TagEnd::Image => {
                self.links = self.links.saturating_sub(1);
                // A picture without a word of its own is named by its address.
                if let Some(address) = self.silent_image.take() {
                    self.events.push(Event::Text(address));
                }
                TagEnd::Link
            }
            TagEnd::HtmlBlock => TagEnd::Paragraph,
            TagEnd::BlockQuote(_) => TagEnd::BlockQuote(None),
            end => end,
        };
        let is_cell = end == TagEnd::TableCell;
        if self.open.pop() == Some(true) {
            self.depth -= 1;
            let cell = self.table.aligned_cell().filter(|_| is_cell);
            self.events.push(match cell {
                Some((name, _)) => Event::InlineHtml(format!("</{name}>").into()),
                None => Event::End(end),
            });
        }
        self.table.column += usize::from(is_cell);
    }
}

fn safe_kind(kind: CodeBlockKind<'_>) -> CodeBlockKind<'_> {
    match kind {
        CodeBlockKind::Fenced(info) => {
            let name = info.split_whitespace().next().and_then(language);
            CodeBlockKind::Fenced(name.map_or_else(|| "".into(), |name| name.to_owned().into()))
        }
        CodeBlockKind::Indented => CodeBlockKind::Indented,
    }
}

/// `name` if it can be the name of a language.
fn language(name: &str) -> Option<&str> {
    let is_safe = (1..=LANGUAGE_CHARS).contains(&name.len())
        && name.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'#' | b'-' | b'_' | b'.')
        });
    is_safe.then_some(name)
}

fn is_safe_address(address: &str) -> bool {
    let Some((scheme, rest)) = address.split_once(':') else {
        return false;
    };
    let is_web = (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
        && rest.starts_with("//");
    (is_web || scheme.eq_ignore_ascii_case("mailto")) && !address.contains(char::is_control)
}

fn trim_line_end(text: CowStr<'_>) -> CowStr<'_> {
    match text {
        CowStr::Borrowed(text) => CowStr::Borrowed(text.trim_end_matches(['\r', '\n'])),
        other => other.trim_end_matches(['\r', '\n']).to_owned().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_plain() {
        for body in [
            "",
            "hello",
            "two\nlines",
            "two\n\nparagraphs  \nand a break",
            "1 < 2 && 3 > 2",
            "<b>not bold</b>",
            "<div>\nnot a block\n</div>",
            "snake_case_name and 2 * 3 * 4 is fine",
            "[x](javascript:alert(1))",
            "[x](relative/path) [y](//host) [z](#id) [w](data:text/html,x)",
            "¯\\_(ツ)_/¯",
            "[a]: http://example.org",
        ] {
            assert_eq!(render(body), None, "{body}");
        }
    }

    #[test]
    fn markdown_becomes_html() {
        let link = |url: &str, text: &str| {
            format!(
                "<a href=\"{url}\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">{text}</a>"
            )
        };
        let cases = [
            ("**a** *b* ~~c~~ `d<`", "<p><strong>a</strong> <em>b</em> <del>c</del> <code>d&lt;</code></p>\n".to_owned()),
            ("# a\n***\n> q", "<h1>a</h1>\n<hr>\n<blockquote>\n<p>q</p>\n</blockquote>\n".to_owned()),
            ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n".to_owned()),
            ("3. a", "<ol start=\"3\">\n<li>a</li>\n</ol>\n".to_owned()),
            ("- [ ] a\n- [x] b", "<ul>\n<li>☐ a</li>\n<li>☑ b</li>\n</ul>\n".to_owned()),
            ("*a*\nb", "<p><em>a</em><br>\nb</p>\n".to_owned()),
            ("```rust\nfn\n```", "<pre><code class=\"language-rust\">fn\n</code></pre>\n".to_owned()),
            ("```c++ x=\"y\"\n```", "<pre><code class=\"language-c++\"></code></pre>\n".to_owned()),
            ("```a\"onload=1\nx\n```", "<pre><code>x\n</code></pre>\n".to_owned()),
            ("|a|b|c|\n|:-|-:|-|\n|d|\n||*e*|f|", "<table><thead><tr><th class=\"align-left\">a</th><th class=\"align-right\">b</th><th>c</th></tr></thead><tbody>\n\
                <tr><td class=\"align-left\">d</td><td class=\"align-right\"></td><td></td></tr>\n\
                <tr><td class=\"align-left\"></td><td class=\"align-right\"><em>e</em></td><td>f</td></tr>\n</tbody></table>\n".to_owned()),
            ("|a|\n|:-:|\n\n|b|\n|-|", "<table><thead><tr><th class=\"align-center\">a</th></tr></thead><tbody>\n</tbody></table>\n<table><thead><tr><th>b</th></tr></thead><tbody>\n</tbody></table>\n".to_owned()),
            ("[t](https://e.org/?a=1&b=2 \"title\")", format!("<p>{}</p>\n", link("https://e.org/?a=1&amp;b=2", "t"))),
            ("<https://e.org>", format!("<p>{}</p>\n", link("https://e.org", "https://e.org"))),
            ("<ada@e.org>", format!("<p>{}</p>\n", link("mailto:ada@e.org", "ada@e.org"))),
            ("![cat](https://e.org/c.png)", format!("<p>{}</p>\n", link("https://e.org/c.png", "cat"))),
            ("![](https://e.org/c.png)", format!("<p>{}</p>\n", link("https://e.org/c.png", "https://e.org/c.png"))),
            ("[![cat](https://e.org/c.png)](https://e.org)", format!("<p>{}</p>\n", link("https://e.org", "cat"))),
            ("![a [b](https://x.org) c](https://e.org)", format!("<p>{}</p>\n", link("https://e.org", "a b c"))),
            ("**x** <b onclick=y>z</b>", "<p><strong>x</strong> &lt;b onclick=y&gt;z&lt;/b&gt;</p>\n".to_owned()),
            ("**x**\n\n<div>\na\n</div>", "<p><strong>x</strong></p>\n<p>&lt;div&gt;<br>\na<br>\n&lt;/div&gt;</p>\n".to_owned()),
        ];
        for (body, expected) in cases {
            assert_eq!(render(body).as_deref(), Some(expected.as_str()), "{body}");
        }
    }
}
