//! The receipt of a record: the number of its event, and of the time that it was received.
//!
//! Only the last receiver of a record settles it. The number of attempts does not tell which one that is, because it starts
//! again when a dead letter is redriven.

use std::fmt;
use std::str::FromStr;

/// The number of the receipt when an event is received for the first time.
pub(super) const FIRST_RECEIPT: i64 = 1;

/// What a receiver has to show to settle a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Receipt {
    /// The number of the event.
    pub(super) seq: i64,
    /// How often the event was received until then. Only grows.
    pub(super) number: i64,
}

impl fmt::Display for Receipt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.seq, self.number)
    }
}

/// A record of another queue has another receipt, or none.
impl FromStr for Receipt {
    type Err = ();

    fn from_str(text: &str) -> Result<Receipt, ()> {
        let (seq, number) = text.split_once(':').ok_or(())?;
        let seq = seq.parse().map_err(|_| ())?;
        let number = number.parse().map_err(|_| ())?;
        Ok(Receipt { seq, number })
    }
}
