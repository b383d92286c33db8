//! Markdown against attacks: payloads that must not get through, texts that must not take long, and any text at all.
//! What ordinary Markdown becomes is tested beside the code, in `src/chat/markdown.rs`.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use salon::chat::markdown::render;
use salon::limits;

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
                .is_some_and(is_language),
            ("ol", attributes) => attributes
                .strip_prefix("start=\"")
                .and_then(|rest| rest.strip_suffix('"'))
                .is_some_and(|number| number.parse::<u64>().is_ok()),
            ("td" | "th", attributes) => ["left", "center", "right"]
                .iter()
                .any(|side| attributes == format!("class=\"align-{side}\"")),
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
        "|<script>|\n|:-:|\n|</td><td class=x onclick=alert(1)>|",
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

/// What is written again and again, one to a word; `␤` is a line feed, `␠` a space, `⇥` a tab.
const UNITS: &str = "> >␠ [ ] ![ * _ **a *a_ a* ` `a ~ ~~a␠ -␠ *␠ 1.␠ < <a <!-- & \\ # | |- ( [a]( []( [a][ ![a](< \
    <a␠href= ␤> -␠a␤ [a]:␠b␤ *a␠**b␠ [x](https://e.org)␠ ``␠`␠ a␤␤ ⇥ 😀* <? <![CDATA[ ****a _a␠__b␠ <https://a ␤-␠ [*a]( a<b>";

/// Texts of about so many bytes that are all nesting, or seem to be.
fn bombs(bytes: usize) -> Vec<(String, String)> {
    let half = bytes / 2;
    let up_to = |lines: &mut dyn Iterator<Item = String>| {
        let mut text = String::new();
        while let Some(line) = lines.next().filter(|line| text.len() + line.len() <= bytes) {
            text.push_str(&line);
        }
        text
    };
    let mut bombs: Vec<(String, String)> = UNITS
        .split_whitespace()
        .map(|unit| {
            let text = unit.replace('␤', "\n").replace('␠', " ").replace('⇥', "\t");
            (unit.to_owned(), text.repeat(bytes / text.len()))
        })
        .collect();
    let head = format!("{}\n{}\n", "a|".repeat(1_000), "-|".repeat(1_000));
    let table = format!("{head}{}", "x\n".repeat((bytes - head.len()) / 2));
    let steps = up_to(&mut (0..).map(|depth| format!("{}- a\n", "  ".repeat(depth))));
    let ticks = up_to(&mut (1..).map(|count| format!("{} ", "`".repeat(count))));
    let links = "[".repeat(half) + "](https://e.org)".repeat(half / 16).as_str();
    let stars = format!("{0}a{0}", "*".repeat(half));
    let emphasis = "*a ".repeat(half / 3) + "b* ".repeat(half / 3).as_str();
    for (name, text) in [
        ("a table to fill up", table),
        ("list steps", steps),
        ("tick runs", ticks),
        ("links in links", links),
        ("stars", stars),
        ("emphasis in emphasis", emphasis),
    ] {
        bombs.push((name.to_owned(), text));
    }
    bombs
}

#[test]
fn nesting_bombs_take_no_time() {
    for (bytes, limit_ms) in [(limits::BODY_BYTES, 50), (limits::REPLY_BYTES, 400)] {
        for (name, text) in bombs(bytes) {
            check_time(&text, &name, limit_ms);
        }
    }
}

proptest! {
    #[test]
    fn nothing_strange_comes_of_any_text(parts in prop::collection::vec(prop_oneof![
        "[a-z ]{0,4}".prop_map(|text| text),
        prop::sample::select(vec![
            "*", "**", "_", "`", "```", "\n", "\n\n", "> ", "- ", "1. ", "# ", "[", "]", "(", ")", "![", "<", ">",
            "\"", "'", "<b>", "</b>", "<!--", "-->", "|", "\n|-|-|\n", "|a|b|\n|:-|-:|\n", "https://e.org", "javascript:x", "&", "&lt;", "\\",
            "~~", "<script>", "</script>", "<svg ", "onload=x", "[a]: ", "mailto:", "    ", "\t", "\u{0}", "[x] ",
        ]).prop_map(str::to_owned),
    ], 0..40)) {
        if let Some(html) = render(&parts.concat()) {
            prop_assert_eq!(strangers(&html), Vec::<String>::new());
        }
    }
}

fn is_language(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+#-_.".contains(&byte))
}
