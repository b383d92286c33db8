//! What was asked, as far as the demo can tell: the last line of what people said, without who said it and whom it calls. Pure.

use crate::limits;
use crate::llm::phrases::{CALLED, CALLED_SO, SEVERAL};
use crate::llm::{Prompt, TurnRole};

/// Between a writer's name and what it wrote.
const SAYS: &str = ": ";
/// So many names are looked for: whoever would write more of them plays with the demo.
const NAMES: usize = 64;
/// So many mentions of a line are taken away, the first.
const MENTIONS: usize = 32;

/// A question.
pub(super) struct Question {
    /// What the assistant is called.
    pub(super) assistant: String,
    /// The line that was asked, as it was written but for names.
    pub(super) text: String,
}

impl Question {
    /// The last one of a prompt.
    pub(super) fn of(prompt: &Prompt) -> Self {
        // What the room's owners wrote stands behind an empty line, and is nothing to go by.
        let told = prompt.system.split("\n\n").next().unwrap_or_default();
        let assistant = told
            .split_once(CALLED)
            .and_then(|(_, behind)| behind.split_once(CALLED_SO))
            .map_or("assistant", |(name, _)| name);
        let has_names = told.contains(SEVERAL);
        let mut said = prompt
            .turns
            .iter()
            .filter(|turn| turn.role == TurnRole::User);
        let mut names = vec![assistant];
        if has_names {
            let lines = said.clone().flat_map(|turn| turn.text.lines());
            names.extend(lines.filter_map(|line| writer(line).map(|(name, _)| name)));
        }
        names.sort_unstable();
        names.dedup();
        // A line of any text may look like one of somebody's.
        names.retain(|name| *name != assistant);
        names.truncate(NAMES);
        names.push(assistant);
        // Of two names that begin alike the longer one is meant.
        names.sort_unstable_by_key(|name| std::cmp::Reverse(name.len()));
        let line = said
            .next_back()
            .and_then(|turn| turn.text.lines().rfind(|line| !line.trim().is_empty()))
            .unwrap_or_default();
        let line = match writer(line) {
            Some((_, behind)) if has_names => behind,
            _ => line,
        };
        Self {
            assistant: assistant.to_owned(),
            text: without_mentions(line, &names),
        }
    }

    /// Its words, without marks that Markdown would act on, each of `most` characters at most.
    pub(super) fn words(&self, most: usize) -> Vec<String> {
        let bare = |word: &str| {
            word.chars()
                .filter(|c| c.is_alphanumeric())
                .take(most)
                .collect()
        };
        let words = self.text.split_whitespace().map(bare);
        words.filter(|word: &String| !word.is_empty()).collect()
    }
}

/// Who wrote a line, and what.
fn writer(line: &str) -> Option<(&str, &str)> {
    let (name, behind) = line.split_once(SAYS)?;
    let fits = (1..=limits::NAME_CHARS).contains(&name.chars().count());
    fits.then_some((name, behind))
}

/// A line without its mentions: of those names, several words long too, or else of one word.
fn without_mentions(line: &str, names: &[&str]) -> String {
    let mut kept = String::with_capacity(line.len());
    let mut left = line;
    let mut mentions = 0;
    while let Some((before, behind)) = left.split_once('@').filter(|_| mentions < MENTIONS) {
        mentions += 1;
        kept.push_str(before);
        left = behind;
        // An address of mail mentions nobody.
        if before.ends_with(char::is_alphanumeric) {
            kept.push('@');
            continue;
        }
        let called = names.iter().find_map(|name| behind_name(behind, name));
        left = called.unwrap_or_else(|| behind.trim_start_matches(|c: char| !c.is_whitespace()));
    }
    kept.push_str(left);
    kept
}

/// What comes behind `name`, whatever its case, where the text begins with it as a word.
fn behind_name<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text.chars();
    for wanted in name.chars() {
        let is_same = |found: char| found.to_lowercase().eq(wanted.to_lowercase());
        if !rest.next().is_some_and(is_same) {
            return None;
        }
    }
    let rest = rest.as_str();
    (!rest.starts_with(char::is_alphanumeric)).then_some(rest)
}
