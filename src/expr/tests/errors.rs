//! What authors of broken expressions read: positions and texts.

use super::{Schema, compile};

fn assert_errors(table: &[(&str, usize, &str)]) {
    for (source, position, message) in table {
        let error = compile(source, &Schema).expect_err(source);
        assert_eq!((error.position, error.message.as_str()), (*position, *message), "{source}");
        assert_eq!(error.to_string(), format!("at character {}: {message}", position + 1));
    }
}

#[test]
fn tokens() {
    assert_errors(&[
        ("views == 1", 6, r#"use "=" to compare, not "==""#),
        ("views <> 1", 6, r#"use "!=" for unequal, not "<>""#),
        ("published & true", 10, r#"use "&&" for and, not "&""#),
        ("published | true", 10, r#"use "||" for or, not "|""#),
        ("views # 1", 6, "unexpected character '#'"),
        ("title = 'abc", 8, "this text has no closing quote"),
        (r"title = 'ab\x'", 11, r#"no such escape; there are \" \' \\ \/ \b \f \n \r \t and \u with four hex digits"#),
        (r"title = '\ud800'", 9, r"expected a character's code, as in \u00e9"),
        (r"title = '\u12", 9, r"expected a character's code, as in \u00e9"),
        ("views = 1.", 10, "expected a digit"),
        ("views = 1e+", 11, "expected a digit"),
        ("views = 12abc", 10, "expected the number to end here"),
        ("views = .5", 8, "unexpected character '.'"),
        ("author. = 1", 7, "expected a name: a letter, then letters, digits or _"),
        ("author..x = 1", 7, "expected a name: a letter, then letters, digits or _"),
        ("@ = 1", 1, "expected a name: a letter, then letters, digits or _"),
        ("title = 'é' && é", 16, "unexpected character 'é'"),
    ]);
}

#[test]
fn grammar() {
    assert_errors(&[
        ("", 0, "expected a value, found the end"),
        ("published &&", 12, "expected a value, found the end"),
        ("published and true", 10, r#"use "&&", not "and""#),
        ("published OR true", 10, r#"use "||", not "OR""#),
        ("not published", 0, r#"use "!", not "not""#),
        ("not (published)", 0, r#"use "!", not "not""#),
        ("views not in [1]", 6, r#"use "!", not "not""#),
        ("views IN [1]", 6, r#"use "in", not "IN""#),
        ("views 1", 6, r#"expected "&&" or "||", found a number"#),
        ("views = 1 title = 'a'", 10, r#"expected "&&" or "||", found "title""#),
        ("1 < views < 3", 10, r#"comparisons do not chain; join them with "&&""#),
        ("(published", 0, r#"this "(" is not closed"#),
        ("published)", 9, r#"expected "&&" or "||", found ")""#),
        ("views in (1, 2)", 11, r#"expected ")"; a list is [a, b]"#),
        ("(views = 1) = true", 0, r#"a condition cannot be compared; join conditions with "&&" or "||""#),
        ("published = (views = 1)", 12, r#"a condition cannot be compared; join conditions with "&&" or "||""#),
        ("views = [1]", 8, r#"a list stands only at the right of "in""#),
        ("[1] in tags", 0, r#"a list stands only at the right of "in""#),
        ("views in [1 2]", 12, r#"expected "," or "]", found a number"#),
        ("views in [1", 11, r#"expected "," or "]", found the end"#),
        ("views in [views]", 10, r#"expected a literal, found "views""#),
        ("views in [1,]", 12, r#"expected a literal, found "]""#),
        ("lower(title = 'a'", 12, r#"expected "," or ")", found "=""#),
        ("views = - title", 8, r#"expected a number behind "-""#),
        ("views = 1e999", 8, "this number is too large"),
        ("title ~ in", 8, r#"expected a value, found "in""#),
        ("views = @auth.", 14, "expected a name: a letter, then letters, digits or _"),
    ]);
}

#[test]
fn names() {
    assert_errors(&[
        ("published && nosuch = 1", 13, r#"no field "nosuch""#),
        ("title.x = 1", 0, r#""title.x": there is no "x" in text"#),
        ("tags.x = 1", 0, r#""tags.x": there is no "x" in a field with many values"#),
        ("@foo.x = 1", 0, r#"no name "@foo.x"; there are @auth, @request.body, @old and @now"#),
        ("@now.x = 1", 0, r#"no name "@now.x"; there are @auth, @request.body, @old and @now"#),
        ("@auth = 1", 0, r#"expected a field behind "@auth", as in @auth.id"#),
        (
            "lenght(title) = 1",
            0,
            r#"no function "lenght"; there are lower, upper, length, startsWith, endsWith, date, year, month, day, hour, weekday, distance"#,
        ),
        ("lower() = 'a'", 0, "lower() takes 1 argument, found 0"),
        ("startsWith(title)", 0, "startsWith() takes 2 arguments, found 1"),
        ("lower(views) = 'a'", 6, r#"lower() needs text, found "views", which is a number"#),
        ("lower(tags) = 'a'", 6, r#"lower() needs text, found "tags", which holds many values"#),
        ("length(5) = 1", 7, "length() needs text or a field with many values, found a number"),
    ]);
}

#[test]
fn types() {
    assert_errors(&[
        ("views = 'a'", 8, r#"expected a number to compare with "views", found text"#),
        ("'5' < views", 0, r#"expected a number to compare with "views", found text"#),
        ("title = 5", 8, r#"expected text to compare with "title", found a number"#),
        ("published = 1", 12, r#"expected true or false to compare with "published", found a number"#),
        ("price = 'abc'", 8, r#"expected a number to compare with "price", found text"#),
        (
            "price = 0.12345678901234567890123456789012",
            8,
            r#"expected a number of at most 28 digits to compare with "price", found more"#,
        ),
        ("day = 'soon'", 6, r#"expected a date like "2026-01-31" to compare with "day", found other text"#),
        ("day = '2026-02-30'", 6, r#"expected a date like "2026-01-31" to compare with "day", found other text"#),
        (
            "createdAt = '2026-01-31 12:00'",
            12,
            r#"expected a date and time like "2026-01-31T12:00:00Z" to compare with "createdAt", found other text"#,
        ),
        ("createdAt = 5", 12, r#"expected a date and time to compare with "createdAt", found a number"#),
        ("views = title", 8, r#"expected a number to compare with "views", found "title", which is text"#),
        ("@now > meta.x", 7, r#"expected a date and time to compare with @now, found "meta.x", which is JSON"#),
        ("1 = 'a'", 4, "expected a number to compare with a number, found text"),
        ("views > null", 8, r#"null has no order; compare with "=" or "!=""#),
        ("published > false", 12, r#"true and false have no order; compare with "=" or "!=""#),
        ("meta.x < true", 9, r#"true and false have no order; compare with "=" or "!=""#),
    ]);
}

#[test]
fn many_values_and_conditions() {
    assert_errors(&[
        ("tags = 'a'", 0, r#""tags" holds many values; write "x" in tags"#),
        ("'a' ~ tags", 6, r#""tags" holds many values; write "x" in tags"#),
        ("tags in ['a']", 0, r#""tags" holds many values; write "x" in tags"#),
        ("author = @auth.roles", 9, r#""@auth.roles" holds many values; write "x" in @auth.roles"#),
        ("'a' in title", 7, r#""title" holds one value; "in" needs a list or a field with many"#),
        ("'a' in 'abc'", 7, r#"expected a list or a field with many values behind "in", found text"#),
        ("5 in tags", 0, r#"expected text to compare with "tags", found a number"#),
        ("views in tags", 0, r#"expected text to compare with "tags", found "views", which is a number"#),
        ("views in [1, 'a']", 13, r#"expected a number to compare with "views", found text"#),
        ("null in tags", 0, "null is in no field; tags = null tells whether it is empty"),
        ("views ~ 'a'", 0, r#"expected text beside "~", found "views", which is a number"#),
        ("title ~ 5", 8, r#"expected text beside "~", found a number"#),
        ("title", 0, r#"expected a condition, found "title", which is text"#),
        ("published && tags", 13, r#"expected a condition, found "tags", which holds many values"#),
        ("published || 'a'", 13, "expected a condition, found text"),
        ("false && views = 'a'", 17, r#"expected a number to compare with "views", found text"#),
    ]);
}

#[test]
fn instants_are_rfc_3339() {
    for good in ["2026-01-31T12:00:00Z", "2026-01-31t12:00:00.123z", "2026-01-31T12:00:00-05:30", "2026-01-31"] {
        assert!(compile(&format!("createdAt = '{good}'"), &Schema).is_ok(), "{good}");
    }
    let bad =
        ["2026-01-31T12:00:00", "2026-01-31 12:00:00Z", "20260131T120000Z", "2026-01-31T12:00:00.Z", "9999-12-31"];
    for bad in
        bad.into_iter().chain(["2026-01-31T12:00:00+01", "2026-01-31T12:00:00Z[UTC]", "2026-1-31", "ééééééééééz"])
    {
        assert!(compile(&format!("createdAt = '{bad}'"), &Schema).is_err(), "{bad}");
    }
}
