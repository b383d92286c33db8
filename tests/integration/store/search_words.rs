//! What words are, to every store alike: what stands between them, numbers, marks, other scripts; and that no query is anything
//! but words.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use salon::db::search::{Search, SearchQuery};
use salon::ids::Seq;

use super::fixtures::{TestStore, message};
use super::search::search;

/// The texts, and queries of whole words with what they find.
const BODIES: &[&str] = &[
    "foo-bar and foo_baz",
    "write to ada@tea.example.org, or call",
    "see https://tea.example/path/to?x=kettle&y=2#end",
    "v2.10.3 of 2026-11-26, 1,000.50 at 007bond",
    "5e3x and 0x1f, e2e",
    "don't; l’été, naïve CAFÉ",
    "مكتبة كبيرة",
    "今日は 天気 kettle的",
    "Straße und HÄUSER",
    "C++ & <b>bold</b> 🫖 tea",
];
const WHOLE: &[(&str, &[Seq])] = &[
    ("foo-bar", &[1]),
    ("foo bar", &[1]),
    ("\"foo bar\"", &[1]),
    ("foo_baz", &[1]),
    ("baz", &[1]),
    ("\"bar foo\"", &[]),
    ("ada@tea.example.org", &[2]),
    ("tea.example", &[3, 2]),
    ("example.org", &[2]),
    ("https://tea.example/path/to", &[3]),
    ("https://tea.example/path/to?x=kettle&y=2#end", &[3]),
    ("path/to", &[3]),
    ("x=kettle", &[3]),
    ("v2.10.3", &[4]),
    ("2.10", &[]),
    ("10.3", &[4]),
    ("2026-11-26", &[4]),
    ("2026", &[4]),
    ("1,000.50", &[4]),
    ("000.50", &[4]),
    ("007bond", &[4]),
    ("5e3x", &[5]),
    ("0x1f", &[5]),
    ("e2e", &[5]),
    ("don't", &[6]),
    ("don", &[6]),
    ("été", &[6]),
    ("l’été", &[6]),
    ("ete", &[]),
    ("naïve", &[6]),
    ("naive", &[]),
    ("café", &[6]),
    ("مكتبة", &[7]),
    ("كبيرة", &[7]),
    ("今日は", &[8]),
    ("天気", &[8]),
    ("日は", &[]),
    ("kettle的", &[8]),
    ("straße", &[9]),
    ("STRASSE", &[]),
    ("häuser", &[9]),
    ("c++", &[10]),
    ("<b>bold</b>", &[10]),
    ("tea -example", &[10]),
    ("-foo tea -bold", &[3, 2]),
    ("or", &[2]),
    ("tea or call", &[2]),
    ("tea and foo", &[]),
];

impl TestStore {
    /// That each query finds these in the room `den`, whatever their order.
    async fn finds(&self, user: &salon::db::rows::UserRow, expected: &[(&str, &[Seq])]) {
        for (query, seqs) in expected {
            assert_eq!(self.seqs_of(user, query).await, *seqs, "{query}");
        }
    }
}

pub(super) async fn whole_words_are_the_same_everywhere(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    for body in BODIES {
        store.post(room, message(&owner, body)).await;
    }
    store.index().await;
    store.finds(&owner, WHOLE).await;
}

/// Queries whose words are found by their beginnings, and those that are not.
const BEGINNINGS: &[(&str, &[Seq])] = &[
    ("kettl", &[8, 3]),
    ("KETT", &[8, 3]),
    ("kettle", &[8, 3]),
    // Exact: what is quoted, what is excluded, what is short.
    ("\"kettle\"", &[3]),
    ("\"kettl\"", &[]),
    ("kett -kettle", &[8]),
    ("kett -kettl", &[8, 3]),
    ("ke", &[]),
    ("fo", &[]),
    ("天", &[]),
    ("今日", &[]),
    // No other part of a word.
    ("ettle", &[]),
    // Of what is written without a space, the last word.
    ("tea.exam", &[3, 2]),
    ("te.example", &[]),
    ("ada@tea.exa", &[2]),
    ("https://tea.example/pat", &[3]),
    ("https://tea.exa/path", &[]),
    ("foo-ba", &[]),
    ("\"tea exam\"", &[]),
    // Numbers and what mixes them with letters, however a database reads those.
    ("202", &[4]),
    ("007", &[4]),
    ("007bon", &[4]),
    ("5e3", &[5]),
    ("5e3x", &[5]),
    ("0x1", &[5]),
    // Marks, other scripts, what one word is in lower case.
    ("naï", &[6]),
    ("nai", &[]),
    ("CAF", &[6]),
    ("مكت", &[7]),
    ("كبير", &[7]),
    ("今日は", &[8]),
    ("STRA", &[9]),
    ("strass", &[]),
    ("HÄU", &[9]),
    // Together.
    ("exam kett", &[3]),
    ("exam \"tea\" cal", &[2]),
    ("exampl exam example", &[3, 2]),
    ("tea bol -bol", &[10]),
    ("tea bol -bold", &[]),
    ("cal -\"tea exam\"", &[2]),
    ("cal -\"tea example\"", &[]),
];

/// What a language of searches is made of, and some words of the texts.
const PIECES: &[&str] = &[
    "tea",
    "ket",
    "kettle",
    "the",
    "on",
    "o",
    "\"",
    "\"",
    "-",
    "'",
    "''",
    "&",
    "|",
    "!",
    "(",
    ")",
    ":*",
    ":",
    "*",
    "<->",
    "<2>",
    "\\",
    "\\'",
    "OR",
    "AND",
    "NOT",
    "NEAR(",
    "^",
    "+",
    "{",
    "}",
    "body:",
    "message_words",
    ";",
    "--",
    "/*",
    "$1",
    "?1",
    "%",
    "_",
    "\0",
    " ",
    " ",
    " ",
    "ⓐ",
    "²",
    "é",
    "\u{301}",
    "مَ",
    "的",
    "\u{e000}",
    "\u{10ffff}",
    "👩‍💻",
    ":A",
    ",",
];
/// Texts of plain letters, which every store reads alike.
const PLAIN: &[&str] = &[
    "the kettle is on",
    "tea or the kettle, and not",
    "near the kettledrum: teapots",
    "on-the-go; and body",
    "message words",
];

pub(super) async fn words_are_found_by_their_beginnings(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    for body in BODIES {
        store.post(room, message(&owner, body)).await;
    }
    store.index().await;
    store.finds(&owner, BEGINNINGS).await;
}

/// No text is more than words to a database; and of plain letters each finds what the query itself says.
pub(super) async fn no_query_is_anything_but_words(store: &TestStore) {
    let (owner, room) = store.owner_and_room().await;
    for body in PLAIN {
        store.post(room, message(&owner, body)).await;
    }
    store.index().await;
    let mut rng = StdRng::seed_from_u64(7);
    let (mut asked, mut found) = (0, 0);
    let long = [
        "ȧ".repeat(256),
        "𝒳".repeat(256),
        "x-".repeat(128),
        "x\u{301}y".repeat(85),
    ];
    let made = (0..400).map(|_| {
        let count = rng.random_range(1..12);
        (0..count)
            .map(|_| PIECES[rng.random_range(0..PIECES.len())])
            .collect::<String>()
    });
    for text in made.chain(long) {
        let Ok(query) = SearchQuery::parse(&text) else {
            continue;
        };
        let page = store
            .search(
                owner.id,
                Search {
                    query: query.clone(),
                    ..search("x")
                },
            )
            .await;
        let page = page.unwrap_or_else(|error| panic!("{text:?}: {error}"));
        if text.is_ascii() {
            let seqs: Vec<Seq> = page.hits.iter().map(|hit| hit.message.seq).collect();
            let fits = (1..).zip(PLAIN).filter(|(_, body)| query.matches(body));
            let mut expected: Vec<Seq> = fits.map(|(seq, _)| seq).collect();
            expected.reverse();
            assert_eq!(seqs, expected, "{text:?}");
            found += seqs.len();
        }
        asked += 1;
    }
    assert!(asked > 150 && found > 50, "{asked} asked, {found} found");
}
