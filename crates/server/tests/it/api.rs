//! The server API, as a company's own systems call it with their secret key.

use std::time::Duration;

use model::entry::{Body, KeyScope};
use model::id::Time;
use serde_json::{Value as Json, json};
use server::route::Who;
use server::serve::key_of;

use crate::phone::{Answer, CODE, GTIN, Phone, Shop};

const WRITE: &str = "wk_api00001_0123456789abcdefghijklmnopqrstuv";
const SECRET: &str = "sk_api00001_0123456789abcdefghijklmnopqrstuv";
/// Of no model that a shop begins with.
const OTHER: &str = "09521101530001";

struct Company {
    shop: Shop,
    phone: Phone,
}

impl Company {
    async fn open(name: &str) -> Company {
        let shop = Shop::open(name).await;
        shop.submit(vec![
            Body::PutKey(key_of(KeyScope::Write, "web", WRITE)),
            Body::PutKey(key_of(KeyScope::Secret, "back office", SECRET)),
        ])
        .await;
        let phone = shop.phone();
        Company { shop, phone }
    }

    async fn with(
        &mut self,
        key: Option<&str>,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let bearer = key.map(|key| format!("Bearer {key}"));
        let mut headers = more.to_vec();
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        self.phone.call(method, path, &headers, body).await
    }

    async fn call(&mut self, method: &str, path: &str, body: Json) -> Answer {
        let body = (!body.is_null()).then(|| body.to_string());
        self.with(Some(SECRET), method, path, &[], body).await
    }

    async fn get(&mut self, path: &str) -> Json {
        let answer = self.call("GET", path, Json::Null).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    async fn put(&mut self, path: &str, body: Json) -> Json {
        let answer = self.call("PUT", path, body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    async fn post(&mut self, path: &str, body: Json) -> Json {
        let answer = self.call("POST", path, body).await;
        assert!(answer.status < 300, "{path}: {}", answer.text());
        answer.json()
    }

    /// Refused with this status and code at this place.
    async fn bad(&mut self, call: (&str, &str, Json), status: u16, code: &str, at: &str) {
        let (method, path, body) = call;
        let answer = self.call(method, path, body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem = answer.json();
        assert_eq!(problem["code"], code, "{problem}");
        if !at.is_empty() {
            assert_eq!(problem["at"]["path"], at, "{problem}");
        }
    }

    /// Sends touches as the company; all must be accepted.
    async fn touches(&mut self, touches: Json) -> Json {
        let answer = self.post("/v1/touches", touches).await;
        assert_eq!((&answer["refused"], &answer["duplicates"]), (&json!(0), &json!(0)), "{answer}");
        answer
    }

    /// The id of the person known by this name.
    async fn person(&mut self, alias: &str) -> String {
        let list = self.get(&format!("/v1/persons?alias={alias}")).await;
        list["items"][0]["id"].as_str().unwrap_or_else(|| panic!("{alias}: {list}")).to_owned()
    }
}

fn bond_touch(kind: &str, user: &str, serial: &str) -> Json {
    json!({ "kind": kind, "aliases": { "user": user }, "products": [unit(serial)] })
}

fn unit(serial: &str) -> String {
    format!("/01/{GTIN}/21/{serial}")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_needs_the_secret_key_and_says_so() {
    let mut company = Company::open("api-keys").await;
    for route in server::api::routes().into_iter().filter(|route| route.who == Who::SecretKey) {
        let names = [("{gtin}", GTIN), ("{serial}", "A1"), ("{person}", "p1"), ("{seq}", "1")];
        let mut path = route.path.to_owned();
        for (name, value) in names {
            path = path.replace(name, value);
        }
        for name in ["{id}", "{name}", "{version}"] {
            path = path.replace(name, "x1");
        }
        let method = route.method.to_uppercase();
        let cases = [
            (None, 401, "no_key"),
            (Some("sk_nobody00_x"), 401, "bad_key"),
            (Some(WRITE), 403, "not_allowed"),
        ];
        for (key, status, code) in cases {
            let answer = company.with(key, &method, &path, &[], None).await;
            assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)), "{path}");
        }
        assert!(!route.summary.is_empty() && !route.tag.is_empty());
    }
    company.shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_registered_read_back_and_listed() {
    let mut company = Company::open("api-models").await;
    let model = json!({
        "name": "Coffee maker", "brand": "Acme", "image": "https://acme.example/c.webp",
        "price": { "amount": "1299.90", "currency": "EUR" }, "attributes": { "cups": 2 },
        "content": {
            "guides": [{ "id": "descale", "title": { "en": "Descale", "de": "Entkalken" },
                "minutes": 20, "steps": [{ "title": "Fill", "text": "To the mark." }] }],
            "faq": [{ "q": "Why?", "a": { "en": "Because." } }],
        },
        "links": [{ "rel": "https://gs1.org/voc/pip", "href": "https://acme.example/c",
            "title": "Page", "type": "text/html", "hreflang": ["en", "de-AT"] }],
    });
    let made = company.put(&format!("/v1/models/{OTHER}"), model).await;
    assert_eq!(made["name"], json!({ "en": "Coffee maker" }));
    assert_eq!(made["price"], json!({ "amount": "1299.90", "currency": "EUR" }));
    assert_eq!(made["links"][0]["rel"], "gs1:pip");
    let read = company.get(&format!("/v1/models/{OTHER}")).await;
    assert_eq!(read, made);
    assert_eq!(company.put(&format!("/v1/models/{OTHER}"), read).await, made, "it reads itself");
    let first = company.get("/v1/models?limit=1").await;
    assert_eq!((&first["items"][0]["gtin"], &first["next"]), (&json!(GTIN), &json!(GTIN)));
    let second = company.get(&format!("/v1/models?limit=1&cursor={GTIN}")).await;
    assert_eq!((&second["items"][0]["gtin"], &second["next"]), (&json!(OTHER), &Json::Null));

    let path = format!("/v1/models/{OTHER}");
    let named = |more: Json| {
        let mut model = json!({ "name": "x" });
        model.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        model
    };
    for (body, at) in [
        (json!({ "brand": "x" }), "name"),
        (named(json!({ "colour": 1 })), "colour"),
        (named(json!({ "price": "cheap" })), "price"),
        (named(json!({ "name": { "english": "x" } })), "name"),
        (named(json!({ "gtin": GTIN })), "gtin"),
        (
            named(json!({ "links": [{ "rel": "gs1:pip", "href": "javascript:1" }] })),
            "links[0].href",
        ),
        (named(json!({ "content": { "guides": [{ "id": "a" }] } })), "content.guides[0].title"),
        (named(json!({ "content": { "faq": {} } })), "content.faq"),
        (named(json!({ "content": { "x": "y".repeat(300_000) } })), "content"),
    ] {
        company.bad(("PUT", &path, body), 422, "invalid", at).await;
    }
    company.bad(("PUT", "/v1/models/123", json!({})), 422, "invalid", "gtin").await;
    company.bad(("GET", "/v1/models/4006381333931", Json::Null), 404, "no_such_model", "").await;
    let broken = company.with(Some(SECRET), "PUT", &path, &[], Some("{\"name\":".into())).await;
    assert_eq!((broken.status, &broken.json()["code"]), (400, &json!("bad_json")));
    company.shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn products_are_registered_alone_and_in_bulk() {
    let mut company = Company::open("api-products").await;
    let body = json!({ "made": "2026-10-01T08:00:00Z", "claim_code": "abcd-1234",
        "attributes": { "colour": "white" } });
    let made = company.put(&format!("/v1/products/{GTIN}/C%2F3"), body).await;
    assert_eq!((&made["serial"], &made["claimable"]), (&json!("C/3"), &json!(true)));
    assert_eq!(made["made"], "2026-10-01T08:00:00.000Z");
    assert!(!made.to_string().to_lowercase().contains("abcd"), "nothing secret is repeated");
    assert_eq!(company.get(&format!("/v1/products/{GTIN}/C%2F3")).await, made);

    let lines = format!(
        "{{\"gtin\":\"{GTIN}\",\"serial\":\"D1\",\"claim_code\":\"123456\"}}\n\n\
         {{\"gtin\":\"{GTIN}\"}}\nnonsense\n{{\"gtin\":\"{GTIN}\",\"serial\":\"D2\"}}\n"
    );
    let bulk = company.with(Some(SECRET), "POST", "/v1/products", &[], Some(lines)).await.json();
    assert_eq!((&bulk["registered"], &bulk["refused"]), (&json!(2), &json!(2)), "{bulk}");
    assert_eq!(bulk["results"][1]["line"], 3);
    assert_eq!(bulk["results"][1]["at"]["path"], "serial");
    assert_eq!(bulk["results"][2]["code"], "bad_json");
    let all = company.get(&format!("/v1/products?gtin={GTIN}")).await;
    let serials: Vec<&str> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["serial"].as_str().unwrap())
        .collect();
    assert_eq!(serials, ["A1", "B2", "C/3", "D1", "D2"]);
    let first = company.get("/v1/products?limit=2").await;
    let next = first["next"].as_str().unwrap();
    let second = company.get(&format!("/v1/products?limit=2&cursor={next}")).await;
    assert_eq!(second["items"][0]["serial"], "C/3");

    let path = format!("/v1/products/{GTIN}/A1");
    for (body, at) in [
        (json!({ "claim_code": "12-3" }), "claim_code"),
        (json!({ "made": "yesterday" }), "made"),
        (json!({ "gtin": GTIN, "serial": "A2" }), "gtin"),
        (json!({ "attributes": [] }), "attributes"),
    ] {
        company.bad(("PUT", &path, body), 422, "invalid", at).await;
    }
    let nobody = format!("/v1/products/{GTIN}/ZZZ");
    company.bad(("GET", &nobody, Json::Null), 404, "no_such_product", "").await;
    for what in ["timeline", "graph"] {
        let path = format!("{nobody}/{what}");
        company.bad(("GET", &path, Json::Null), 404, "no_such_product", "").await;
    }
    company.bad(("GET", "/v1/products?limit=0", Json::Null), 422, "invalid", "limit").await;
    company.bad(("GET", "/v1/products?cursor=x", Json::Null), 422, "invalid", "cursor").await;
    company.shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn campaigns_and_places_read_back_what_was_put() {
    let mut company = Company::open("api-places").await;
    let campaign = json!({ "name": "Autumn", "models": [GTIN], "products": [unit("A1")],
        "stage": "interested", "starts": "2026-10-01T00:00:00Z", "ends": "2027-01-01T00:00:00Z",
        "cost": { "amount": "1200", "currency": "EUR" }, "target": "/01/x", "window_days": 7 });
    let made = company.put("/v1/campaigns/autumn", campaign).await;
    assert!(made["url"].as_str().unwrap().ends_with("/c/autumn"));
    assert_eq!(company.put("/v1/campaigns/autumn", made.clone()).await, made);
    assert_eq!(company.get("/v1/campaigns/autumn").await, made);
    let list = company.get("/v1/campaigns?limit=2").await;
    assert_eq!((&list["items"][0]["id"], &list["next"]), (&json!("autumn"), &json!("away")));
    for (body, at) in [
        (json!({}), "name"),
        (json!({ "name": "x", "models": ["12"] }), "models[0]"),
        (json!({ "name": "x", "products": ["/02/1"] }), "products[0]"),
        (json!({ "name": "x", "target": "//evil.example" }), "target"),
        (json!({ "name": "x", "target": "javascript:1" }), "target"),
        (json!({ "name": "x", "window_days": -1 }), "window_days"),
        (json!({ "name": "x", "starts": "2026-10-02", "ends": "2026-10-01" }), "ends"),
    ] {
        company.bad(("PUT", "/v1/campaigns/c", body), 422, "invalid", at).await;
    }
    let named = json!({ "name": "x" });
    company.bad(("PUT", "/v1/campaigns/a%20b", named), 422, "invalid", "id").await;
    company.bad(("GET", "/v1/campaigns/none", Json::Null), 404, "not_found", "").await;

    let place = json!({ "name": "Fotohaus Mitte", "kind": "shop", "zone": "Europe/Berlin",
        "circle": { "lat": 52.52, "lon": 13.405, "radius_m": 50 },
        "hours": [{ "days": [1, 2], "from": "09:00", "to": "18:30" },
            { "days": [5], "from": "18:00", "to": "02:00" }], "models": [GTIN] });
    let made = company.put("/v1/places/mitte", place.clone()).await;
    assert_eq!(made["hours"], place["hours"]);
    assert_eq!(made["circle"], place["circle"]);
    assert_eq!(company.put("/v1/places/mitte", made.clone()).await, made);
    assert_eq!(company.get("/v1/places/mitte").await, made);
    let area = json!({ "name": "Hall", "polygon": [[52.0, 13.0], [52.1, 13.0], [52.0, 13.1]] });
    let hall = company.put("/v1/places/hall", area.clone()).await;
    assert_eq!(hall["polygon"], area["polygon"]);
    assert_eq!(company.get("/v1/places").await["items"].as_array().unwrap().len(), 2);
    for (body, at) in [
        (json!({ "name": "x", "zone": "Berlin" }), "zone"),
        (json!({ "name": "x", "circle": { "lat": 99, "lon": 0 } }), "circle"),
        (json!({ "name": "x", "polygon": [[1, 2]] }), "polygon"),
        (json!({ "name": "x", "polygon": [[1, 2], [1], [2, 2]] }), "polygon[1]"),
        (
            json!({ "name": "x", "hours": [{ "days": [8], "from": "09:00", "to": "10:00" }] }),
            "hours[0].days",
        ),
        (
            json!({ "name": "x", "hours": [{ "days": [1], "from": "9", "to": "10:00" }] }),
            "hours[0].from",
        ),
    ] {
        company.bad(("PUT", "/v1/places/p", body), 422, "invalid", at).await;
    }
    company.bad(("GET", "/v1/places/none", Json::Null), 404, "not_found", "").await;
    company.shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn journeys_are_checked_published_and_kept_in_versions() {
    let mut company = Company::open("api-journeys").await;
    let source = format!(
        "journey: coffee\napplies_to: {{ models: [\"{OTHER}\"] }}\nkind: guided\n\
         stages: [interested, engaged]\nmoves:\n  - {{ on: product.viewed, to: interested }}\n"
    );
    let put = |body: &str| Some(body.to_owned());
    let path = "/v1/journeys/coffee";
    let check = format!("{path}/check");
    let checked = company.with(Some(SECRET), "POST", &check, &[], put(&source)).await;
    assert_eq!((checked.status, &checked.json()["stages"]), (200, &json!(2)));
    company.bad(("GET", path, Json::Null), 404, "not_found", "").await;
    let first = company.with(Some(SECRET), "PUT", path, &[], put(&source)).await.json();
    assert_eq!((&first["version"], &first["source"]), (&json!(1), &json!(source)));
    let more = source.replace("engaged]", "engaged, support]");
    let second = company.with(Some(SECRET), "PUT", path, &[], put(&more)).await.json();
    assert_eq!((&second["version"], &second["stages"][2]["id"]), (&json!(2), &json!("support")));
    assert_eq!(second["versions"].as_array().unwrap().len(), 2);
    assert_eq!(company.get(&format!("{path}/versions/1")).await["source"], json!(source));
    let path_9 = format!("{path}/versions/9");
    company.bad(("GET", &path_9, Json::Null), 404, "not_found", "").await;
    let list = company.get("/v1/journeys").await;
    assert_eq!(
        (&list["items"][0]["name"], &list["items"][1]["name"]),
        (&json!("coffee"), &json!("printer"),)
    );

    let wrong = source.replace("to: interested", "to: intrested");
    for (method, path) in [("PUT", path), ("POST", &check)] {
        let answer = company.with(Some(SECRET), method, path, &[], put(&wrong)).await;
        assert_eq!(answer.status, 422);
        let problem = answer.json();
        assert_eq!(problem["code"], "bad_journey");
        assert_eq!(problem["mistakes"][0]["line"], 6, "{problem}");
        assert_eq!(problem["mistakes"][0]["path"], "moves[0].to");
        assert!(problem["mistakes"][0]["suggestion"].as_str().unwrap().contains("interested"));
    }
    let other = company.with(Some(SECRET), "PUT", "/v1/journeys/tea", &[], put(&source)).await;
    assert_eq!((other.status, &other.json()["at"]["path"]), (422, &json!("journey")));
    company.shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_tried_on_real_history_and_changes_nothing() {
    let mut company = Company::open("api-try").await;
    let model = format!("/01/{GTIN}");
    company
        .touches(json!([
            { "kind": "product.viewed", "aliases": { "user": "u1" }, "products": [model] },
            { "kind": "product.viewed", "aliases": { "user": "u2" }, "products": [model] },
            { "kind": "cart.added", "aliases": { "user": "u2" }, "products": [model] },
        ]))
        .await;
    company.post("/v1/persons/merge", json!({ "keep": "user:u2", "gone": "user:u1" })).await;
    company.touches(json!([bond_touch("order.placed", "u3", "A1")])).await;
    let hash = company.shop.app().engine.state().hash();
    let source = include_str!("../../../../journeys/printer.yaml");
    let path = "/v1/journeys/printer/try";
    let same = company.with(Some(SECRET), "POST", path, &[], Some(source.into())).await;
    assert_eq!(same.status, 200, "{}", same.text());
    let same = same.json();
    assert_eq!((&same["bonds"], &same["changed"]), (&json!(2), &json!(0)), "{same}");
    let draft = source.replace("on: cart.added, to: engaged", "on: cart.added, to: advocate");
    assert_ne!(draft, source);
    let tried = company.with(Some(SECRET), "POST", path, &[], Some(draft)).await.json();
    assert_eq!(tried["now"], json!({ "awaiting_delivery": 1, "engaged": 1 }), "{tried}");
    assert_eq!(tried["draft"], json!({ "advocate": 1, "awaiting_delivery": 1 }));
    let change = json!({ "from": "engaged", "to": "advocate", "bonds": 1 });
    assert_eq!(tried["changes"], json!([change]));
    assert_eq!(tried["examples"][0]["person"], company.person("user:u1").await);
    assert_eq!(company.shop.app().engine.state().hash(), hash, "nothing changed");
    let wrong = company.with(Some(SECRET), "POST", path, &[], Some("journey: x".into())).await;
    assert_eq!(wrong.json()["code"], "bad_journey");
    company.shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mappings_and_keys_are_made_used_and_dropped() {
    let mut company = Company::open("api-mappings").await;
    let own = company.put("/v1/mappings", json!({ "Coffee Brewed": "product.used" })).await;
    assert_eq!(own, json!({ "Coffee Brewed": "product.used" }));
    company.put("/v1/mappings", json!({ "Tea Brewed": "product.used" })).await;
    let left = company.put("/v1/mappings", json!({ "Coffee Brewed": null })).await;
    assert_eq!(left, json!({ "Tea Brewed": "product.used" }));
    assert_eq!(company.get("/v1/mappings").await, left);
    let bad = json!({ "Tea": "Not A Kind" });
    company.bad(("PUT", "/v1/mappings", bad), 422, "invalid", "Tea").await;

    let once = [("idempotency-key", "k-1")];
    let body = || Some(json!({ "name": "shop", "scope": "secret" }).to_string());
    let made = company.with(Some(SECRET), "POST", "/v1/keys", &once, body()).await;
    assert_eq!(made.status, 201);
    let again = company.with(Some(SECRET), "POST", "/v1/keys", &once, body()).await;
    assert_eq!((again.status, again.json()), (201, made.json()), "a repeat makes no second key");
    let differs = Some(json!({ "name": "shop", "scope": "write" }).to_string());
    let clash = company.with(Some(SECRET), "POST", "/v1/keys", &once, differs).await;
    assert_eq!(clash.status, 409);
    let made = made.json();
    let (id, text) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let list = company.get("/v1/keys").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 3);
    assert!(!list.to_string().contains(text), "the text is shown once");
    assert_eq!(company.with(Some(text), "GET", "/v1/keys", &[], None).await.status, 200);
    let path = format!("/v1/keys/{id}");
    let itself = company.with(Some(text), "DELETE", &path, &[], None).await;
    assert_eq!(itself.status, 409);
    assert_eq!(company.call("DELETE", &path, Json::Null).await.status, 200);
    assert_eq!(company.with(Some(text), "GET", "/v1/keys", &[], None).await.status, 401);
    company.bad(("DELETE", &path, Json::Null), 404, "not_found", "").await;
    let scope = json!({ "name": "x", "scope": "all" });
    company.bad(("POST", "/v1/keys", scope), 422, "invalid", "scope").await;
    company.shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_seen_from_all_sides() {
    let mut company = Company::open("api-person").await;
    company.put("/v1/places/mitte", json!({ "name": "Mitte" })).await;
    company
        .touches(json!([
            { "kind": "campaign.clicked", "campaign": "summer", "channel": "web",
              "aliases": { "anonymous": "a-1" } },
            { "kind": "person.identified", "aliases": { "anonymous": "a-1", "user": "u1" },
              "traits": { "name": "Ann" } },
            { "kind": "order.placed", "aliases": { "user": "u1" }, "products": [unit("A1")],
              "place": "mitte", "money": "299.00 USD", "channel": "web" },
            { "kind": "product.recommended", "aliases": { "user": "u1" },
              "products": [unit("A1")] },
            { "kind": "consent.given", "aliases": { "user": "u1" },
              "properties": { "purpose": "location" } },
        ]))
        .await;
    let id = company.person("anonymous:a-1").await;
    let person = company.get(&format!("/v1/persons/{id}")).await;
    assert_eq!(company.get("/v1/persons/user:u1").await, person);
    assert_eq!((&person["id"], &person["name"]), (&json!(id), &json!("Ann")));
    assert_eq!(person["aliases"][0]["because"], "the first touch came with it");
    assert_eq!(person["aliases"][1]["because"], "it came in one touch with anonymous:a-1");
    assert_eq!(person["traits"]["name"], "Ann");
    assert_eq!(person["consents"][0]["purpose"], "location");
    assert_eq!(person["bonds"][0]["product"]["name"], "EverPrint 3");
    assert_eq!(person["bonds"][0]["stage"], "awaiting_delivery");
    assert_eq!(person["clicks"][0]["campaign"], "summer");
    assert!(person["links"][0]["url"].as_str().unwrap().contains("/r/"));

    let bond = company.get(&format!("/v1/bonds/user:u1/{GTIN}/A1")).await;
    assert_eq!((&bond["role"], &bond["stage"]), (&json!("owner"), &json!("awaiting_delivery")));
    assert_eq!(bond["moves"][0]["by"], "campaign.clicked");
    let model = format!("/v1/bonds/user:u1/{GTIN}");
    company.bad(("GET", &model, Json::Null), 404, "not_found", "").await;
    company
        .touches(json!([{ "kind": "product.viewed", "aliases": { "user": "u9" },
        "products": [{ "gtin": GTIN }] }]))
        .await;
    assert_eq!(company.get(&format!("/v1/bonds/user:u9/{GTIN}")).await["stage"], "interested");

    let first = company.get("/v1/persons/user:u1/timeline?limit=2").await;
    assert_eq!(first["items"][0]["kind"], "consent.given");
    assert_eq!(first["items"][0]["properties"]["purpose"], "location");
    let next = first["next"].as_str().unwrap();
    let rest = company.get(&format!("/v1/persons/user:u1/timeline?cursor={next}")).await;
    assert_eq!((&rest["items"].as_array().unwrap().len(), &rest["next"]), (&3, &Json::Null));
    assert_eq!(rest["items"][0]["money"]["amount"], "299.00");
    for path in [
        format!("/v1/products/{GTIN}/A1/timeline"),
        "/v1/places/mitte/timeline".into(),
        "/v1/campaigns/summer/timeline".into(),
    ] {
        let line = company.get(&path).await;
        let touch = &line["items"].as_array().unwrap().iter().find(|own| own["person"] == id);
        let touch = touch.unwrap_or_else(|| panic!("{path}: {line}"));
        assert!(touch.get("properties").is_none() && touch.get("aliases").is_none(), "{path}");
    }
    let unit = format!("product:{}", unit("A1"));
    for (path, ends) in [
        (
            "/v1/persons/user:u1/graph".to_owned(),
            vec![unit.as_str(), "campaign:summer", "place:mitte"],
        ),
        (format!("/v1/products/{GTIN}/A1/graph"), vec!["place:mitte", "model:09506000134352"]),
        ("/v1/places/mitte/graph?depth=2".into(), vec![unit.as_str(), "campaign:summer"]),
        ("/v1/campaigns/summer/graph?depth=2".into(), vec![unit.as_str(), "place:mitte"]),
    ] {
        let graph = company.get(&path).await;
        let nodes = graph["nodes"].as_array().unwrap();
        let has = |id: &str| nodes.iter().any(|node| node["id"] == id);
        assert!(has(&format!("person:{id}")), "{path}: {graph}");
        for end in ends {
            assert!(has(end), "{path} reaches {end}: {graph}");
        }
        for edge in graph["edges"].as_array().unwrap() {
            let ends = [&edge["from"], &edge["to"]].map(|end| has(end.as_str().unwrap()));
            assert_eq!(ends, [true, true], "{path}: {edge}");
        }
    }
    let depth = "/v1/persons/user:u1/graph?depth=3";
    company.bad(("GET", depth, Json::Null), 422, "invalid", "depth").await;
    company.bad(("GET", "/v1/persons/p999", Json::Null), 404, "no_such_person", "person").await;
    company.bad(("GET", "/v1/persons?alias=x", Json::Null), 422, "invalid", "alias").await;
    let all = company.get("/v1/persons?limit=1").await;
    assert_eq!((&all["items"][0]["id"], &all["next"]), (&json!(id), &json!(id)));
    let rest = company.get(&format!("/v1/persons?cursor={id}")).await;
    assert_eq!(rest["items"][0]["aliases"], json!(["user:u9"]));
    company.shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn persons_are_merged_split_and_forgotten() {
    let mut company = Company::open("api-merge").await;
    company
        .touches(json!([
            bond_touch("order.placed", "u1", "A1"),
            bond_touch("order.placed", "u2", "B2"),
        ]))
        .await;
    let (keep, gone) = (company.person("user:u1").await, company.person("user:u2").await);
    let merge = json!({ "keep": "user:u1", "gone": gone, "reason": "called us" });
    let once = [("idempotency-key", "m-1")];
    let path = "/v1/persons/merge";
    let sent = Some(merge.to_string());
    let merged = company.with(Some(SECRET), "POST", path, &once, sent.clone()).await;
    assert_eq!(merged.status, 200, "{}", merged.text());
    let again = company.with(Some(SECRET), "POST", path, &once, sent).await;
    assert_eq!(again.json(), merged.json());
    let merged = merged.json();
    let person = company.get("/v1/persons/user:u2").await;
    assert_eq!(person["id"], json!(keep));
    assert_eq!(person["bonds"].as_array().unwrap().len(), 2);
    assert_eq!(person["aliases"][1]["because"], "the company merged two persons");
    assert_eq!(person["merges"][0]["undo"], merged["undo"]);
    company.bad(("POST", path, merge), 404, "no_such_person", "gone").await;
    let same = json!({ "keep": "user:u1", "gone": "user:u2" });
    company.bad(("POST", path, same), 422, "invalid", "gone").await;
    let nobody = json!({ "keep": "user:u1", "gone": "p777" });
    company.bad(("POST", path, nobody), 404, "no_such_person", "gone").await;

    let split = company.post("/v1/persons/split", merged["undo"]["body"].clone()).await;
    assert_eq!(split["person"], json!(keep));
    let apart = company.get("/v1/persons/user:u2").await;
    assert_eq!(apart["id"], split["new"]);
    assert_eq!(apart["bonds"][0]["product"]["serial"], "B2");
    let both = json!({ "person": keep, "aliases": ["user:u1"], "merge": 3 });
    company.bad(("POST", "/v1/persons/split", both), 422, "invalid", "aliases").await;
    let all = json!({ "person": keep, "aliases": ["user:u1"] });
    company.bad(("POST", "/v1/persons/split", all), 422, "refused", "").await;

    let wiped = company.call("DELETE", "/v1/persons/user:u1", Json::Null).await;
    assert_eq!(wiped.status, 202, "{}", wiped.text());
    let url = wiped.json()["receipt"]["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("/v1/receipts/r_"));
    company.bad(("GET", "/v1/persons/user:u1", Json::Null), 404, "no_such_person", "").await;
    let gone = format!("/v1/persons/{keep}");
    company.bad(("DELETE", &gone, Json::Null), 404, "no_such_person", "").await;
    let mut receipt = Json::Null;
    for _ in 0..100 {
        receipt = company.with(None, "GET", &url, &[], None).await.json();
        if receipt["complete"] == true {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(receipt["complete"], true, "{receipt}");
    let signature = &receipt["signature"];
    assert_eq!(signature["signed"], receipt["statement"]);
    let statement = receipt["statement"].as_str().unwrap();
    let signer = &company.shop.app().signer;
    assert_eq!(signature["value"], signer.sign(statement));
    assert_eq!(signature["key"], signer.public());
    assert!(!statement.contains("u1") && statement.contains("complete"));
    let none = "/v1/receipts/r_0000000000000000";
    company.bad(("GET", none, Json::Null), 404, "not_found", "").await;
    company.shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cap_holds_however_many_ask_at_once() {
    const CAP: usize = 7;
    let mut company = Company::open("api-cap").await;
    let source = format!(
        "journey: printer\napplies_to: {{ models: [\"{GTIN}\"] }}\nkind: ad_hoc\n\
         stages: [engaged]\nmoves:\n  - {{ on: product.viewed, to: engaged }}\n\
         offers:\n  - {{ id: few, in: [engaged], title: {{ en: Few }}, \
         value: {{ percent: 10 }}, cap: {{ per_person: 1, per_day: {CAP} }} }}\n"
    );
    let answer = company.with(Some(SECRET), "PUT", "/v1/journeys/printer", &[], Some(source)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let viewed: Json = (0..60)
        .map(|user| {
            json!({ "kind": "product.viewed", "aliases": { "user": format!("u{user}x") },
            "products": [{ "gtin": GTIN }] })
        })
        .collect();
    company.touches(viewed).await;
    let bearer = format!("Bearer {SECRET}");
    let asking: Vec<_> = (0..60)
        .map(|user| {
            let (mut phone, bearer) = (company.shop.phone(), bearer.clone());
            let body = json!({ "person": format!("user:u{user}x"),
                "product": format!("/01/{GTIN}") });
            tokio::spawn(async move {
                let headers = [("authorization", &*bearer)];
                let answer =
                    phone.call("POST", "/v1/decisions", &headers, Some(body.to_string())).await;
                assert_eq!(answer.status, 200, "{}", answer.text());
                answer.json()["offers"][0]["code"].as_str().map(str::to_owned)
            })
        })
        .collect();
    let mut codes = std::collections::BTreeSet::new();
    for answer in asking {
        codes.extend(answer.await.expect("it was answered"));
    }
    assert_eq!(codes.len(), CAP, "{codes:?}");
    let results = company.get("/v1/results?of=offers").await;
    assert_eq!(results["items"][0]["total"]["grants"], json!(CAP), "{results}");
    company.shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_gives_a_code_once_and_says_why() {
    let mut company = Company::open("api-decide").await;
    let source = format!(
        "journey: printer\napplies_to: {{ models: [\"{GTIN}\"] }}\nkind: guided\n\
         stages: [interested, engaged]\n\
         moves:\n  - {{ on: product.viewed, to: engaged }}\n\
         menu:\n  - {{ id: compare, title: {{ en: Compare }}, open: /compare }}\n  \
         - {{ id: jam, when: 'product.state.error == \"jam\"', title: {{ en: Fix }}, \
         open: /fix }}\n\
         offers:\n  - {{ id: shop-50, in: [engaged], title: {{ en: Fifty off }}, \
         when: 'context.place.kind == \"shop\" && context.place.distance_m < 200.0', \
         value: {{ off: 50.00 USD }}, cap: {{ per_person: 1, total: 1 }} }}\n"
    );
    let answer = company.with(Some(SECRET), "PUT", "/v1/journeys/printer", &[], Some(source)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let circle = json!({ "lat": 52.52, "lon": 13.405, "radius_m": 20 });
    company.put("/v1/places/mitte", json!({ "name": "Fotohaus Mitte", "circle": circle })).await;
    let viewed = |user: &str| {
        json!({ "kind": "product.viewed", "aliases": { "user": user },
        "products": [{ "gtin": GTIN }] })
    };
    company.touches(json!([viewed("u1"), viewed("u2")])).await;

    let near = json!({ "lat": 52.5212, "lon": 13.405, "locale": "en", "channel": "app" });
    let product = format!("/01/{GTIN}");
    let ask = |user: &str, preview: bool| {
        json!({ "person": format!("user:{user}"),
        "product": product, "context": near, "preview": preview })
    };
    let preview = company.post("/v1/decisions", ask("u1", true)).await;
    assert_eq!(preview["offers"][0]["code"], Json::Null);
    assert_eq!(company.get("/v1/results?of=menu").await["items"], json!([]), "it did not count");
    let first = company.post("/v1/decisions", ask("u1", false)).await;
    let offer = &first["offers"][0];
    assert_eq!(offer["value"], json!({ "kind": "off", "amount": "50.00", "currency": "USD" }));
    assert_eq!(offer["reason"]["text"], "Because you are near Fotohaus Mitte (110 m).");
    let code = offer["code"].as_str().unwrap().to_owned();
    assert_eq!(
        (first["stage"].as_str(), &first["context"]["place"]),
        (Some("engaged"), &json!("mitte"),)
    );
    assert_eq!(first["not_shown"][0]["id"], "jam");
    let second = company.post("/v1/decisions", ask("u1", false)).await;
    assert_eq!(second["offers"][0]["code"], json!(code), "the code is the same one");
    let other = company.post("/v1/decisions", ask("u2", false)).await;
    assert_eq!(other["offers"], json!([]), "there was only one");
    let capped = other["not_shown"].as_array().unwrap().iter().find(|own| own["id"] == "shop-50");
    assert_eq!(capped.unwrap()["reason"]["code"], "cap_total");
    let stranger = json!({ "product": { "gtin": GTIN } });
    let stranger = company.post("/v1/decisions", stranger).await;
    assert_eq!((&stranger["person"], &stranger["offers"]), (&Json::Null, &json!([])));

    for decision in [&first, &second] {
        let id = decision["id"].as_str().unwrap();
        let why = company.get(&format!("/v1/decisions/{id}?locale=de")).await;
        let items = why["items"].as_array().unwrap();
        let offer = items.iter().find(|own| own["what"] == "offer").unwrap();
        assert_eq!((&offer["shown"], &offer["id"]), (&json!(true), &json!("shop-50")));
        let text = offer["reason"]["text"].as_str().unwrap();
        assert_eq!(text, "Weil Fotohaus Mitte ganz in der Nähe ist (110 m).");
        let used = offer["used"].as_array().unwrap();
        assert!(used.iter().any(|own| own["name"] == "context.place.distance_m"), "{offer}");
    }
    // Once the till has the code, the offer's numbers say so.
    company
        .touches(json!([{ "kind": "offer.redeemed", "properties": { "code": code },
        "money": "249.00 USD" }]))
        .await;
    let offers = company.get("/v1/results?of=offers").await;
    let total = &offers["items"][0]["total"];
    assert_eq!(offers["items"][0]["id"], "printer/shop-50");
    let numbers = ["impressions", "grants", "redeemed"].map(|name| total[name].as_u64().unwrap());
    assert_eq!(numbers, [1, 1, 1], "{total}");
    assert_eq!(total["money"], json!([{ "amount": "249.00", "currency": "USD" }]));
    let menu = company.get("/v1/results?of=menu").await;
    assert_eq!(menu["items"][0]["by_channel"][0]["channel"], "app");

    for (context, at) in [
        (json!({ "lat": 1 }), "context.lat"),
        (json!({ "channel": "pigeon" }), "context.channel"),
        (json!({ "setting": "boat" }), "context.setting"),
        (json!({ "tz": "Berlin" }), "context.tz"),
        (json!({ "mood": "good" }), "context.mood"),
    ] {
        let body = json!({ "product": product, "context": context });
        company.bad(("POST", "/v1/decisions", body), 422, "invalid", at).await;
    }
    company.bad(("POST", "/v1/decisions", json!({})), 422, "invalid", "product").await;
    let weather = json!({ "condition": "x".repeat(40_000) });
    let large = json!({ "product": product, "context": { "weather": weather } });
    company.bad(("POST", "/v1/decisions", large), 413, "too_large", "").await;
    let nobody = json!({ "product": product, "person": "user:nobody" });
    company.bad(("POST", "/v1/decisions", nobody), 404, "no_such_person", "person").await;
    let none = "/v1/decisions/d_0000000000000000";
    company.bad(("GET", none, Json::Null), 404, "not_found", "").await;
    company.shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_exact_and_have_money() {
    let mut company = Company::open("api-results").await;
    let campaign = json!({ "name": "Summer", "models": [GTIN], "stage": "interested",
        "cost": { "amount": "100.00", "currency": "USD" } });
    company.put("/v1/campaigns/summer", campaign).await;
    let mut touches = Vec::new();
    for number in 0..8 {
        let alias = json!({ "anonymous": format!("a-{number}") });
        touches.push(json!({ "kind": "campaign.shown", "campaign": "summer", "channel": "email",
            "aliases": alias }));
        if number < 4 {
            touches.push(json!({ "kind": "campaign.clicked", "campaign": "summer",
                "channel": "email", "aliases": alias }));
        }
    }
    touches.push(json!({ "kind": "order.placed", "aliases": { "anonymous": "a-0" },
        "products": [{ "gtin": GTIN }], "money": "299.00 USD", "channel": "web" }));
    company.touches(json!(touches)).await;
    let results = company.get("/v1/campaigns/summer/results").await;
    let total = &results["total"];
    let counts = ["impressions", "clicks", "conversions"].map(|name| total[name].as_u64().unwrap());
    assert_eq!(counts, [8, 4, 1], "{results}");
    assert_eq!((&total["ctr"], &total["cvr"]), (&json!(0.5), &json!(0.25)));
    assert_eq!(total["money"], json!([{ "amount": "299.00", "currency": "USD" }]));
    assert_eq!(total["cost_per_conversion"]["amount"], "100.00");
    assert_eq!(results["by_channel"][0]["channel"], "email");
    let stages = results["by_stage"].as_array().unwrap();
    let clicks: u64 = stages.iter().map(|row| row["clicks"].as_u64().unwrap()).sum();
    assert_eq!(clicks, 4);
    let all = company.get("/v1/results").await;
    let rows = all["items"].as_array().unwrap();
    let row = rows.iter().find(|row| row["id"] == "summer").unwrap();
    assert_eq!(row["total"], results["total"]);
    assert_eq!(rows.len(), 3, "those without results are there as well");
    company.bad(("GET", "/v1/campaigns/no/results", Json::Null), 404, "not_found", "").await;
    company.bad(("GET", "/v1/results?of=all", Json::Null), 422, "invalid", "of").await;
    company.shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_and_the_page_shows_it() {
    let mut company = Company::open("api-inbox").await;
    let mut owner = company.shop.phone();
    let claim = json!({ "gtin": GTIN, "serial": "A1", "code": CODE });
    assert_eq!(owner.post("/v1/me/claim", claim).await.status, 200);
    let help = json!({ "gtin": GTIN, "serial": "A1", "text": "It is stuck." });
    assert_eq!(owner.post("/v1/me/help", help).await.status, 200);
    let inbox = company.get("/v1/inbox").await;
    let question = &inbox["items"][0];
    assert_eq!(
        (&question["text"], &question["answered"]),
        (&json!("It is stuck."), &json!(false),)
    );
    assert_eq!(question["product"]["serial"], "A1");
    assert_eq!(question["stage"], "installing");
    let seq = question["seq"].as_u64().unwrap();
    let path = format!("/v1/inbox/{seq}/answer");
    let once = [("idempotency-key", "a-1")];
    let body = Some(json!({ "text": "Pull the blue lever.", "by": "Sam" }).to_string());
    for _ in 0..2 {
        let answer = company.with(Some(SECRET), "POST", &path, &once, body.clone()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    let said = owner.get(&format!("/v1/me/help?gtin={GTIN}&serial=A1")).await.json();
    let said = said["messages"].as_array().unwrap();
    assert_eq!((said.len(), &said[1]["text"]), (2, &json!("Pull the blue lever.")));
    assert_eq!(said[1]["mine"], false);
    assert_eq!(company.get("/v1/inbox").await["items"][0]["answered"], true);
    company.bad(("POST", &path, json!({})), 422, "invalid", "text").await;
    let text = json!({ "text": "x" });
    company.bad(("POST", "/v1/inbox/1/answer", text.clone()), 404, "not_found", "").await;
    let last = format!("/v1/inbox/{}/answer", u64::MAX);
    company.bad(("POST", &last, text.clone()), 404, "not_found", "").await;
    let id = question_person(&inbox);
    assert_eq!(company.call("DELETE", &id, Json::Null).await.status, 202);
    assert_eq!(company.get("/v1/inbox").await["items"], json!([]));
    company.bad(("POST", &path, text), 404, "no_such_person", "").await;
    company.shop.close().await;
}

fn question_person(inbox: &Json) -> String {
    let id = inbox["items"][0]["person"]["id"].as_str().expect("whose it is");
    format!("/v1/persons/{id}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_kept_retried_and_thrown_away() {
    let mut company = Company::open("api-refused").await;
    let sent = json!([
        { "kind": "product.used", "time": "2006-01-01T00:00:00Z", "aliases": { "user": "u1" } },
        { "kind": "Not A Kind" },
    ]);
    let answer = company.post("/v1/touches", sent).await;
    assert_eq!(answer["refused"], 2, "{answer}");
    let list = company.get("/v1/refused").await;
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!((&items[0]["code"], &items[0]["source"]), (&json!("bad_kind"), &json!("native")));
    assert!(items[0]["raw"].as_str().unwrap().contains("Not A Kind"));
    let path = |item: &Json, end: &str| format!("/v1/refused/{}{end}", item["seq"]);
    let retry = path(&items[0], "/retry");
    company.bad(("POST", &retry, Json::Null), 422, "invalid", "touches[0].kind").await;
    let drop = path(&items[0], "");
    assert_eq!(company.call("DELETE", &drop, Json::Null).await.status, 200);
    company.bad(("DELETE", &drop, Json::Null), 404, "not_found", "").await;
    company.bad(("POST", &retry, Json::Null), 404, "not_found", "").await;
    assert_eq!(company.get("/v1/refused").await["items"].as_array().unwrap().len(), 1);
    // An item that a mended reader understands: here one that was refused before its time came.
    let raw = json!({ "kind": "product.used", "aliases": { "user": "u1" }, "id": "x1" });
    let refused = Body::Refused {
        source: model::touch::Source::Native,
        code: "bad_kind".into(),
        reason: "kind: it was not known".into(),
        raw: raw.to_string().as_bytes().into(),
    };
    company.shop.submit(vec![refused]).await;
    let list = company.get("/v1/refused?limit=1").await;
    let answer = company.post(&path(&list["items"][0], "/retry"), Json::Null).await;
    assert_eq!(answer["status"], "accepted");
    assert_eq!(company.get("/v1/refused").await["items"].as_array().unwrap().len(), 1);
    let person = company.get("/v1/persons/user:u1").await;
    assert_eq!(person["touches"], 1);
    let seen: Time =
        server::ingest::json::time_of_text(person["last_seen"].as_str().unwrap()).unwrap();
    assert!(server::app::now().since(seen) < 60_000, "it happened when it arrived");
    company.shop.close().await;
}
