//! The event stream format (server-sent events) as the HTML standard parses it, for bytes that come in pieces of any
//! size. Used by [`super::http`] for every provider. Pure and bounded; it knows nothing of what the events mean.
//!
//! Lines are decoded whole, so a character split over two reads is never broken. Invalid UTF-8 becomes U+FFFD, as the
//! standard says. `id` and `retry` fields are read over: no provider resumes.

use std::collections::VecDeque;

use crate::limits;

/// One event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Its `event` field; empty where there was none.
    pub name: String,
    /// Its `data` lines, joined by a line feed.
    pub data: String,
}

/// A line or an event was longer than the bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an event is longer than {limit_bytes} bytes")]
pub struct EventTooLong {
    /// The bound that it passed.
    pub limit_bytes: usize,
}

/// Turns pieces of a byte stream into events.
#[derive(Debug)]
pub struct EventStreamParser {
    /// Of one line, and of the data of one event.
    limit_bytes: usize,
    /// The line that is not finished.
    line: Vec<u8>,
    /// The last byte was a CR that ended a line: an LF now belongs to it.
    after_carriage_return: bool,
    /// No line was read yet: a byte order mark may come.
    at_start: bool,
    name: String,
    /// None until the event has a `data` field.
    data: Option<String>,
}

impl Default for EventStreamParser {
    fn default() -> Self {
        Self::with_limit(limits::PROVIDER_LINE_BYTES)
    }
}

impl EventStreamParser {
    /// A parser that takes lines, and data of one event, of at most so many bytes.
    #[must_use]
    pub fn with_limit(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            line: Vec::new(),
            after_carriage_return: false,
            at_start: true,
            name: String::new(),
            data: None,
        }
    }

    /// Takes the next bytes and appends the events that they finish to `events`.
    ///
    /// # Errors
    /// When a line or an event passes the bound. Events finished before it are in `events`; the parser is of no more use.
    pub fn push(&mut self, bytes: &[u8], events: &mut VecDeque<Event>) -> Result<(), EventTooLong> {
        let mut rest = bytes;
        if self.after_carriage_return && !rest.is_empty() {
            self.after_carriage_return = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            let (piece, tail) = rest.split_at(end);
            self.extend_line(piece)?;
            rest = match tail {
                [b'\r', b'\n', after @ ..] => after,
                [b'\r'] => {
                    self.after_carriage_return = true;
                    &[]
                }
                [_, after @ ..] => after,
                [] => &[],
            };
            self.end_line(events)?;
        }
        self.extend_line(rest)
    }

    fn extend_line(&mut self, piece: &[u8]) -> Result<(), EventTooLong> {
        if self.line.len() + piece.len() > self.limit_bytes {
            return Err(self.too_long());
        }
        self.line.extend_from_slice(piece);
        Ok(())
    }

    fn end_line(&mut self, events: &mut VecDeque<Event>) -> Result<(), EventTooLong> {
        let bytes = std::mem::take(&mut self.line);
        let mut line: &[u8] = &bytes;
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        if line.is_empty() {
            let name = std::mem::take(&mut self.name);
            if let Some(data) = self.data.take() {
                events.push_back(Event { name, data });
            }
        } else {
            self.field(&String::from_utf8_lossy(line))?;
        }
        // The buffer is kept for the next line.
        self.line = bytes;
        self.line.clear();
        Ok(())
    }

    fn field(&mut self, line: &str) -> Result<(), EventTooLong> {
        let (field, value) = match line.split_once(':') {
            Some((field, value)) => (field, value.strip_prefix(' ').unwrap_or(value)),
            None => (line, ""),
        };
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => match &mut self.data {
                None => self.data = Some(value.to_owned()),
                Some(data) => {
                    if data.len() + 1 + value.len() > self.limit_bytes {
                        return Err(self.too_long());
                    }
                    data.push('\n');
                    data.push_str(value);
                }
            },
            // A comment (an empty field name), `id`, `retry`, or a field of the future.
            _ => {}
        }
        Ok(())
    }

    fn too_long(&self) -> EventTooLong {
        EventTooLong {
            limit_bytes: self.limit_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let mut parser = EventStreamParser::default();
        let mut events = VecDeque::new();
        for piece in pieces {
            parser.push(piece, &mut events).unwrap();
        }
        events
            .into_iter()
            .map(|event| (event.name, event.data))
            .collect()
    }

    fn event(name: &str, data: &str) -> (String, String) {
        (name.to_owned(), data.to_owned())
    }

    #[test]
    fn the_forms_of_the_standard() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("data: a\n\n", &[("", "a")]),
            ("data:a\n\n", &[("", "a")]),
            ("data:  a\n\n", &[("", " a")]),
            ("data: a\ndata: b\n\n", &[("", "a\nb")]),
            ("data\n\ndata\ndata\n\n", &[("", ""), ("", "\n")]),
            (
                "event: ping\ndata: {}\n\ndata: x\n\n",
                &[("ping", "{}"), ("", "x")],
            ),
            ("event: lost\n\ndata: x\n\n", &[("", "x")]),
            (": comment\n\n:\n\ndata: x\n\n", &[("", "x")]),
            ("id: 7\nretry: 10\nfuture: y\ndata: x\n\n", &[("", "x")]),
            ("data: x: y\n\n", &[("", "x: y")]),
            (
                "data: a\r\n\r\ndata: b\r\rdata: c\n\n",
                &[("", "a"), ("", "b"), ("", "c")],
            ),
            ("\u{feff}data: a\n\n", &[("", "a")]),
            ("\u{feff}\u{feff}data: a\n\n", &[]),
            ("data: a\n\n\u{feff}data: b\n\n", &[("", "a")]),
            ("data: unfinished\n", &[]),
            ("data: unfinished", &[]),
            ("Data: case\n\n", &[]),
        ];
        for (text, expected) in cases {
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, data)| event(name, data))
                .collect();
            assert_eq!(parse(&[text.as_bytes()]), expected, "{text:?}");
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(parse(&bytes), expected, "{text:?} byte by byte");
        }
    }

    #[test]
    fn a_line_and_an_event_are_bounded() {
        let mut events = VecDeque::new();
        let mut parser = EventStreamParser::with_limit(16);
        assert!(parser.push(b"data: 0123456789\n\n", &mut events).is_ok());
        assert!(parser.push(b"data: 0123456789a", &mut events).is_err());
        assert_eq!(events.len(), 1);

        let mut parser = EventStreamParser::with_limit(16);
        assert!(parser.push(b"data: 12345678\n", &mut events).is_ok());
        assert!(parser.push(b"data: 12345678\n", &mut events).is_err());
    }

    #[test]
    fn endless_comments_hold_no_memory() {
        let mut parser = EventStreamParser::with_limit(64);
        let mut events = VecDeque::new();
        for _ in 0..10_000 {
            parser.push(b": ping\n\n", &mut events).unwrap();
        }
        assert!(events.is_empty() && parser.line.capacity() <= 64);
    }

    fn stream_text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("data: ".to_owned()),
            Just("event: x".to_owned()),
            Just("\n".to_owned()),
            Just("\r".to_owned()),
            Just("\r\n".to_owned()),
            Just("\n\n".to_owned()),
            Just(": c".to_owned()),
            Just("\u{feff}".to_owned()),
            "[a-zäß漢😀:]{0,5}",
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn where_reads_are_cut_does_not_matter(
            text in stream_text(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        ) {
            let bytes = text.as_bytes();
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            places.push(bytes.len());
            places.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for place in places {
                pieces.push(&bytes[from..place]);
                from = place;
            }
            prop_assert_eq!(parse(&pieces), parse(&[bytes]));
        }

        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut parser = EventStreamParser::default();
            prop_assert!(parser.push(&bytes, &mut VecDeque::new()).is_ok());
        }
    }
}
