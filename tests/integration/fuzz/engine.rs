//! The engine of the fuzzing: seeds from a corpus, mutated by one number, checked one after another. Used by the targets
//! beside it and, through `#[path]`, by the one that lies within the library (`src/llm/fuzzed.rs`).
//!
//! An input is made of its number and the corpus alone, so the number that a failure prints makes it again. What failed is
//! written beside the corpus as `regression-…`: it is checked first from then on, and no input is made of it, so that the
//! numbers keep their inputs. How to run it long: `tests/fuzz/README.md`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The short run of each target is this many inputs, or as many as fit in [`SHORT_TIME`].
const SHORT_RUNS: u64 = 4_000;
/// How long a short run goes on.
const SHORT_TIME: Duration = Duration::from_secs(3);
/// Fewer inputs than this are no run at all, however slow the machine is.
const FEWEST: u64 = 25;
/// How long is spent on making a failing input smaller.
const SHRINK_TIME: Duration = Duration::from_secs(20);
/// Tells the numbers that a check draws from those that made its input.
const OF_THE_CHECK: u64 = 0x5a10_4f22;

/// What breaks parsers of any kind, beside each target's own words.
const NASTY: &[&[u8]] = &[
    b"\0",
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x98",
    b"\xf4\x90\x80\x80",
    b"\xef\xbb\xbf",
    b"\\u0000",
    b"\\ud800",
    b"\\udc00\\ud800",
    b"\\",
    b"\"",
    b"\r\n",
    b"\n\n",
    b"\r",
    b"\xe2\x80\xae",
    b"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb",
];

/// What stands where a number stood.
const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1",
    "127",
    "255",
    "65536",
    "2147483647",
    "2147483648",
    "-2147483649",
    "4294967296",
    "9007199254740993",
    "9223372036854775806",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551616",
    "1e308",
    "1e999",
    "-0.0",
    "1.5",
    "00001",
    "99999999999999999999999999999999999999999999999999",
];

/// Openings and closings that parsers follow downwards.
const NESTS: &[(&str, &str)] = &[
    ("[", "]"),
    ("{\"a\":", "}"),
    ("(", ")"),
    ("> ", ""),
    ("- ", ""),
    ("*a ", "b* "),
    ("![", "](https://e.org)"),
    ("<b>", "</b>"),
];

/// One thing that is fuzzed.
pub(crate) struct Target {
    /// Its folder under `tests/fuzz`, and the end of its test's name.
    pub(crate) name: &'static str,
    /// The words of its language.
    pub(crate) words: &'static [&'static str],
    /// Longer inputs are cut.
    pub(crate) max_bytes: usize,
    /// Seeds that are kept elsewhere.
    pub(crate) seeds: Vec<Vec<u8>>,
}

/// A kept input: where it is from, and its bytes.
type Kept = (String, Vec<u8>);

impl Target {
    /// Checks every kept input, then made ones: those of a short run, `SALON_FUZZ_RUNS` of them, or the one of
    /// `SALON_FUZZ_SEED`. A check tells what is wrong, or panics; what it draws from the generator is the input's own.
    pub(crate) fn fuzz(&self, mut check: impl FnMut(&[u8], &mut StdRng) -> Result<(), String>) {
        let (seeds, regressions) = self.kept();
        assert!(!seeds.is_empty(), "{} has no corpus", self.name);
        for (name, input) in regressions.iter().chain(&seeds) {
            if let Err(wrong) = checked(&mut check, input, 0) {
                panic!(
                    "{}: the kept input {name}: {wrong}\n{}",
                    self.name,
                    shown(input)
                );
            }
        }
        let setting = |name: &str| {
            std::env::var(name)
                .ok()
                .map(|text| text.parse::<u64>().expect("a number"))
        };
        let one = setting("SALON_FUZZ_SEED");
        let many = setting("SALON_FUZZ_RUNS");
        // A long run looks elsewhere each time; a short one is the same for everybody.
        let first = one.unwrap_or_else(|| many.map_or(0, |_| u64::from(rand::random::<u32>())));
        let count = if one.is_some() {
            1
        } else {
            many.unwrap_or(SHORT_RUNS)
        };
        let begun = Instant::now();
        let mut done = 0;
        while done < count {
            if many.is_none() && done >= FEWEST && begun.elapsed() > SHORT_TIME {
                break;
            }
            let number = first + done;
            let input = self.input(&seeds, number);
            if let Err(wrong) = checked(&mut check, &input, number) {
                self.report(&mut check, input, number, &wrong);
            }
            done += 1;
        }
        eprintln!(
            "{}: {} kept, {done} made from {first}, {:?}",
            self.name,
            seeds.len() + regressions.len(),
            begun.elapsed()
        );
    }

    fn folder(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fuzz")
            .join(self.name)
    }

    /// The corpus in the order of its names, and what failed once.
    fn kept(&self) -> (Vec<Kept>, Vec<Kept>) {
        let mut found: Vec<Kept> = std::fs::read_dir(self.folder())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                (name, std::fs::read(entry.path()).unwrap())
            })
            .collect();
        found.sort();
        let (regressions, mut seeds): (Vec<Kept>, Vec<Kept>) = found
            .into_iter()
            .partition(|(name, _)| name.starts_with("regression-"));
        let elsewhere = self.seeds.iter().enumerate();
        seeds.extend(elsewhere.map(|(place, seed)| (format!("seed {place}"), seed.clone())));
        (seeds, regressions)
    }

    /// The input of a number.
    fn input(&self, seeds: &[Kept], number: u64) -> Vec<u8> {
        let mut rng = StdRng::seed_from_u64(number);
        let mut input = seeds[rng.random_range(0..seeds.len())].1.clone();
        let other = &seeds[rng.random_range(0..seeds.len())].1;
        for _ in 0..rng.random_range(1..=8) {
            self.mutate(&mut input, other, &mut rng);
            input.truncate(self.max_bytes);
        }
        input
    }

    fn mutate(&self, input: &mut Vec<u8>, other: &[u8], rng: &mut StdRng) {
        let from = rng.random_range(0..=input.len());
        let to = rng.random_range(from..=input.len().min(from + 40));
        match rng.random_range(0..13) {
            0 => {
                if let Some(byte) = input.get_mut(from) {
                    *byte ^= 1 << rng.random_range(0..8);
                }
            }
            1 => {
                let bytes: Vec<u8> = (from..to).map(|_| rng.random()).collect();
                input.splice(from..to, bytes);
            }
            2 | 3 if !self.words.is_empty() => {
                let word = self.words[rng.random_range(0..self.words.len())];
                let end = if rng.random() { from } else { to };
                input.splice(from..end, word.bytes());
            }
            4 | 5 => {
                let word = NASTY[rng.random_range(0..NASTY.len())];
                input.splice(from..from, word.iter().copied());
            }
            6 => {
                let begin = rng.random_range(0..=other.len());
                input.truncate(from);
                input.extend_from_slice(&other[begin..]);
            }
            7 => {
                let begin = rng.random_range(0..=other.len());
                let end = rng.random_range(begin..=other.len());
                input.splice(from..to, other[begin..end].iter().copied());
            }
            8 => repeat(input, from, to, rng),
            9 => input.truncate(from),
            10 => drop(input.drain(from..to)),
            11 => number(input, from, rng),
            _ => nest(input, from, to, rng),
        }
    }

    /// Keeps what failed, made smaller, and fails.
    fn report(
        &self,
        check: &mut impl FnMut(&[u8], &mut StdRng) -> Result<(), String>,
        input: Vec<u8>,
        number: u64,
        wrong: &str,
    ) {
        eprintln!("{}: {wrong}; making the input smaller", self.name);
        let input = smaller(check, input, number);
        let path = self.folder().join(format!("regression-{number}"));
        let kept = match std::fs::write(&path, &input) {
            Ok(()) => format!("kept as tests/fuzz/{}/regression-{number}", self.name),
            Err(error) => format!("not kept: {error}"),
        };
        panic!(
            "{}: {wrong}\nagain: SALON_FUZZ_SEED={number} cargo test --locked fuzz_{}; {kept}\n{}",
            self.name,
            self.name,
            shown(&input)
        );
    }
}

/// A block again and again.
fn repeat(input: &mut Vec<u8>, from: usize, to: usize, rng: &mut StdRng) {
    let times = 1 << rng.random_range(1..10);
    let block = input[from..to].repeat(times);
    input.splice(from..from, block);
}

/// A number of another size, where the next one stands.
fn number(input: &mut Vec<u8>, from: usize, rng: &mut StdRng) {
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let begin = input[from..]
        .iter()
        .position(is_digit)
        .map_or(from, |skip| from + skip);
    let length = input[begin..]
        .iter()
        .take_while(|byte| is_digit(byte))
        .count();
    let other = NUMBERS[rng.random_range(0..NUMBERS.len())];
    input.splice(begin..begin + length, other.bytes());
}

/// A part as deep within brackets as a parser may have to go.
fn nest(input: &mut Vec<u8>, from: usize, to: usize, rng: &mut StdRng) {
    let (open, close) = NESTS[rng.random_range(0..NESTS.len())];
    let depth = 1 << rng.random_range(1..12);
    let mut nested = open.repeat(depth).into_bytes();
    nested.extend_from_slice(&input[from..to]);
    if rng.random() {
        nested.extend_from_slice(close.repeat(depth).as_bytes());
    }
    input.splice(from..to, nested);
}

/// What is wrong with one input; a panic is.
fn checked(
    check: &mut impl FnMut(&[u8], &mut StdRng) -> Result<(), String>,
    input: &[u8],
    number: u64,
) -> Result<(), String> {
    let mut rng = StdRng::seed_from_u64(number ^ OF_THE_CHECK);
    catch_unwind(AssertUnwindSafe(|| check(input, &mut rng))).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", text.unwrap_or("without a word")))
    })
}

/// The same failure, or another one, of fewer bytes: ever smaller blocks are left out.
fn smaller(
    check: &mut impl FnMut(&[u8], &mut StdRng) -> Result<(), String>,
    mut input: Vec<u8>,
    number: u64,
) -> Vec<u8> {
    let begun = Instant::now();
    let mut block = input.len().div_ceil(2);
    while block > 0 {
        let mut from = 0;
        while from < input.len() && begun.elapsed() < SHRINK_TIME {
            let mut without = input.clone();
            without.drain(from..(from + block).min(input.len()));
            if checked(check, &without, number).is_err() {
                input = without;
            } else {
                from += block;
            }
        }
        block /= 2;
    }
    input
}

/// An input as people can read it.
fn shown(input: &[u8]) -> String {
    input[..input.len().min(2_000)].escape_ascii().to_string()
}
