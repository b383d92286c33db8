//! Lists on standard output: columns for people, or one JSON array for programs.

use serde_json::Value;

use super::say;

/// How a list is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    /// Columns.
    Columns,
    /// One JSON array.
    Json,
}

impl Format {
    /// As the flag says.
    pub(crate) const fn of(json: bool) -> Self {
        if json { Self::Json } else { Self::Columns }
    }
}

/// Writes rows, objects all of them: these fields of each as columns, or the whole of it.
pub(crate) fn print(format: Format, columns: &[&str], rows: &[Value]) {
    if format == Format::Json {
        say(&Value::Array(rows.to_vec()).to_string());
        return;
    }
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| columns.iter().map(|column| cell(&row[*column])).collect())
        .collect();
    let mut lines = vec![columns.iter().map(|column| (*column).to_owned()).collect()];
    lines.extend(cells);
    let width = |place: usize| {
        let widths = lines
            .iter()
            .filter_map(|line: &Vec<String>| line.get(place));
        widths.map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    for line in &lines {
        let padded = line.iter().zip(&widths).map(|(text, width)| {
            let missing = width.saturating_sub(text.chars().count());
            format!("{text}{}", " ".repeat(missing))
        });
        say(padded.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// One value for people, without what could move a terminal's cursor.
fn cell(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "-".to_owned(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    text.chars()
        .map(|letter| {
            if letter.is_control() {
                '\u{fffd}'
            } else {
                letter
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_moves_no_cursor_and_is_never_empty() {
        assert_eq!(cell(&json!("a\u{1b}[2Jb")), "a\u{fffd}[2Jb");
        assert_eq!(cell(&json!("")), "-");
        assert_eq!(cell(&json!(["a", "b"])), "a, b");
        assert_eq!(cell(&json!(true)), "yes");
    }
}
