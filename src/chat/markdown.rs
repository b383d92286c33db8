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

/// What HTML may hold. `class` only as `language-…` on code; no `style`, no `id`, no image, no form, no frame.
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
    /// A line of raw HTML was shown in this block.
    is_in_html: bool,
    /// Anything but paragraphs, text and line breaks.
    is_rich: bool,
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
            // Alignment would need `style`.
            Tag::Table(columns) => Some(Tag::Table(vec![Alignment::None; columns.len()])),
            Tag::List(_)
            | Tag::Item
            | Tag::TableHead
            | Tag::TableRow
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
            self.events.push(Event::Start(tag));
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
        if self.open.pop() == Some(true) {
            self.depth -= 1;
            self.events.push(Event::End(end));
        }
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
    use crate::limits;
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

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
            ("|a|b|\n|:-|-:|\n|c|", "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody>\n<tr><td>c</td><td></td></tr>\n</tbody></table>\n".to_owned()),
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

    /// Whatever the body, the HTML holds only what is named here. Returns what it finds besides.
    fn strangers(html: &str) -> Vec<String> {
        let mut found = Vec::new();
        for part in html.split('<').skip(1) {
            let (tag, _) = part.split_once('>').unwrap_or((part, ""));
            let tag = tag.trim_start_matches('/');
            let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
            let is_known = "a blockquote br code del em h1 h2 h3 h4 h5 h6 hr li ol p pre strong table tbody td th thead tr ul"
                .split(' ')
                .any(|known| known == name);
            let tail = " target=\"_blank\" rel=\"noopener noreferrer nofollow\"";
            let are_known = match (name, attributes) {
                (_, "") => true,
                ("a", attributes) => attributes.strip_suffix(tail).is_some_and(|href| {
                    ["http://", "https://", "mailto:"].iter().any(|scheme| {
                        href.strip_prefix("href=\"").is_some_and(|url| {
                            url.to_ascii_lowercase().starts_with(scheme)
                                && url.ends_with('"')
                                && url.matches('"').count() == 1
                        })
                    })
                }),
                ("code", attributes) => attributes
                    .strip_prefix("class=\"language-")
                    .and_then(|rest| rest.strip_suffix('"'))
                    .is_some_and(|name| language(name).is_some()),
                ("ol", attributes) => attributes
                    .strip_prefix("start=\"")
                    .and_then(|rest| rest.strip_suffix('"'))
                    .is_some_and(|number| number.parse::<u64>().is_ok()),
                _ => false,
            };
            if !is_known || !are_known {
                found.push(part.to_owned());
            }
        }
        found
    }

    #[test]
    fn no_payload_gets_through() {
        for payload in [
            "<script>alert(1)</script>",
            "<scr<script>ipt>alert(1)</scr</script>ipt>",
            "<img src=x onerror=alert(1)>",
            "<svg onload=alert(1)>",
            "<svg><animate onbegin=alert(1) attributeName=x></svg>",
            "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
            "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
            "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
            "<a href=\"javascript:alert(1)\">x</a>",
            "<form action=x><input><button>",
            "<style>*{display:none}</style>",
            "<base href=//evil><meta http-equiv=refresh content=0><link rel=stylesheet href=//evil>",
            "<!-- --><![CDATA[x]]><?php x?><!doctype html>",
            "<p style=position:fixed class=x id=y>",
            "<template><details open ontoggle=alert(1)>",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](java&#10;script:alert(1))",
            "[x](&#106;avascript:alert(1))",
            "[x](<java\tscript:alert(1)>)",
            "[x](\u{1}javascript:alert(1))",
            "[x](data:text/html;base64,PHNjcmlwdD4=)",
            "[x](vbscript:x) [x](file:///etc/passwd) [x](blob:x)",
            "[x](http:javascript:alert(1)) [x](//evil) [x](/\\evil)",
            "[x](https://e.org/\"onmouseover=\"alert(1))",
            "[x](https://e.org 'a\" onmouseover=\"alert(1)')",
            "<javascript:alert(1)> <data:text/html,x>",
            "![x](javascript:alert(1)) ![x](https://e.org/tracker.gif)",
            "![\"><img src=x onerror=alert(1)>](https://e.org)",
            "[a]\n\n[a]: javascript:alert(1)",
            "```\" onload=\"alert(1)\nx\n```",
            "```x\"><script>\n</code></pre><script>alert(1)</script>\n```",
            "`</code><script>alert(1)</script>`",
            "# x {#id .class onclick=alert(1)}",
            "|<script>|\n|-|\n|<img src=x onerror=alert(1)>|",
            "> <script>\n> alert(1)\n> </script>",
            "<a href='https://e.org' style='x'>**b**</a>",
            "&lt;script&gt;alert(1)&lt;/script&gt;",
            "\u{0}<script\u{0}>alert(1)</script>",
        ] {
            for body in [
                payload.to_owned(),
                format!("**b** {payload}"),
                format!("**b**\n\n{payload}"),
            ] {
                if let Some(html) = render(&body) {
                    assert_eq!(strangers(&html), Vec::<String>::new(), "{body}");
                }
            }
        }
    }

    /// Longest time for one text; ten times as much without optimisation.
    fn check_time(body: &str, name: &str, limit_ms: u64) {
        let limit = Duration::from_millis(if cfg!(debug_assertions) {
            limit_ms * 10
        } else {
            limit_ms
        });
        let begun = Instant::now();
        let html = render(body);
        let took = begun.elapsed();
        eprintln!(
            "{name} of {} bytes: {took:?}, {:?}",
            body.len(),
            html.map(|html| html.len())
        );
        assert!(took < limit, "{name} of {} bytes took {took:?}", body.len());
    }

    #[test]
    fn nesting_bombs_take_no_time() {
        let columns = format!("{}\n{}\n", "a|".repeat(1_000), "-|".repeat(1_000));
        for bytes in [limits::BODY_BYTES, limits::REPLY_BYTES] {
            let limit_ms = if bytes > limits::BODY_BYTES { 400 } else { 50 };
            for unit in [
                ">",
                "> ",
                "[",
                "]",
                "![",
                "*",
                "_",
                "**a",
                "*a_",
                "a*",
                "`",
                "`a",
                "~",
                "~~a ",
                "- ",
                "* ",
                "1. ",
                "<",
                "<a",
                "<!--",
                "&",
                "\\",
                "#",
                "|",
                "|-",
                "(",
                "[a](",
                "[](",
                "[a][",
                "![a](<",
                "<a href=",
                "\n>",
                "- a\n",
                "[a]: b\n",
                "*a **b ",
                "[x](https://e.org) ",
                "`` ` ",
                "a\n\n",
                "\t",
                "😀*",
                "<?",
                "<![CDATA[",
                "****a",
                "_a __b ",
                "<https://a",
                "\n- ",
                "[*a](",
                "a<b>",
            ] {
                check_time(&unit.repeat(bytes / unit.len()), unit, limit_ms);
            }
            let table = format!("{columns}{}", "x\n".repeat((bytes - columns.len()) / 2));
            check_time(&table, "table", limit_ms);
            let steps: String = (0..)
                .map(|depth| format!("{}- a\n", "  ".repeat(depth)))
                .scan(0, |total, line| {
                    *total += line.len();
                    (*total < bytes).then_some(line)
                })
                .collect();
            check_time(&steps, "list steps", limit_ms);
            let ticks: String = (1..)
                .map(|count| format!("{} ", "`".repeat(count)))
                .scan(0, |total, run| {
                    *total += run.len();
                    (*total < bytes).then_some(run)
                })
                .collect();
            check_time(&ticks, "tick runs", limit_ms);
            let half = bytes / 2;
            check_time(
                &format!(
                    "{}{}",
                    "[".repeat(half),
                    "](https://e.org)".repeat(half / 16)
                ),
                "link nest",
                limit_ms,
            );
            check_time(
                &format!("{}a{}", "*".repeat(half), "*".repeat(half)),
                "stars",
                limit_ms,
            );
            check_time(
                &"*a "
                    .repeat(half / 3)
                    .chars()
                    .chain("b* ".repeat(half / 3).chars())
                    .collect::<String>(),
                "em nest",
                limit_ms,
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_strange_comes_of_any_text(parts in prop::collection::vec(prop_oneof![
            "[a-z ]{0,4}".prop_map(|text| text),
            prop::sample::select(vec![
                "*", "**", "_", "`", "```", "\n", "\n\n", "> ", "- ", "1. ", "# ", "[", "]", "(", ")", "![", "<", ">",
                "\"", "'", "<b>", "</b>", "<!--", "-->", "|", "\n|-|-|\n", "https://e.org", "javascript:x", "&", "&lt;", "\\",
                "~~", "<script>", "</script>", "<svg ", "onload=x", "[a]: ", "mailto:", "    ", "\t", "\u{0}", "[x] ",
            ]).prop_map(str::to_owned),
        ], 0..40)) {
            if let Some(html) = render(&parts.concat()) {
                prop_assert_eq!(strangers(&html), Vec::<String>::new());
            }
        }
    }
}
