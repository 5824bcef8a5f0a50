//! Digits. Eight of them are made at once, in the bytes of one register.

/// 10^8: what [`eight`] digits count up to.
const EIGHT: u64 = 100_000_000;
const SIXTEEN: u64 = EIGHT * EIGHT;

/// Eight digits of a number below 10^8, the first in the lowest byte; not characters yet.
fn digits(value: u32) -> u64 {
    // Halves, quarters, then digits: each step divides all parts at once, by a multiplication that is exact for them.
    let halves = u64::from(value / 10_000) | u64::from(value % 10_000) << 32;
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let quarters = hundreds | (halves - hundreds * 100) << 16;
    let tens = ((quarters * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (quarters - tens * 10) << 8
}

/// Digits as characters.
const CHARACTERS: u64 = 0x3030_3030_3030_3030;

/// A number below 10^8 as eight characters.
#[inline]
pub(super) fn eight(value: u32) -> [u8; 8] {
    (digits(value) | CHARACTERS).to_le_bytes()
}

#[inline]
pub(super) fn unsigned(value: u64, out: &mut [u8]) -> usize {
    if value < EIGHT {
        let digits = digits(value as u32);
        let zeros = (digits.trailing_zeros() / 8).min(7);
        out[..8].copy_from_slice(&((digits | CHARACTERS) >> (8 * zeros)).to_le_bytes());
        return 8 - zeros as usize;
    }
    let length = unsigned(value / EIGHT, out);
    out[length..length + 8].copy_from_slice(&eight((value % EIGHT) as u32));
    length + 8
}

#[inline]
pub(super) fn signed(value: i64, out: &mut [u8]) -> usize {
    out[0] = b'-';
    let sign = usize::from(value < 0);
    sign + unsigned(value.unsigned_abs(), &mut out[sign..])
}

/// Integers with commas between them.
pub(super) fn joined<const N: usize>(values: [i64; N], out: &mut [u8]) -> usize {
    let mut length = 0;
    for (position, value) in values.into_iter().enumerate() {
        if position > 0 {
            out[length] = b',';
            length += 1;
        }
        length += signed(value, &mut out[length..]);
    }
    length
}

/// The shortest decimal that reads back as the same number, with a point or an exponent.
pub(super) fn float(value: impl ryu::Float, out: &mut [u8]) -> usize {
    copy(ryu::Buffer::new().format(value).as_bytes(), out)
}

/// At least the length of what [`decimal`] writes: sign, zero, point, 78 digits, and as many zeros as the scale has.
pub(super) fn decimal_width(scale: i8) -> usize {
    81 + usize::from(scale.unsigned_abs())
}

/// Plain notation of an unscaled number, given by its magnitude from the lowest 64 bits to the highest: `-12345` with
/// scale 2 is `-123.45`, with scale -2 `-1234500`.
pub(super) fn decimal(negative: bool, magnitude: [u64; 4], scale: i8, out: &mut [u8]) -> usize {
    out[0] = b'-';
    let sign = usize::from(negative);
    let out = &mut out[sign..];
    let count = wide(magnitude, out);
    let places = usize::from(scale.unsigned_abs());
    if scale <= 0 {
        // Zero has no further zeros.
        let zeros = if magnitude == [0; 4] { 0 } else { places };
        out[count..count + zeros].fill(b'0');
        return sign + count + zeros;
    }
    // A digit at least stands before the point.
    let missing = (places + 1).saturating_sub(count);
    if missing > 0 {
        out.copy_within(..count, missing);
        out[..missing].fill(b'0');
    }
    let count = count + missing;
    out.copy_within(count - places..count, count - places + 1);
    out[count - places] = b'.';
    sign + count + 1
}

/// A number of 256 bits.
fn wide(mut magnitude: [u64; 4], out: &mut [u8]) -> usize {
    let mut groups = [0; 5];
    let mut count = 0;
    while magnitude[1..] != [0; 3] {
        let mut rest = 0;
        for part in magnitude.iter_mut().rev() {
            let dividend = rest << 64 | u128::from(*part);
            (*part, rest) = ((dividend / u128::from(SIXTEEN)) as u64, dividend % u128::from(SIXTEEN));
        }
        groups[count] = rest as u64;
        count += 1;
    }
    let mut length = unsigned(magnitude[0], out);
    for group in groups[..count].iter().rev() {
        for half in [group / EIGHT, group % EIGHT] {
            out[length..length + 8].copy_from_slice(&eight(half as u32));
            length += 8;
        }
    }
    length
}

#[inline]
pub(super) fn copy(bytes: &[u8], out: &mut [u8]) -> usize {
    out[..bytes.len()].copy_from_slice(bytes);
    bytes.len()
}

/// Lower hexadecimal digits.
pub(super) fn hex(bytes: &[u8], out: &mut [u8]) -> usize {
    let digit = |half: u8| half + b'0' + u8::from(half > 9) * (b'a' - b'9' - 1);
    for (byte, pair) in bytes.iter().zip(out.as_chunks_mut().0) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    bytes.len() * 2
}
