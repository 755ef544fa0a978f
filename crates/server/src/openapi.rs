//! The OpenAPI 3.1 document, made from the table of routes, the problems and the credentials.
//! Nothing in it is written by hand a second time.

use serde_json::{Map, Value, json};

use crate::auth::{COOKIE, CSRF_HEADER};
use crate::health::VERSION;
use crate::problem::PROBLEMS;
use crate::route::{Route, Who};

/// The whole document.
pub fn document(routes: &[Route]) -> Value {
    let mut paths = Map::new();
    for route in routes {
        let item = paths.entry(openapi_path(route.path)).or_insert_with(|| json!({}));
        item[route.method] = operation(route);
    }
    let mut tags: Vec<&str> = Vec::new();
    for route in routes.iter().filter(|route| !route.tag.is_empty()) {
        if !tags.contains(&route.tag) {
            tags.push(route.tag);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Everbond",
            "version": VERSION,
            "summary": "Every product's identity, everything it touches, the right experience",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": tags.iter().map(|tag| json!({"name": tag})).collect::<Value>(),
        "paths": paths,
        "components": {
            "securitySchemes": security_schemes(),
            "schemas": {"Problem": problem_schema()},
        },
    })
}

/// OpenAPI knows no wildcards: `{*path}` is written `{path}`.
fn openapi_path(path: &str) -> String {
    path.replace("{*", "{")
}

/// The names in braces, in order.
pub fn path_parameters(path: &str) -> Vec<&str> {
    let parts = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    parts.map(|name| name.trim_start_matches('*')).collect()
}

/// `get_v1_models_gtin`: stable as long as the route is.
pub fn operation_id(route: &Route) -> String {
    let words = route.path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    std::iter::once(route.method).chain(words).collect::<Vec<_>>().join("_")
}

/// Whether the body of a call is sent.
fn has_body(schema: &Value) -> bool {
    !schema.is_null()
}

fn operation(route: &Route) -> Value {
    let mut parameters: Vec<Value> = path_parameters(route.path)
        .into_iter()
        .map(|name| {
            json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
        })
        .collect();
    for (name, about) in route.query {
        parameters.push(json!({
            "name": name, "in": "query", "required": false, "description": about,
            "schema": {"type": "string"},
        }));
    }
    let changes = !matches!(route.method, "get" | "head");
    if changes && matches!(route.who, Who::Owner | Who::OwnerOrPublic) {
        parameters.push(json!({
            "name": CSRF_HEADER, "in": "header", "required": route.who == Who::Owner,
            "description": "Any value: shows that the call comes from our own page.",
            "schema": {"type": "string"},
        }));
    }
    let mut operation = json!({
        "operationId": operation_id(route),
        "tags": [route.tag],
        "summary": route.summary,
        "description": route.about,
        "parameters": parameters,
        "responses": responses(route),
        "security": security(route.who),
    });
    if has_body(&route.body) {
        operation["requestBody"] = json!({
            "required": true,
            "content": {media_type(&route.body): {"schema": route.body}},
        });
    }
    operation
}

/// A schema of what is not JSON names its media type, as JSON Schema has it.
fn media_type(schema: &Value) -> &str {
    schema["contentMediaType"].as_str().unwrap_or("application/json")
}

fn responses(route: &Route) -> Value {
    let (status, schema) = &route.answer;
    let mut success = json!({"description": "It worked."});
    if (300..400).contains(status) {
        success["description"] = json!("Go on at the address in Location.");
    }
    if !schema.is_null() {
        success["content"] = json!({media_type(schema): {"schema": schema}});
    }
    let mut responses = Map::new();
    responses.insert(status.to_string(), success);
    for code in problems(route) {
        let Some((_, status, title, hint)) = PROBLEMS.iter().find(|row| row.0 == code) else {
            continue;
        };
        let response = responses.entry(status.to_string()).or_insert_with(|| {
            let schema = json!({"$ref": "#/components/schemas/Problem"});
            let content = json!({"application/problem+json": {"schema": schema, "examples": {}}});
            json!({"description": title, "content": content})
        });
        let body = json!({"code": code, "status": status, "title": title, "hint": hint});
        response["content"]["application/problem+json"]["examples"][code] =
            json!({"summary": title, "value": body});
    }
    Value::Object(responses)
}

/// What the route itself may answer, and what its credential may.
pub fn problems(route: &Route) -> Vec<&'static str> {
    let of_credential: &[&'static str] = match route.who {
        Who::Public => &[],
        Who::WriteKey => &["no_key", "bad_key"],
        Who::SecretKey => &["no_key", "bad_key", "not_allowed"],
        Who::Owner | Who::OwnerOrPublic if route.method != "get" => &["csrf"],
        Who::Owner | Who::OwnerOrPublic => &[],
    };
    let mut codes: Vec<&'static str> = Vec::new();
    for code in of_credential.iter().chain(route.problems) {
        if !codes.contains(code) {
            codes.push(code);
        }
    }
    codes
}

/// Any one of the list is enough; the empty object means that none is needed.
fn security(who: Who) -> Value {
    match who {
        Who::Public => json!([]),
        Who::WriteKey => json!([{"write_key": []}, {"write_key_basic": []}, {"secret_key": []}]),
        Who::SecretKey => json!([{"secret_key": []}]),
        Who::Owner => json!([{"session": []}]),
        Who::OwnerOrPublic => json!([{"session": []}, {}]),
    }
}

fn security_schemes() -> Value {
    json!({
        "secret_key": {
            "type": "http", "scheme": "bearer",
            "description": "A secret key, sk_…: everything. Make one with 'everbond keys new'.",
        },
        "write_key": {
            "type": "http", "scheme": "bearer",
            "description": "A write key, wk_…: can only send touches, so it may be public.",
        },
        "write_key_basic": {
            "type": "http", "scheme": "basic",
            "description": "A write key as the user name, with an empty password.",
        },
        "session": {
            "type": "apiKey", "in": "cookie", "name": COOKIE,
            "description": "The companion's session.",
        },
    })
}

fn problem_schema() -> Value {
    let codes: Vec<&str> = PROBLEMS.iter().map(|row| row.0).collect();
    json!({
        "type": "object",
        "description": "RFC 9457. The code never changes its meaning.",
        "required": ["type", "code", "status", "title"],
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "code": {"type": "string", "enum": codes},
            "status": {"type": "integer"},
            "title": {"type": "string"},
            "detail": {"type": "string", "description": "What is wrong, and where"},
            "hint": {"type": "string", "description": "What to do about it"},
            "at": {
                "type": "object",
                "properties": {
                    "path": {"type": "string"},
                    "line": {"type": "integer"},
                    "column": {"type": "integer"},
                },
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;

    fn all_routes() -> Vec<Route> {
        crate::serve::routes(Arc::new(Default::default))
    }

    fn each_ref<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|inner| each_ref(inner, found));
            }
            Value::Array(items) => items.iter().for_each(|inner| each_ref(inner, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_resolves() {
        let document = document(&all_routes());
        let mut refs = Vec::new();
        each_ref(&document, &mut refs);
        assert!(!refs.is_empty());
        for reference in refs {
            let pointer = reference.strip_prefix('#').expect("all are in this document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_route_is_there_once_with_a_name_of_its_own() {
        let routes = all_routes();
        let document = document(&routes);
        let (mut ids, mut rows) = (BTreeSet::new(), BTreeSet::new());
        for route in &routes {
            let path = openapi_path(route.path);
            let operation = &document["paths"][&path][route.method];
            let name = format!("{} {path}", route.method);
            assert!(rows.insert(name.clone()), "{name} stands twice in the table");
            assert!(ids.insert(operation["operationId"].to_string()), "{name}");
            assert!(!route.summary.is_empty() && !route.tag.is_empty(), "{name}");
            assert!(operation["responses"][route.answer.0.to_string()].is_object(), "{name}");
            let named = operation["parameters"].as_array().expect("a list");
            let in_path = named.iter().filter(|one| one["in"] == "path").count();
            assert_eq!(in_path, route.path.matches('{').count(), "{name}");
        }
    }

    #[test]
    fn every_problem_that_a_route_names_is_in_the_table() {
        for route in all_routes() {
            for code in problems(&route) {
                let known = PROBLEMS.iter().any(|row| row.0 == code);
                assert!(known, "{} {} names {code}", route.method, route.path);
            }
        }
    }

    #[test]
    fn schemas_have_a_known_type() {
        const TYPES: [&str; 7] =
            ["object", "array", "string", "integer", "number", "boolean", "null"];
        for route in all_routes() {
            for schema in [&route.body, &route.answer.1] {
                let kind = schema.get("type").and_then(Value::as_str);
                let good = kind.is_none_or(|kind| TYPES.contains(&kind));
                assert!(good, "{} {}: {kind:?}", route.method, route.path);
            }
        }
    }
}
