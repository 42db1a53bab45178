//! `encode(a) < encode(b)` exactly when `a < b`, and what was encoded is what is decoded.

use jiff::{Timestamp, civil::Date};
use proptest::{collection::vec, prelude::*};
use rust_decimal::Decimal;
use uuid::Uuid;

use crate::{
    kernel::Scalar,
    store::key::{Direction, Reader, encode, encode_str_prefix, prefix_end},
};

fn scalar() -> impl Strategy<Value = Scalar> {
    let floats = prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        Just(0.0),
        Just(-0.0),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(f64::MIN_POSITIVE),
        Just(f64::NAN),
    ];
    let decimals = prop_oneof![
        (any::<i64>(), 0..=28_u32).prop_map(|(mantissa, scale)| Decimal::from_i128_with_scale(mantissa.into(), scale)),
        (-1000..1000_i64, 0..4_u32).prop_map(|(mantissa, scale)| Decimal::new(mantissa, scale)),
        Just(Decimal::MAX),
        Just(Decimal::MIN),
    ];
    let span = Timestamp::MIN.as_nanosecond()..=Timestamp::MAX.as_nanosecond();
    prop_oneof![
        Just(Scalar::Null),
        any::<bool>().prop_map(Scalar::Bool),
        any::<i64>().prop_map(Scalar::Int),
        (-3..3_i64).prop_map(Scalar::Int),
        floats.prop_map(Scalar::Float),
        decimals.prop_map(Scalar::Decimal),
        "[\\x00\\x01a\u{ff}é𝄞]{0,6}".prop_map(Scalar::Str),
        any::<String>().prop_map(Scalar::Str),
        span.prop_map(|nanos| Scalar::DateTime(Timestamp::from_nanosecond(nanos).unwrap())),
        (-9999..=9999_i16, 1..=12_i8, 1..=28_i8).prop_map(|(y, m, d)| Scalar::Date(Date::new(y, m, d).unwrap())),
        any::<u128>().prop_map(|bits| Scalar::Uuid(Uuid::from_u128(bits))),
    ]
}

fn key(tuple: &[Scalar], directions: &[Direction]) -> Vec<u8> {
    let mut out = Vec::new();
    for (value, direction) in tuple.iter().zip(directions) {
        encode(value, *direction, &mut out);
    }
    out
}

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Ascending), Just(Direction::Descending)]
}

/// The order of tuples in which some components descend, written naively.
fn compare(a: &[Scalar], b: &[Scalar], directions: &[Direction]) -> std::cmp::Ordering {
    let pairs = a.iter().zip(b).zip(directions);
    pairs.fold(std::cmp::Ordering::Equal, |so_far, ((x, y), direction)| {
        so_far.then(if *direction == Direction::Ascending { x.cmp(y) } else { y.cmp(x) })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn keys_order_as_values_do(a in vec(scalar(), 3), b in vec(scalar(), 3), shared in 0..3_usize, directions in vec(direction(), 3)) {
        let mut b = b;
        b[..shared].clone_from_slice(&a[..shared]);
        let (ka, kb) = (key(&a, &directions), key(&b, &directions));
        prop_assert_eq!(ka.cmp(&kb), compare(&a, &b, &directions));
    }

    #[test]
    fn neighbours_of_one_kind_order(a in scalar(), b in scalar(), direction in direction()) {
        let (a, b) = ([a], [b]);
        prop_assert_eq!(key(&a, &[direction]).cmp(&key(&b, &[direction])), compare(&a, &b, &[direction]));
    }

    #[test]
    fn what_was_encoded_is_decoded(tuple in vec(scalar(), 1..4), directions in vec(direction(), 4)) {
        let bytes = key(&tuple, &directions);
        let mut reader = Reader::new(&bytes);
        for (value, direction) in tuple.iter().zip(&directions) {
            prop_assert_eq!(&reader.next(*direction).unwrap(), value);
        }
        prop_assert!(reader.rest().is_empty());
    }

    #[test]
    fn a_prefix_bounds_its_range(text in any::<String>(), prefix in any::<String>(), direction in direction()) {
        for text in [text.clone(), format!("{prefix}{text}")] {
            let mut from = Vec::new();
            encode_str_prefix(&prefix, direction, &mut from);
            let to = prefix_end(&from).unwrap();
            let key = key(&[Scalar::Str(text.clone())], &[direction]);
            prop_assert_eq!(key >= from && key < to, text.starts_with(&prefix));
        }
    }

    #[test]
    fn hostile_bytes_are_an_error_not_a_panic(bytes in vec(any::<u8>(), 0..40), direction in direction()) {
        let mut reader = Reader::new(&bytes);
        while !reader.rest().is_empty() && reader.next(direction).is_ok() {}
    }
}
