//! Collections as examples show them, and that the descriptions fit what is read.

use poem_openapi::types::Example;

use super::{
    Collection, CollectionCreate, CollectionList, CollectionUpdate, CollectionWanted, Field, Index, IndexRequest,
    IndexStatus, Rules, Trigger, TriggerCollision, TriggerEvent,
};

fn title() -> Field {
    Field {
        name: "title".into(),
        renamed_from: None,
        kind: "string".into(),
        description: None,
        required: true,
        nullable: None,
        default: None,
        unique: false,
        indexed: true,
        searchable: false,
        hidden: false,
        many: false,
        min_items: None,
        max_items: None,
        min: None,
        max: Some(200.into()),
        pattern: None,
        format: None,
        values: None,
        collection: None,
        on_delete: None,
        max_bytes: None,
        media_types: None,
        rules: None,
    }
}

fn owner_rules() -> Rules {
    Rules {
        list: Some("published = true".into()),
        read: Some("published = true".into()),
        create: None,
        update: None,
        delete: None,
    }
}

fn told() -> Trigger {
    Trigger {
        on: vec![TriggerEvent::Create, TriggerEvent::Update],
        queue: "emails".into(),
        kind: "tellReaders".into(),
        fields: Some(vec!["title".into()]),
        payload: None,
        when: Some("published = true && @old.published != true".into()),
        delay_seconds: Some(60),
        priority: 0,
        on_collision: Some(TriggerCollision::Replace),
        serial: false,
    }
}

impl Example for CollectionCreate {
    fn example() -> Self {
        let published = Field {
            name: "published".into(),
            kind: "boolean".into(),
            required: false,
            indexed: false,
            max: None,
            ..title()
        };
        let index = IndexRequest { fields: vec!["published".into(), "-createdAt".into()], unique: false };
        Self {
            name: "posts".into(),
            description: Some("What the team writes.".into()),
            view: None,
            fields: vec![title(), published],
            indexes: vec![index],
            rules: Some(owner_rules()),
            triggers: Some(vec![told()]),
            cache_control: None,
        }
    }
}

impl Example for CollectionWanted {
    fn example() -> Self {
        let CollectionCreate { name, description, view, fields, indexes, rules, triggers, cache_control } =
            CollectionCreate::example();
        let renamed_from = Some("articles".into());
        Self { name, renamed_from, description, view, fields, indexes, rules, triggers, cache_control }
    }
}

impl Example for CollectionUpdate {
    fn example() -> Self {
        Self {
            name: None,
            description: Some("What the team publishes.".into()),
            view: None,
            fields: None,
            indexes: None,
            rules: None,
            triggers: None,
            cache_control: None,
        }
    }
}

impl Example for Collection {
    fn example() -> Self {
        let state = IndexStatus { name: "ready".into(), ids: None };
        let CollectionCreate { name, description, mut fields, .. } = CollectionCreate::example();
        fields.truncate(1);
        Self {
            number: 2,
            name,
            description,
            system: false,
            view: None,
            fields,
            indexes: vec![Index { number: 2, fields: vec!["title".into()], unique: false, state, implicit: true }],
            rules: Rules { list: None, read: None, create: None, update: None, delete: None },
            triggers: vec![told()],
            cache_control: None,
            rewriting: false,
            renames: Vec::new(),
            created_at: "2026-01-31T09:30:00Z".into(),
            updated_at: "2026-01-31T09:30:00Z".into(),
        }
    }
}

impl Example for CollectionList {
    fn example() -> Self {
        Self { items: vec![Collection::example()] }
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::ParseFromJSON;

    use super::*;
    use crate::collections::model;

    /// What is described is what is read: every attribute of the model goes through the description and back.
    #[test]
    fn the_description_fits_the_model() {
        let field = model::FieldDef {
            name: "f".into(),
            renamed_from: Some("e".into()),
            kind: "relation".into(),
            description: Some("d".into()),
            required: true,
            nullable: Some(true),
            default: Some("x".into()),
            unique: true,
            indexed: true,
            searchable: true,
            hidden: true,
            many: true,
            min_items: Some(1),
            max_items: Some(2),
            min: Some(1.into()),
            max: Some(2.into()),
            pattern: Some("p".into()),
            format: Some("email".into()),
            values: Some(vec!["v".into()]),
            collection: Some("c".into()),
            on_delete: Some(model::OnDelete::SetNull),
            max_bytes: Some(3),
            media_types: Some(vec!["image/*".into()]),
            rules: Some(model::FieldRules { read: Some("r".into()), write: Some("w".into()) }),
        };
        let json = serde_json::to_value(&field).unwrap();
        let described = Field::parse_from_json(Some(json.clone())).map_err(|error| error.into_message()).unwrap();
        assert_eq!(poem_openapi::types::ToJSON::to_json(&described).unwrap(), json);
        let trigger = crate::collections::TriggerDef {
            on: vec![
                crate::collections::Event::Create,
                crate::collections::Event::Update,
                crate::collections::Event::Delete,
            ],
            queue: "q".into(),
            kind: "k".into(),
            fields: Some(vec!["f".into()]),
            payload: Some(serde_json::json!({"to": {"$field": "f"}})),
            when: Some("w".into()),
            delay_seconds: Some(4),
            priority: 5,
            on_collision: Some(crate::queue::Collision::Skip),
            serial: true,
        };
        let json = serde_json::to_value(&trigger).unwrap();
        let described = Trigger::parse_from_json(Some(json.clone())).map_err(|error| error.into_message()).unwrap();
        assert_eq!(poem_openapi::types::ToJSON::to_json(&described).unwrap(), json);
        let input = poem_openapi::types::ToJSON::to_json(&CollectionCreate::example()).unwrap();
        serde_json::from_value::<model::CollectionInput>(input).unwrap();
    }
}
