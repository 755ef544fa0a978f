//! The content of a model, as the companion shows it: guides, trainings, questions and supplies in
//! one language. What the company left out is there as an empty list or null, so that the
//! companion need not ask twice.

use model::texts::Texts;
use model::value::{Map, Value};
use serde_json::{Map as Fields, Value as Json, json};

use crate::json;

/// Fields of the content that may be written in several languages.
const TEXTS: [&str; 8] = ["title", "text", "q", "a", "name", "caption", "alt", "note"];

pub fn content_json(content: &Map, locale: &str) -> Json {
    let mut out = match localized(&Value::Map(content.clone()), locale) {
        Json::Object(fields) => fields,
        _ => Fields::new(),
    };
    for list in ["guides", "training", "faq", "supplies"] {
        if !out.get(list).is_some_and(Json::is_array) {
            out.insert(list.into(), json!([]));
        }
    }
    for list in ["guides", "training"] {
        each(&mut out, list, |guide| {
            fill(guide, &["id", "title", "minutes"]);
            each(guide, "steps", |step| fill(step, &["title", "text", "image"]));
            guide.entry("steps").or_insert_with(|| json!([]));
        });
    }
    each(&mut out, "faq", |question| fill(question, &["q", "a"]));
    each(&mut out, "supplies", |supply| fill(supply, &["title", "text", "price"]));
    Json::Object(out)
}

/// What there is of it, for the resolver.
pub fn has(content: &Map, list: &str) -> bool {
    content.get(list).and_then(Value::as_list).is_some_and(|list| !list.is_empty())
}

fn each(
    fields: &mut Fields<String, Json>,
    list: &str,
    mut go: impl FnMut(&mut Fields<String, Json>),
) {
    let Some(Json::Array(items)) = fields.get_mut(list) else { return };
    items.retain(Json::is_object);
    items.iter_mut().filter_map(Json::as_object_mut).for_each(&mut go);
}

fn fill(fields: &mut Fields<String, Json>, names: &[&str]) {
    for name in names {
        fields.entry(*name).or_insert(Json::Null);
    }
}

fn localized(value: &Value, locale: &str) -> Json {
    match value {
        Value::List(list) => list.iter().map(|own| localized(own, locale)).collect(),
        Value::Map(map) => map
            .iter()
            .map(|(name, own)| {
                let text = TEXTS.contains(&name).then(|| pick(own, locale)).flatten();
                (name.to_owned(), text.unwrap_or_else(|| localized(own, locale)))
            })
            .collect(),
        other => json::value(other),
    }
}

/// The text in this language, of a map from languages to texts.
fn pick(value: &Value, locale: &str) -> Option<Json> {
    let map = value.as_map()?;
    let pairs: Option<Vec<(String, String)>> =
        map.iter().map(|(tag, text)| Some((tag.to_owned(), text.as_str()?.to_owned()))).collect();
    Some(Json::from(Texts::new(pairs?).get(locale)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
        Value::Map(pairs.into_iter().collect())
    }

    #[test]
    fn every_text_is_in_one_language_and_every_field_is_there() {
        let title = map([("en", "Clear a jam".into()), ("de", "Stau lösen".into())]);
        let step = map([("title", title.clone()), ("seconds", Value::Int(9))]);
        let guide = map([("id", "jam".into()), ("title", title), ("steps", list(step))]);
        let content = [("guides", list(guide))].into_iter().collect();
        let found = content_json(&content, "de");
        let wanted = json!({
            "guides": [{
                "id": "jam", "title": "Stau lösen", "minutes": null,
                "steps": [{
                    "title": "Stau lösen", "text": null, "image": null, "seconds": 9,
                }],
            }],
            "training": [], "faq": [], "supplies": [],
        });
        assert_eq!(found, wanted);
        assert_eq!(content_json(&content, "fr")["guides"][0]["title"], "Clear a jam");
        assert!(has(&content, "guides") && !has(&content, "faq"));
    }

    fn list(one: Value) -> Value {
        Value::List([one].into())
    }
}
