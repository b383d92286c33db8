//! What clients hand back as they got it: ids of events, places of pages and of searches, epochs, tokens and tickets. Anything
//! may come back instead, and is read as nothing; what was printed is read as what it was.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use chrono::{DateTime, Utc};
use rand::Rng;
use rand::rngs::StdRng;
use salon::auth::names;
use salon::auth::token::{Purpose, Token};
use salon::db::rows::ListPlace;
use salon::db::search::{SearchPlace, SearchQuery};
use salon::http::reply_stream::place::Place;
use salon::http::room_lists::{place, place_text};
use salon::ids::{Cursor, Epoch, RoomId, UserId};
use uuid::Uuid;

use super::engine::Target;

/// What they are made of.
pub(super) const WORDS: &[&str] = &[
    ":",
    ".",
    "-",
    "own:",
    "public:",
    "salon_",
    "salon_hook_",
    "lobby",
    "00",
    "\"",
    "%",
    "%2F",
    "/",
    "..",
    "?",
    "#",
    "+",
    " ",
];

/// That what this text is read as, if anything, is what its print is read as.
fn stable<T: FromStr + Display + PartialEq + Debug>(text: &str) -> Result<(), String> {
    match text.parse::<T>() {
        Ok(read) => same(&read),
        Err(_refused) => Ok(()),
    }
}

/// That a thing is read as what it was printed from.
fn same<T: FromStr + Display + PartialEq + Debug>(thing: &T) -> Result<(), String> {
    let printed = thing.to_string();
    match printed.parse::<T>() {
        Ok(read) if read == *thing => Ok(()),
        Ok(read) => Err(format!("{thing:?} is printed {printed} and read {read:?}")),
        Err(_refused) => Err(format!("{thing:?} is printed {printed} and refused")),
    }
}

/// Anything that is read at all is what its print is read as.
fn check_text(text: &str) -> Result<(), String> {
    stable::<Epoch>(text)?;
    stable::<Cursor>(text)?;
    stable::<SearchPlace>(text)?;
    stable::<UserId>(text)?;
    if let Ok(read) = Place::parse(text)
        && Place::parse(&read.to_string()).ok() != Some(read)
    {
        return Err(format!("{read:?} is printed {read}"));
    }
    if let Some(read) = place(text)
        && place(&place_text(&read)) != Some(read.clone())
    {
        return Err(format!("{read:?} is printed {}", place_text(&read)));
    }
    for purpose in [Purpose::Session, Purpose::Api, Purpose::Hook] {
        if let Some(token) = Token::parse_for(purpose, text)
            && (token.reveal() != text || format!("{token:?}").contains(text))
        {
            return Err("a token is another, or is shown".to_owned());
        }
    }
    for read in [names::user_name, names::topic] {
        if let Ok(stored) = read(text)
            && read(&stored).as_ref() != Ok(&stored)
        {
            return Err(format!("{stored:?} is no name any more"));
        }
    }
    check_query(text)
}

/// A search marks places that are there, in order.
fn check_query(text: &str) -> Result<(), String> {
    let Ok(query) = SearchQuery::parse(text) else {
        return Ok(());
    };
    let mut end = 0;
    for place in query.places(text) {
        if place.start < end || place.is_empty() || text.get(place.clone()).is_none() {
            return Err(format!("marks {place:?} behind {end}"));
        }
        end = place.end;
    }
    Ok(())
}

/// Whatever the server could have handed out.
fn check_printed(rng: &mut StdRng) -> Result<(), String> {
    let epoch = Epoch(rng.random_range(0..=i64::MAX));
    let bits = rng.random_range(0..63);
    let version = rng.random_range(0..=i64::MAX >> bits);
    let room = RoomId(Uuid::from_u128(rng.random()));
    let at = time(rng);
    same(&epoch)?;
    same(&Cursor { epoch, version })?;
    same(&SearchPlace {
        at,
        room,
        seq: version,
    })?;
    same(&room)?;
    let slug = format!("a{}", rng.random::<u64>());
    for told in [
        ListPlace::Own {
            at,
            slug: slug.clone(),
        },
        ListPlace::Public { slug },
    ] {
        if place(&place_text(&told)).as_ref() != Some(&told) {
            return Err(format!("{told:?}"));
        }
    }
    Ok(())
}

/// A time of this era, to the microsecond.
fn time(rng: &mut StdRng) -> DateTime<Utc> {
    let micros = rng.random_range(0..253_402_300_800_000_000);
    DateTime::from_timestamp_micros(micros).unwrap()
}

#[test]
fn fuzz_cursors() {
    let target = Target {
        name: "cursors",
        words: WORDS,
        max_bytes: 4_096,
        seeds: Vec::new(),
    };
    target.fuzz(|input, rng| {
        check_text(&String::from_utf8_lossy(input))?;
        check_printed(rng)
    });
}
