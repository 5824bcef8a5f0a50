//! From the values of a column to keys: equal values have equal keys, and different values have different ones.
//!
//! Up to eight bytes, and sixteen, are taken as they are, stirred by a bijection so that keys are spread evenly.
//! Everything else is hashed to 128 bits with a key that is new in every run: SipHash-1-3, a pseudo-random function, so
//! that among 10⁹ different values two share a key with a probability of 10¹⁸ / 2¹²⁹, less than 10⁻²⁰.

use std::hash::{BuildHasher as _, RandomState};

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayAccessor};
use arrow_schema::DataType;
use rivet_plugin_api::{Error, Result};
use siphasher::sip128::SipHasher13;

/// How long the keys of a column are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Width {
    /// 8 bytes.
    Narrow,
    /// 16 bytes.
    Wide,
}

/// The keys of a type, `None` when its values cannot be compared.
pub fn width(data_type: &DataType) -> Option<Width> {
    use DataType as T;
    match data_type {
        T::Null | T::Boolean => Some(Width::Narrow),
        T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => {
            Some(Width::Wide)
        }
        other => match other.primitive_width()? {
            1..=8 => Some(Width::Narrow),
            _ => Some(Width::Wide),
        },
    }
}

/// The secrets of one run.
#[derive(Clone, Copy, Debug)]
pub struct Secrets {
    stir: [u64; 3],
    hasher: SipHasher13,
}

impl Secrets {
    /// New ones, from the operating system.
    pub fn new() -> Self {
        let random = RandomState::new();
        let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|n| random.hash_one(n));
        Self { stir: [a, b, c], hasher: SipHasher13::new_with_keys(d, e) }
    }

    /// The keys of a column of [`Width::Narrow`], without its NULLs.
    pub fn narrow(&self, array: &dyn Array, mut take: impl FnMut(u64) -> Result<()>) -> Result<()> {
        let mut take = |value: u64| take(mix(value ^ self.stir[0]) ^ self.stir[1]);
        match array.data_type() {
            DataType::Null => Ok(()),
            DataType::Boolean => array.as_boolean().iter().flatten().try_for_each(|v| take(u64::from(v))),
            DataType::Float16 => {
                array.as_primitive::<Float16Type>().iter().flatten().try_for_each(|v| take(float(v.into())))
            }
            DataType::Float32 => {
                array.as_primitive::<Float32Type>().iter().flatten().try_for_each(|v| take(float(v.into())))
            }
            DataType::Float64 => array.as_primitive::<Float64Type>().iter().flatten().try_for_each(|v| take(float(v))),
            other => match other.primitive_width() {
                Some(1) => fixed(array, |[byte]| take(u64::from(byte))),
                Some(2) => fixed(array, |bytes| take(u16::from_le_bytes(bytes).into())),
                Some(4) => fixed(array, |bytes| take(u32::from_le_bytes(bytes).into())),
                Some(8) => fixed(array, |bytes| take(u64::from_le_bytes(bytes))),
                _ => Err(unexpected(array)),
            },
        }
    }

    /// The keys of a column of [`Width::Wide`], without its NULLs.
    pub fn wide(&self, array: &dyn Array, mut take: impl FnMut(u128) -> Result<()>) -> Result<()> {
        match array.data_type() {
            DataType::Utf8 => self.hash(array.as_string::<i32>(), take),
            DataType::LargeUtf8 => self.hash(array.as_string::<i64>(), take),
            DataType::Utf8View => self.hash(array.as_string_view(), take),
            DataType::Binary => self.hash(array.as_binary::<i32>(), take),
            DataType::LargeBinary => self.hash(array.as_binary::<i64>(), take),
            DataType::BinaryView => self.hash(array.as_binary_view(), take),
            DataType::FixedSizeBinary(16) => fixed(array, |bytes| take(self.stirred(u128::from_le_bytes(bytes)))),
            DataType::FixedSizeBinary(_) => self.hash(array.as_fixed_size_binary(), take),
            other => match other.primitive_width() {
                Some(16) => fixed(array, |bytes| take(self.stirred(u128::from_le_bytes(bytes)))),
                Some(32) => fixed(array, |bytes: [u8; 32]| take(self.hashed(&bytes))),
                _ => Err(unexpected(array)),
            },
        }
    }

    fn hash<'a, A>(&self, array: A, mut take: impl FnMut(u128) -> Result<()>) -> Result<()>
    where
        A: ArrayAccessor<Item: AsRef<[u8]> + 'a>,
    {
        let rows = 0..array.len();
        match array.nulls() {
            None => rows.into_iter().try_for_each(|row| take(self.hashed(array.value(row).as_ref()))),
            Some(nulls) => nulls.valid_indices().try_for_each(|row| take(self.hashed(array.value(row).as_ref()))),
        }
    }

    fn hashed(&self, bytes: &[u8]) -> u128 {
        self.hasher.hash(bytes).into()
    }

    /// A bijection of 16 bytes: three rounds, each of which changes one half by the other.
    fn stirred(&self, value: u128) -> u128 {
        let (mut high, mut low) = ((value >> 64) as u64, value as u64);
        high ^= mix(low ^ self.stir[0]);
        low ^= mix(high ^ self.stir[1]);
        high ^= mix(low ^ self.stir[2]);
        u128::from(high) << 64 | u128::from(low)
    }
}

/// A bijection of 8 bytes that spreads every bit over all: the last steps of MurmurHash3.
fn mix(mut value: u64) -> u64 {
    value ^= value >> 33;
    value = value.wrapping_mul(0xff51_afd7_ed55_8ccd);
    value ^= value >> 33;
    value = value.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    value ^ (value >> 33)
}

/// As databases compare: zero has no sign, and not-a-number is one value.
fn float(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() }
}

/// The values of a column whose first buffer holds `W` bytes for each.
fn fixed<const W: usize>(array: &dyn Array, mut take: impl FnMut([u8; W]) -> Result<()>) -> Result<()> {
    let data = array.to_data();
    let bytes = data.buffers().first().and_then(|b| b.as_slice().get(data.offset() * W..)?.get(..data.len() * W));
    let (values, _) = bytes.ok_or_else(|| unexpected(array))?.as_chunks();
    match array.nulls() {
        None => values.iter().try_for_each(|value| take(*value)),
        Some(nulls) => nulls.valid_indices().try_for_each(|row| take(values[row])),
    }
}

fn unexpected(array: &dyn Array) -> Error {
    Error::internal(format!("a batch holds {} where the result has another type", array.data_type()))
}
