//! A small strict reader of the HTML that messages have, independent of the parser and the sanitiser that make it: which
//! tags, attributes and addresses there are, and that every tag is closed in its turn.

/// Tags that are closed by another.
const PAIRED: &[&str] = &[
    "a",
    "blockquote",
    "code",
    "del",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
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
/// Tags that stand alone.
const ALONE: &[&str] = &["br", "hr"];
/// What the characters of a text are written as.
const ENTITIES: &[&str] = &["&amp;", "&lt;", "&gt;", "&nbsp;", "&quot;"];

/// What is wrong with a message's HTML.
pub(super) fn judge(html: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html;
    loop {
        let (text, from_tag) = match rest.split_once('<') {
            Some((text, tag)) => (text, Some(tag)),
            None => (rest, None),
        };
        judge_text(text)?;
        let Some(from_tag) = from_tag else {
            break;
        };
        let (tag, after) = from_tag
            .split_once('>')
            .ok_or_else(|| format!("a tag without an end: <{from_tag}"))?;
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return Err(format!("</{name}> closes what is not open"));
            }
            continue;
        }
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        judge_attributes(name, attributes)?;
        if PAIRED.contains(&name) {
            open.push(name);
        } else if !ALONE.contains(&name) {
            return Err(format!("<{tag}> is no tag of a message"));
        }
    }
    if open.is_empty() {
        return Ok(());
    }
    Err(format!("{open:?} are not closed"))
}

fn judge_text(text: &str) -> Result<(), String> {
    if text.contains('>') {
        return Err(format!("a bare > in {text}"));
    }
    for (place, _) in text.match_indices('&') {
        if !ENTITIES
            .iter()
            .any(|entity| text[place..].starts_with(entity))
        {
            return Err(format!("a bare & in {text}"));
        }
    }
    Ok(())
}

fn judge_attributes(tag: &str, attributes: &str) -> Result<(), String> {
    let mut rest = attributes;
    let mut names = Vec::new();
    while !rest.is_empty() {
        let parts = rest
            .split_once("=\"")
            .and_then(|(name, from)| Some((name, from.split_once('"')?)));
        let Some((name, (value, after))) = parts else {
            return Err(format!("<{tag} {attributes}>"));
        };
        let is_known = match (tag, name) {
            ("a", "href") => is_address(value),
            ("a", "target") => value == "_blank",
            ("a", "rel") => value == "noopener noreferrer nofollow",
            ("code", "class") => value.strip_prefix("language-").is_some_and(is_language),
            ("ol", "start") => value.parse::<u64>().is_ok(),
            ("td" | "th", "class") => {
                ["align-left", "align-center", "align-right"].contains(&value)
            }
            _ => false,
        };
        if !is_known || names.contains(&name) {
            return Err(format!("{name}={value} of <{tag}>"));
        }
        names.push(name);
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    if tag == "a" && names.contains(&"href") && names.len() != 3 {
        return Err(format!("a link that tells where it is from: {attributes}"));
    }
    Ok(())
}

fn is_address(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    ["http://", "https://", "mailto:"]
        .iter()
        .any(|scheme| lower.starts_with(scheme))
        && !value.contains(|c: char| c.is_control() || c == '<' || c == '>')
}

fn is_language(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+#-_.".contains(&byte))
}

#[test]
fn it_tells_good_html_from_bad() {
    for good in [
        "",
        "<p>a &lt; b<br>\nc</p>\n",
        "<p><a href=\"https://e.org/?a&amp;b\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">x</a></p>",
        "<ol start=\"3\"><li>x</li></ol>",
        "<pre><code class=\"language-rust\">x</code></pre>",
    ] {
        assert_eq!(judge(good), Ok(()), "{good}");
    }
    for bad in [
        "<p>a",
        "a</p>",
        "<p><em>a</p></em>",
        "<script>x</script>",
        "<p onclick=\"x\">a</p>",
        "<p>a & b</p>",
        "<p>a > b</p>",
        "<a href=\"javascript:x\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">x</a>",
        "<a href=\"https://e.org\">x</a>",
        "<td class=\"x\">a</td>",
        "<p",
    ] {
        assert!(judge(bad).is_err(), "{bad}");
    }
}
