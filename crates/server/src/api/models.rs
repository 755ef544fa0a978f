//! Models: what all units of a GTIN have in common, with the content that the companion shows.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, put};
use model::bytes::Writer;
use model::entry::Body;
use model::gs1::linkset;
use model::limits;
use model::things::{Link, Model};
use model::value::{Map, Value};
use serde_json::{Value as Json, json};

use super::call::{self, Params, Secret, invalid, object, row};
use super::form::Form;
use crate::app::App;
use crate::json;
use crate::problem::Problem;
use crate::route::Route;

const TAG: &str = "Models";
const LINKS: usize = 200;
const FIELDS: &[&str] =
    &["gtin", "link", "name", "brand", "image", "price", "attributes", "content", "links"];

pub fn routes() -> Vec<Route> {
    let example = example();
    vec![
        Route {
            body: object(example.clone()),
            answer: (200, object(example.clone())),
            ..row(
                "put",
                "/v1/models/{gtin}",
                TAG,
                "Register a model",
                "Replaces what was there. Texts are plain (then English) or a map of languages. \
                 `content` holds guides, training, faq and supplies; 256 KiB in all.",
                put(register),
            )
        },
        Route {
            answer: (200, object(example.clone())),
            problems: &["no_such_model"],
            ..row("get", "/v1/models/{gtin}", TAG, "One model", "", get(one))
        },
        Route {
            query: call::PAGE_QUERY,
            answer: call::list_answer(example),
            ..row("get", "/v1/models", TAG, "All models", "In order of GTIN.", get(list))
        },
    ]
}

fn example() -> Json {
    json!({
        "name": { "en": "Photo printer", "de": "Fotodrucker" },
        "brand": "Acme",
        "price": { "amount": "299.00", "currency": "USD" },
        "attributes": { "colour": true },
        "content": { "guides": [{ "id": "jam", "title": { "en": "Clear a jam" }, "minutes": 3,
            "steps": [{ "title": { "en": "Open it" }, "text": { "en": "Lift the lid." } }] }] },
        "links": [{ "rel": "gs1:pip", "href": "https://acme.example/p", "title": "Product page" }],
    })
}

async fn register(
    State(app): State<App>,
    _: Secret,
    Path(gtin): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let model = read(&gtin, &body)?;
    let shown = model_json(&model);
    app.submit(Body::PutModel(model)).await?;
    Ok(call::ok(&shown))
}

async fn one(
    State(app): State<App>,
    _: Secret,
    Path(gtin): Path<String>,
) -> Result<Response, Problem> {
    let gtin = call::gtin(&gtin)?;
    let state = app.engine.state();
    let model = state.model(gtin);
    let none = || Problem::new("no_such_model", format!("{gtin} is not registered"));
    model.map(|model| call::ok(&model_json(model))).ok_or_else(none)
}

async fn list(State(app): State<App>, _: Secret, params: Params) -> Result<Response, Problem> {
    let page = call::page(&params)?;
    let state = app.engine.state();
    let key = |model: &Model| model.gtin.to_string();
    Ok(call::ok(&call::listed_after(&page, state.models(), key, model_json)))
}

fn read(gtin: &str, body: &[u8]) -> Result<Model, Problem> {
    let gtin = call::gtin(gtin)?;
    let mut form = Form::read(body, FIELDS)?;
    if let Some(own) = form.text("gtin")?
        && call::gtin(&own)? != gtin
    {
        return Err(invalid("gtin", "it is not the one in the address"));
    }
    form.take("link");
    let name = form.texts("name")?;
    if name.is_empty() {
        return Err(invalid("name", "a model needs a name"));
    }
    let model = Model {
        gtin,
        name,
        brand: form.text("brand")?.unwrap_or_default(),
        image: form.text("image")?,
        price: form.money("price")?,
        attributes: form.map("attributes")?,
        content: form.map("content")?,
        links: links(&mut form)?,
    };
    check_content(&model.content)?;
    let mut out = Writer::new();
    model.write(&mut out);
    if out.as_bytes().len() > limits::MODEL_BYTES {
        let (found, most) = (out.as_bytes().len(), limits::MODEL_BYTES);
        return Err(invalid("content", format!("{found} bytes in all, {most} are allowed")));
    }
    Ok(model)
}

fn links(form: &mut Form<'_>) -> Result<Vec<Link>, Problem> {
    let mut links = Vec::new();
    for (index, node) in form.list("links", LINKS)?.into_iter().enumerate() {
        let at = format!("links[{index}]");
        let known = &["rel", "href", "title", "type", "hreflang"];
        let mut form = Form::of(node, &at, known)?;
        let link = linkset::Link {
            rel: form.word("rel")?.into(),
            href: form.word("href")?.into(),
            title: form.text("title")?.unwrap_or_default().into(),
            hreflang: form.words("hreflang", 64)?.into_iter().map(String::from).collect(),
            media_type: form.text("type")?.map(String::from),
            context: Vec::new(),
        };
        let link = link
            .checked()
            .map_err(|error| invalid(&format!("{at}.{}", error.field), error.why.to_string()))?;
        links.push(Link {
            rel: link.rel.into(),
            href: link.href.into(),
            title: link.title.into(),
            media_type: link.media_type.map(Into::into),
            languages: link.hreflang.into_iter().map(Into::into).collect(),
        });
    }
    Ok(links)
}

/// The lists that the companion shows have their shapes; whatever else is there is kept.
fn check_content(content: &Map) -> Result<(), Problem> {
    for name in ["guides", "training"] {
        each(content, name, &format!("content.{name}"), &mut |guide, at| {
            needs(guide, &["id", "title"], at)?;
            if guide.get("minutes").is_some_and(|own| own.as_f64().is_none() && !own.is_null()) {
                return Err(invalid(&format!("{at}.minutes"), "it is not a number"));
            }
            let steps = format!("{at}.steps");
            each(guide, "steps", &steps, &mut |step, at| needs(step, &["title"], at))
        })?;
    }
    each(content, "faq", "content.faq", &mut |entry, at| needs(entry, &["q", "a"], at))?;
    each(content, "supplies", "content.supplies", &mut |supply, at| needs(supply, &["title"], at))
}

type Check<'a> = &'a mut dyn FnMut(&Map, &str) -> Result<(), Problem>;

fn each(map: &Map, name: &str, at: &str, check: Check<'_>) -> Result<(), Problem> {
    let list = match map.get(name) {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::List(list)) => list,
        Some(_) => return Err(invalid(at, "it is not a list")),
    };
    for (index, item) in list.iter().enumerate() {
        let at = format!("{at}[{index}]");
        let item = item.as_map().ok_or_else(|| invalid(&at, "it is not an object"))?;
        check(item, &at)?;
    }
    Ok(())
}

/// These fields are texts, plain or in several languages.
fn needs(map: &Map, names: &[&str], at: &str) -> Result<(), Problem> {
    for name in names {
        let good = match map.get(name) {
            Some(Value::Text(text)) => !text.trim().is_empty(),
            Some(Value::Map(texts)) if *name != "id" => {
                !texts.is_empty() && texts.iter().all(|(_, text)| text.as_str().is_some())
            }
            _ => false,
        };
        if !good {
            let detail = "it has to be a text, or a map from languages to texts";
            return Err(invalid(&format!("{at}.{name}"), detail));
        }
    }
    Ok(())
}

fn model_json(model: &Model) -> Json {
    let links = model.links.iter().map(|link| {
        json!({
            "rel": link.rel,
            "href": link.href,
            "title": link.title,
            "type": link.media_type,
            "hreflang": link.languages,
        })
    });
    json!({
        "gtin": model.gtin.to_string(),
        "link": model::gs1::Subject::model(model.gtin).path(),
        "name": json::texts(&model.name),
        "brand": model.brand,
        "image": model.image,
        "price": json::money_or_null(model.price),
        "attributes": json::map(&model.attributes),
        "content": json::map(&model.content),
        "links": links.collect::<Json>(),
    })
}
