//! Sums that lose nothing: of integers, of decimals, and of floats with what rounding took.

use rust_decimal::Decimal;

/// The digits after the point of the average of decimals.
pub(super) const AVERAGE_DIGITS: u32 = 10;

/// A sum of decimals: a whole number of tenths, hundredths, and so on, with up to 38 digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ExactSum {
    units: i128,
    scale: u32,
}

impl ExactSum {
    /// Adds a decimal so many times; nothing when the sum has too many digits.
    pub(super) fn add(&mut self, value: Decimal, times: u64) -> Option<()> {
        let scale = self.scale.max(value.scale());
        let units = rescaled(self.units, scale - self.scale)?;
        let more = rescaled(value.mantissa(), scale - value.scale())?.checked_mul(i128::from(times))?;
        *self = Self { units: units.checked_add(more)?, scale };
        Some(())
    }

    /// The sum with as many digits after the point as the longest value; fewer, if they are zeros and too many.
    pub(super) fn total(self) -> Option<Decimal> {
        let Self { mut units, mut scale } = self;
        loop {
            match Decimal::try_from_i128_with_scale(units, scale) {
                Ok(total) => return Some(total),
                Err(_) if scale > 0 && units % 10 == 0 => (units, scale) = (units / 10, scale - 1),
                Err(_) => return None,
            }
        }
    }

    /// The average of so many values, to [`AVERAGE_DIGITS`], a half going to the even neighbour.
    pub(super) fn average(self, count: u64) -> Option<Decimal> {
        let up = AVERAGE_DIGITS.saturating_sub(self.scale);
        let down = self.scale.saturating_sub(AVERAGE_DIGITS);
        let divisor = rescaled(i128::from(count), down)?;
        let units = divided(rescaled(self.units, up)?, divisor)?;
        Decimal::try_from_i128_with_scale(units, AVERAGE_DIGITS).ok().map(|average| average.normalize())
    }
}

fn rescaled(units: i128, digits: u32) -> Option<i128> {
    10_i128.checked_pow(digits).and_then(|power| units.checked_mul(power))
}

/// The nearest whole number to a quotient, the even one of two that are as near. The divisor is positive.
fn divided(number: i128, divisor: i128) -> Option<i128> {
    let (down, rest) = (number.checked_div_euclid(divisor)?, number.checked_rem_euclid(divisor)?);
    let up = match rest.cmp(&(divisor - rest)) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => down % 2 != 0,
        std::cmp::Ordering::Greater => true,
    };
    Some(down + i128::from(up))
}

/// A sum of floats, with what rounding took from it ([Neumaier](https://en.wikipedia.org/wiki/Kahan_summation_algorithm)).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct FloatSum {
    sum: f64,
    lost: f64,
}

impl FloatSum {
    pub(super) fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        let (large, small) = if self.sum.abs() >= value.abs() { (self.sum, value) } else { (value, self.sum) };
        self.lost += (large - sum) + small;
        self.sum = sum;
    }

    /// The sum; nothing when it is beyond the greatest float.
    pub(super) fn total(self) -> Option<f64> {
        Some(self.sum + self.lost).filter(|total| total.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn exact(values: &[&str]) -> ExactSum {
        let mut sum = ExactSum::default();
        values.iter().for_each(|value| sum.add(value.parse().unwrap(), 1).unwrap());
        sum
    }

    #[test]
    fn decimals_are_summed_exactly() {
        let rows = [
            (vec!["12.50"], "12.50", "12.5"),
            (vec!["0.1", "0.2"], "0.3", "0.15"),
            (vec!["1", "2.00"], "3.00", "1.5"),
            (vec!["1", "1", "0"], "2", "0.6666666667"),
            (vec!["-1", "-1", "0"], "-2", "-0.6666666667"),
            (vec!["0.00000000005"], "0.00000000005", "0"),
            (vec!["0.00000000015"], "0.00000000015", "0.0000000002"),
            (vec!["-0.00000000025"], "-0.00000000025", "-0.0000000002"),
        ];
        for (values, total, average) in rows {
            let (sum, count) = (exact(&values), values.len() as u64);
            assert_eq!(sum.total().unwrap().to_string(), total, "{values:?}");
            assert_eq!(sum.average(count).unwrap().to_string(), average, "{values:?}");
        }
    }

    #[test]
    fn what_cannot_be_exact_is_nothing() {
        let mut sum = exact(&["79228162514264337593543950335"]);
        sum.add(Decimal::ONE, 1).unwrap();
        assert_eq!(sum.total(), None);
        assert_eq!(exact(&["7922816251426433759354395033"]).add("0.0000000000001".parse().unwrap(), 1), None);
        let tenfold = exact(&["5000000000000000000000000000.0", "5000000000000000000000000000.0"]);
        assert_eq!(tenfold.total().unwrap().to_string(), "10000000000000000000000000000");
        let mut float = FloatSum::default();
        (0..2).for_each(|_| float.add(f64::MAX));
        assert_eq!(float.total(), None);
    }

    proptest! {
        #[test]
        fn exact_sums_are_those_of_whole_numbers(values in vec((-1_000_000..1_000_000_i64, 0..5_u32, 1..4_u64), 0..30)) {
            let mut sum = ExactSum::default();
            let mut expected = 0_i128;
            for (units, scale, times) in values {
                sum.add(Decimal::new(units, scale), times).unwrap();
                expected += i128::from(units) * i128::from(times) * 10_i128.pow(4 - scale);
            }
            prop_assert_eq!(sum.total().unwrap(), Decimal::from_i128_with_scale(expected, 4));
        }

        #[test]
        fn floats_lose_nothing_that_cancels(small in vec(-1.0..1.0_f64, 1..20), large in vec(-1e18..1e18_f64, 0..10)) {
            let mut sum = FloatSum::default();
            let cancelled = large.iter().flat_map(|value| [*value, -value]);
            cancelled.chain(small.iter().copied()).for_each(|value| sum.add(value));
            let expected: f64 = small.iter().sum();
            prop_assert!((sum.total().unwrap() - expected).abs() < 1e-12);
        }
    }
}
