//! What a job says that pulls: from where, which part of it, and where it goes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// The most pages of a pull.
const PAGES_MAX: u32 = 1_000;

/// What is pulled.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Order {
    /// Where the items are.
    pub(super) url: String,
    /// What is sent with each request, such as `Authorization`.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    /// JSON, if absent.
    #[serde(default)]
    pub(super) format: Format,
    /// Where the list of items is in the answer, as a JSON pointer; absent, the answer is the list.
    #[serde(default)]
    items: String,
    /// The collection that they go to.
    pub(super) collection: String,
    /// Each field of a record, `id` among them, with the JSON pointer or the name of the member or column that it comes from. Absent, items
    /// are records as they are.
    fields: Option<BTreeMap<String, String>>,
    /// Where the next page is.
    next: Option<Next>,
    /// The most pages.
    pages_max: Option<u32>,
}

/// The format of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Format {
    #[default]
    Json,
    Csv,
}

/// Where the next page is.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum Next {
    /// Its address stands in the answer, at a JSON pointer; there is none where that is null or absent.
    Pointer(String),
    /// Its address stands in the header `Link` ([RFC 8288](https://www.rfc-editor.org/rfc/rfc8288)), as `rel="next"`.
    Link(bool),
    /// Its number is a parameter, from 1; a page without items is the last.
    Parameter(String),
}

impl Order {
    pub(super) fn pages_max(&self) -> u32 {
        self.pages_max.unwrap_or(100).clamp(1, PAGES_MAX)
    }

    /// What tells one source from another: items that become other records are other items.
    pub(super) fn identity(&self) -> String {
        let Self { url, format, items, collection, fields, .. } = self;
        format!("{:?}", (url, format, items, collection, fields))
    }

    /// The address of the first page.
    pub(super) fn first(&self) -> String {
        self.numbered(1).unwrap_or_else(|| self.url.clone())
    }

    fn numbered(&self, page: u32) -> Option<String> {
        let Some(Next::Parameter(name)) = &self.next else { return None };
        let mut url = reqwest::Url::parse(&self.url).ok()?;
        let others: Vec<(String, String)> =
            url.query_pairs().filter(|(own, _)| own != name).map(|(a, b)| (a.into(), b.into())).collect();
        url.query_pairs_mut().clear().extend_pairs(others).append_pair(name, &page.to_string());
        Some(url.into())
    }

    /// The items of an answer.
    pub(super) fn items(&self, answer: &Value) -> Result<Vec<Value>, String> {
        let found = answer.pointer(&self.items).and_then(Value::as_array);
        found.cloned().ok_or_else(|| format!("there is no list of items at \"{}\" of the answer", self.items))
    }

    /// The address of the page after this one: by the answer, by its header `Link`, or by number.
    pub(super) fn next(
        &self,
        at: &str,
        answer: &Value,
        link: Option<&str>,
        page: u32,
        is_empty: bool,
    ) -> Option<String> {
        let found = match self.next.as_ref()? {
            Next::Pointer(pointer) => answer.pointer(pointer).and_then(Value::as_str).map(str::to_owned),
            Next::Link(wanted) => link.filter(|_| *wanted).and_then(next_link),
            Next::Parameter(_) if is_empty => None,
            Next::Parameter(_) => self.numbered(page + 1),
        }?;
        let next = reqwest::Url::parse(at).ok()?.join(&found).ok()?;
        Some(next.into())
    }

    /// The record of an item.
    pub(super) fn record(&self, item: &Value) -> Result<Value, String> {
        let Some(fields) = &self.fields else { return Ok(item.clone()) };
        let member = |from: &str| match from.strip_prefix('/') {
            Some(_) => item.pointer(from),
            None => item.get(from),
        };
        let pairs = fields.iter().filter_map(|(name, from)| Some((name.clone(), member(from)?.clone())));
        let record: Map<String, Value> = pairs.collect();
        if record.is_empty() {
            Err("the item has none of the members that fields name".into())
        } else {
            Ok(Value::Object(record))
        }
    }
}

/// The target of `rel="next"` of a header `Link`.
fn next_link(header: &str) -> Option<String> {
    header.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_next = parameters.split(';').any(|parameter| {
            let parameter = parameter.trim().to_ascii_lowercase();
            parameter.strip_prefix("rel=").is_some_and(|rel| rel.trim_matches('"').split(' ').any(|rel| rel == "next"))
        });
        is_next.then(|| target.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn order(more: Value) -> Order {
        let mut order = json!({"url": "https://a.example/items?x=1&page=7", "collection": "c"});
        order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(order).unwrap()
    }

    #[test]
    fn pages_are_found_in_three_ways() {
        let at = "https://a.example/items?x=1";
        let by_pointer = order(json!({"next": {"pointer": "/meta/next"}}));
        let answer = json!({"meta": {"next": "/items?after=9"}});
        assert_eq!(by_pointer.next(at, &answer, None, 1, false).unwrap(), "https://a.example/items?after=9");
        assert_eq!(by_pointer.next(at, &json!({"meta": {"next": null}}), None, 1, false), None);
        let by_link = order(json!({"next": {"link": true}}));
        let link = r#"<https://b.example/p2>; title="a"; rel="next", <https://b.example/p9>; rel="last""#;
        assert_eq!(by_link.next(at, &json!([]), Some(link), 1, true).unwrap(), "https://b.example/p2");
        assert_eq!(by_link.next(at, &json!([]), Some("<x>; rel=prev"), 1, true), None);
        let by_number = order(json!({"next": {"parameter": "page"}}));
        assert_eq!(by_number.first(), "https://a.example/items?x=1&page=1");
        assert_eq!(by_number.next(at, &json!([]), None, 1, false).unwrap(), "https://a.example/items?x=1&page=2");
        assert_eq!(by_number.next(at, &json!([]), None, 2, true), None);
        assert_eq!(order(json!({})).next(at, &json!([]), Some(link), 1, false), None);
    }

    #[test]
    fn an_item_becomes_a_record() {
        let order = order(json!({"items": "/data", "fields": {"id": "code", "title": "/name/en", "none": "/x"}}));
        let items = order.items(&json!({"data": [{"code": 7, "name": {"en": "Tea"}}]})).unwrap();
        assert_eq!(order.record(&items[0]).unwrap(), json!({"id": 7, "title": "Tea"}));
        assert!(order.record(&json!({"other": 1})).is_err());
        assert!(order.items(&json!([])).unwrap_err().contains("/data"));
    }
}
