//! Money, as a whole number of millionths of the operator's currency, and what tokens cost. Used by settings, by the providers' file
//! and by whoever writes a reply. No float anywhere: the same usage costs the same on every machine, and sums do not drift. Pure.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// Millionths of one unit of the currency.
const MICROS: i64 = 1_000_000;
/// Digits behind the point that a millionth needs.
const DIGITS: usize = 6;
/// The most that may be written: above it is a slip of the pen, and sums must not overflow.
const MOST: i64 = 1_000_000_000 * MICROS;

/// An amount; never below nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Money {
    micros: i64,
}

impl Money {
    /// So many millionths.
    #[must_use]
    pub const fn of_micros(micros: i64) -> Self {
        Self { micros }
    }

    /// Its millionths.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.micros
    }
}

impl FromStr for Money {
    type Err = String;

    /// A decimal such as `2.5` or `0.075`: no sign, no exponent, at most six digits behind the point.
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            "an amount is a decimal such as 2.5, with at most six digits behind the point and at most 1000000000".to_owned()
        };
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let is_digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(whole) || !is_digits(part) || part.len() > DIGITS {
            return Err(bad());
        }
        let whole: i64 = whole.parse().map_err(|_error| bad())?;
        let part: i64 = format!("{part:0<DIGITS$}")
            .parse()
            .map_err(|_error| bad())?;
        let micros = whole.checked_mul(MICROS).map(|whole| whole + part);
        match micros.filter(|micros| *micros <= MOST) {
            Some(micros) => Ok(Self { micros }),
            None => Err(bad()),
        }
    }
}

/// As [`FromStr`] reads it, without needless zeros.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.micros / MICROS, self.micros % MICROS);
        if part == 0 {
            return write!(f, "{whole}");
        }
        let part = format!("{part:0DIGITS$}");
        write!(f, "{whole}.{}", part.trim_end_matches('0'))
    }
}

/// In files, a text: a number would be a float, and 0.1 is none.
impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a million tokens of a model cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Prices {
    /// Read by the model.
    pub input: Money,
    /// Read by it, and known to it from before.
    pub cached: Money,
    /// Written by it.
    pub output: Money,
}

impl Prices {
    /// Of what is written in settings or a file: both of the first two or none; without the third, what is known from before costs
    /// like the rest.
    ///
    /// # Errors
    /// A part of a sentence for the operator.
    pub fn of(
        input: Option<Money>,
        output: Option<Money>,
        cached: Option<Money>,
    ) -> Result<Option<Self>, &'static str> {
        match (input, output) {
            (Some(input), Some(output)) => Ok(Some(Self {
                input,
                cached: cached.unwrap_or(input),
                output,
            })),
            (None, None) if cached.is_none() => Ok(None),
            _ => Err(
                "a price is one of input and one of output, with one of cached input if there is another for it",
            ),
        }
    }

    /// What these tokens cost, in millionths, rounded up once. `cached` are among the `input`.
    #[must_use]
    pub fn cost_micros(self, input: i64, cached: i64, output: i64) -> i64 {
        let cached = cached.clamp(0, input.max(0));
        let of = |tokens: i64, price: Money| i128::from(tokens.max(0)) * i128::from(price.micros);
        let sum =
            of(input - cached, self.input) + of(cached, self.cached) + of(output, self.output);
        let million = i128::from(MICROS);
        i64::try_from((sum + million - 1) / million).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        text.parse().unwrap()
    }

    #[test]
    fn amounts_are_read_and_written_exactly() {
        for (text, micros) in [
            ("0", 0),
            ("3", 3_000_000),
            ("0.075", 75_000),
            ("0.1", 100_000),
            ("12.000001", 12_000_001),
            ("1000000000", 1_000_000_000_000_000),
        ] {
            assert_eq!(money(text).micros(), micros);
            assert_eq!(money(text).to_string(), text);
        }
        assert_eq!(money("2.50").to_string(), "2.5");
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1,5",
            " 1",
            "1.0000001",
            "1000000001",
            "$1",
            "99999999999999999999",
        ] {
            assert!(bad.parse::<Money>().is_err(), "{bad}");
        }
    }

    #[test]
    fn tokens_cost_to_the_millionth_rounded_up_once() {
        let prices = Prices::of(
            Some(money("0.15")),
            Some(money("0.6")),
            Some(money("0.075")),
        );
        let prices = prices.unwrap().unwrap();
        assert_eq!(prices.cost_micros(1_000_000, 0, 0), 150_000);
        assert_eq!(prices.cost_micros(1_000_000, 400_000, 1_000_000), 720_000);
        assert_eq!(prices.cost_micros(1, 0, 0), 1, "never for nothing");
        assert_eq!(prices.cost_micros(0, 0, 0), 0);
        assert_eq!(prices.cost_micros(10, 99, 0), prices.cost_micros(10, 10, 0));
        // A thousand small ones cost at most a thousandth more than one that is as large as they are together.
        let parts: i64 = (0..1_000).map(|_| prices.cost_micros(1_000, 0, 10)).sum();
        assert_eq!(parts, prices.cost_micros(1_000_000, 0, 10_000));
        let dear = money("1000000000");
        let dear = Prices::of(Some(dear), Some(dear), None).unwrap().unwrap();
        assert_eq!(dear.cost_micros(i64::MAX, 0, i64::MAX), i64::MAX);
    }

    #[test]
    fn a_price_is_whole_or_none() {
        let one = Some(money("1"));
        assert_eq!(Prices::of(None, None, None), Ok(None));
        assert_eq!(
            Prices::of(one, one, None).unwrap().unwrap().cached,
            money("1")
        );
        for part in [(one, None, None), (None, one, None), (None, None, one)] {
            Prices::of(part.0, part.1, part.2).unwrap_err();
        }
    }
}
