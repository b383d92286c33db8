//! A query in the languages of the databases. Called by the stores. Everything is quoted and is letters and digits, so nothing that
//! is typed means anything there but words (`or`, `NEAR`, `&`, `*`); a fuzzing target holds it.

use super::query::{SearchQuery, Term};

impl SearchQuery {
    /// As a text for Postgres' `to_tsquery('simple', …)`, whose parser reads each word as it read those of the messages. What it
    /// makes several words of (`5e3x`) is a phrase then, from Postgres 14 on.
    #[must_use]
    pub fn tsquery(&self) -> String {
        let none = self.none.iter().map(|term| format!("!{}", term.tsquery()));
        let all = self.all.iter().map(Term::tsquery);
        all.chain(none).collect::<Vec<_>>().join(" & ")
    }

    /// As an expression of SQLite's FTS5, without what is asked for twice: it gathers all of a beginning before it gives the first.
    #[must_use]
    pub fn fts5(&self) -> String {
        let query = self.without_repeats();
        let join = |terms: &[Term], by: &str| {
            let terms: Vec<String> = terms.iter().map(Term::fts5).collect();
            terms.join(by)
        };
        let all = join(&query.all, " AND ");
        match query.none.is_empty() {
            true => all,
            false => format!("({all}) NOT ({})", join(&query.none, " OR ")),
        }
    }
}

impl Term {
    /// What stands before the last word is one piece, so that a character which is no word to the parser leaves no gap.
    fn tsquery(&self) -> String {
        match self.words.split_last() {
            Some((last, [])) if self.begins => format!("'{last}':*"),
            Some((last, before)) if self.begins => {
                format!("('{}' <-> '{last}':*)", before.join(" "))
            }
            _ => format!("'{}'", self.words.join(" ")),
        }
    }

    fn fts5(&self) -> String {
        let mark = if self.begins { "*" } else { "" };
        format!("\"{}\"{mark}", self.words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_said_to_each_database_in_its_own_language() {
        for (typed, tsquery, fts5) in [
            ("Tea", "'tea':*", "\"tea\"*"),
            ("on \"Tea\"", "'on' & 'tea'", "\"on\" AND \"tea\""),
            (
                "the e-mail",
                "'the':* & ('e' <-> 'mail':*)",
                "\"the\"* AND \"e mail\"*",
            ),
            (
                "a-b-note \"it's so\" -tea -\"or not\"",
                "('a b' <-> 'note':*) & 'it s so' & !'tea' & !'or not'",
                "(\"a b note\"* AND \"it s so\") NOT (\"tea\" OR \"or not\")",
            ),
            (
                "rel \"rel\" releases",
                "'rel':* & 'rel' & 'releases':*",
                "\"rel\" AND \"releases\"*",
            ),
            (
                "one two six ten may",
                "'one':* & 'two':* & 'six':* & 'ten':* & 'may'",
                "\"one\"* AND \"two\"* AND \"six\"* AND \"ten\"* AND \"may\"",
            ),
            (
                "OR' & !NEAR(x) :* \\",
                "'or' & 'near x'",
                "\"or\" AND \"near x\"",
            ),
        ] {
            let query = SearchQuery::parse(typed).unwrap();
            assert_eq!(
                (&*query.tsquery(), &*query.fts5()),
                (tsquery, fts5),
                "{typed}"
            );
        }
    }
}
