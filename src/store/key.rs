//! Order-preserving bytes: `encode(a) < encode(b)` exactly when `a < b`.
//!
//! A component is a tag byte and a payload that needs no length: fixed width, or ended by a terminator that no
//! payload contains. So components concatenate to tuples that keep their order, and a tuple's prefix bounds the range
//! of all tuples that start with it. A descending component is the same bytes complemented.

use jiff::{Timestamp, civil::Date};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::StoreError;
use crate::kernel::Scalar;

const NULL: u8 = 0x08;
const FALSE: u8 = 0x10;
const TRUE: u8 = 0x11;
const INT: u8 = 0x18;
const FLOAT: u8 = 0x20;
const DECIMAL: u8 = 0x28;
const STR: u8 = 0x30;
const DATE_TIME: u8 = 0x38;
const DATE: u8 = 0x40;
const UUID: u8 = 0x48;

const DECIMAL_NEGATIVE: u8 = 0;
const DECIMAL_ZERO: u8 = 1;
const DECIMAL_POSITIVE: u8 = 2;
const EXPONENT_OFFSET: i16 = 64;
const TIMESTAMP_BYTES: usize = 10;
const TIMESTAMP_OFFSET: i128 = 1 << 79;
const SIGN: u64 = 1 << 63;

/// The direction in which a component sorts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Small values first.
    Ascending,
    /// Large values first.
    Descending,
}

impl Direction {
    /// The other direction.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Ascending => Self::Descending,
            Self::Descending => Self::Ascending,
        }
    }

    fn mask(self) -> u8 {
        match self {
            Self::Ascending => 0,
            Self::Descending => 0xff,
        }
    }
}

/// Appends `value` so that keys sort by it in `direction`.
pub fn encode(value: &Scalar, direction: Direction, out: &mut Vec<u8>) {
    let start = out.len();
    match value {
        Scalar::Null => out.push(NULL),
        Scalar::Bool(false) => out.push(FALSE),
        Scalar::Bool(true) => out.push(TRUE),
        Scalar::Int(int) => {
            out.push(INT);
            out.extend_from_slice(&(int.cast_unsigned() ^ SIGN).to_be_bytes());
        }
        Scalar::Float(float) => {
            out.push(FLOAT);
            out.extend_from_slice(&ordered_bits(*float).to_be_bytes());
        }
        Scalar::Decimal(decimal) => encode_decimal(*decimal, out),
        Scalar::Str(text) => return encode_str(text, direction, out),
        Scalar::DateTime(instant) => {
            out.push(DATE_TIME);
            let shifted = (instant.as_nanosecond() + TIMESTAMP_OFFSET).to_be_bytes();
            out.extend_from_slice(shifted.last_chunk::<TIMESTAMP_BYTES>().unwrap_or(&[0; TIMESTAMP_BYTES]));
        }
        Scalar::Date(date) => {
            out.push(DATE);
            out.extend_from_slice(&(date.year().cast_unsigned() ^ 0x8000).to_be_bytes());
            out.extend_from_slice(&[date.month().cast_unsigned(), date.day().cast_unsigned()]);
        }
        Scalar::Uuid(uuid) => {
            out.push(UUID);
            out.extend_from_slice(uuid.as_bytes());
        }
    }
    complement(out, start, direction);
}

/// [`encode`] of a text that is borrowed.
pub fn encode_str(text: &str, direction: Direction, out: &mut Vec<u8>) {
    let start = out.len();
    out.push(STR);
    escape(text.as_bytes(), out);
    out.extend_from_slice(&[0, 0]);
    complement(out, start, direction);
}

/// Appends the bytes that every ascending or descending encoding of a text starting with `prefix` starts with.
pub fn encode_str_prefix(prefix: &str, direction: Direction, out: &mut Vec<u8>) {
    let start = out.len();
    out.push(STR);
    escape(prefix.as_bytes(), out);
    complement(out, start, direction);
}

/// The smallest key greater than every key that starts with `prefix`; `None` when there is none.
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix.get(..=last)?.to_vec();
    if let Some(byte) = end.last_mut() {
        *byte += 1;
    }
    Some(end)
}

fn complement(out: &mut [u8], start: usize, direction: Direction) {
    if direction == Direction::Descending {
        for byte in out.iter_mut().skip(start) {
            *byte = !*byte;
        }
    }
}

/// The bits of a float in the order of [`f64::total_cmp`].
fn ordered_bits(float: f64) -> u64 {
    let bits = float.to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

fn float_from_ordered(bits: u64) -> f64 {
    f64::from_bits(if bits & SIGN == 0 { !bits } else { bits & !SIGN })
}

/// A zero byte becomes `00 ff`, so that `00 00` can end a text and sorts before anything that goes on.
fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    for part in bytes.split_inclusive(|byte| *byte == 0) {
        out.extend_from_slice(part);
        if part.ends_with(&[0]) {
            out.push(0xff);
        }
    }
}

/// Sign, exponent, digits: 123.45 is `2, 3 + 64, "12345", 0`. Equal numbers have equal keys whatever their scale.
fn encode_decimal(decimal: Decimal, out: &mut Vec<u8>) {
    out.push(DECIMAL);
    let number = decimal.normalize();
    if number.is_zero() {
        return out.push(DECIMAL_ZERO);
    }
    out.push(if number.is_sign_negative() { DECIMAL_NEGATIVE } else { DECIMAL_POSITIVE });
    let start = out.len();
    let digits = number.mantissa().unsigned_abs().to_string();
    let digits = digits.trim_end_matches('0');
    let whole = number.mantissa().unsigned_abs().to_string().len();
    let exponent = i16::try_from(whole).unwrap_or(0) - i16::try_from(number.scale()).unwrap_or(0);
    out.push(u8::try_from(exponent + EXPONENT_OFFSET).unwrap_or(0));
    out.extend_from_slice(digits.as_bytes());
    out.push(0);
    if number.is_sign_negative() {
        complement(out, start, Direction::Descending);
    }
}

/// Reads components back from a key.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads one component that was encoded in `direction`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when the bytes are not an encoded component.
    pub fn next(&mut self, direction: Direction) -> Result<Scalar, StoreError> {
        let mask = direction.mask();
        Ok(match self.byte(mask)? {
            NULL => Scalar::Null,
            FALSE => Scalar::Bool(false),
            TRUE => Scalar::Bool(true),
            INT => Scalar::Int((u64::from_be_bytes(self.array(mask)?) ^ SIGN).cast_signed()),
            FLOAT => Scalar::Float(float_from_ordered(u64::from_be_bytes(self.array(mask)?))),
            DECIMAL => Scalar::Decimal(self.decimal(mask)?),
            STR => Scalar::Str(self.text(mask)?),
            DATE_TIME => Scalar::DateTime(self.timestamp(mask)?),
            DATE => Scalar::Date(self.date(mask)?),
            UUID => Scalar::Uuid(Uuid::from_bytes(self.array(mask)?)),
            _ => return Err(broken("an unknown tag")),
        })
    }

    fn byte(&mut self, mask: u8) -> Result<u8, StoreError> {
        let (first, rest) = self.rest.split_first().ok_or_else(|| broken("an early end"))?;
        self.rest = rest;
        Ok(first ^ mask)
    }

    fn array<const N: usize>(&mut self, mask: u8) -> Result<[u8; N], StoreError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| broken("an early end"))?;
        self.rest = rest;
        Ok(head.map(|byte| byte ^ mask))
    }

    fn timestamp(&mut self, mask: u8) -> Result<Timestamp, StoreError> {
        let bytes: [u8; TIMESTAMP_BYTES] = self.array(mask)?;
        let shifted = bytes.iter().fold(0_i128, |number, byte| (number << 8) | i128::from(*byte));
        Timestamp::from_nanosecond(shifted - TIMESTAMP_OFFSET).map_err(broken)
    }

    fn date(&mut self, mask: u8) -> Result<Date, StoreError> {
        let [high, low, month, day]: [u8; 4] = self.array(mask)?;
        let year = (u16::from_be_bytes([high, low]) ^ 0x8000).cast_signed();
        Date::new(year, month.cast_signed(), day.cast_signed()).map_err(broken)
    }

    fn text(&mut self, mask: u8) -> Result<String, StoreError> {
        let mut bytes = Vec::new();
        loop {
            let byte = self.byte(mask)?;
            if byte == 0 && self.byte(mask)? == 0 {
                return String::from_utf8(bytes).map_err(broken);
            }
            bytes.push(byte);
        }
    }

    fn decimal(&mut self, mask: u8) -> Result<Decimal, StoreError> {
        let sign = self.byte(mask)?;
        if sign == DECIMAL_ZERO {
            return Ok(Decimal::ZERO);
        }
        let negative = sign == DECIMAL_NEGATIVE;
        let mask = if negative { !mask } else { mask };
        let exponent = i16::from(self.byte(mask)?) - EXPONENT_OFFSET;
        let out_of_range = || broken("a decimal out of range");
        let mut mantissa = 0_i128;
        let mut count = 0_i16;
        loop {
            let digit = match self.byte(mask)? {
                0 => break,
                digit @ b'0'..=b'9' => i128::from(digit - b'0'),
                _ => return Err(broken("a decimal with a digit that is none")),
            };
            mantissa =
                mantissa.checked_mul(10).and_then(|shifted| shifted.checked_add(digit)).ok_or_else(out_of_range)?;
            count += 1;
        }
        let zeros = u32::try_from((exponent - count).max(0)).unwrap_or(0);
        let scale = u32::try_from((count - exponent).max(0)).unwrap_or(0);
        let power = 10_i128.checked_pow(zeros);
        let mantissa = power.and_then(|power| mantissa.checked_mul(power)).ok_or_else(out_of_range)?;
        let signed = if negative { -mantissa } else { mantissa };
        Decimal::try_from_i128_with_scale(signed, scale).map_err(broken)
    }
}

fn broken(what: impl std::fmt::Display) -> StoreError {
    StoreError::corrupt(format_args!("a key holds {what}"))
}
