//! Decimals, which the server prints, as the integers of Arrow's decimals. Nothing is rounded.

use arrow_buffer::i256;

use super::Misfit;

/// Digits that are put together before the wide integer is touched.
const GROUP: usize = 9;
/// Digits that always fit 64 bits.
const SHORT: usize = 18;

/// An integer that holds the digits of a decimal without its point.
pub(super) trait Unscaled: Copy + PartialOrd {
    const ZERO: Self;
    fn of(digits: u64) -> Self;
    /// `self * factor + digits`.
    fn shift(self, factor: u32, digits: u32) -> Option<Self>;
    fn negate(self) -> Self;
    /// 10^`precision`, the least value with too many digits.
    fn limit(precision: u8) -> Self;
}

impl Unscaled for i128 {
    const ZERO: Self = 0;

    #[inline]
    fn of(digits: u64) -> Self {
        digits.into()
    }

    #[inline]
    fn shift(self, factor: u32, digits: u32) -> Option<Self> {
        self.checked_mul(factor.into())?.checked_add(digits.into())
    }

    fn negate(self) -> Self {
        -self
    }

    #[inline]
    fn limit(precision: u8) -> Self {
        10_i128.pow(precision.into())
    }
}

impl Unscaled for i256 {
    const ZERO: Self = i256::ZERO;

    fn of(digits: u64) -> Self {
        i256::from_i128(digits.into())
    }

    fn shift(self, factor: u32, digits: u32) -> Option<Self> {
        self.checked_mul(i256::from_i128(factor.into()))?.checked_add(i256::from_i128(digits.into()))
    }

    fn negate(self) -> Self {
        self.wrapping_neg()
    }

    fn limit(precision: u8) -> Self {
        i256::from_i128(10).wrapping_pow(precision.into())
    }
}

/// The number in `text` times 10^`scale`, which must be an integer of at most `precision` digits.
pub(super) fn unscaled<T: Unscaled>(text: &[u8], precision: u8, scale: i8) -> Result<T, Misfit> {
    const TOO_LARGE: Misfit = Misfit::Value("a number with more digits than the decimal's precision");
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if let Some(short) = short(digits, precision, scale) {
        let out = T::of(short);
        return Ok(if is_negative { out.negate() } else { out });
    }
    let point = digits.iter().position(|c| *c == b'.').unwrap_or(digits.len());
    let (whole, fraction) = (&digits[..point], digits.get(point + 1..).unwrap_or_default());
    let scale = usize::try_from(scale).map_err(|_| Misfit::Malformed)?;
    let (kept, dropped) = fraction.split_at(fraction.len().min(scale));
    if dropped.iter().any(|c| *c != b'0') {
        return Err(Misfit::Value("a number with more places behind the point than the decimal's scale"));
    }
    let missing = scale - kept.len();
    let mut out = T::ZERO;
    for part in [whole, kept] {
        for group in part.chunks(GROUP) {
            let mut value = 0;
            for c in group {
                match c {
                    b'0'..=b'9' => value = value * 10 + u32::from(c - b'0'),
                    _ => return Err(Misfit::Malformed),
                }
            }
            out = out.shift(10_u32.pow(group.len() as u32), value).ok_or(TOO_LARGE)?;
        }
    }
    for _ in 0..missing {
        out = out.shift(10, 0).ok_or(TOO_LARGE)?;
    }
    if out >= T::limit(precision) {
        return Err(TOO_LARGE);
    }
    Ok(if is_negative { out.negate() } else { out })
}

/// What [`unscaled`] makes of most numbers: few digits, as many of them behind the point as the scale wants. `None` leaves
/// the number to it.
#[inline]
fn short(digits: &[u8], precision: u8, scale: i8) -> Option<u64> {
    let scale = usize::try_from(scale).ok()?;
    // Without the point, where there is one.
    let count = digits.len().checked_sub(usize::from(scale > 0))?;
    if count > SHORT.min(precision.into()) || count < scale {
        return None;
    }
    let (whole, fraction) = match scale {
        0 => (digits, &digits[..0]),
        _ => match digits.split_at(count - scale) {
            (whole, [b'.', fraction @ ..]) => (whole, fraction),
            _ => return None,
        },
    };
    whole.iter().chain(fraction).try_fold(0, |value, c| match c {
        b'0'..=b'9' => Some(value * 10 + u64::from(c - b'0')),
        _ => None,
    })
}
