//! Decimals of any length, as databases have them: parsed, compared and made less without rounding.

use std::cmp::Ordering;
use std::fmt;

/// An exact decimal number.
#[derive(Clone, Debug)]
pub(super) struct Decimal {
    /// Never set for zero.
    is_negative: bool,
    /// The digits of its magnitude, the least significant first.
    digits: Vec<u8>,
    /// How many of the digits stand behind the point.
    scale: usize,
}

impl Decimal {
    /// Reads `-12.50`. `None` for what is no plain number.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (is_negative, magnitude) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
        let is_plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !is_plain(whole) || !is_plain(fraction) {
            return None;
        }
        let digits = whole.bytes().chain(fraction.bytes()).rev().map(|b| b - b'0').collect();
        Some(Self::new(is_negative, digits, fraction.len()))
    }

    fn new(is_negative: bool, digits: Vec<u8>, scale: usize) -> Self {
        Self { is_negative: is_negative && digits.iter().any(|digit| *digit != 0), digits, scale }
    }

    /// The number less `amount`, with as many digits behind the point.
    pub(super) fn minus(&self, amount: u64) -> Self {
        let behind = std::iter::repeat_n(0, self.scale);
        let amount: Vec<u8> = behind.chain(amount.to_string().bytes().rev().map(|b| b - b'0')).collect();
        let (is_negative, digits) = if self.is_negative {
            (true, sum(&self.digits, &amount))
        } else if compare(&self.digits, &amount) == Ordering::Less {
            (true, difference(&amount, &self.digits))
        } else {
            (false, difference(&self.digits, &amount))
        };
        Self::new(is_negative, digits, self.scale)
    }

    /// The digits of the magnitude with `scale` of them behind the point.
    fn scaled(&self, scale: usize) -> Vec<u8> {
        std::iter::repeat_n(0, scale.saturating_sub(self.scale)).chain(self.digits.iter().copied()).collect()
    }

    /// The order of two numbers.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let scale = self.scale.max(other.scale);
        match (self.is_negative, other.is_negative) {
            (false, false) => compare(&self.scaled(scale), &other.scaled(scale)),
            (true, true) => compare(&other.scaled(scale), &self.scaled(scale)),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_negative {
            f.write_str("-")?;
        }
        let leading = self.digits.iter().rev().take_while(|digit| **digit == 0).count();
        // One digit stays before the point.
        let places = (self.digits.len() - leading).max(self.scale + 1);
        for place in (0..places).rev() {
            write!(f, "{}", self.digits.get(place).copied().unwrap_or(0))?;
            if place == self.scale && place > 0 {
                f.write_str(".")?;
            }
        }
        Ok(())
    }
}

fn digit(digits: &[u8], place: usize) -> u8 {
    digits.get(place).copied().unwrap_or(0)
}

fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let places = (0..a.len().max(b.len())).rev();
    places.map(|place| digit(a, place).cmp(&digit(b, place))).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

fn sum(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let add = |place| {
        let sum = digit(a, place) + digit(b, place) + carry;
        carry = sum / 10;
        sum % 10
    };
    (0..=a.len().max(b.len())).map(add).collect()
}

/// `a - b`, where `a` is not the lesser.
fn difference(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let subtract = |place| {
        let (minuend, subtrahend) = (digit(a, place), digit(b, place) + borrow);
        borrow = u8::from(minuend < subtrahend);
        minuend + 10 * borrow - subtrahend
    };
    (0..a.len()).map(subtract).collect()
}
