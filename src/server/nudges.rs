//! Hears what other instances nudge this one to look at: sessions that may have ended, replies that should stop. Each
//! is only a hint to read the database; a lost one costs time, a forged one costs a read.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::channel_layer::{ChannelLayer, GroupName, LayerEvent};
use crate::chat::assistant::Assistant;
use crate::consumer::connections::Connections;
use crate::limits;
use crate::protocol::control::Control;

/// Runs until `stop`.
pub async fn listen(
    layer: Arc<dyn ChannelLayer>,
    connections: Arc<Connections>,
    assistant: Arc<Assistant>,
    stop: CancellationToken,
) {
    let mut channel = layer.new_channel(limits::CHANNEL_CAPACITY);
    layer.group_add(&GroupName::control(), &channel).await;
    loop {
        let event = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            event = channel.receive() => event,
        };
        let control = match event {
            Some(LayerEvent::Message { payload, .. }) => Control::from_bytes(&payload),
            Some(LayerEvent::Resync | LayerEvent::Lagged) => None,
            None => return,
        };
        match control {
            Some(Control::Sessions) => connections.check_sessions(),
            Some(Control::Stop { room, seq }) => assistant.look(room, seq),
            None => {
                connections.check_sessions();
                assistant.look_at_all();
            }
        }
    }
}
