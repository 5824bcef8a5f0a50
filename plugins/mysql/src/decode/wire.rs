//! How the binary protocol lays values out: little-endian numbers, times with a length byte, and all else as bytes
//! behind their length.

use std::io::Write;

use mysql_common::constants::ColumnType;

use super::{DateTime, Misfit, Time};
use crate::types::NativeColumn;

/// The layout of a column's values.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wire {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
    Date,
    /// With so many digits of seconds behind the point.
    DateTime(u8),
    Time(u8),
    /// A bit field.
    Bits,
    Bytes,
}

impl Wire {
    pub(super) fn new(column: &NativeColumn) -> Self {
        use ColumnType as C;
        let pick = |signed, unsigned| if column.is_unsigned { unsigned } else { signed };
        match column.wire {
            C::MYSQL_TYPE_TINY => pick(Self::I8, Self::U8),
            C::MYSQL_TYPE_SHORT => pick(Self::I16, Self::U16),
            C::MYSQL_TYPE_YEAR => Self::U16,
            C::MYSQL_TYPE_INT24 | C::MYSQL_TYPE_LONG => pick(Self::I32, Self::U32),
            C::MYSQL_TYPE_LONGLONG => pick(Self::I64, Self::U64),
            C::MYSQL_TYPE_FLOAT => Self::F32,
            C::MYSQL_TYPE_DOUBLE => Self::F64,
            C::MYSQL_TYPE_DATE | C::MYSQL_TYPE_NEWDATE => Self::Date,
            C::MYSQL_TYPE_DATETIME | C::MYSQL_TYPE_TIMESTAMP => Self::DateTime(column.fraction()),
            C::MYSQL_TYPE_TIME => Self::Time(column.fraction()),
            C::MYSQL_TYPE_BIT => Self::Bits,
            _ => Self::Bytes,
        }
    }

    #[inline]
    pub(super) fn integer(self, rest: &mut &[u8]) -> Result<i64, Misfit> {
        Ok(match self {
            Self::I8 => i8::from_le_bytes(take(rest)?).into(),
            Self::U8 => u8::from_le_bytes(take(rest)?).into(),
            Self::I16 => i16::from_le_bytes(take(rest)?).into(),
            Self::U16 => u16::from_le_bytes(take(rest)?).into(),
            Self::I32 => i32::from_le_bytes(take(rest)?).into(),
            Self::U32 => u32::from_le_bytes(take(rest)?).into(),
            Self::I64 => i64::from_le_bytes(take(rest)?),
            Self::U64 => i64::try_from(u64::from_le_bytes(take(rest)?))
                .map_err(|_| Misfit::Value("a number above 9223372036854775807"))?,
            _ => return Err(Misfit::Malformed),
        })
    }

    #[inline]
    pub(super) fn unsigned(self, rest: &mut &[u8]) -> Result<u64, Misfit> {
        match self {
            Self::U64 => Ok(u64::from_le_bytes(take(rest)?)),
            Self::Bits => bits(length_and_bytes(rest)?),
            _ => u64::try_from(self.integer(rest)?).map_err(|_| Misfit::Malformed),
        }
    }

    #[inline]
    pub(super) fn boolean(self, rest: &mut &[u8]) -> Result<bool, Misfit> {
        let value = match self {
            Self::Bits => bits(length_and_bytes(rest)?)?,
            // A negative number becomes one that is refused below.
            _ => self.integer(rest)? as u64,
        };
        match value {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Misfit::Value("a number other than 0 and 1, which is no boolean")),
        }
    }

    #[inline]
    pub(super) fn single(self, rest: &mut &[u8]) -> Result<f32, Misfit> {
        if self == Self::F32 { Ok(f32::from_le_bytes(take(rest)?)) } else { Err(Misfit::Malformed) }
    }

    #[inline]
    pub(super) fn double(self, rest: &mut &[u8]) -> Result<f64, Misfit> {
        match self {
            Self::F64 => Ok(f64::from_le_bytes(take(rest)?)),
            _ => self.single(rest).map(f64::from),
        }
    }

    #[inline]
    pub(super) fn date_time(self, rest: &mut &[u8]) -> Result<DateTime, Misfit> {
        match self {
            Self::Date | Self::DateTime(_) => DateTime::read(short_bytes(rest)?),
            _ => Err(Misfit::Malformed),
        }
    }

    pub(super) fn time(self, rest: &mut &[u8]) -> Result<Time, Misfit> {
        match self {
            Self::Time(_) => Time::read(short_bytes(rest)?),
            _ => Err(Misfit::Malformed),
        }
    }

    #[inline]
    pub(super) fn bytes<'a>(self, rest: &mut &'a [u8]) -> Result<&'a [u8], Misfit> {
        if self == Self::Bytes { length_and_bytes(rest) } else { Err(Misfit::Malformed) }
    }

    /// Appends the value as the server would print it; floating point numbers with as many digits as they need.
    pub(super) fn print(self, rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Misfit> {
        let mut digits = itoa::Buffer::new();
        let written = match self {
            Self::U64 | Self::Bits => out.write_all(digits.format(self.unsigned(rest)?).as_bytes()),
            Self::F32 => write!(out, "{}", self.single(rest)?),
            Self::F64 => write!(out, "{}", self.double(rest)?),
            Self::Date => self.date_time(rest)?.print_date(out),
            Self::DateTime(fraction) => self.date_time(rest)?.print(fraction, out),
            Self::Time(fraction) => self.time(rest)?.print(fraction, out),
            Self::Bytes => out.write_all(length_and_bytes(rest)?),
            _ => out.write_all(digits.format(self.integer(rest)?).as_bytes()),
        };
        written.map_err(|_| Misfit::BatchTooLarge)
    }
}

#[inline]
fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Misfit> {
    let (value, after) = rest.split_first_chunk().ok_or(Misfit::Malformed)?;
    *rest = after;
    Ok(*value)
}

#[inline]
fn split<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Misfit> {
    let (value, after) = rest.split_at_checked(length).ok_or(Misfit::Malformed)?;
    *rest = after;
    Ok(value)
}

/// Bytes behind one byte of length.
#[inline]
fn short_bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Misfit> {
    let [length] = take(rest)?;
    split(rest, length.into())
}

/// Bytes behind a length of one, three, four or nine bytes.
#[inline]
fn length_and_bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Misfit> {
    let [first] = take(rest)?;
    let length = match first {
        0..=0xfa => first.into(),
        0xfc => u16::from_le_bytes(take(rest)?).into(),
        0xfd => {
            let [a, b, c] = take(rest)?;
            u32::from_le_bytes([a, b, c, 0]) as usize
        }
        0xfe => usize::try_from(u64::from_le_bytes(take(rest)?)).map_err(|_| Misfit::Malformed)?,
        _ => return Err(Misfit::Malformed),
    };
    split(rest, length)
}

/// A bit field comes as big-endian bytes.
fn bits(bytes: &[u8]) -> Result<u64, Misfit> {
    if bytes.len() > 8 {
        return Err(Misfit::Malformed);
    }
    Ok(bytes.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)))
}
