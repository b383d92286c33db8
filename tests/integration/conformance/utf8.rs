//! Group 6 of the Autobahn list: text is UTF-8, whole or in fragments, and nothing else. The strings of 6.5 to 6.23 follow
//! Markus Kuhn's stress test for decoders of UTF-8.

use super::case::{CONTINUATION, Case, Chop, TEXT, part, text, whole};

const NOT_UTF8: u16 = 1007;
/// "Hello-µ@ßöäüàá-UTF-8!!"
const HELLO: &str = "Hello-\u{b5}@\u{df}\u{f6}\u{e4}\u{fc}\u{e0}\u{e1}-UTF-8!!";
/// "κόσμε", then a surrogate, which UTF-8 does not have, then "edited".
const BROKEN: &[u8] =
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = [empty(), fragmented(), early()].concat();
    for (group, valid, strings) in strings() {
        for (number, bytes) in strings.into_iter().enumerate() {
            let id = format!("6.{group}.{}", number + 1);
            assert_eq!(std::str::from_utf8(&bytes).is_ok(), valid, "{id}");
            cases.push(if valid {
                Case::alive(id, vec![whole(TEXT, &bytes)], vec![text(&bytes)])
            } else {
                Case::failed(id, vec![whole(TEXT, &bytes)], NOT_UTF8)
            });
        }
    }
    cases
}

fn empty() -> Vec<Case> {
    let three = |middle: &str| {
        vec![
            part(TEXT, ""),
            part(CONTINUATION, middle),
            whole(CONTINUATION, ""),
        ]
    };
    vec![
        Case::alive("6.1.1", vec![whole(TEXT, "")], vec![text("")]),
        Case::alive("6.1.2", three(""), vec![text("")]),
        Case::alive(
            "6.1.3",
            three("middle frame payload"),
            vec![text("middle frame payload")],
        ),
    ]
}

/// A fragment for each byte.
fn bytewise(bytes: &[u8]) -> Vec<super::case::RawFrame> {
    let last = bytes.len() - 1;
    let frames = bytes.iter().enumerate().map(|(place, byte)| {
        let opcode = if place == 0 { TEXT } else { CONTINUATION };
        if place == last {
            whole(opcode, [*byte])
        } else {
            part(opcode, [*byte])
        }
    });
    frames.collect()
}

fn fragmented() -> Vec<Case> {
    let kosme = "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}";
    let (head, tail) = HELLO.split_at(HELLO.find('@').unwrap());
    vec![
        Case::alive("6.2.1", vec![whole(TEXT, HELLO)], vec![text(HELLO)]),
        Case::alive(
            "6.2.2",
            vec![part(TEXT, head), whole(CONTINUATION, tail)],
            vec![text(HELLO)],
        ),
        Case::alive("6.2.3", bytewise(HELLO.as_bytes()), vec![text(HELLO)]),
        Case::alive("6.2.4", bytewise(kosme.as_bytes()), vec![text(kosme)]),
        Case::failed("6.3.1", vec![whole(TEXT, BROKEN)], NOT_UTF8),
        Case::failed("6.3.2", bytewise(BROKEN), NOT_UTF8),
    ]
}

/// 6.4: what cannot become UTF-8 any more, in the middle of a message. Failing at its end is allowed, so all of it is sent.
fn early() -> Vec<Case> {
    let (good, bad, rest) = (
        &b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"[..],
        &b"\xf4\x90\x80\x80"[..],
        &b"\x65\x64\x69\x74\x65\x64"[..],
    );
    let fragments = |first: &[u8], second: &[u8], third: &[u8]| {
        vec![
            part(TEXT, first),
            part(CONTINUATION, second),
            whole(CONTINUATION, third),
        ]
    };
    let one = || vec![whole(TEXT, [good, bad, rest].concat())];
    vec![
        Case::failed("6.4.1", fragments(good, bad, rest), NOT_UTF8).chopped(Chop::Frames),
        Case::failed(
            "6.4.2",
            fragments(
                &[good, b"\xf4"].concat(),
                b"\x90",
                &[b"\x80\x80", rest].concat(),
            ),
            NOT_UTF8,
        )
        .chopped(Chop::Frames),
        // The first number above the last letter: the one of group 11 that is not UTF-8.
        Case::failed("6.11.5", vec![whole(TEXT, bad)], NOT_UTF8),
        Case::failed("6.4.3", one(), NOT_UTF8).chopped(Chop::Bytes(17)),
        Case::failed("6.4.4", one(), NOT_UTF8).chopped(Chop::Bytes(1)),
    ]
}

/// Group, whether its strings are UTF-8, and the strings.
type Group = (u8, bool, Vec<Vec<u8>>);

fn strings() -> Vec<Group> {
    let chars = |list: &[char]| {
        list.iter()
            .map(|one| one.to_string().into_bytes())
            .collect()
    };
    let bytes = |list: &[&[u8]]| list.iter().map(|one| one.to_vec()).collect();
    vec![
        // Good text; the second and third with letters of two and three bytes.
        (
            5,
            true,
            vec![
                "Hello-\u{b5}@\u{df}\u{f6}".into(),
                "\u{3ba}".into(),
                "\u{3ba}\u{1f79}".into(),
                "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}".into(),
                HELLO.into(),
            ],
        ),
        (6, false, cut_off()),
        // The first of each length, and the last.
        (7, true, chars(&['\u{0}', '\u{80}', '\u{800}', '\u{10000}'])),
        (
            8,
            false,
            bytes(&[b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"]),
        ),
        (
            9,
            true,
            chars(&['\u{7f}', '\u{7ff}', '\u{ffff}', '\u{10ffff}']),
        ),
        (
            10,
            false,
            bytes(&[
                b"\xf7\xbf\xbf\xbf",
                b"\xfb\xbf\xbf\xbf\xbf",
                b"\xfd\xbf\xbf\xbf\xbf\xbf",
            ]),
        ),
        // About the gap of surrogates and the end.
        (
            11,
            true,
            chars(&['\u{d7ff}', '\u{e000}', '\u{fffd}', '\u{10ffff}']),
        ),
        (12, false, continuations()),
        (13, false, lonely_starts()),
        (14, false, cut_sequences()),
        (15, false, vec![cut_sequences().concat()]),
        (16, false, bytes(&[b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"])),
        // Overlong forms of "/", of the last of each length, and of NUL.
        (
            17,
            false,
            bytes(&[
                b"\xc0\xaf",
                b"\xe0\x80\xaf",
                b"\xf0\x80\x80\xaf",
                b"\xf8\x80\x80\x80\xaf",
                b"\xfc\x80\x80\x80\x80\xaf",
            ]),
        ),
        (
            18,
            false,
            bytes(&[
                b"\xc1\xbf",
                b"\xe0\x9f\xbf",
                b"\xf0\x8f\xbf\xbf",
                b"\xf8\x87\xbf\xbf\xbf",
                b"\xfc\x83\xbf\xbf\xbf\xbf",
            ]),
        ),
        (
            19,
            false,
            bytes(&[
                b"\xc0\x80",
                b"\xe0\x80\x80",
                b"\xf0\x80\x80\x80",
                b"\xf8\x80\x80\x80\x80",
                b"\xfc\x80\x80\x80\x80\x80",
            ]),
        ),
        (20, false, surrogates()),
        (21, false, surrogate_pairs()),
        (22, true, noncharacters()),
        (
            23,
            true,
            chars(&[
                '\u{fff9}', '\u{fffa}', '\u{fffb}', '\u{fffc}', '\u{fffd}', '\u{fffe}', '\u{ffff}',
            ]),
        ),
    ]
}

/// "κόσμε" cut inside each of its letters.
fn cut_off() -> Vec<Vec<u8>> {
    let kosme = "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}".as_bytes();
    let cuts = (1..kosme.len()).filter(|cut| std::str::from_utf8(&kosme[..*cut]).is_err());
    cuts.map(|cut| kosme[..cut].to_vec()).collect()
}

/// Continuation bytes without a start: one to six, and all of them.
fn continuations() -> Vec<Vec<u8>> {
    let mut strings = vec![vec![0x80], vec![0xbf]];
    for length in 2..=6 {
        strings.push([0x80, 0xbf].into_iter().cycle().take(length).collect());
    }
    strings.push((0x80..=0xbf).collect());
    strings
}

/// Starts of two to six bytes, each before a space.
fn lonely_starts() -> Vec<Vec<u8>> {
    let ranges = [
        0xc0..=0xdfu8,
        0xe0..=0xef,
        0xf0..=0xf7,
        0xf8..=0xfb,
        0xfc..=0xfd,
    ];
    let spaced =
        |range: std::ops::RangeInclusive<u8>| range.flat_map(|byte| [byte, b' ']).collect();
    ranges.into_iter().map(spaced).collect()
}

/// Sequences whose last byte is missing, the first and the last of each length.
fn cut_sequences() -> Vec<Vec<u8>> {
    let strings: [&[u8]; 10] = [
        b"\xc0",
        b"\xe0\x80",
        b"\xf0\x80\x80",
        b"\xf8\x80\x80\x80",
        b"\xfc\x80\x80\x80\x80",
        b"\xdf",
        b"\xef\xbf",
        b"\xf7\xbf\xbf",
        b"\xfb\xbf\xbf\xbf",
        b"\xfd\xbf\xbf\xbf\xbf",
    ];
    strings.map(<[u8]>::to_vec).to_vec()
}

/// Halves of surrogate pairs, each at the edges of its range.
fn surrogates() -> Vec<Vec<u8>> {
    let halves: [&[u8]; 7] = [
        b"\xed\xa0\x80",
        b"\xed\xad\xbf",
        b"\xed\xae\x80",
        b"\xed\xaf\xbf",
        b"\xed\xb0\x80",
        b"\xed\xbe\x80",
        b"\xed\xbf\xbf",
    ];
    halves.map(<[u8]>::to_vec).to_vec()
}

fn surrogate_pairs() -> Vec<Vec<u8>> {
    let mut pairs = Vec::new();
    for high in [
        b"\xed\xa0\x80",
        b"\xed\xad\xbf",
        b"\xed\xae\x80",
        b"\xed\xaf\xbf",
    ] {
        for low in [b"\xed\xb0\x80", b"\xed\xbf\xbf"] {
            pairs.push([&high[..], &low[..]].concat());
        }
    }
    pairs
}

/// U+nFFFE and U+nFFFF of every plane: no characters, but UTF-8.
fn noncharacters() -> Vec<Vec<u8>> {
    let code = |plane: u32, end: u32| char::from_u32(plane << 16 | end).unwrap();
    let all = (0..17).flat_map(|plane| [code(plane, 0xfffe), code(plane, 0xffff)]);
    all.map(|one| one.to_string().into_bytes()).collect()
}
