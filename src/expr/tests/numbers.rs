//! Numbers compare exactly: against a model that writes out every digit.

use std::cmp::Ordering;

use proptest::prelude::{any, prop_assert_eq, proptest};
use rust_decimal::Decimal;

use crate::{
    expr::{
        Kind,
        fit::Fit,
        normalise,
        number::{self, Number},
    },
    kernel::Scalar,
};

/// Compares two plain decimal notations digit by digit.
fn order_texts(left: &str, right: &str) -> Ordering {
    let split = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        (format!("{whole:0>320}"), format!("{fraction:0<1100}"))
    };
    let (negative, other) = (left.starts_with('-'), right.starts_with('-'));
    let magnitudes = split(left.trim_start_matches('-')).cmp(&split(right.trim_start_matches('-')));
    let zeros = |text: &str| text.bytes().all(|byte| b"-0.".contains(&byte));
    match (negative, other) {
        _ if zeros(left) && zeros(right) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (true, true) => magnitudes.reverse(),
        (false, false) => magnitudes,
    }
}

fn assert_order(float: f64, decimal: Decimal) {
    let expected = order_texts(&format!("{float:.1080}"), &decimal.to_string());
    assert_eq!(number::order(float, decimal), expected, "{float} and {decimal}");
}

#[test]
fn floats_and_decimals_at_the_edges() {
    let decimals =
        [Decimal::ZERO, Decimal::MAX, Decimal::MIN, Decimal::new(1, 28), Decimal::new(-1, 28), Decimal::new(1, 1)];
    let floats =
        [0.0, -0.0, 0.1, -0.1, 5e-324, -5e-324, f64::MAX, f64::MIN, 79_228_162_514_264_337_593_543_950_336.0, 1e-28];
    for decimal in decimals {
        for float in floats {
            assert_order(float, decimal);
        }
        assert_eq!(number::order(f64::INFINITY, decimal), Ordering::Greater);
        assert_eq!(number::order(f64::NEG_INFINITY, decimal), Ordering::Less);
    }
    assert_eq!(number::order(0.25, Decimal::new(25, 2)), Ordering::Equal);
    assert_eq!(number::order(-2.5, Decimal::new(-250, 2)), Ordering::Equal);
    assert_eq!(number::order(0.1, Decimal::new(1, 1)), Ordering::Greater);
}

#[test]
fn there_is_one_zero() {
    assert_eq!(normalise(-0.0).to_bits(), 0);
    assert_eq!(normalise(1.5).to_bits(), 1.5_f64.to_bits());
    assert_eq!(Number::parse("-0.0").unwrap().to_scalar(), Scalar::Int(0));
}

#[test]
fn literals_keep_their_digits() {
    for (text, expected) in [("007", "7"), ("1e3", "1000"), ("12.50", "12.5"), ("-0.990", "-0.99"), ("1.5e-2", "0.015")]
    {
        let expected: Decimal = expected.parse().unwrap();
        assert_eq!(Number::parse(text).unwrap().to_decimal(), Some(expected), "{text}");
    }
    for text in ["1e29", "79228162514264337593543950336", "1e-29"] {
        assert_eq!(Number::parse(text).unwrap().to_decimal(), None, "{text}");
    }
    for text in ["", "-", ".", "1.a", "1e", "+1", "--1", "0x1", "e5", ".5", "1e400"] {
        assert_eq!(Number::parse(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn floats_compare_with_decimals_by_every_digit(bits in any::<u64>(), parts in any::<(u32, u32, u32, bool)>(), scale in 0..=28_u32) {
        let decimal = Decimal::from_parts(parts.0, parts.1, parts.2, parts.3, scale);
        let float = f64::from_bits(bits);
        if float.is_finite() {
            assert_order(float, decimal);
        }
        // Near each other, where rounding would show.
        let near: f64 = decimal.to_string().parse().unwrap();
        for float in [near, near.next_up(), near.next_down()] {
            assert_order(float, decimal);
        }
    }

    #[test]
    fn literals_fall_between_their_neighbours(mantissa in any::<i64>(), scale in 0..20_u32) {
        let decimal = Decimal::new(mantissa, scale);
        let fit = Number::parse(&decimal.to_string()).unwrap().to_int();
        prop_assert_eq!(&fit, &Fit::of(Scalar::Decimal(decimal), Kind::Int));
        let int = |value: Decimal| Some(Scalar::Int(value.to_string().parse().unwrap()));
        match fit {
            Fit::Exact(scalar) => prop_assert_eq!(Some(scalar), int(decimal.normalize())),
            Fit::Between { below, above } => {
                prop_assert_eq!((below, above), (int(decimal.floor()), int(decimal.ceil())));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn literals_are_the_nearest_float(float in any::<f64>()) {
        if float.is_finite() {
            let text = format!("{float:e}");
            prop_assert_eq!(Number::parse(&text).unwrap().to_float().to_bits(), normalise(float).to_bits());
        }
    }
}
