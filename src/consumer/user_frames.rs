//! Gives users' own news to their sockets here, from whichever instance it comes: `user.read`, `user.rooms`, `user.muted`,
//! `user.mentioned`, and to the rooms they read in `read`. Started by the server. A lost one costs nothing but time: the client reads its rooms again
//! when it comes back.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::connections::Connections;
use crate::channel_layer::{ChannelLayer, GroupName, LayerEvent};
use crate::feed::Feeds;
use crate::feed::presence::{Audience, Telling};
use crate::ids::UserId;
use crate::limits;
use crate::protocol::frame::Frame;
use crate::protocol::server::ServerFrame;
use crate::protocol::user_news::{self, News};

/// Runs until `stop`.
pub async fn run(
    layer: Arc<dyn ChannelLayer>,
    connections: Arc<Connections>,
    feeds: Feeds,
    stop: CancellationToken,
) {
    let mut channel = layer.new_channel(limits::CHANNEL_CAPACITY);
    layer.group_add(&GroupName::users(), &channel).await;
    loop {
        let event = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            event = channel.receive() => event,
        };
        match event {
            Some(LayerEvent::Message { payload, .. }) => {
                if let Some(news) = user_news::from_bytes(&payload) {
                    let mut frames: HashMap<UserId, Vec<Frame>> = HashMap::new();
                    for one in news {
                        let frame = frame_of(&one.what);
                        frames.entry(one.user).or_default().push(frame);
                        if let Some(telling) = receipt(one.user, &one.what) {
                            // A receipt that a busy feed does not take is none.
                            let _ = feeds.tell(telling);
                        }
                    }
                    connections.deliver_to(&frames);
                }
            }
            Some(LayerEvent::Resync | LayerEvent::Lagged) => {}
            None => return,
        }
    }
}

fn frame_of(news: &News) -> Frame {
    let (News::Read { slug, .. }
    | News::Gained { slug }
    | News::Lost { slug }
    | News::Muted { slug, .. }
    | News::Mentioned { slug, .. }) = news;
    let room = [slug.as_str()];
    Frame::encode(&match news {
        News::Read {
            seq,
            unread,
            mentions,
            ..
        } => ServerFrame::UserRead {
            room: slug,
            seq: *seq,
            unread: *unread,
            mentions: *mentions,
        },
        News::Gained { .. } => ServerFrame::UserRooms {
            gained: &room,
            lost: &[],
        },
        News::Lost { .. } => ServerFrame::UserRooms {
            gained: &[],
            lost: &room,
        },
        News::Muted { muted, .. } => ServerFrame::UserMuted {
            room: slug,
            muted: *muted,
        },
        News::Mentioned {
            last_seq,
            unread,
            mentions,
            ..
        } => ServerFrame::UserMentioned {
            room: slug,
            last_seq: *last_seq,
            unread: *unread,
            mentions: *mentions,
        },
    })
}

fn receipt(user: UserId, news: &News) -> Option<Telling> {
    let News::Read {
        room,
        slug,
        seq,
        receipt: true,
        ..
    } = news
    else {
        return None;
    };
    let frame = Frame::encode(&ServerFrame::Read {
        room: slug,
        user,
        seq: *seq,
    });
    Some(Telling {
        room: *room,
        audience: Audience::Passing,
        frame,
    })
}
