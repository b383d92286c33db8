//! Group 7 of the Autobahn list: the closing handshake and its codes.

use super::case::{CLOSE, CONTINUATION, Case, Chop, End, PING, TEXT, close, part, text, whole};

const PROTOCOL: u16 = 1002;

pub(super) fn cases() -> Vec<Case> {
    [order(), payloads(), codes()].concat()
}

fn answered(id: impl Into<String>, frames: Vec<super::case::RawFrame>, code: Option<u16>) -> Case {
    Case {
        end: End::Answered(vec![code]),
        ..Case::alive(id, frames, Vec::new())
    }
}

/// 7.1: after a close frame nothing is answered.
fn order() -> Vec<Case> {
    let normal = Some(1000);
    vec![
        answered(
            "7.1.1",
            vec![whole(TEXT, "Hello World!"), close(1000, "")],
            normal,
        )
        .after(vec![text("Hello World!")]),
        answered("7.1.2", vec![close(1000, ""), close(1000, "")], normal),
        answered("7.1.3", vec![close(1000, ""), whole(PING, "")], normal),
        answered(
            "7.1.4",
            vec![close(1000, ""), whole(TEXT, "Hello World!")],
            normal,
        ),
        answered(
            "7.1.5",
            vec![
                part(TEXT, "fragment1"),
                close(1000, ""),
                whole(CONTINUATION, "fragment2"),
            ],
            normal,
        ),
        // The list has 256 KiB here, which is more than Salon takes; what it asks is the order.
        answered(
            "7.1.6",
            vec![
                whole(TEXT, vec![b'B'; 65_536]),
                close(1000, ""),
                whole(PING, ""),
            ],
            normal,
        )
        .after(vec![text(vec![b'B'; 65_536])]),
    ]
}

/// 7.3 and 7.5: how much a close frame may hold, and that its reason is UTF-8.
fn payloads() -> Vec<Case> {
    let not_utf8 =
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64";
    vec![
        answered("7.3.1", vec![whole(CLOSE, "")], None),
        Case::failed("7.3.2", vec![whole(CLOSE, "a")], PROTOCOL),
        answered("7.3.3", vec![close(1000, "")], Some(1000)),
        answered("7.3.4", vec![close(1000, "Hello World!")], Some(1000)),
        answered("7.3.5", vec![close(1000, [b'*'; 123])], Some(1000)),
        Case::failed("7.3.6", vec![close(1000, [b'*'; 124])], PROTOCOL),
        Case {
            end: End::Failed(vec![1007, PROTOCOL]),
            ..Case::failed("7.5.1", vec![close(1000, not_utf8)], PROTOCOL)
        },
    ]
}

/// 7.7, 7.9 and 7.13: codes that may be sent, and those that may not.
fn codes() -> Vec<Case> {
    let good = [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999,
    ];
    let bad = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];
    let mut cases = Vec::new();
    for (number, code) in good.into_iter().enumerate() {
        let id = format!("7.7.{}", number + 1);
        cases.push(answered(id, vec![close(code, "")], Some(code)));
    }
    for (number, code) in bad.into_iter().enumerate() {
        let id = format!("7.9.{}", number + 1);
        cases.push(Case::failed(id, vec![close(code, "")], PROTOCOL));
    }
    for (number, code) in [5_000, 65_535].into_iter().enumerate() {
        let id = format!("7.13.{}", number + 1);
        cases.push(Case::failed(id, vec![close(code, "")], PROTOCOL).chopped(Chop::Together));
    }
    cases
}
