//! Groups 9 and 10 of the Autobahn list: long messages, in one frame, in fragments and in small writes, and many
//! messages. Up to Salon's limit they are echoed; above it the connection fails with 1009.

use salon::limits::CLIENT_FRAME_BYTES;

use super::case::{BINARY, CONTINUATION, Case, Chop, RawFrame, TEXT, part, whole};

const TOO_BIG: u16 = 1009;

pub(super) fn cases() -> Vec<Case> {
    [whole_messages(), in_fragments(), in_small_writes(), many()].concat()
}

/// Echoed up to the limit, refused above it.
fn judged(id: String, opcode: u8, length: usize, frames: Vec<RawFrame>) -> Case {
    if length <= CLIENT_FRAME_BYTES {
        Case::alive(id, frames, vec![(opcode, vec![b'*'; length])])
    } else {
        Case::failed(id, frames, TOO_BIG)
    }
}

/// 9.1 and 9.2. The list's sixth is 16 MiB.
fn whole_messages() -> Vec<Case> {
    let kib = [64, 256, 1_024, 4_096, 8_192, 16_384];
    let mut cases = Vec::new();
    for (group, opcode) in [(1, TEXT), (2, BINARY)] {
        for (number, kib) in kib.into_iter().enumerate() {
            let id = format!("9.{group}.{}", number + 1);
            let frames = vec![whole(opcode, vec![b'*'; kib * 1_024])];
            cases.push(judged(id, opcode, kib * 1_024, frames));
        }
    }
    cases
}

fn fragments(opcode: u8, length: usize, of: usize) -> Vec<RawFrame> {
    let bytes = vec![b'*'; length];
    let mut frames: Vec<RawFrame> = bytes
        .chunks(of)
        .enumerate()
        .map(|(place, chunk)| part(if place == 0 { opcode } else { CONTINUATION }, chunk))
        .collect();
    if let Some(last) = frames.last_mut() {
        last.fin = true;
    }
    frames
}

/// 9.3 and 9.4: 4 MiB in fragments, which is above the limit; and the limit itself in the same fragments. 10.1.1.
fn in_fragments() -> Vec<Case> {
    let mut cases = Vec::new();
    for (group, opcode) in [(3, TEXT), (4, BINARY)] {
        for number in 0..9u32 {
            let of = 64 << (2 * number);
            let id = format!("9.{group}.{}", number + 1);
            let long = fragments(opcode, 4 << 20, of);
            cases.push(judged(id.clone(), opcode, 4 << 20, long));
            let short = fragments(opcode, CLIENT_FRAME_BYTES, of);
            cases.push(judged(
                format!("{id} at the limit"),
                opcode,
                CLIENT_FRAME_BYTES,
                short,
            ));
        }
    }
    let frames = fragments(TEXT, 65_536, 1_300);
    cases.push(judged("10.1.1".into(), TEXT, 65_536, frames));
    cases
}

/// 9.5 and 9.6: 1 MiB in writes of 64 to 2,048 bytes, and the limit.
fn in_small_writes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (group, opcode) in [(5, TEXT), (6, BINARY)] {
        for number in 0..6u32 {
            let id = format!("9.{group}.{}", number + 1);
            let chop = Chop::Bytes(64 << number);
            for (id, length) in [
                (id.clone(), 1 << 20),
                (format!("{id} at the limit"), CLIENT_FRAME_BYTES),
            ] {
                let frames = vec![whole(opcode, vec![b'*'; length])];
                cases.push(judged(id, opcode, length, frames).chopped(chop));
            }
        }
    }
    cases
}

/// 9.7 and 9.8: a thousand messages.
fn many() -> Vec<Case> {
    let mut cases = Vec::new();
    for (group, opcode) in [(7, TEXT), (8, BINARY)] {
        for (number, length) in [0, 16, 64, 256, 1_024, 4_096].into_iter().enumerate() {
            let payload = vec![b'*'; length];
            cases.push(Case::alive(
                format!("9.{group}.{}", number + 1),
                vec![whole(opcode, &payload); 1_000],
                vec![(opcode, payload); 1_000],
            ));
        }
    }
    cases
}
