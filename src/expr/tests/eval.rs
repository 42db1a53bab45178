//! What expressions say of records: each operator on each kind, absent values, functions.

use super::{Row, Value, assert_table, full, text, texts};

#[test]
fn operators_have_their_precedence() {
    let table = [
        ("true || false && false", true),
        ("(true || false) && false", false),
        ("!true || true", true),
        ("!(true || true)", false),
        ("!views = 100", false),
        ("!views = 1 && published", true),
        ("!!published", true),
        ("(views) = (100)", true),
        ("((views = 100))", true),
        ("published && views = 100 || title = 'no'", true),
        ("title = 'no' || published && views = 1", false),
    ];
    assert_table(&full(), &table);
}

#[test]
fn every_operator_works_on_every_kind() {
    // For each field: what is below its value, what is the same, what is above (or nothing).
    let kinds = [
        ("views", "99", "100", "101"),
        ("views", "99.5", "1e2", "100.01"),
        ("views", "-1e30", "100.00", "1e30"),
        ("ratio", "0", "0.5", "1"),
        ("price", "12.49", "12.5", "13"),
        ("price", "'12.4999'", "'12.50'", "'12.5001'"),
        ("title", "'Ann'", "'Annual Report'", "'annual report'"),
        ("createdAt", "'2026-01-31'", "'2026-01-31T13:00:00+01:00'", "'2026-01-31T12:00:00.000000001Z'"),
        ("day", "'2026-01-30'", "'2026-01-31'", "'2026-02-01'"),
        ("meta.size", "2", "3", "3.5"),
        ("meta.name", "'a'", "'box'", "'c'"),
        ("length(title)", "12.5", "13", "14"),
        ("upper(title)", "'ANN'", "'ANNUAL REPORT'", "'a'"),
        ("day", "", "@auth.since", "@now"),
        ("createdAt", "day", "createdAt", "@now"),
        ("views", "price", "views", ""),
        ("price", "ratio", "@auth.credit", "views"),
    ];
    for (field, below, same, above) in kinds {
        let sides = [(below, [false, true, false, false, true, true]), (same, [true, false, false, true, false, true])];
        for (other, expected) in sides.into_iter().chain([(above, [false, true, true, true, false, false])]) {
            if other.is_empty() {
                continue;
            }
            let operators = [("=", "="), ("!=", "!="), ("<", ">"), ("<=", ">="), (">", "<"), (">=", "<=")];
            for ((operator, mirrored), expected) in operators.into_iter().zip(expected) {
                let forward = format!("{field} {operator} {other}");
                let backward = format!("{other} {mirrored} {field}");
                assert_table(&full(), &[(&forward, expected), (&backward, expected)]);
            }
        }
    }
}

#[test]
fn truth_values_compare_by_equality() {
    let table = [
        ("published", true),
        ("published = true", true),
        ("published != true", false),
        ("false = published", false),
        ("!published", false),
        ("meta.flag", true),
        ("meta.name", false),
        ("meta.missing", false),
        ("meta.flag = true && meta.flag = published", true),
        ("startsWith(title, 'Ann') = published", true),
    ];
    assert_table(&full(), &table);
}

#[test]
fn absent_values_are_equal_and_never_ordered() {
    let table = [
        ("title = null", true),
        ("title != null", false),
        ("null = title", true),
        ("title = ''", false),
        ("title != ''", true),
        ("views < 1", false),
        ("views >= 1", false),
        ("!(views < 1)", true),
        ("views < 1e30", false),
        ("views != 1.5", true),
        ("views = 1.5", false),
        ("published", false),
        ("!published", true),
        ("title ~ ''", false),
        ("title !~ ''", true),
        ("title in ['a']", false),
        ("title in ['a', null]", true),
        ("title in [null]", true),
        ("title in tags", false),
        ("tags = null", true),
        ("'a' in tags", false),
        ("length(tags) = 0", true),
        ("length(title) = 0", false),
        ("length(title) = null", true),
        ("lower(title) = null", true),
        ("startsWith(title, '')", false),
        ("startsWith(title, '') = false", true),
        ("title = category", true),
        ("title = @old.title", true),
        ("title < category || title <= category", false),
        ("meta = null && meta.a.b = null", true),
        ("null = null", true),
        ("null != null", false),
    ];
    assert_table(&Row::default(), &table);
}

#[test]
fn an_absent_value_of_the_caller_equals_nothing_but_null() {
    let table = [
        ("author = @auth.id", false),
        ("@auth.id = author", false),
        ("author != @auth.id", true),
        ("!(author = @auth.id)", true),
        ("!(author != @auth.id)", false),
        ("lower(@auth.id) = author", false),
        ("@auth.id = @auth.meta.id", false),
        ("@auth.id = null", true),
        ("@auth.roles = null", true),
        ("@auth.id in ['a', null]", true),
        ("@auth.id in tags", false),
        ("author in @auth.roles", false),
        ("author = @old.author", true),
    ];
    assert_table(&Row::default(), &table);
}

#[test]
fn membership() {
    let table = [
        ("category in ['news', 'sport']", true),
        ("category in ['sport']", false),
        ("category in []", false),
        ("views in [1, 1e2]", true),
        ("views in [1.5, 99.5]", false),
        ("price in [1, '12.5']", true),
        ("day in ['2026-01-31', null]", true),
        ("meta.size in [3, 'a', true]", true),
        ("5 in [1, 5.0]", true),
        ("'a' in ['b']", false),
        ("lower(category) in ['news']", true),
        ("lower('NEWS') in ['news', 'b']", true),
        ("'red' in tags", true),
        ("'Red' in tags", false),
        ("!('green' in tags)", true),
        ("2 in counts", true),
        ("2.0 in counts", true),
        ("1.5 in counts", false),
        ("'2026-01-31' in days", true),
        ("@auth.since in days && @auth.seen in days", false),
        ("day in days", true),
        ("views in counts", false),
        ("category in tags", false),
        ("'admin' in @auth.roles", true),
        ("author in @auth.roles", false),
        ("category in @auth.meta.list", true),
        ("'a' in meta.list && 1 in meta.list", true),
        ("'b' in meta.list || 'b' in meta.name", false),
        ("title in meta.list", false),
        ("length(@auth.roles) = 2 && length(tags) = 2", true),
        ("tags = null || @auth.roles = null", false),
        ("tags != null && meta != null", true),
        ("meta = 'a' || meta = 1", false),
    ];
    assert_table(&full(), &table);
}

#[test]
fn contains_ignores_case() {
    let row = full().with("author.name", text("ΟΔΥΣΣΕΥΣ Çelik"));
    let table = [
        ("title ~ 'ann'", true),
        ("title ~ 'AL REP'", true),
        ("title !~ 'xyz'", true),
        ("title ~ 'é'", false),
        ("title ~ ''", true),
        ("author.name ~ 'οδυσσευς'", true),
        ("author.name ~ 'ΥΣ ç'", true),
        ("author.name ~ 'elik'", true),
        ("author.name ~ 'elika'", false),
        ("title ~ @request.body.title", true),
        ("'annual report 2026' ~ title", true),
        ("category ~ @auth.meta.team", true),
        ("@auth.meta.team ~ category", true),
        ("@auth.meta.team !~ title", true),
        ("'ABC' ~ 'b'", true),
        ("meta.name ~ 'O'", true),
        ("meta.size ~ '3'", false),
        ("title ~ @auth.meta.list", false),
    ];
    assert_table(&row, &table);
}

#[test]
fn functions() {
    let row = full().with("category", text("ÉTÉ"));
    let table = [
        ("lower(category) = 'été'", true),
        ("upper('été') = category", true),
        ("length(category) = 3", true),
        ("length(upper(lower(category))) = 3", true),
        ("length(counts) > 1.5", true),
        ("length(meta.list) = 3", true),
        ("length(meta.size) = null", true),
        ("startsWith(title, 'Ann')", true),
        ("startsWith(title, 'ann')", false),
        ("endsWith(title, 'Report')", true),
        ("!endsWith(title, 'Annual')", true),
        ("startsWith(title, @auth.id)", false),
        ("startsWith(title, @auth.meta.list)", false),
        ("startsWith('u1 and more', @auth.id)", true),
        ("lower(@auth.id) = author", true),
        ("lower('ABC') = 'abc'", true),
        ("length('abc') < 2.5", false),
        ("length('abc') = views", false),
        ("lower('NEWS') != category", true),
        ("lower('RED') in tags", true),
    ];
    assert_table(&row, &table);
}

#[test]
fn strings_have_the_escapes_of_json() {
    let row = Row::default().with("title", text("a\"b'c\\d/\n\t\u{8}\u{c}\ré😀"));
    let table = [
        (r#"title = "a\"b'c\\d\/\n\t\b\f\r\u00e9\ud83d\ude00""#, true),
        (r#"title = 'a"b\'c\\d/\n\t\b\f\ré😀'"#, true),
        (r#"title = "a""#, false),
    ];
    assert_table(&row, &table);
}

#[test]
fn paths_read_the_caller_the_body_and_the_old_record() {
    let table = [
        ("published = true || author = @auth.id", true),
        (r#""admin" in @auth.roles"#, true),
        (r#"views >= 100 && category in ["news", "sport"] && title ~ "ann""#, true),
        ("author.name = 'Ann'", true),
        ("title = @request.body.title", true),
        ("@old.author = author && @old.title = null", true),
        ("createdAt < @now && @now = '2026-03-01T12:00:00Z'", true),
        ("@auth.limit < views && @auth.level = 3", true),
    ];
    assert_table(&full(), &table);
    assert_table(&full().with("tags", Value::Many(vec![])), &[("tags = null", true), ("null != tags", false)]);
    assert_table(&full().with("tags", texts(&[])), &[("length(tags) = 0", true)]);
}

#[test]
fn many_are_compared_one_by_one() {
    let table = [
        ("any(tags) = 'red'", true),
        ("any(tags) = 'green'", false),
        ("any(tags) != 'red'", true),
        ("all(tags) != 'green'", true),
        ("all(tags) = 'red'", false),
        ("all(tags) in ['red', 'blue']", true),
        ("any(tags) in ['blue', 'x']", true),
        ("any(tags) ~ 'RE'", true),
        ("all(tags) ~ 'RE'", false),
        ("any(tags) !~ 'RE'", true),
        ("any(tags) = title", false),
        ("any(counts) > 1", true),
        ("all(counts) > 1", false),
        ("any(counts) = 1.5", false),
        ("all(days) <= @now", true),
        ("!(any(counts) > 1)", false),
    ];
    assert_table(&full(), &table);
    let none = [("any(tags) = 'red'", false), ("all(tags) = 'red'", true), ("any(tags) != 'red'", false)];
    assert_table(&Row::default(), &none);
    assert_table(&Row::default().with("tags", texts(&[])), &none);
}

#[test]
fn one_record_of_many_satisfies_the_whole_condition() {
    let table = [
        ("any(comments, title = 'few' && views = 1)", true),
        ("any(comments, title = 'few' && views = 100)", false),
        ("any(comments, title = 'few') && any(comments, views = 100)", true),
        ("all(comments, views > 0)", true),
        ("all(comments, views > 1)", false),
        ("any(comments, author = @auth.id && any(tags) = 'red')", true),
        ("any(comments, any(comments, views = 1000))", true),
        ("any(comments, any(tags) = title)", false),
        ("any(comments, false)", false),
        ("all(comments, true)", true),
        ("any(comments, views = 100 && @old.author = @auth.id)", true),
    ];
    assert_table(&full(), &table);
}

#[test]
fn instants_are_moved_by_durations() {
    let table = [
        ("createdAt > @now - 30d", true),
        ("createdAt > @now - 4w", false),
        ("createdAt < @now + 1s", true),
        ("@now - 1d = '2026-02-28T12:00:00Z'", true),
        ("@now + 36h > '2026-03-02T23:59:59Z'", true),
        ("@now - 90m = '2026-03-01T10:30:00Z'", true),
    ];
    assert_table(&full(), &table);
}

#[test]
fn times_have_parts_and_places_a_distance() {
    let table = [
        ("date(createdAt) = '2026-01-31'", true),
        ("date(createdAt) = day", true),
        ("date(createdAt) < createdAt", true),
        ("year(createdAt) = 2026 && month(createdAt) = 1 && day(createdAt) = 31", true),
        ("hour(createdAt) in [11, 12]", true),
        ("hour(day) = 0", true),
        ("weekday(createdAt) = 6", true),
        ("year(@now) = 2026", true),
        ("year(@now - 60d) = 2025", true),
        ("year(@auth.seen) >= year(createdAt)", true),
        ("distance(meta, 52.52, 13.4) < 1000", false),
    ];
    assert_table(&full(), &table);
    let place = full().with("meta.lat", Value::Float(52.5)).with("meta.lon", Value::Int(13));
    assert_table(&place, &[("distance(meta, 52.5, 13.01) < 1000", true), ("distance(meta, 52.5, 13.1) < 1000", false)]);
    assert_table(&Row::default(), &[("year(createdAt) = null", true), ("distance(meta, 1, 1) = null", true)]);
}
