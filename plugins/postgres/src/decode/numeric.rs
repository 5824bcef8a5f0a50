//! `numeric` on the wire: digits in base 10 000. To the text that the server would print, or to an Arrow decimal.

use arrow_buffer::i256;

use super::Misfit;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;

/// "00", "01", ... "99", one after the other.
const PAIRS: [u8; 200] = {
    let mut out = [0; 200];
    let mut i = 0;
    while i < 100 {
        out[2 * i] = b'0' + (i / 10) as u8;
        out[2 * i + 1] = b'0' + (i % 10) as u8;
        i += 1;
    }
    out
};

/// A value as sent. `digits` holds big-endian groups of four decimal digits; the first has exponent `weight`.
struct Numeric<'a> {
    digits: &'a [u8],
    weight: i32,
    sign: u16,
    /// Digits behind the point that the server shows.
    display: usize,
}

impl<'a> Numeric<'a> {
    #[inline]
    fn parse(field: &'a [u8]) -> Result<Self, Misfit> {
        let ([n0, n1, w0, w1, s0, s1, d0, d1], digits) = field.split_first_chunk().ok_or(Misfit::Malformed)?;
        if digits.len() != 2 * usize::from(u16::from_be_bytes([*n0, *n1])) {
            return Err(Misfit::Malformed);
        }
        Ok(Self {
            digits,
            weight: i32::from(i16::from_be_bytes([*w0, *w1])),
            sign: u16::from_be_bytes([*s0, *s1]),
            display: usize::from(u16::from_be_bytes([*d0, *d1])),
        })
    }

    /// Group `index`; groups that were not sent are zero.
    #[inline]
    fn group(&self, index: i32) -> Result<u16, Misfit> {
        let sent = usize::try_from(index).ok().and_then(|i| self.digits.get(2 * i..2 * i + 2));
        match sent {
            Some(&[high, low]) => match u16::from_be_bytes([high, low]) {
                group @ 0..=9999 => Ok(group),
                _ => Err(Misfit::Malformed),
            },
            _ => Ok(0),
        }
    }

    fn groups(&self) -> i32 {
        (self.digits.len() / 2) as i32
    }
}

/// Places for digits before the point, and behind it, in what is appended in one go.
const BEFORE: usize = 20;
const BEHIND: usize = 20;

/// Appends the value as the server prints it, with all its zeros behind the point.
#[inline]
pub(super) fn push_numeric(field: &[u8], out: &mut Vec<u8>) -> Result<(), Misfit> {
    let value = Numeric::parse(field)?;
    let is_short = (-1..(BEFORE / 4) as i32).contains(&value.weight) && value.display <= BEHIND;
    if is_short && matches!(value.sign, 0 | NEGATIVE) { push_short(&value, out) } else { push_long(&value, out) }
}

/// What most values are: printed beside the column, and appended in one go.
#[inline]
fn push_short(value: &Numeric<'_>, out: &mut Vec<u8>) -> Result<(), Misfit> {
    // A place for the sign, the digits before the point, it, and those behind it. Groups that were not sent are zero.
    let mut text = [b'0'; 1 + BEFORE + 1 + BEHIND];
    let before = (value.weight + 1) as usize;
    let mut at = 1 + BEFORE - 4 * before;
    let mut start = BEFORE;
    for (index, group) in value.digits.chunks_exact(2).take(before + BEHIND / 4).enumerate() {
        let group = u16::from_be_bytes([group[0], group[1]]);
        if group > 9999 {
            return Err(Misfit::Malformed);
        }
        if index == 0 && before > 0 {
            start = at + usize::from(group < 10) + usize::from(group < 100) + usize::from(group < 1000);
        }
        at += usize::from(index == before);
        text[at..at + 4].copy_from_slice(&four(group));
        at += 4;
    }
    let mut end = 1 + BEFORE;
    if value.display > 0 {
        text[end] = b'.';
        end += 1 + value.display;
    }
    if value.sign == NEGATIVE {
        start -= 1;
        text[start] = b'-';
    }
    out.extend_from_slice(&text[start..end]);
    Ok(())
}

/// What has very many digits, or none.
fn push_long(value: &Numeric<'_>, out: &mut Vec<u8>) -> Result<(), Misfit> {
    match value.sign {
        0 => {}
        NEGATIVE => out.push(b'-'),
        special => {
            let name: &[u8] = match special {
                NAN => b"NaN",
                INFINITY => b"Infinity",
                NEGATIVE_INFINITY => b"-Infinity",
                _ => return Err(Misfit::Malformed),
            };
            out.extend_from_slice(name);
            return Ok(());
        }
    }
    if value.weight < 0 {
        out.push(b'0');
    } else {
        let first = four(value.group(0)?);
        let zeros = first.iter().take(3).take_while(|d| **d == b'0').count();
        out.extend_from_slice(&first[zeros..]);
        for index in 1..=value.weight {
            out.extend_from_slice(&four(value.group(index)?));
        }
    }
    if value.display > 0 {
        out.push(b'.');
        let end = out.len() + value.display;
        let mut index = value.weight + 1;
        while out.len() < end {
            out.extend_from_slice(&four(value.group(index)?));
            index += 1;
        }
        out.truncate(end);
    }
    Ok(())
}

#[inline]
fn four(group: u16) -> [u8; 4] {
    let (high, low) = (usize::from(group / 100) * 2, usize::from(group % 100) * 2);
    [PAIRS[high], PAIRS[high + 1], PAIRS[low], PAIRS[low + 1]]
}

/// The powers of ten that 128 bits hold.
const POWERS: [i128; 39] = {
    let mut out = [1; 39];
    let mut i = 1;
    while i < 39 {
        out[i] = out[i - 1] * 10;
        i += 1;
    }
    out
};

/// An integer that holds the digits of a decimal without its point.
pub(super) trait Unscaled: Copy + PartialOrd {
    const ZERO: Self;
    /// `self * factor + digits`.
    fn shift(self, factor: u16, digits: u16) -> Option<Self>;
    fn negate(self) -> Self;
    /// 10^`precision`, the least value with too many digits.
    fn limit(precision: u8) -> Self;
    /// From 128 bits.
    fn widen(value: i128) -> Self;
}

impl Unscaled for i128 {
    const ZERO: Self = 0;

    #[inline]
    fn shift(self, factor: u16, digits: u16) -> Option<Self> {
        self.checked_mul(factor.into())?.checked_add(digits.into())
    }

    fn negate(self) -> Self {
        -self
    }

    #[inline]
    fn limit(precision: u8) -> Self {
        POWERS[usize::from(precision)]
    }

    #[inline]
    fn widen(value: i128) -> Self {
        value
    }
}

impl Unscaled for i256 {
    const ZERO: Self = i256::ZERO;

    fn shift(self, factor: u16, digits: u16) -> Option<Self> {
        self.checked_mul(i256::from_i128(factor.into()))?.checked_add(i256::from_i128(digits.into()))
    }

    fn negate(self) -> Self {
        self.wrapping_neg()
    }

    fn limit(precision: u8) -> Self {
        i256::from_i128(10).wrapping_pow(precision.into())
    }

    fn widen(value: i128) -> Self {
        i256::from_i128(value)
    }
}

/// The value times 10^`scale`, which must be an integer of at most `precision` digits: nothing is rounded.
#[inline]
pub(super) fn unscaled<T: Unscaled>(field: &[u8], precision: u8, scale: i8) -> Result<T, Misfit> {
    let value = Numeric::parse(field)?;
    match unscaled_short(&value, scale) {
        Some(short) if precision > 38 || short.abs() < POWERS[usize::from(precision)] => Ok(T::widen(short)),
        _ => unscaled_long(&value, precision, scale),
    }
}

/// What most values are: at most four groups, which 64 bits hold. `None` when it is another, or does not fit.
#[inline]
fn unscaled_short(value: &Numeric<'_>, scale: i8) -> Option<i128> {
    if value.digits.len() > 8 || !matches!(value.sign, 0 | NEGATIVE) {
        return None;
    }
    let mut digits = 0_u64;
    for group in value.digits.chunks_exact(2) {
        let group = u16::from_be_bytes([group[0], group[1]]);
        if group > 9999 {
            return None;
        }
        digits = digits * 10_000 + u64::from(group);
    }
    // How many places the last group's last digit stands above the last one that is kept.
    let above = (value.weight - value.groups() + 1) * 4 + i32::from(scale);
    let out = match above {
        0..=20 => i128::from(digits) * POWERS[above as usize],
        -4..0 => {
            let dropped = [1, 10, 100, 1000, 10_000][above.unsigned_abs() as usize];
            if !digits.is_multiple_of(dropped) {
                return None;
            }
            i128::from(digits / dropped)
        }
        _ => return None,
    };
    Some(if value.sign == NEGATIVE { -out } else { out })
}

#[cold]
fn unscaled_long<T: Unscaled>(value: &Numeric<'_>, precision: u8, scale: i8) -> Result<T, Misfit> {
    const TOO_LARGE: Misfit = Misfit::Value("a number with more digits than the decimal's precision");
    match value.sign {
        0 | NEGATIVE => {}
        NAN => return Err(Misfit::Value("the number \"NaN\", which a decimal has not")),
        INFINITY | NEGATIVE_INFINITY => return Err(Misfit::Value("an infinite number, which a decimal has not")),
        _ => return Err(Misfit::Malformed),
    }
    let mut out = T::ZERO;
    for index in 0..value.groups() {
        let group = value.group(index)?;
        // How many decimal places the group's last digit stands above the last one that is kept.
        let above = (value.weight - index) * 4 + i32::from(scale);
        let dropped = 10_u16.pow(above.clamp(-4, 0).unsigned_abs());
        if group % dropped != 0 {
            return Err(Misfit::Value("a number with more places behind the point than the decimal's scale"));
        }
        out = out.shift(10_000 / dropped, group / dropped).ok_or(TOO_LARGE)?;
    }
    if value.groups() > 0 {
        for _ in 0..(value.weight - value.groups() + 1) * 4 + i32::from(scale) {
            out = out.shift(10, 0).ok_or(TOO_LARGE)?;
        }
    }
    if out >= T::limit(precision) {
        return Err(TOO_LARGE);
    }
    Ok(if value.sign == NEGATIVE { out.negate() } else { out })
}
