//! The built-in demo that answers when no model is configured: no network, no key, the same answer for the same
//! prompt, written word by word so that a person sees it grow and can press stop. It says in each answer what it is and
//! where whoever runs the server finds how to have a real model; asked what one can do here, it tells. Built by [`super::registry`]; called by the reply runner. It never claims to understand.

mod guide;
mod question;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream;

use super::{Completion, Delta, DeltaStream, LlmError, LlmProvider, Prompt, tokens};
use crate::db::rows::Usage;
use question::Question;

/// The name stored with each of its replies.
pub const MODEL: &str = "salon-demo";

/// A question with these words gets about 400 words of answer, so that there is time to stop it or to reload.
pub const LONG_ANSWER: &str = "write a long answer";

/// Words of the question that an answer quotes at most.
const QUOTED_WORDS: usize = 8;
/// Characters of one quoted word at most.
const QUOTED_WORD_CHARS: usize = 24;

/// The built-in demo.
#[derive(Clone, Debug)]
pub struct ScriptedProvider {
    model: String,
    delay_between_words: Duration,
}

impl ScriptedProvider {
    /// A demo that waits so long between two words; the first one comes at once.
    #[must_use]
    pub fn new(delay_between_words: Duration) -> Self {
        Self::named(MODEL, delay_between_words)
    }

    /// The same under another name.
    #[must_use]
    pub fn named(model: &str, delay_between_words: Duration) -> Self {
        Self {
            model: model.to_owned(),
            delay_between_words,
        }
    }
}

#[async_trait]
impl LlmProvider for ScriptedProvider {
    fn model(&self) -> &str {
        &self.model
    }

    async fn answer(&self, prompt: Prompt) -> Result<DeltaStream, LlmError> {
        let text = compose(&prompt);
        let done = Delta::Done(Completion {
            stop_reason: "end".into(),
            usage: Some(estimate(&prompt, &text)),
            model: Some(self.model.clone()),
        });
        let mut deltas: Vec<Delta> = text
            .split_inclusive(char::is_whitespace)
            .map(|word| Delta::Text(word.to_owned()))
            .collect();
        deltas.push(done);
        let delay = self.delay_between_words;
        let stream =
            stream::iter(deltas.into_iter().enumerate()).then(move |(index, delta)| async move {
                if index > 0 && !delay.is_zero() && matches!(delta, Delta::Text(_)) {
                    tokio::time::sleep(delay).await;
                }
                Ok(delta)
            });
        Ok(stream.boxed())
    }
}

fn estimate(prompt: &Prompt, answer: &str) -> Usage {
    Usage {
        input_tokens: tokens::usual(prompt.bytes()),
        output_tokens: tokens::usual(answer.len()),
        cached_tokens: 0,
        estimated: true,
    }
}

/// The whole answer; pure.
fn compose(prompt: &Prompt) -> String {
    let question = Question::of(prompt);
    if let Some(answer) = guide::answer(&question) {
        return answer;
    }
    let words = question.words(QUOTED_WORD_CHARS);
    let quoted = match words.get(..QUOTED_WORDS.min(words.len())) {
        Some(first) if !first.is_empty() => first.join(" "),
        _ => "your message".to_owned(),
    };
    let longest = words
        .iter()
        .max_by_key(|word| word.chars().count())
        .map_or("salon", String::as_str);
    let mut answer = short_answer(&quoted, longest, words.len(), prompt.turns.len());
    if question.text.to_lowercase().contains(LONG_ANSWER) {
        for number in 1..=5 {
            answer.push_str(&long_section(number, longest));
        }
    }
    answer
}

fn short_answer(quoted: &str, longest: &str, words: usize, turns: usize) -> String {
    let counted = match words {
        1 => "one word".to_owned(),
        more => format!("{more} words"),
    };
    let turns = match turns {
        1 => "one turn".to_owned(),
        more => format!("{more} turns"),
    };
    format!(
        "## About “{quoted}”\n\n\
         This is Salon's **built-in demo model**, not a real one: it answers from a script and sends nothing anywhere. \
         It did read your message, though:\n\n\
         - it counted {counted} in your last line,\n\
         - the longest of them is *{longest}*,\n\
         - and it was given {turns} of this room's conversation.\n\n\
         ### What to ask\n\n\
         Two questions that it knows:\n\n\
         ```text\n\
         What can you do here?\n\
         Write a long answer about tides\n\
         ```\n\n\
         Whoever runs this server finds in its `docs/operate.md`, under “The assistant”, how a real model answers here.\n"
    )
}

fn long_section(number: usize, longest: &str) -> String {
    format!(
        "\n### Part {number} of 5\n\n\
         A long answer was asked for, so here is more to read about *{longest}* while it grows. Each word that you see \
         was sent to every person in this room as it was written, and each of them sees the same words in the same order. \
         Press **stop** and the answer ends right here, with its text kept; reload the page and it comes back whole, \
         and then goes on.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::llm::phrases::{CALLED, CALLED_SO, SEVERAL};
    use crate::llm::{Turn, TurnRole};

    fn ask(text: &str) -> Prompt {
        Prompt {
            system: String::new(),
            turns: vec![Turn {
                role: TurnRole::User,
                text: text.into(),
            }],
            max_tokens: 100,
            model: None,
            temperature: None,
        }
    }

    /// Asked in a room of several people, of an assistant of that name.
    fn ask_among(name: &str, text: &str) -> Prompt {
        Prompt {
            system: format!("{CALLED}{name}{CALLED_SO}. {SEVERAL}.\n\nBe kind."),
            ..ask(text)
        }
    }

    async fn collect(prompt: Prompt) -> (String, Completion) {
        let provider = ScriptedProvider::new(Duration::ZERO);
        let mut stream = provider.answer(prompt).await.unwrap();
        let mut text = String::new();
        while let Some(delta) = stream.next().await {
            match delta.unwrap() {
                Delta::Text(piece) => {
                    assert!(!piece.is_empty());
                    text.push_str(&piece);
                }
                Delta::Used(_) => panic!("it counts at the end"),
                Delta::Done(completion) => {
                    assert!(stream.next().await.is_none());
                    return (text, completion);
                }
            }
        }
        panic!("the stream ended without Done");
    }

    #[tokio::test]
    async fn an_answer_is_markdown_about_the_question_and_says_what_it_is() {
        let (text, completion) = collect(ask_among(
            "assistant",
            "ada: @assistant why is the **sky** blue?",
        ))
        .await;
        assert!(text.starts_with("## About “why is the sky blue”"));
        for part in [
            "built-in demo model",
            "docs/operate.md",
            "\n- ",
            "```text\n",
        ] {
            assert!(text.contains(part), "{part}");
        }
        let words = text.split_whitespace().count();
        assert!((60..=120).contains(&words), "{words}");
        assert_eq!(completion.stop_reason, "end");
        assert!(completion.usage.is_some_and(|usage| usage.estimated
            && usage.input_tokens > 0
            && usage.output_tokens > 0));
    }

    #[test]
    fn who_asks_and_whom_it_calls_is_not_what_is_asked() {
        let about = |prompt: &Prompt| {
            let text = compose(prompt);
            let (title, _) = text.split_once("”\n").unwrap();
            title.strip_prefix("## About “").unwrap().to_owned()
        };
        for (name, text, asked) in [
            (
                "Green thumb",
                "Ada: @Green thumb what of moss?",
                "what of moss",
            ),
            (
                "Green thumb",
                "Ada: @green THUMB, what of moss?",
                "what of moss",
            ),
            ("assistant", "Ada Lovelace: مرحبا @assistant", "مرحبا"),
            ("assistant", "Ada: مرحبا", "مرحبا"),
            ("Dr. Who", "Ada: @Dr. Who when is now?", "when is now"),
            ("Green", "Ada: @Greenland is cold", "is cold"),
            (
                "assistant",
                "Bo Li: hi\nAda: @assistant and @Bo Li too?",
                "and too",
            ),
            (
                "assistant",
                "Ada: write to ada@example.org",
                "write to adaexampleorg",
            ),
        ] {
            assert_eq!(about(&ask_among(name, text)), asked, "{text}");
        }
        // Where one is alone with it no name stands before what one says.
        assert_eq!(about(&ask("note: this stays")), "note this stays");
    }

    #[test]
    fn asked_what_one_can_do_here_it_tells_in_the_language_asked_and_names_no_key() {
        for (text, title, words) in [
            (
                "Ada: @Green thumb What can you do here?",
                "## What you can do here",
                ["Rooms", "Invites", "Roles", "Search", "Keys"],
            ),
            (
                "Ada: Was kannst du hier?",
                "## Was man hier tun kann",
                ["Räume", "Einladungen", "Rollen", "Suche", "Tasten"],
            ),
            (
                "Ada: ماذا تستطيع أن تفعل هنا؟",
                "## ما يمكنك فعله هنا",
                ["الغرف", "الدعوات", "الأدوار", "البحث", "المفاتيح"],
            ),
        ] {
            let answer = compose(&ask_among("Green thumb", text));
            assert!(answer.starts_with(title), "{answer}");
            for word in words {
                assert!(
                    answer.contains(&format!("- **{word}**: ")),
                    "{word}: {answer}"
                );
            }
            assert!(answer.contains("`@Green thumb`"), "{answer}");
            assert!(answer.contains("`docs/operate.md`"), "{answer}");
            assert!(!answer.contains("API_KEY"), "{answer}");
        }
        assert!(!compose(&ask("hello")).contains("API_KEY"));
    }

    #[test]
    fn one_word_is_counted_as_one() {
        assert!(compose(&ask("hello")).contains("it counted one word in"));
        assert!(compose(&ask("hello there")).contains("it counted 2 words in"));
    }

    #[tokio::test]
    async fn the_same_prompt_gets_the_same_answer() {
        assert_eq!(collect(ask("hello")).await, collect(ask("hello")).await);
        assert_ne!(collect(ask("hello")).await, collect(ask("goodbye")).await);
    }

    #[test]
    fn who_plays_with_names_and_mentions_costs_little() {
        let question = format!("Ada: @assistant {} end", "@ ".repeat(8_000));
        let mut prompt = ask_among("assistant", &question);
        let lines: String = (0..40_000).map(|at| format!("x{at}: \n")).collect();
        let turn = Turn {
            role: TurnRole::User,
            text: lines,
        };
        prompt.turns.insert(0, turn);
        let begun = std::time::Instant::now();
        assert!(compose(&prompt).starts_with("## "));
        // Without a bound it takes minutes.
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{:?}",
            begun.elapsed()
        );
    }

    #[tokio::test]
    async fn a_long_answer_is_long() {
        let (text, _) = collect(ask("Please Write a long answer, @assistant")).await;
        let words = text.split_whitespace().count();
        assert!((350..=480).contains(&words), "{words}");
    }

    #[tokio::test]
    async fn a_prompt_without_words_is_answered() {
        let (text, _) = collect(ask("@assistant ```***")).await;
        assert!(text.starts_with("## About “your message”"));
    }

    #[tokio::test(start_paused = true)]
    async fn words_come_one_by_one() {
        let provider = ScriptedProvider::new(Duration::from_millis(30));
        let begun = tokio::time::Instant::now();
        let mut stream = provider.answer(ask("hello")).await.unwrap();
        stream.next().await.unwrap().unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
        stream.next().await.unwrap().unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(30));
    }
}
