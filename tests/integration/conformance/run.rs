//! Plays one case on a socket of its own, with raw bytes, and says what was wrong.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;

use super::case::{CLOSE, Case, Chop, End, RawFrame, close};

/// A case has this long. The longest takes a second where the machine is busy.
const DEADLINE: Duration = Duration::from_secs(60);

/// A frame of the server.
struct Received {
    opcode: u8,
    payload: Vec<u8>,
}

/// The reading side of a raw connection, after its handshake.
struct Frames {
    stream: OwnedReadHalf,
    bytes: Vec<u8>,
}

impl Frames {
    /// The next frame; `None` at the end of the stream. A frame that is masked, has reserved bits or is a fragment is an
    /// error: Salon sends none.
    async fn next(&mut self) -> Result<Option<Received>, String> {
        loop {
            if let Some((received, length)) = split(&self.bytes)? {
                self.bytes.drain(..length);
                return Ok(Some(received));
            }
            match self.stream.read_buf(&mut self.bytes).await {
                Ok(0) if self.bytes.is_empty() => return Ok(None),
                Ok(0) => return Err("the stream ended within a frame".into()),
                Ok(_) => {}
                Err(error) => return Err(format!("the stream broke: {error}")),
            }
        }
    }
}

/// The first whole frame of the bytes, and its length.
fn split(bytes: &[u8]) -> Result<Option<(Received, usize)>, String> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    if first & 0xf0 != 0x80 || second & 0x80 != 0 {
        return Err(format!("a frame that begins {first:#x} {second:#x}"));
    }
    let (head, length) = match (second, rest) {
        (126, [high, low, ..]) => (4, usize::from(u16::from_be_bytes([*high, *low]))),
        (127, [length @ .., _]) if length.len() >= 8 => {
            let number = <[u8; 8]>::try_from(&length[..8]).unwrap();
            (10, usize::try_from(u64::from_be_bytes(number)).unwrap())
        }
        (126 | 127, _) => return Ok(None),
        (short, _) => (2, usize::from(*short)),
    };
    Ok(bytes.get(head..head + length).map(|payload| {
        let received = Received {
            opcode: first & 0x0f,
            payload: payload.to_vec(),
        };
        (received, head + length)
    }))
}

/// Opens a socket at `address` with these header lines besides those of the handshake.
async fn open(address: &str, headers: &str) -> Result<(Frames, OwnedWriteHalf), String> {
    let mut stream = TcpStream::connect(address)
        .await
        .map_err(|error| error.to_string())?;
    stream
        .set_nodelay(true)
        .map_err(|error| error.to_string())?;
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: salon\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    let failed = |error: std::io::Error| error.to_string();
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.map_err(failed)? == 0 {
            return Err("no answer to the handshake".into());
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    // The key is RFC 6455's own example, and so is what it is answered with.
    if !head.starts_with("http/1.1 101") || !head.contains("s3pplmbitxaq9kygzzhzrbk+xoo=") {
        return Err(format!("a handshake answered with {head}"));
    }
    bytes.drain(..end);
    let (stream, write) = stream.into_split();
    Ok((Frames { stream, bytes }, write))
}

/// Plays a case; what was wrong, if anything. `greeted`: the server speaks first, and what it says is passed over.
pub(super) async fn play(
    address: &str,
    headers: &str,
    greeted: bool,
    case: &Case,
) -> Result<(), String> {
    let played = async {
        let (mut frames, write) = open(address, headers).await?;
        if greeted {
            frames.next().await?.ok_or("closed before a word")?;
        }
        // Beside the reading: what is sent need not fit between the two.
        let (all_is_here, when_all_is_here) = oneshot::channel();
        let writing = tokio::spawn(write_all(write, case.clone(), when_all_is_here));
        let judged = judge(&mut frames, case, all_is_here).await;
        // With it goes the writing half: the server sees the end of the stream.
        writing.abort();
        let _ = writing.await;
        judged?;
        match frames.next().await {
            // A server that took not all of what it failed on ends the stream so.
            Ok(None) | Err(_) => Ok(()),
            Ok(Some(more)) => Err(format!("opcode {} after the close frame", more.opcode)),
        }
    };
    match tokio::time::timeout(DEADLINE, played).await {
        Ok(judged) => judged,
        Err(_) => Err("not over in time".into()),
    }
}

/// Sends the case's bytes and, once all answers are here, the end of a connection that lives. A server that failed the
/// connection may take no more.
async fn write_all(mut write: OwnedWriteHalf, case: Case, all_is_here: oneshot::Receiver<()>) {
    let frames: Vec<Vec<u8>> = case.frames.iter().map(RawFrame::encode).collect();
    let writes: Vec<Vec<u8>> = match case.chop {
        Chop::Together => vec![frames.concat()],
        Chop::Frames => frames,
        Chop::Bytes(count) => frames.concat().chunks(count).map(<[u8]>::to_vec).collect(),
    };
    for bytes in writes {
        if write.write_all(&bytes).await.is_err() {
            break;
        }
        // A write a packet, as far as the kernel lets it.
        tokio::task::yield_now().await;
    }
    if matches!(case.end, End::Alive) && all_is_here.await.is_ok() {
        let _ = write.write_all(&close(1000, "").encode()).await;
    }
    std::future::pending().await
}

async fn judge(
    frames: &mut Frames,
    case: &Case,
    all_is_here: oneshot::Sender<()>,
) -> Result<(), String> {
    let mut replies = case.replies.iter();
    let mut all_is_here = Some(all_is_here);
    loop {
        if replies.len() == 0
            && let Some(all_is_here) = all_is_here.take()
        {
            let _ = all_is_here.send(());
        }
        let received = frames
            .next()
            .await?
            .ok_or("the stream ended without a close frame")?;
        if received.opcode == CLOSE {
            return judge_close(&received.payload, replies.len(), &case.end);
        }
        let expected = replies.next();
        if expected.is_none_or(|(opcode, payload)| {
            *opcode != received.opcode || *payload != received.payload
        }) {
            let start = &received.payload[..received.payload.len().min(40)];
            return Err(format!("unexpected: opcode {} {start:?}", received.opcode));
        }
    }
}

fn judge_close(payload: &[u8], missing: usize, end: &End) -> Result<(), String> {
    let code = match payload {
        [] => None,
        [high, low, reason @ ..] if std::str::from_utf8(reason).is_ok() => {
            Some(u16::from_be_bytes([*high, *low]))
        }
        _ => return Err(format!("a bad close frame: {payload:?}")),
    };
    let (good, all_needed) = match end {
        End::Alive => (code == Some(1000), true),
        End::Answered(codes) => (codes.contains(&code), true),
        End::Failed(codes) => (code.is_some_and(|code| codes.contains(&code)), false),
    };
    if !good {
        return Err(format!("closed with {code:?}, expected {end:?}"));
    }
    if all_needed && missing > 0 {
        return Err(format!("closed with {missing} answers missing"));
    }
    Ok(())
}

/// How long the stream lives on after the client's close frame was answered, while the client leaves its side open.
pub(super) async fn time_to_end(address: &str, headers: &str) -> Result<Duration, String> {
    let played = async {
        let (mut frames, mut write) = open(address, headers).await?;
        frames.next().await?.ok_or("closed before a word")?;
        let bye = close(1000, "").encode();
        write.write_all(&bye).await.map_err(|error| error.to_string())?;
        let answer = frames.next().await?.ok_or("no close frame")?;
        if answer.opcode != CLOSE {
            return Err(format!("opcode {}", answer.opcode));
        }
        let answered = Instant::now();
        match frames.next().await? {
            None => Ok(answered.elapsed()),
            Some(more) => Err(format!("opcode {} after the close frame", more.opcode)),
        }
    };
    let played = tokio::time::timeout(DEADLINE, played).await;
    played.unwrap_or_else(|_| Err("not over in time".into()))
}
