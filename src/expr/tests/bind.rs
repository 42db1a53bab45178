//! What binding leaves: literals of the field's kind, and no caller.

use super::{Row, Value, Values, expr, full, instant};

/// Each source, bound to the full caller, is the other source bound to nobody.
fn assert_bound(table: &[(&str, &str)]) {
    let row = full();
    for (source, expected) in table {
        assert_eq!(expr(source).bind(&row, row.now()), expr(expected), "{source}");
    }
}

#[test]
fn the_caller_becomes_literals() {
    assert_bound(&[
        ("author = @auth.id", "author = 'u1'"),
        ("@auth.id != author", "author != 'u1'"),
        ("@auth.level < views", "views > 3"),
        ("views > @auth.limit", "views >= 100"),
        ("views = @auth.limit", "false"),
        ("ratio < @auth.level", "ratio < 3"),
        ("price < @auth.level", "price < 3"),
        ("price = @auth.limit", "price = 99.5"),
        ("ratio = @auth.credit", "ratio = 12.5"),
        ("createdAt >= @auth.since", "createdAt >= '2026-01-31'"),
        ("day > @auth.seen", "day >= '2026-02-01'"),
        ("day <= @auth.seen", "day <= '2026-01-31'"),
        ("day = @auth.seen", "false"),
        ("createdAt < @now", "createdAt < '2026-03-01T12:00:00Z'"),
        ("@now > createdAt", "createdAt < '2026-03-01T12:00:00Z'"),
        ("views = @auth.meta.team", "false"),
        ("views != @auth.meta.team", "true"),
        ("meta.x = @auth.level", "meta.x = 3"),
        ("category in @auth.meta.list", "category in ['news', 'sport']"),
        ("views in @auth.meta.list", "false"),
        ("@auth.id in tags", "'u1' in tags"),
        ("title ~ @auth.meta.team", "title ~ 'NEWS'"),
        ("startsWith(title, @auth.id)", "startsWith(title, 'u1')"),
        ("length(title) > length(@auth.roles)", "length(title) > 2"),
    ]);
}

#[test]
fn what_the_caller_decides_folds() {
    assert_bound(&[
        ("'admin' in @auth.roles || published", "true"),
        ("'nobody' in @auth.roles || published", "published"),
        ("@auth.id = 'u1' && published", "published"),
        ("@auth.id = null || views = 1 || views = 2", "views = 1 || views = 2"),
        ("!(@auth.level = 3 && published)", "!published"),
        ("@now > '2030-01-01' && published", "false"),
    ]);
}

#[test]
fn a_guest_owns_nothing() {
    let guest = Row::default();
    for source in
        ["author = @auth.id", "title ~ @auth.id", "@auth.id in tags", "views > @auth.level", "'a' in @auth.roles"]
    {
        assert_eq!(expr(source).bind(&guest, guest.now()), expr("false"), "{source}");
    }
    assert_eq!(expr("author != @auth.id").bind(&guest, guest.now()), expr("true"));
}

#[test]
fn the_instant_is_the_given_one() {
    let later = instant("2030-01-01T00:00:00Z");
    assert_eq!(expr("createdAt < @now").bind(&full(), later), expr("createdAt < '2030-01-01'"));
    assert_eq!(expr("@now > '2029-01-01'").bind(&full(), later), expr("true"));
}

#[test]
fn an_inexact_number_stays_as_it_is() {
    let row = full().with("@auth.level", Value::Int(9_007_199_254_740_993)).with("@auth.limit", Value::Float(0.1));
    let equal = row.clone().with("ratio", Value::Float(9_007_199_254_740_992.0));
    let bound = expr("ratio < @auth.level").bind(&row, row.now());
    assert!(bound.eval(&equal));
    assert!(expr("ratio < @auth.level").eval(&equal));
    // The float 0.1 is a little more than the decimal.
    let tenth = row.clone().with("price", Value::Decimal("0.1".parse().unwrap()));
    assert!(expr("price < @auth.limit").bind(&row, row.now()).eval(&tenth));
    assert!(expr("price < @auth.limit").eval(&tenth));
}
