//! Documents against the published schemas when they are at hand, and choices as a table.

use serde_json::Value;

use super::super::tests::fixture;
use super::*;

fn link(rel: &str, href: &str, languages: &str, media_type: &str, context: &str) -> Link {
    let list = |text: &str| text.split_whitespace().map(str::to_string).collect();
    let link = Link {
        rel: rel.into(),
        href: format!("https://example.com/{href}"),
        title: String::new(),
        hreflang: list(languages),
        media_type: (!media_type.is_empty()).then(|| media_type.into()),
        context: list(context),
    };
    link.checked().unwrap()
}

fn printer() -> LinkContext {
    LinkContext {
        anchor: "https://id.example.com/01/09520123456788".into(),
        description: "Drucker \"Größe A\"".into(),
        links: vec![
            link("gs1:defaultLink", "home", "", "", ""),
            link("gs1:defaultLinkMulti", "home-de", "de", "text/html", ""),
            link("gs1:defaultLinkMulti", "home-en", "en", "text/html", ""),
            link("https://ref.gs1.org/voc/pip", "pip-de", "de", "text/html", ""),
            link("gs1:pip", "pip-ch", "de-CH", "text/html", ""),
            link("gs1:pip", "pip-en", "en", "text/html", ""),
            link("gs1:pip", "pip-data", "en", "application/ld+json", ""),
            link("gs1:support", "help-all", "", "", ""),
            link("gs1:support", "help-us", "", "", "US CA"),
            link("gs1:instructions", "manual-1", "en", "", ""),
            link("gs1:instructions", "manual-2", "en", "", ""),
            link("author", "maker", "", "", ""),
        ],
    }
}

#[test]
fn links_are_chosen() {
    let context = printer();
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    // linkType | context | Accept-Language | Accept | answer
    for line in [
        format!("|||{browser}|home"),
        format!("||de|{browser}|home-de"),
        format!("||de-AT,en;q=0.5|{browser}|home-de"),
        format!("||fr, en;q=0.4|{browser}|home-en"),
        format!("||fr|{browser}|home"),
        format!("||de;q=0.1,en;q=0.2|{browser}|home-en"),
        "||de|image/png|home".into(),
        "gs1:defaultLink||en||home-en".into(),
        format!("gs1:pip||de|{browser}|pip-de"),
        format!("https://gs1.org/voc/pip||de-CH|{browser}|pip-ch"),
        format!("gs1:pip||de-AT|{browser}|pip-de"),
        format!("gs1:pip||de,de-CH;q=0|{browser}|pip-de"),
        format!("gs1:pip||EN-us|{browser}|pip-en"),
        "gs1:pip||en|application/ld+json|pip-data".into(),
        "gs1:pip||en|application/*|pip-data".into(),
        format!("gs1:pip||fr|{browser}|many pip-de pip-ch pip-en"),
        "gs1:support||||help-all".into(),
        "gs1:support|us|||help-us".into(),
        "gs1:support|DE|||help-all".into(),
        "gs1:instructions||||many manual-1 manual-2".into(),
        "gs1:recallStatus||||none of type".into(),
        "nonsense||||none of type".into(),
        "author||||maker".into(),
        "linkset||||linkset".into(),
        "all||||linkset".into(),
        "|||application/linkset+json|linkset".into(),
        "gs1:pip|||application/linkset+json|linkset".into(),
        "|||application/json|linkset".into(),
        "|||application/json;q=0.5, text/html|home".into(),
        format!("|||{browser},application/linkset+json;q=0.7|home"),
        "||;;,de;q=x,*;q=1.2||home".into(),
    ] {
        let fields: Vec<&str> = line.split('|').collect();
        let given = |index: usize| Some(fields[index]).filter(|text| !text.is_empty());
        let request = LinkRequest {
            link_type: given(0),
            context: given(1),
            accept_language: given(2),
            accept: given(3),
        };
        let name = |link: &Link| link.href.replace("https://example.com/", "");
        let answer = match choose(&context.links, &request) {
            Choice::Linkset => "linkset".to_string(),
            Choice::One(link) => name(link),
            Choice::Many(links) => {
                let names: Vec<String> = links.into_iter().map(name).collect();
                format!("many {}", names.join(" "))
            }
            Choice::NoneOfType => "none of type".into(),
            Choice::NoDefault => "no default".into(),
        };
        assert_eq!(answer, fields[4], "{line}");
    }
    assert_eq!(choose(&[], &LinkRequest::default()), Choice::NoDefault);
}

#[test]
fn wrong_links_are_refused_by_field() {
    let good = Link {
        rel: "gs1:pip".into(),
        href: "https://example.com/?a=1#b".into(),
        ..Link::default()
    };
    assert_eq!(good.clone().checked().unwrap().title_or_default(), "Product page");
    let field = |link: Link| link.checked().unwrap_err().field;
    for rel in ["", "gs1:", "gs1:nope", "Pip", "https://a/b?c", "https://gs1.org/voc/nope"] {
        assert_eq!(field(Link { rel: rel.into(), ..good.clone() }), "rel", "{rel}");
    }
    for href in
        ["", "/a", "javascript:1", "https://", "https:///a", "https://a/>; rel=x", "http://a b"]
    {
        assert_eq!(field(Link { href: href.into(), ..good.clone() }), "href", "{href}");
    }
    for language in ["", "deu", "de_DE", "de-DEU", "d1"] {
        assert_eq!(field(Link { hreflang: vec![language.into()], ..good.clone() }), "hreflang");
    }
    for media_type in ["", "text", "text/", "/html", "text/html; q", "text/a/b"] {
        assert_eq!(field(Link { media_type: Some(media_type.into()), ..good.clone() }), "type");
    }
}

#[test]
fn headers_are_quoted() {
    let mut context = printer();
    context.links.truncate(1);
    context.links[0].title = "Straße \"1\"".into();
    context.links[0].hreflang = vec!["de".into(), "fr".into()];
    assert_eq!(
        link_header(&context),
        "<https://example.com/home>; rel=\"https://gs1.org/voc/defaultLink\"; \
         anchor=\"https://id.example.com/01/09520123456788\"; \
         title*=UTF-8''Stra%C3%9Fe%20%221%22; hreflang=\"de\"; hreflang=\"fr\""
    );
    assert_eq!(
        linkset_header("https://a/01/09520123456788?17=301231"),
        "<https://a/01/09520123456788?17=301231&linkType=linkset>; rel=\"linkset\"; \
         type=\"application/linkset+json\""
    );
    assert_eq!(forward_query("https://a/b", ""), "https://a/b");
    assert_eq!(forward_query("https://a/b#c", "17=301231"), "https://a/b?17=301231#c");
    assert_eq!(forward_query("https://a/b?x=1", "17=301231"), "https://a/b?x=1&17=301231");
}

#[test]
fn documents_hold_what_was_given() {
    let document: Value = serde_json::from_str(&linkset_json(&[printer()])).unwrap();
    let item = &document["linkset"][0];
    assert_eq!(item["itemDescription"], "Drucker \"Größe A\"");
    let pip = item["https://gs1.org/voc/pip"].as_array().unwrap();
    assert_eq!(pip.len(), 4);
    assert_eq!(pip[3]["type"], "application/ld+json");
    assert_eq!(item["https://gs1.org/voc/support"][1]["context"][1], "CA");
    assert_eq!(item["author"][0]["title"], "author");
    let with_context: Value = serde_json::from_str(&linkset_json_ld(&[printer()])).unwrap();
    assert_eq!(with_context["@context"], LINKSET_CONTEXT);
}

#[test]
fn link_types_are_those_of_the_vocabulary() {
    assert!(LINK_TYPES.windows(2).all(|pair| pair[0].name < pair[1].name));
    let Some(text) = fixture("linktypes.json") else {
        return;
    };
    let published: Value = serde_json::from_str(&text).unwrap();
    let published: Vec<&str> = published.as_object().unwrap().keys().map(String::as_str).collect();
    let ours: Vec<&str> = LINK_TYPES.iter().map(|kind| kind.name).collect();
    assert_eq!(ours, published);
}

#[test]
fn documents_follow_the_published_schemas() {
    let both = fixture("gs1-linkset-schema.json").zip(fixture("gs1-description-file-schema.json"));
    let Some((linkset, description)) = both else {
        return;
    };
    let linkset: Value = serde_json::from_str(&linkset).unwrap();
    let document: Value = serde_json::from_str(&linkset_json(&[printer()])).unwrap();
    assert_eq!(violations(&linkset, &document, ""), [""; 0]);
    let description: Value = serde_json::from_str(&description).unwrap();
    let text = resolver_description("https://id.example.com/", "Example", &["US", "CA"]);
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(violations(&description, &document, ""), [""; 0]);

    // The check itself must be able to fail.
    let bad = serde_json::json!({ "linkset": [{ "anchor": "x", "gs1:pip": [{ "href": 1 }] }] });
    assert_eq!(violations(&linkset, &bad, "").len(), 3);
    let bad = serde_json::json!({ "supportedPrimaryKeys": ["21"] });
    assert_eq!(violations(&description, &bad, "").len(), 2);
}

/// As much of JSON Schema as the two documents use.
fn violations(schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut out = Vec::new();
    let right_type = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    if !right_type {
        return vec![format!("{path}: not of type {}", schema["type"])];
    }
    if schema["enum"].as_array().is_some_and(|list| !list.contains(value)) {
        out.push(format!("{path}: not in the list"));
    }
    if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), value.as_str())
        && !matches(pattern, text)
    {
        out.push(format!("{path}: {text} does not match {pattern}"));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        out.extend(violations(&schema["items"], item, &format!("{path}/{index}")));
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            out.push(format!("{path}: {name} is missing"));
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let path = format!("{path}/{name}");
        let mut known = false;
        if let Some(schema) = schema["properties"].get(name) {
            known = true;
            out.extend(violations(schema, member, &path));
        }
        for (pattern, schema) in schema["patternProperties"].as_object().into_iter().flatten() {
            if !known && matches(pattern, name) {
                known = true;
                out.extend(violations(schema, member, &path));
            }
        }
        if !known && schema["additionalProperties"] == false {
            out.push(format!("{path}: not allowed"));
        }
    }
    out
}

/// The one look-ahead in the schemas keeps out names that `properties` has taken already.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern = pattern.replace("(?!(anchor|itemDescription))", "").replace("\\/", "/");
    regex_lite::Regex::new(&pattern).unwrap().is_match(text)
}
