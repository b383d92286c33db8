//! Tables as CSV (RFC 4180), for spreadsheets. A spreadsheet takes a cell for a formula by how it begins, whoever named it so: such
//! text gets an apostrophe in front. Used by [`super::usage`].

use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};

/// One cell.
pub(super) enum Cell<'a> {
    /// Somebody chose it, or may have.
    Text(&'a str),
    /// Ours: nothing in it can be taken for anything else.
    Plain(String),
    /// Nothing.
    Empty,
}

impl Cell<'_> {
    /// What shows itself as it is, where it is.
    pub(super) fn of<T: ToString>(value: Option<T>) -> Self {
        value.map_or(Self::Empty, |value| Self::Plain(value.to_string()))
    }
}

impl<'a> Cell<'a> {
    /// A text, where there is one.
    pub(super) fn text(value: Option<&'a str>) -> Self {
        value.map_or(Self::Empty, Cell::Text)
    }
}

/// A table, as a file of that name; `next` is where the next page is.
pub(super) fn answer<'a>(
    name: &str,
    head: &[&str],
    rows: impl Iterator<Item = Vec<Cell<'a>>>,
    next: Option<String>,
) -> Response {
    let mut text = head.join(",");
    text.push_str("\r\n");
    for row in rows {
        for (place, cell) in row.into_iter().enumerate() {
            if place > 0 {
                text.push(',');
            }
            write(&mut text, &cell);
        }
        text.push_str("\r\n");
    }
    let headers: [(HeaderName, String); 2] = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.csv\""),
        ),
    ];
    let link = next.map(|next| [(header::LINK, format!("<{next}>; rel=\"next\""))]);
    match link {
        Some(link) => (headers, link, text).into_response(),
        None => (headers, text).into_response(),
    }
}

fn write(text: &mut String, cell: &Cell<'_>) {
    match cell {
        Cell::Empty => {}
        Cell::Plain(plain) => text.push_str(plain),
        Cell::Text(said) => {
            text.push('"');
            if said.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '|', '%']) {
                text.push('\'');
            }
            text.push_str(&said.replace('"', "\"\""));
            text.push('"');
        }
    }
}

/// Whether a table is asked for as CSV: by its `format`, or by an `Accept` line that names it.
pub(super) fn is_wanted(format: Option<&str>, headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::ACCEPT).iter();
    let mut kinds = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    let accepted = kinds.any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("text/csv")
    });
    format.map_or(accepted, |format| format == "csv")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_a_formula() {
        let written = |text: &str| {
            let mut out = String::new();
            write(&mut out, &Cell::Text(text));
            out
        };
        assert_eq!(written("ada"), "\"ada\"");
        assert_eq!(written("a \"b\", c\r\nd"), "\"a \"\"b\"\", c\r\nd\"");
        for begin in ["=", "+", "-", "@", "\t", "\r"] {
            let formula = format!("{begin}cmd|' /C calc'!A0");
            assert_eq!(written(&formula), format!("\"'{formula}\""));
        }
        assert_eq!(written("a=b"), "\"a=b\"");
    }

    #[test]
    fn a_table_is_asked_for_by_format_or_accept() {
        let mut headers = HeaderMap::new();
        assert!(!is_wanted(None, &headers) && is_wanted(Some("csv"), &headers));
        headers.insert(header::ACCEPT, "text/html, Text/CSV;q=0.9".parse().unwrap());
        assert!(is_wanted(None, &headers) && !is_wanted(Some("json"), &headers));
    }
}
