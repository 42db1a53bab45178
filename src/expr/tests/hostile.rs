//! Bounds, and input made to break the parser.

use proptest::prelude::{any, prop, proptest};

use crate::expr::{DEPTH_MAX, LIST_ITEMS_MAX, OPERANDS_MAX, SOURCE_BYTES_MAX};

use super::{Schema, compile, expr, full};

fn fault(source: &str) -> (usize, String) {
    let error = compile(source, &Schema).expect_err("a fault");
    (error.position, error.message)
}

#[test]
fn length_is_bounded() {
    let padded = format!("{:SOURCE_BYTES_MAX$}", "published");
    assert!(compile(&padded, &Schema).is_ok());
    assert_eq!(fault(&format!("{padded} ")), (8192, "the expression is longer than 8192 bytes".to_owned()));
}

#[test]
fn depth_is_bounded() {
    let nest = |open: &str, inner: &str, close: &str, depth: usize| {
        format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    let message = "the expression nests deeper than 32 levels".to_owned();
    for (open, inner, close) in [("(", "published", ")"), ("!", "published", ""), ("!(", "published", ")")] {
        let levels = DEPTH_MAX / open.len();
        assert!(expr(&nest(open, inner, close, levels)).eval(&full()));
        assert_eq!(fault(&nest(open, inner, close, levels + 1)), (32, message.clone()));
    }
    let call = |depth| format!("{} = 'a'", nest("lower(", "title", ")", depth));
    assert!(compile(&call(DEPTH_MAX), &Schema).is_ok());
    assert_eq!(fault(&call(DEPTH_MAX + 1)).1, message);
}

#[test]
fn operands_are_bounded() {
    let bare = |count: usize| vec!["published"; count].join("||");
    assert!(compile(&bare(OPERANDS_MAX), &Schema).is_ok());
    assert_eq!(fault(&bare(OPERANDS_MAX + 1)), (200 * 11, "the expression has more than 200 operands".to_owned()));
    let pairs = |count: usize| vec!["views = 1"; count].join(" && ");
    assert!(compile(&pairs(OPERANDS_MAX / 2), &Schema).is_ok());
    assert_eq!(fault(&pairs(OPERANDS_MAX / 2 + 1)).1, "the expression has more than 200 operands");
}

#[test]
fn lists_are_bounded() {
    let list = |count: usize| format!("views in [{}]", vec!["1"; count].join(","));
    assert!(compile(&list(LIST_ITEMS_MAX), &Schema).is_ok());
    assert_eq!(fault(&list(LIST_ITEMS_MAX + 1)), (210, "the list has more than 100 items".to_owned()));
}

#[test]
fn hostile_sources_are_refused() {
    for piece in ["(", "!", "!(", "lower(", "[", "-", "'", "\"\\", "@", "@a.", "1e", "a.", "&&", "in ", "a in [", "é"]
    {
        let source = piece.repeat(10_000 / piece.len());
        let cut = source.char_indices().take_while(|(at, _)| *at < 8000).map(|(_, char)| char).collect::<String>();
        assert!(compile(&source, &Schema).is_err(), "{piece}");
        assert!(compile(&cut, &Schema).is_err(), "{piece}");
    }
    assert!(compile(&format!("views = {}", "9".repeat(8000)), &Schema).is_err());
    assert!(compile(&format!("views > 0.{}1", "0".repeat(8000)), &Schema).is_ok());
    assert!(compile("views > 1e-2147483648 || views > 1e-2147483649", &Schema).is_err());
    assert!(compile("views > 0e2147483647 && views > 1e-2147483648 && ratio > 1e-2147483648", &Schema).is_ok());
}

proptest! {
    #[test]
    fn any_text_is_compiled_or_refused(source in ".{0,80}") {
        let _ = compile(&source, &Schema);
    }

    #[test]
    fn any_bytes_are_compiled_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = compile(&String::from_utf8_lossy(&bytes), &Schema);
    }

    #[test]
    fn any_tokens_are_compiled_or_refused(picks in prop::collection::vec(0..PIECES.len(), 0..24)) {
        let source: Vec<&str> = picks.into_iter().map(|pick| PIECES[pick]).collect();
        let source = source.join(" ");
        match compile(&source, &Schema) {
            Ok(expr) => drop(expr.eval(&full())),
            Err(error) => assert!(error.position <= source.len(), "{source}: {error}"),
        }
    }
}

const PIECES: &[&str] = &[
    "views",
    "title",
    "tags",
    "published",
    "meta.a",
    "@auth.id",
    "@now",
    "=",
    "!=",
    "<",
    ">=",
    "~",
    "!~",
    "in",
    "&&",
    "||",
    "!",
    "(",
    ")",
    "[",
    "]",
    ",",
    "-",
    "1",
    "1.5",
    "'a'",
    "true",
    "null",
    "lower",
    "length",
    "not",
    "and",
];
