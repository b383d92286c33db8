//! The settings of what replies cost and what may be spent on them. A part of [`Config`](super::Config).

use clap::Args;

use crate::limits;
use crate::spending::{Cap, Caps, Money, PeriodCaps, Prices};

/// Settings of prices and caps. Amounts are decimals in the operator's currency, such as `2.5`; days and months are those of UTC.
#[derive(Clone, Debug, Args)]
pub struct Spending {
    /// What the currency of all amounts is called on the page; nothing is converted
    #[arg(
        long,
        env = "SALON_CURRENCY",
        default_value = "USD",
        value_parser = currency,
        value_name = "NAME"
    )]
    pub currency: String,

    /// What a million tokens read by the model of SALON_MODEL cost; with it SALON_MODEL_OUTPUT_PRICE
    #[arg(long, env = "SALON_MODEL_INPUT_PRICE", value_name = "AMOUNT")]
    pub model_input_price: Option<Money>,

    /// What a million tokens written by it cost
    #[arg(long, env = "SALON_MODEL_OUTPUT_PRICE", value_name = "AMOUNT")]
    pub model_output_price: Option<Money>,

    /// What a million tokens cost that its provider knows from before; not set: like all that is read
    #[arg(long, env = "SALON_MODEL_CACHED_PRICE", value_name = "AMOUNT")]
    pub model_cached_price: Option<Money>,

    /// What the questions of one user may cost in a day
    #[arg(long, env = "SALON_SPEND_USER_DAY", value_name = "AMOUNT")]
    pub spend_user_day: Option<Money>,

    /// The same in a month
    #[arg(long, env = "SALON_SPEND_USER_MONTH", value_name = "AMOUNT")]
    pub spend_user_month: Option<Money>,

    /// What the replies of one room may cost in a day
    #[arg(long, env = "SALON_SPEND_ROOM_DAY", value_name = "AMOUNT")]
    pub spend_room_day: Option<Money>,

    /// The same in a month
    #[arg(long, env = "SALON_SPEND_ROOM_MONTH", value_name = "AMOUNT")]
    pub spend_room_month: Option<Money>,

    /// What all replies may cost in a day, on all instances together
    #[arg(long, env = "SALON_SPEND_SERVER_DAY", value_name = "AMOUNT")]
    pub spend_server_day: Option<Money>,

    /// The same in a month
    #[arg(long, env = "SALON_SPEND_SERVER_MONTH", value_name = "AMOUNT")]
    pub spend_server_month: Option<Money>,

    /// Tokens, read and written, that the questions of one user may use in a day
    #[arg(long, env = "SALON_TOKENS_USER_DAY", value_parser = clap::value_parser!(i64).range(0..=1_000_000_000_000_000), value_name = "COUNT")]
    pub tokens_user_day: Option<i64>,

    /// The same in a month
    #[arg(long, env = "SALON_TOKENS_USER_MONTH", value_parser = clap::value_parser!(i64).range(0..=1_000_000_000_000_000), value_name = "COUNT")]
    pub tokens_user_month: Option<i64>,

    /// Tokens that the replies of one room may use in a day
    #[arg(long, env = "SALON_TOKENS_ROOM_DAY", value_parser = clap::value_parser!(i64).range(0..=1_000_000_000_000_000), value_name = "COUNT")]
    pub tokens_room_day: Option<i64>,

    /// The same in a month
    #[arg(long, env = "SALON_TOKENS_ROOM_MONTH", value_parser = clap::value_parser!(i64).range(0..=1_000_000_000_000_000), value_name = "COUNT")]
    pub tokens_room_month: Option<i64>,

    /// Tokens that all replies may use in a day, on all instances together
    #[arg(long, env = "SALON_TOKENS_SERVER_DAY", value_parser = clap::value_parser!(i64).range(0..=1_000_000_000_000_000), value_name = "COUNT")]
    pub tokens_server_day: Option<i64>,

    /// The same in a month
    #[arg(long, env = "SALON_TOKENS_SERVER_MONTH", value_parser = clap::value_parser!(i64).range(0..=1_000_000_000_000_000), value_name = "COUNT")]
    pub tokens_server_month: Option<i64>,

    /// How many days the record of what each attempt used is kept
    #[arg(long, env = "SALON_USAGE_DAYS", default_value_t = 400, value_parser = clap::value_parser!(u32).range(32..=i64::from(limits::USAGE_DAYS)), value_name = "DAYS")]
    pub usage_days: u32,
}

impl Spending {
    /// The caps.
    #[must_use]
    pub fn caps(&self) -> Caps {
        let cap = |cost, tokens| Cap { cost, tokens };
        Caps {
            user: PeriodCaps {
                day: cap(self.spend_user_day, self.tokens_user_day),
                month: cap(self.spend_user_month, self.tokens_user_month),
            },
            room: PeriodCaps {
                day: cap(self.spend_room_day, self.tokens_room_day),
                month: cap(self.spend_room_month, self.tokens_room_month),
            },
            server: PeriodCaps {
                day: cap(self.spend_server_day, self.tokens_server_day),
                month: cap(self.spend_server_month, self.tokens_server_month),
            },
        }
    }

    /// What the model of `SALON_MODEL` costs.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn prices(&self) -> Result<Option<Prices>, String> {
        let (input, output) = (self.model_input_price, self.model_output_price);
        Prices::of(input, output, self.model_cached_price).map_err(|said| {
            format!("SALON_MODEL_INPUT_PRICE, SALON_MODEL_OUTPUT_PRICE and SALON_MODEL_CACHED_PRICE: {said}.")
        })
    }
}

/// A few letters or a sign: it stands in front of amounts, in a browser.
fn currency(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    let is_allowed = |c: char| !c.is_control() && !c.is_whitespace() && !c.is_ascii_digit();
    if (1..=8).contains(&length) && text.chars().all(is_allowed) {
        return Ok(text.to_owned());
    }
    Err("1 to 8 characters, no blanks and no digits, such as USD".to_owned())
}
