//! What expressions compile to: flat, folded, with literals of the field's kind at the right.

use crate::{
    expr::{CompareOp, Expr, Function, Kind, Root, Term},
    kernel::Scalar,
};

use super::expr;

/// What a source of one comparison compiles to, without its field.
fn literal(source: &str) -> (CompareOp, Scalar) {
    match expr(source) {
        Expr::Compare { left: Term::Field(_), op, right: Term::Literal(scalar) } => (op, scalar),
        other => panic!("{source}: {other:?}"),
    }
}

#[test]
fn chains_are_flat() {
    let Expr::All(parts) = expr("views = 1 && (views = 2 && views = 3) && views = 4") else { panic!("no All") };
    assert_eq!(parts.len(), 4);
    let Expr::Any(parts) = expr("(views = 1 || views = 2) || (views = 3 && true)") else { panic!("no Any") };
    assert_eq!(parts.len(), 3);
    assert_eq!(expr("published && true"), expr("published"));
    assert_eq!(expr("published && false"), Expr::Constant(false));
    assert_eq!(expr("published || !false"), Expr::Constant(true));
    assert_eq!(expr("!(views = 1)"), expr("views != 1"));
    assert_eq!(expr("!!published"), expr("published"));
}

#[test]
fn literals_get_the_kind_of_the_field() {
    use CompareOp::{Ge, Gt, Le};
    let date = |text: &str| Scalar::Date(text.parse().unwrap());
    let time = |text: &str| Scalar::DateTime(text.parse().unwrap());
    let table = [
        ("100 <= views", (Ge, Scalar::Int(100))),
        ("views > 1.5", (Ge, Scalar::Int(2))),
        ("views >= 1.5", (Ge, Scalar::Int(2))),
        ("1.5 > views", (Le, Scalar::Int(1))),
        ("views <= -1.5", (Le, Scalar::Int(-2))),
        ("views > -1.5", (Ge, Scalar::Int(-1))),
        ("views > 0.00000000000000000000000000000000000001", (Ge, Scalar::Int(1))),
        ("views < 99999999999999999999", (Le, Scalar::Int(i64::MAX))),
        ("views > -1e300", (Ge, Scalar::Int(i64::MIN))),
        ("views > 9223372036854775807", (Gt, Scalar::Int(i64::MAX))),
        ("views >= -9223372036854775808", (Ge, Scalar::Int(i64::MIN))),
        ("views > 9223372036854775806.5", (Ge, Scalar::Int(i64::MAX))),
        ("views > 1.20e1", (Gt, Scalar::Int(12))),
        ("ratio > 1", (Gt, Scalar::Float(1.0))),
        ("ratio > -0.0", (Gt, Scalar::Float(0.0))),
        ("price > 1", (Gt, Scalar::Decimal(1.into()))),
        ("price > 0.99", (Gt, Scalar::Decimal("0.99".parse().unwrap()))),
        ("price > '1.50'", (Gt, Scalar::Decimal("1.5".parse().unwrap()))),
        ("price > 1e20", (Gt, Scalar::Decimal("100000000000000000000".parse().unwrap()))),
        ("day > '2026-01-01'", (Gt, date("2026-01-01"))),
        ("createdAt > '2026-01-01'", (Gt, time("2026-01-01T00:00:00Z"))),
        ("createdAt > '2026-01-01t00:30:00.5+01:00'", (Gt, time("2025-12-31T23:30:00.5Z"))),
        ("meta.x > 1.0", (Gt, Scalar::Int(1))),
        ("meta.x > 0.5", (Gt, Scalar::Float(0.5))),
        ("title > 'a'", (Gt, Scalar::Str("a".into()))),
    ];
    for (source, expected) in table {
        assert_eq!(literal(source), expected, "{source}");
    }
}

#[test]
fn what_no_value_can_be_is_constant() {
    let table = [
        ("views = 1.5", false),
        ("views != 1.5", true),
        ("views > 1e30", false),
        ("views < -1e30", false),
        ("views in [1.5]", false),
        ("1 = 1.0", true),
        ("'a' < 'b' && 1 < 1.5", true),
        ("1e300 > 5", true),
        ("null = 1", false),
        ("lower('A') = 'a'", true),
    ];
    for (source, expected) in table {
        assert_eq!(expr(source), Expr::Constant(expected), "{source}");
    }
}

#[test]
fn lists_are_sorted_and_needles_folded() {
    let Expr::In { list, .. } = expr("views in [3, 1, 2.5, 3.0]") else { panic!("no In") };
    assert_eq!(list, Term::List(vec![Scalar::Int(1), Scalar::Int(3)]));
    assert_eq!(expr("category in ['a', 'a']"), expr("category = 'a'"));
    let Expr::Contains { needle, .. } = expr("title ~ 'ÀNN'") else { panic!("no Contains") };
    assert_eq!(needle, Term::Literal(Scalar::Str("ànn".into())));
}

#[test]
fn fields_tell_their_path() {
    let mut fields = Vec::new();
    let source = "author.name = @auth.id && length(tags) > 1 && meta.a.b in [1, 2] && @old.title ~ @request.body.title";
    expr(source).for_each_field(&mut |field| fields.push(field.clone()));
    let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["author.name", "@auth.id", "tags", "meta.a.b", "@old.title", "@request.body.title"]);
    assert_eq!(fields[3].rest, ["a", "b"]);
    assert_eq!((fields[2].many, fields[2].kind, fields[1].root), (true, Kind::Str, Root::Auth));
}

#[test]
fn functions_tell_their_kind() {
    for function in Function::ALL {
        assert_eq!(Function::named(function.name()), Some(*function));
    }
    let Expr::Compare { left, .. } = expr("length(title) > 3") else { panic!("no Compare") };
    assert_eq!(left.kind(), Kind::Int);
}
