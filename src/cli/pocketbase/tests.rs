//! The translation of rules: what means the same, and what is refused.

use super::{
    field::{Mapped, Shape},
    rules::{Named, Names, translate},
};
use crate::collections::FieldDef;

fn field(from: &str, shape: Shape, target: Option<&str>) -> Mapped {
    let def = Some(FieldDef { unique: from == "owner", ..FieldDef::default() });
    let to = if from == "version" { "version_" } else { from }.to_owned();
    Mapped { from: from.into(), to, def, shape, target: target.map(str::to_owned), late: false }
}

/// Posts with an author and members, who are users; comments of posts; a profile of each user.
fn fields() -> [Vec<Mapped>; 4] {
    let text = Shape::Text { blank_is_null: false };
    let number = |zero_is_null| Shape::Number { integer: true, zero_is_null };
    let created = Mapped { to: "createdAt".into(), ..field("created", Shape::CreatedAt, None) };
    let posts = vec![
        field("title", text, None),
        field("code", Shape::Text { blank_is_null: true }, None),
        field("version", number(false), None),
        field("level", number(true), None),
        field("published", Shape::Bool, None),
        field("due", Shape::Time, None),
        field("status", Shape::One, None),
        field("tags", Shape::Many, None),
        field("meta", Shape::Json, None),
        field("place", Shape::Place, None),
        field("author", Shape::One, Some("u1")),
        field("members", Shape::Many, Some("u1")),
        created.clone(),
    ];
    let users = vec![field("name", Shape::Text { blank_is_null: true }, None), field("bio", text, None), created];
    let comments = vec![
        field("post", Shape::One, Some("p1")),
        field("by", Shape::One, Some("u1")),
        field("votes", number(false), None),
    ];
    let profiles = vec![field("owner", Shape::One, Some("u1")), field("level", number(false), None)];
    [posts, users, comments, profiles]
}

fn posts_rule(rule: &str) -> Result<String, String> {
    let [posts, users, comments, profiles] = fields();
    let named = |id, from, to, fields, is_users| Named { id, from, to, fields, is_users };
    let collections = vec![
        named("p1", "posts", "posts", &posts[..], false),
        named("u1", "members", "users", &users, true),
        named("c1", "comments", "comments_", &comments, false),
        named("f1", "profiles", "profiles", &profiles, false),
    ];
    translate(&Names { collections }, "posts", rule)
}

#[test]
fn rules_that_mean_the_same_are_translated() {
    let table = [
        ("", "true"),
        ("  ", "true"),
        // The caller.
        ("@request.auth.id != \"\"", "true"),
        ("@request.auth.id = ''", "false"),
        ("@request.auth.id != null && published = true", "true && published = true"),
        ("id = @request.auth.id", "id = @auth.id"),
        ("@request.auth.id = author", "@auth.id = author"),
        ("author = @request.auth.id || published = true", "author = @auth.id || published = true"),
        ("author.id = @request.auth.id", "author.id = @auth.id"),
        ("@request.auth.email ~ '@example.com'", "@auth.email ~ \"@example.com\""),
        ("@request.auth.collectionName = 'members'", "true"),
        ("@request.auth.collectionId != 'u1' || version = 1", "false || version_ = 1"),
        // Precedence and parentheses.
        ("(title = 'a' || title = 'b') && published = true", "(title = \"a\" || title = \"b\") && published = true"),
        ("title = 'a' || title = 'b' && published = true", "title = \"a\" || (title = \"b\" && published = true)"),
        // Names and values.
        ("version > 3", "version_ > 3"),
        ("3 < version", "version_ > 3"),
        ("version != -1.5", "version_ != -1.5"),
        ("published != false", "published != false"),
        ("title = 'say \"hi\" \\'x\\''", r#"title = "say \"hi\" 'x'""#),
        ("title >= 'm'", "title >= \"m\""),
        ("title:lower = 'abc'", "lower(title) = \"abc\""),
        ("title ~ 'news'", "title ~ \"news\""),
        ("title !~ 'a_b'", "title !~ \"a_b\""),
        ("meta.a.b = 'x'", "meta.a.b = \"x\""),
        ("meta.n = 1", "meta.n = 1"),
        ("'a' = 'a' && 1 = 1", "true && true"),
        // Absent values.
        ("title = ''", "title = \"\""),
        ("title != null", "title != \"\""),
        ("code = ''", "code = null"),
        ("status != ''", "status != null"),
        ("author = null", "author = null"),
        ("author.bio = ''", "(author.bio = null || author.bio = \"\")"),
        ("author.bio != ''", "(author.bio != null && author.bio != \"\")"),
        ("author.name != ''", "author.name != null"),
        // Times.
        ("due > @now", "due > @now"),
        ("due <= @now", "(due = null || due <= @now)"),
        ("@now >= due", "(due = null || due <= @now)"),
        ("created < @now", "createdAt < @now"),
        ("due > '2022-01-02 03:04:05.678Z'", "due > \"2022-01-02T03:04:05.678Z\""),
        // Lists and what relations lead to.
        ("tags:length >= 2", "length(tags) >= 2"),
        ("tags ~ 'red'", "any(tags) ~ \"red\""),
        ("tags !~ 'red'", "!(any(tags) ~ \"red\")"),
        ("members ~ @request.auth.id", "@auth.id in members"),
        ("members !~ @request.auth.id", "!(any(members) ~ @auth.id)"),
        ("members.id ?= @request.auth.id", "@auth.id in members"),
        ("@request.auth.id ?= members.id", "@auth.id in members"),
        ("members.id = @request.auth.id", "(any(members.id) = @auth.id && all(members.id) = @auth.id)"),
        ("members.id != @request.auth.id", "all(members.id) != @auth.id"),
        ("members.bio ?~ 'rust'", "any(members.bio) ~ \"rust\""),
        ("members.bio != 'x'", "all(members.bio) != \"x\""),
        ("comments_via_post.by ?= @request.auth.id", "@auth.id in comments__via_post.by"),
        ("comments_via_post.votes ?> 5", "any(comments__via_post.votes) > 5"),
        ("comments_via_post.votes > 5", "(any(comments__via_post.votes) > 5 && all(comments__via_post.votes) > 5)"),
        ("author.profiles_via_owner.level > 2", "author.profiles_via_owner.level > 2"),
        // The body.
        ("@request.body.author = @request.auth.id", "@request.body.author = @auth.id"),
        ("@request.data.version < 5", "@request.body.version_ < 5"),
        ("@request.body.title != ''", "(@request.body.title != null && @request.body.title != \"\")"),
        ("@request.body.status != 'done'", "@request.body.status != \"done\""),
        ("@request.body.author = author", "@request.body.author = author"),
    ];
    for (rule, expected) in table {
        assert_eq!(posts_rule(rule).as_deref(), Ok(expected), "{rule}");
    }
}

#[test]
fn rules_that_might_open_more_are_refused() {
    let table = [
        ("@request.auth.role = 'admin'", "id and email"),
        ("@request.auth.verified = true", "id and email"),
        ("@request.auth.collectionName ~ 'mem'", "collection"),
        ("@request.headers.x = 'y'", "@request.headers.x"),
        ("@request.query.a = 'b'", "@request.query.a"),
        ("@request.context = 'oauth2'", "@request.context"),
        ("@collection.posts.author ?= @request.auth.id", "@collection"),
        ("created > @todayStart", "@todayStart"),
        ("geoDistance(1, 2, 3, 4) < 5", "geoDistance"),
        ("@request.body.author:isset = false", ":isset"),
        ("@request.body.author:changed = false", ":changed"),
        ("@request.body.tags:length < 3", ":length"),
        ("tags:each = 'a'", ":each"),
        ("title:length > 3", ":length"),
        ("version:lower = 'a'", ":lower"),
        ("missing = 1", "missing"),
        ("author.missing = 1", "missing"),
        ("title.x = 1", "goes into a value"),
        ("files_via_post.id ?= 'x'", "leads nowhere"),
        ("comments_via_by.id ?= 'x'", "leads nowhere"),
        ("comments_via_post = ''", "not to a value"),
        // Where absent values differ.
        ("level = 0", "null here"),
        ("status > 'a'", "null here"),
        ("author.bio < 'm'", "null here"),
        ("members.created < @now && members.name < 'x'", "null here"),
        ("title = status", "different ways"),
        ("title = code", "different ways"),
        ("due < created", "cannot be compared"),
        ("version = ''", "never empty"),
        // Where types differ.
        ("published = 1", "another type"),
        ("version = '1'", "another type"),
        ("title = 1", "another type"),
        ("due > '2022-01-02'", "whole instant"),
        ("due = 'tomorrow'", "whole instant"),
        ("place.lat > 1", "place"),
        // JSON compares otherwise.
        ("meta.a != 1", "JSON"),
        ("meta.a != true", "JSON"),
        ("meta.a > 1", "JSON"),
        ("meta.a = title", "cannot be compared"),
        // Text that contains others.
        ("title ~ 'a%'", "wildcards"),
        ("title ~ 'é'", "wildcards"),
        ("'abc' ~ title", "at the left"),
        ("title !~ @request.auth.id", "cannot be compared"),
        // Lists are compared as their text.
        ("tags = 'a'", "JSON text"),
        ("tags ?= 'a'", "JSON text"),
        ("tags ~ '\"a\"'", "JSON text"),
        ("members = @request.auth.id", "JSON text"),
        ("members ?= @request.auth.id", "JSON text"),
        ("members.bio ?!= 'x'", "of none"),
        ("members.bio ?= ''", "absent"),
        ("members.created ?> members.created", "cannot be compared"),
        ("title ==", "cannot be read"),
        ("title", "cannot be read"),
    ];
    for (rule, reason) in table {
        match posts_rule(rule) {
            Ok(translated) => panic!("{rule} became {translated}"),
            Err(found) => assert!(found.contains(reason), "{rule}: {found}"),
        }
    }
}
