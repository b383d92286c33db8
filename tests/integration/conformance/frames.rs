//! Groups 1 to 5 of the Autobahn list: payloads, pings, reserved bits, operation codes, fragments.

use super::case::{
    BINARY, CONTINUATION, Case, Chop, PING, PONG, RawFrame, TEXT, binary, part, pong, text, whole,
};

const PROTOCOL: u16 = 1002;

pub(super) fn cases() -> Vec<Case> {
    [
        payloads(),
        pings(),
        reserved_bits(),
        operation_codes(),
        fragments(),
        strays(),
        interrupted(),
    ]
    .concat()
}

/// 1: texts and bytes of the lengths at which the header changes its form.
fn payloads() -> Vec<Case> {
    let lengths = [0, 125, 126, 127, 128, 65_535, 65_536, 65_536];
    let mut cases = Vec::new();
    for (number, length) in lengths.into_iter().enumerate() {
        let chop = if number == 7 {
            Chop::Bytes(997)
        } else {
            Chop::Together
        };
        let (letters, bytes) = (vec![b'*'; length], vec![0xfe; length]);
        let number = number + 1;
        cases.push(
            Case::alive(
                format!("1.1.{number}"),
                vec![whole(TEXT, &letters)],
                vec![text(&letters)],
            )
            .chopped(chop),
        );
        cases.push(
            Case::alive(
                format!("1.2.{number}"),
                vec![whole(BINARY, &bytes)],
                vec![binary(&bytes)],
            )
            .chopped(chop),
        );
    }
    cases
}

/// 2: each ping has its pong, a pong has nothing.
fn pings() -> Vec<Case> {
    let ping = |payload: &[u8]| (vec![whole(PING, payload)], vec![pong(payload)]);
    let mut cases = Vec::new();
    let payloads: [&[u8]; 4] = [
        b"",
        b"Hello, world!",
        &[0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff],
        &[0xfe; 125],
    ];
    for (number, payload) in payloads.into_iter().enumerate() {
        let (frames, replies) = ping(payload);
        cases.push(Case::alive(format!("2.{}", number + 1), frames, replies));
    }
    cases.push(Case::failed(
        "2.5",
        vec![whole(PING, [0xfe; 126])],
        PROTOCOL,
    ));
    let (frames, replies) = ping(&[0xfe; 125]);
    cases.push(Case::alive("2.6", frames, replies).chopped(Chop::Bytes(1)));
    cases.push(Case::alive("2.7", vec![whole(PONG, "")], Vec::new()));
    cases.push(Case::alive("2.8", vec![whole(PONG, "unasked")], Vec::new()));
    cases.push(Case::alive(
        "2.9",
        vec![whole(PONG, "unasked"), whole(PING, "ping")],
        vec![pong("ping")],
    ));
    for (id, chop) in [("2.10", Chop::Together), ("2.11", Chop::Bytes(1))] {
        let payloads = (0..10).map(|number| format!("payload-{number}"));
        let frames = payloads.clone().map(|payload| whole(PING, payload));
        let replies = payloads.map(pong);
        cases.push(Case::alive(id, frames.collect(), replies.collect()).chopped(chop));
    }
    cases
}

fn reserved(bits: u8, frame: RawFrame) -> RawFrame {
    RawFrame {
        reserved: bits,
        ..frame
    }
}

/// 3: a reserved bit that no extension gave a meaning fails the connection.
fn reserved_bits() -> Vec<Case> {
    let after = |bits, chop| {
        let number = bits;
        let frames = vec![
            whole(TEXT, "Hello, world!"),
            reserved(bits, whole(TEXT, "Hello, world!")),
            whole(PING, ""),
        ];
        Case::failed(format!("3.{number}"), frames, PROTOCOL)
            .after(vec![text("Hello, world!")])
            .chopped(chop)
    };
    let alone =
        |bits, frame| Case::failed(format!("3.{bits}"), vec![reserved(bits, frame)], PROTOCOL);
    vec![
        alone(1, whole(TEXT, "Hello, world!")),
        after(2, Chop::Together),
        after(3, Chop::Frames),
        after(4, Chop::Bytes(1)),
        alone(5, whole(BINARY, [0x00, 0xff, 0xfe, 0xfd])),
        alone(6, whole(PING, "Hello, world!")),
        alone(7, super::case::close(1000, "")),
    ]
}

/// 4: operation codes that mean nothing.
fn operation_codes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (group, first) in [(1, 3), (2, 11)] {
        for number in 0..5u8 {
            let opcode = first + number;
            let payload: &[u8] = if number % 2 == 0 { b"" } else { b"reserved" };
            let mut frames = vec![whole(opcode, payload)];
            let mut replies = Vec::new();
            if number >= 2 {
                frames.insert(0, whole(TEXT, "Hello, world!"));
                frames.push(whole(PING, ""));
                replies.push(text("Hello, world!"));
            }
            let chop = match number {
                3 => Chop::Frames,
                4 => Chop::Bytes(1),
                _ => Chop::Together,
            };
            let id = format!("4.{group}.{}", number + 1);
            cases.push(
                Case::failed(id, frames, PROTOCOL)
                    .after(replies)
                    .chopped(chop),
            );
        }
    }
    cases
}

/// 5.1 to 5.8: control frames are whole, messages need not be.
fn fragments() -> Vec<Case> {
    let mut cases = vec![
        Case::failed(
            "5.1",
            vec![part(PING, "frag"), whole(CONTINUATION, "ment")],
            PROTOCOL,
        ),
        Case::failed(
            "5.2",
            vec![part(PONG, "frag"), whole(CONTINUATION, "ment")],
            PROTOCOL,
        ),
    ];
    let chops = [Chop::Together, Chop::Frames, Chop::Bytes(1)];
    for (number, chop) in chops.into_iter().enumerate() {
        cases.push(
            Case::alive(
                format!("5.{}", 3 + number),
                vec![part(TEXT, "frag"), whole(CONTINUATION, "ment")],
                vec![text("fragment")],
            )
            .chopped(chop),
        );
        cases.push(
            Case::alive(
                format!("5.{}", 6 + number),
                vec![
                    part(TEXT, "frag"),
                    whole(PING, "between"),
                    whole(CONTINUATION, "ment"),
                ],
                vec![pong("between"), text("fragment")],
            )
            .chopped(chop),
        );
    }
    cases
}

/// 5.9 to 5.17: a continuation of nothing.
fn strays() -> Vec<Case> {
    let chops = [Chop::Together, Chop::Frames, Chop::Bytes(1)];
    let mut cases = Vec::new();
    for (number, chop) in chops.into_iter().enumerate() {
        for (first, frame) in [
            (9, whole(CONTINUATION, "non-continuation")),
            (12, part(CONTINUATION, "non-continuation")),
        ] {
            let frames = vec![frame, whole(TEXT, "Hello, world!")];
            let id = format!("5.{}", first + number);
            cases.push(Case::failed(id, frames, PROTOCOL).chopped(chop));
        }
    }
    cases.push(
        Case::failed(
            "5.15",
            vec![
                part(TEXT, "frag"),
                whole(CONTINUATION, "ment"),
                part(CONTINUATION, "fragment"),
                whole(TEXT, "unfragmented"),
            ],
            PROTOCOL,
        )
        .after(vec![text("fragment")]),
    );
    for (id, frame) in [
        ("5.16", part(CONTINUATION, "fragment1")),
        ("5.17", whole(CONTINUATION, "fragment1")),
    ] {
        let frames = vec![
            frame,
            part(TEXT, "fragment2"),
            whole(CONTINUATION, "fragment3"),
        ];
        cases.push(Case::failed(
            id,
            [frames.clone(), frames].concat(),
            PROTOCOL,
        ));
    }
    cases
}

/// 5.18 to 5.20: a message begun inside another, and pings between many fragments.
fn interrupted() -> Vec<Case> {
    let frames = || {
        vec![
            part(TEXT, "fragment1"),
            part(CONTINUATION, "fragment2"),
            whole(PING, "pongme 1!"),
            part(CONTINUATION, "fragment3"),
            part(CONTINUATION, "fragment4"),
            whole(PING, "pongme 2!"),
            whole(CONTINUATION, "fragment5"),
        ]
    };
    let replies = || {
        vec![
            pong("pongme 1!"),
            pong("pongme 2!"),
            text("fragment1fragment2fragment3fragment4fragment5"),
        ]
    };
    vec![
        Case::failed(
            "5.18",
            vec![part(TEXT, "fragment1"), whole(TEXT, "fragment2")],
            PROTOCOL,
        ),
        Case::alive("5.19", frames(), replies()).chopped(Chop::Frames),
        Case::alive("5.20", frames(), replies()).chopped(Chop::Bytes(1)),
    ]
}
