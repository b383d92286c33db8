//! Builds what a model is asked, from one room's history only. Pure: the same history gives the same prompt. Called by
//! the reply runner with what `Store::context` read and with the room that the model has.
//!
//! Who said something is told by the row, never by its text: whatever people write, it stays in a user's turn.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::db::assistants::RoomAssistant;
use crate::db::rows::{MessageKind, MessageRow, MessageState, UserRow};
use crate::ids::Seq;
use crate::limits;
use crate::llm::phrases::{CALLED, CALLED_SO, SEVERAL};
use crate::llm::{Prompt, Turn, TurnRole, tokens};

/// Between two messages that share a turn.
const SEPARATOR: &str = "\n\n";

/// Stands for a prompt that is gone (deleted since it was sent): the conversation still ends on a user's turn.
const GONE: &str = "(This message was deleted.)";

/// How much a model takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PromptRoom {
    /// Tokens of the prompt at most, as [`tokens::of_prompt`] counts.
    pub tokens: u64,
    /// Tokens asked for as answer.
    pub answer_tokens: u32,
}

/// A prompt, and how far back it reaches.
#[derive(Clone, PartialEq, Debug)]
pub struct Built {
    /// What the model is asked.
    pub prompt: Prompt,
    /// The oldest message in it, where what was said before that is left out.
    pub context_from: Option<Seq>,
}

/// The prompt for the message at `prompt_seq`, whose history is `messages` in order of seq. What is newer than it,
/// deleted, unsettled or blank is left out; the oldest is left out until the rest fits
/// `limits::CONTEXT_MESSAGES`, `limits::CONTEXT_BYTES` and the model's `room`. The message itself is always the last; where
/// it alone is too much, its middle goes.
#[must_use]
pub fn build_prompt(
    messages: &[MessageRow],
    prompt_seq: Seq,
    RoomAssistant {
        user: assistant,
        settings,
    }: &RoomAssistant,
    room: PromptRoom,
) -> Built {
    let said: Vec<&MessageRow> = messages
        .iter()
        .filter(|message| message.seq <= prompt_seq && is_said(message))
        .collect();
    let people: HashSet<_> = said
        .iter()
        .filter(|message| !is_by(message, assistant))
        .map(|message| message.author.id)
        .collect();
    let has_names = people.len() > 1;

    let (prompt, history) = match said.split_last() {
        Some((last, before)) if last.seq == prompt_seq && !is_by(last, assistant) => {
            (spoken(last, has_names), before)
        }
        _ => (Cow::Borrowed(GONE), said.as_slice()),
    };
    let system = system(assistant, has_names, &settings.system);
    // Around the whole, and around the one turn that there is in any case.
    let taken = tokens::at_most(&system) + 2 * tokens::PER_TURN;
    let left = room.tokens.saturating_sub(taken);
    let prompt = if tokens::at_most(&prompt) <= left {
        prompt
    } else {
        Cow::Owned(tokens::cut(&prompt, left))
    };
    // What the room lets it read of its history, beside the message itself.
    let history_tokens = settings
        .history_tokens
        .and_then(|tokens| u64::try_from(tokens).ok())
        .map_or(left, |tokens| {
            left.min(tokens.saturating_add(tokens::at_most(&prompt)))
        });
    let mut groups = newest_first(
        history,
        (prompt_seq, prompt),
        assistant,
        Left {
            has_names,
            tokens: history_tokens,
        },
    );
    while groups
        .last()
        .is_some_and(|group| group.role == TurnRole::Assistant)
    {
        groups.pop();
    }
    let oldest = groups.last().map_or(prompt_seq, |group| group.oldest);
    let left_out = history.first().is_some_and(|first| first.seq < oldest);
    let prompt = Prompt {
        system,
        turns: groups.into_iter().rev().map(Group::into_turn).collect(),
        max_tokens: settings
            .max_tokens
            .and_then(|tokens| u32::try_from(tokens).ok())
            .map_or(room.answer_tokens, |tokens| tokens.min(room.answer_tokens)),
        model: settings.model.clone(),
        temperature: settings.temperature,
    };
    Built {
        prompt,
        context_from: left_out.then_some(oldest),
    }
}

/// What history may take, and how its people are told apart.
#[derive(Clone, Copy)]
struct Left {
    has_names: bool,
    tokens: u64,
}

/// Messages in a row that make one turn, the newest first.
struct Group<'a> {
    role: TurnRole,
    texts: Vec<Cow<'a, str>>,
    oldest: Seq,
}

impl Group<'_> {
    fn into_turn(mut self) -> Turn {
        self.texts.reverse();
        Turn {
            role: self.role,
            text: self.texts.join(SEPARATOR),
        }
    }
}

/// The turns from the prompt back to the oldest message that fits.
fn newest_first<'a>(
    history: &[&'a MessageRow],
    (prompt_seq, prompt): (Seq, Cow<'a, str>),
    assistant: &UserRow,
    left: Left,
) -> Vec<Group<'a>> {
    let mut bytes = prompt.len();
    let mut taken = tokens::at_most(&prompt);
    let mut groups = vec![Group {
        role: TurnRole::User,
        texts: vec![prompt],
        oldest: prompt_seq,
    }];
    let more = usize::try_from(limits::CONTEXT_MESSAGES).map_or(0, |most| most.saturating_sub(1));
    for message in history.iter().rev().take(more) {
        let (role, text) = if is_by(message, assistant) {
            (TurnRole::Assistant, Cow::Borrowed(message.body.as_str()))
        } else {
            (TurnRole::User, spoken(message, left.has_names))
        };
        bytes += text.len() + SEPARATOR.len();
        taken += tokens::at_most(&text) + tokens::at_most(SEPARATOR) + tokens::PER_TURN;
        if bytes > limits::CONTEXT_BYTES || taken > left.tokens {
            break;
        }
        match groups.last_mut() {
            Some(group) if group.role == role => {
                group.texts.push(text);
                group.oldest = message.seq;
            }
            _ => groups.push(Group {
                role,
                texts: vec![text],
                oldest: message.seq,
            }),
        }
    }
    groups
}

/// Whether there are words in it that a model may see.
fn is_said(message: &MessageRow) -> bool {
    message.deleted_at.is_none()
        && message.state != MessageState::Queued
        && !message.body.trim().is_empty()
}

/// Whether it is this assistant's own reply. Another assistant's is another voice in the room.
fn is_by(message: &MessageRow, assistant: &UserRow) -> bool {
    message.kind == MessageKind::Assistant && message.author.id == assistant.id
}

fn spoken(message: &MessageRow, has_names: bool) -> Cow<'_, str> {
    if has_names {
        let name = one_line(&message.author.name);
        Cow::Owned(format!("{name}: {}", message.body))
    } else {
        Cow::Borrowed(message.body.as_str())
    }
}

/// A name that cannot pretend to be a line of the conversation.
fn one_line(name: &str) -> String {
    name.split(|character: char| character.is_whitespace() || character.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn system(assistant: &UserRow, has_names: bool, own: &str) -> String {
    let name = one_line(&assistant.name);
    let mut text = format!(
        "You are {name}, the assistant in a chat room. {CALLED}{name}{CALLED_SO}, in its language, as directly and briefly as it allows. \
         Markdown is shown; images and raw HTML are not."
    );
    if has_names {
        text.push_str(" Several people write here: ");
        text.push_str(SEVERAL);
        text.push_str(", which the server put there. Do not begin your answer with a name.");
    }
    if !own.is_empty() {
        text.push_str("\n\nThe owners of this room ask of you:\n");
        text.push_str(own);
    }
    text
}

#[cfg(test)]
mod tests;
