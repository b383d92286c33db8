//! The bytes of a socket, as anybody may send them, through the codec of a consumer: every stream of bytes ends, in messages
//! within the limits or in an error that closes with a documented code, and however it is cut it says the same.

use salon::consumer::connection::Connection;
use salon::consumer::transport::{Transport, pipe};
use salon::consumer::{close_code_of, codec};
use salon::db::rows::{Identity, UserKind, UserRow};
use salon::ids::{SessionId, UserId};
use salon::limits;
use salon::protocol::CloseCode;

use futures_util::StreamExt;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::engine::Target;

/// Headers of frames, and what they may be made of.
const WORDS: &[&str] = &[
    "\u{1}",
    "\0\0\0\0",
    "\u{9}",
    "\u{8}",
    "{\"type\":\"ping\"}",
    "\u{7f}\0\0\0\0\0\0\0\u{1}",
];

/// Frames of the documented examples, masked by zeros so that a mutation of the text stays one.
fn frames() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for text in super::frames::documented() {
        let length = u16::try_from(text.len()).unwrap();
        let mut frame = vec![0x81];
        match u8::try_from(length) {
            Ok(short @ 0..126) => frame.push(0x80 | short),
            _ => {
                frame.push(0xfe);
                frame.extend(length.to_be_bytes());
            }
        }
        frame.extend([0_u8; 4]);
        frame.extend(text);
        seeds.push(frame);
    }
    let all = seeds.concat();
    seeds.push(all);
    for odd in [
        // Two parts of one text, with a ping between them.
        &b"\x01\x83\0\0\0\0{\"t\x89\x81\0\0\0\0x\x80\x82\0\0\0\0\"}"[..],
        b"\x8a\x80\0\0\0\0",
        b"\x82\x81\0\0\0\0x",
        b"\x88\x82\0\0\0\0\x03\xe8",
        b"\x88\x85\0\0\0\0\x0f\xa0bye",
        b"\x81\xff\0\0\0\0\0\x01\0\0\0\0\0\0",
        b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
        b"\x81\x83\x11\x22\x33\x44\x50\x60\x70",
    ] {
        seeds.push(odd.to_vec());
    }
    seeds
}

/// What a stream says: its messages, and what closes it.
type Said = (Vec<Message>, Option<CloseCode>);

/// Has a consumer's codec read a stream of which so many bytes came with the upgrade.
async fn read(input: &[u8], ahead: usize) -> Result<Said, String> {
    let (server, mut client) = pipe(4 << 20);
    let user = UserRow {
        id: UserId::new(),
        name: "ada".to_owned(),
        kind: UserKind::User,
    };
    let identity = Identity {
        session: SessionId::new(),
        user,
        expires_at: None,
        scope: None,
    };
    let connection = Connection::new(identity, Transport::Memory(server));
    let mut socket = codec(connection, input[..ahead].to_vec()).await;
    client.write_all(&input[ahead..]).await.unwrap();
    client.shutdown().await.unwrap();
    let mut messages = Vec::new();
    let mut bytes = 0;
    loop {
        match socket.next().await {
            Some(Ok(message)) => {
                // The codec writes reasons of its own into a close.
                if !message.is_close() {
                    bytes += message.len();
                }
                if message.len() > limits::CLIENT_FRAME_BYTES || bytes > input.len() {
                    return Err(format!("{} bytes, in all {bytes}", message.len()));
                }
                messages.push(message);
            }
            Some(Err(error)) => {
                let code = close_code_of(&error);
                // Where there is nothing to say, nobody is there to hear it.
                let is_gone = matches!(
                    error,
                    Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed
                );
                if code.is_none() && !is_gone {
                    return Err(format!("{error} closes with no code"));
                }
                return Ok((messages, code));
            }
            None => return Ok((messages, None)),
        }
        if messages.len() > input.len() {
            return Err("more messages than bytes".to_owned());
        }
    }
}

async fn check(input: &[u8], rng: &mut StdRng) -> Result<(), String> {
    let whole = read(input, 0).await?;
    let ahead = rng.random_range(0..=input.len());
    let cut = read(input, ahead).await?;
    if whole == cut {
        return Ok(());
    }
    Err(format!(
        "cut at {ahead} it says {cut:?}, in one piece {whole:?}"
    ))
}

#[test]
fn fuzz_codec() {
    let target = Target {
        name: "codec",
        words: WORDS,
        max_bytes: 2 * limits::CLIENT_FRAME_BYTES,
        seeds: frames(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    target.fuzz(|input, rng| {
        runtime.block_on(async {
            let reading = check(input, rng);
            tokio::time::timeout(crate::support::communicator::PATIENCE, reading)
                .await
                .unwrap_or_else(|_late| Err("it never ends".to_owned()))
        })
    });
}
