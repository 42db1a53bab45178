//! Numbers, exactly: a literal keeps every digit of its source, and a float compares with a decimal by value.

use std::cmp::Ordering;

use rust_decimal::Decimal;

use crate::kernel::Scalar;

use super::fit::Fit;

/// The float with one zero: `-0.0` becomes `0.0`. What is compared or indexed by [`f64::total_cmp`] passes through here.
#[must_use]
pub fn normalise(float: f64) -> f64 {
    if float == 0.0 { 0.0 } else { float }
}

/// How `float` compares with `decimal`, without rounding either.
pub(super) fn order(float: f64, decimal: Decimal) -> Ordering {
    if !float.is_finite() {
        return if float.is_sign_negative() { Ordering::Less } else { Ordering::Greater };
    }
    let negative = float < 0.0;
    let signs = sign(float == 0.0, negative).cmp(&sign(decimal.is_zero(), decimal.is_sign_negative()));
    match signs {
        Ordering::Equal if negative => order_magnitudes(float, decimal).reverse(),
        Ordering::Equal => order_magnitudes(float, decimal),
        unequal => unequal,
    }
}

fn sign(zero: bool, negative: bool) -> i8 {
    match (zero, negative) {
        (true, _) => 0,
        (false, true) => -1,
        (false, false) => 1,
    }
}

/// Compares `m * 2^e` with `n / 10^s`, which is `m * 5^s * 2^(e + s)` with `n`.
///
/// All of it fits 128 bits: `m` has 53, `5^s` 66 (for `s` is at most 28) and `n` 96. What is shifted out is larger.
fn order_magnitudes(float: f64, decimal: Decimal) -> Ordering {
    let (mantissa, exponent) = decompose(float);
    let left = u128::from(mantissa).saturating_mul(5_u128.saturating_pow(decimal.scale()));
    let right = decimal.mantissa().unsigned_abs();
    let shift = exponent + i32::try_from(decimal.scale()).unwrap_or(0);
    let by = shift.unsigned_abs();
    if shift >= 0 {
        shifted(left, by).map_or(Ordering::Greater, |left| left.cmp(&right))
    } else {
        shifted(right, by).map_or(Ordering::Less, |right| left.cmp(&right))
    }
}

/// `value * 2^by`, unless it is too large.
fn shifted(value: u128, by: u32) -> Option<u128> {
    if value == 0 {
        return Some(0);
    }
    if by <= value.leading_zeros() { value.checked_shl(by) } else { None }
}

/// The magnitude of a finite float as `mantissa * 2^exponent`.
fn decompose(float: f64) -> (u64, i32) {
    const FRACTION: u64 = (1 << 52) - 1;
    let bits = float.to_bits();
    let fraction = bits & FRACTION;
    match i32::try_from((bits >> 52) & 0x7ff).unwrap_or(0) {
        0 => (fraction, -1074),
        biased => (fraction | (1 << 52), biased - 1075),
    }
}

/// A number as the source spells it: `digits * 10^exponent`, without zeros at either end of the digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Number {
    /// Reads digits, perhaps with a point and an exponent; nothing when it is beyond what a float can hold.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, i64::from(exponent.parse::<i32>().ok()?)),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole, fraction].concat();
        if whole.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let kept = all.trim_end_matches('0');
        let exponent = exponent - i64::try_from(fraction.len()).ok()? + i64::try_from(all.len() - kept.len()).ok()?;
        let digits = kept.trim_start_matches('0').to_owned();
        let number = match digits.is_empty() {
            true => Self { negative: false, digits, exponent: 0 },
            false => Self { negative, digits, exponent },
        };
        number.to_float().is_finite().then_some(number)
    }

    fn sign(&self) -> &'static str {
        if self.negative { "-" } else { "" }
    }

    /// The nearest float.
    pub(super) fn to_float(&self) -> f64 {
        let text = format!("{}0{}e{}", self.sign(), self.digits, self.exponent);
        text.parse().map_or(f64::INFINITY, normalise)
    }

    /// The same number as a decimal, if it has few enough digits.
    pub(super) fn to_decimal(&self) -> Option<Decimal> {
        let zeros = usize::try_from(self.exponent.max(0)).ok().filter(|zeros| *zeros <= 28)?;
        let mantissa = format!("{}0{}{:0<zeros$}", self.sign(), self.digits, "").parse().ok()?;
        let scale = u32::try_from((-self.exponent).max(0)).ok()?;
        Decimal::try_from_i128_with_scale(mantissa, scale).ok()
    }

    /// The number among the whole numbers.
    pub(super) fn to_int(&self) -> Fit {
        /// Beyond every i64; with its sign it stands for what is too large to write out.
        const HUGE: i128 = i128::MAX / 2;
        let point = i64::try_from(self.digits.len()).unwrap_or(i64::MAX).saturating_add(self.exponent);
        let magnitude = if point > 19 { HUGE } else { self.whole_part(usize::try_from(point).unwrap_or(0)) };
        let fraction = i128::from(self.exponent < 0 && point <= 19);
        match self.negative {
            true => Fit::whole(-magnitude - fraction, -magnitude),
            false => Fit::whole(magnitude, magnitude + fraction),
        }
    }

    /// The digits before the point, of which there are `count`.
    fn whole_part(&self, count: usize) -> i128 {
        let digits = self.digits.get(..count).unwrap_or(&self.digits);
        format!("0{digits:0<count$}").parse().unwrap_or(i128::MAX / 2)
    }

    /// The number with no field to say its kind: whole, or decimal, or else the nearest float.
    pub(super) fn to_scalar(&self) -> Scalar {
        match (self.to_int(), self.to_decimal()) {
            (Fit::Exact(int), _) => int,
            (_, Some(decimal)) => Scalar::Decimal(decimal),
            _ => Scalar::Float(self.to_float()),
        }
    }

    /// The number as JSON would hold it: whole, or the nearest float.
    pub(super) fn to_json(&self) -> Scalar {
        match self.to_int() {
            Fit::Exact(int) => int,
            _ => Scalar::Float(self.to_float()),
        }
    }
}
