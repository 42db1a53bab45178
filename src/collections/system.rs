//! The collections that Stead itself needs.

use super::{
    model::{CollectionInput, FieldDef, Rules},
    service::system_input,
};

/// The name of the collection of users.
pub const USERS: &str = "users";
/// The resource that stands for collections themselves in permissions.
pub const COLLECTIONS: &str = "collections";
/// The fields of a user that decide what the user may do.
pub const RIGHTS: [&str; 2] = ["roles", "disabled"];

/// The collections that every server has.
#[must_use]
pub fn inputs() -> Vec<CollectionInput> {
    let own = Some("id = @auth.id".to_owned());
    let rules = Rules { list: own.clone(), read: own, ..Rules::default() };
    vec![system_input(USERS, "Who may sign in, and with which roles.", fields_of(USERS), rules)]
}

/// The fields that a system collection has and keeps.
#[must_use]
pub fn fields_of(collection: &str) -> Vec<FieldDef> {
    if collection != USERS {
        return Vec::new();
    }
    let field = |name: &str, kind: &str| FieldDef { name: name.into(), kind: kind.into(), ..FieldDef::default() };
    vec![
        FieldDef {
            format: Some("email".into()),
            max: Some(254.into()),
            required: true,
            unique: true,
            ..field("email", "string")
        },
        FieldDef { max: Some(200.into()), ..field("name", "string") },
        FieldDef {
            max: Some(64.into()),
            many: true,
            max_items: Some(20),
            nullable: Some(false),
            indexed: true,
            default: Some(serde_json::json!(["user"])),
            ..field("roles", "string")
        },
        FieldDef { default: Some(false.into()), nullable: Some(false), ..field("disabled", "boolean") },
    ]
}
