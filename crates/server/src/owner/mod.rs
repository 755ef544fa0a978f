//! What a person's phone talks to. Every call here is about the person of the session behind the
//! cookie, and about nobody else: no call takes a person, an alias or another's id.

mod claim;
mod codes;
pub mod content;
mod copy;
mod help;
mod me;
pub mod page;
mod parcel;
mod past;
mod permissions;
mod referral;
mod session;
mod touches;
pub mod visitor;
mod ways_in;
mod why;
mod wipe;
mod words;

use axum::routing::{MethodRouter, delete, get, post};
use serde_json::{Value as Json, json};

use crate::app::App;
use crate::route::{Route, Who};

const LANGUAGE: &[(&str, &str)] =
    &[("locale", "The language of texts, BCP 47; else Accept-Language; else English")];

const PAGE_QUERY: &[(&str, &str)] = &[
    ("gtin", "The product's GTIN"),
    ("serial", "The unit's serial number, if the code names one"),
    ("locale", "The language of texts, BCP 47; else Accept-Language; else English"),
    ("lat", "Where the phone is, degrees north"),
    ("lon", "Where the phone is, degrees east"),
    ("place", "The id of the place, where the phone knows it"),
    ("setting", "home, shop, in_line, car, office, elsewhere"),
    ("channel", "The channel in use; `companion` if not given"),
    ("tz", "IANA time zone"),
    ("weather", "clear, rain, snow, …"),
    ("temp_c", "Degrees Celsius"),
    ("near_product", "`true` when the phone is near the product"),
    ("campaign", "The campaign that led here"),
];

const PRODUCT_QUERY: &[(&str, &str)] =
    &[("gtin", "The product's GTIN"), ("serial", "The unit's serial number, if any")];

/// One row with what most of them share.
fn row(
    method: &'static str,
    path: &'static str,
    who: Who,
    summary: &'static str,
    about: &'static str,
    handler: MethodRouter<App>,
) -> Route {
    Route {
        method,
        path,
        who,
        tag: "Companion",
        summary,
        about,
        query: &[],
        body: Json::Null,
        answer: (200, json!({ "type": "object" })),
        problems: &["not_found"],
        handler,
    }
}

pub fn routes() -> Vec<Route> {
    let mut routes = page_routes();
    routes.extend(acting_routes());
    routes.extend(data_routes());
    routes.extend(code_routes());
    routes
}

/// A body that names a product, with these further fields.
fn about_product(fields: Json, example: Json, required: &[&str]) -> Json {
    let mut properties = json!({
        "gtin": { "type": "string" },
        "serial": { "type": ["string", "null"] },
    });
    let own = properties.as_object_mut().expect("made as an object");
    own.extend(fields.as_object().cloned().unwrap_or_default());
    let mut all = vec!["gtin"];
    all.extend(required);
    json!({ "type": "object", "properties": properties, "required": all, "example": example })
}

fn page_routes() -> Vec<Route> {
    vec![session_route(), page_route(), why_route(), ad_route(), friend_route()]
}

fn session_route() -> Route {
    Route {
        answer: (
            200,
            json!({
                "type": "object",
                "properties": {
                    "person": { "type": ["string", "null"] }, "locale": { "type": "string" },
                },
                "example": { "person": null, "locale": "de" },
            }),
        ),
        query: LANGUAGE,
        problems: &["csrf"],
        ..row(
            "post",
            "/v1/me/session",
            Who::OwnerOrPublic,
            "Make or find the session",
            "Sets the cookie `everbond_session` when there is none. Nobody is known by it \
                 until the first touch.",
            post(session::post),
        )
    }
}

fn page_route() -> Route {
    Route {
        query: PAGE_QUERY,
        answer: (
            200,
            json!({
                "type": "object",
                "required": ["access", "product", "decision", "content", "messages",
                    "permissions", "live"],
                "properties": {
                    "access": { "enum": ["public", "prospect", "owner"] },
                    "product": { "type": "object" },
                    "bond": { "type": ["object", "null"] },
                    "decision": { "type": "object" },
                    "content": { "type": ["object", "null"] },
                    "parcel": { "type": ["object", "null"] },
                    "messages": { "type": "array" },
                    "referral": { "type": ["object", "null"] },
                    "permissions": { "type": "array" },
                    "live": { "type": "string" },
                    "yours": {
                        "type": ["string", "null"],
                        "description": "Asked about a model: the path of the person's own unit",
                    },
                },
            }),
        ),
        problems: &["invalid", "no_such_model"],
        ..row(
            "get",
            "/v1/me/page",
            Who::OwnerOrPublic,
            "The whole page of a product",
            "Makes the decision for the context in the query. What it shows counts as seen \
                 once a stage. Whoever is not the owner of a unit is answered about its model.",
            get(page::get),
        )
    }
}

fn why_route() -> Route {
    Route {
        query: LANGUAGE,
        ..row(
            "get",
            "/v1/me/why/{decision}",
            Who::OwnerOrPublic,
            "Why do I see this?",
            "Every item of the decision, shown or not, with the reason, the data it rests on \
                 and the permissions whose withdrawal would take it away.",
            get(why::get),
        )
    }
}

fn ad_route() -> Route {
    row(
        "get",
        "/c/{campaign}",
        Who::OwnerOrPublic,
        "Follow an ad",
        "Records `campaign.clicked` and sends the browser (303) to the campaign's target, \
             else to the page of its first product. `?channel=` says where the link stood; \
             `web` if not given.",
        get(ways_in::campaign),
    )
}

fn friend_route() -> Route {
    row(
        "get",
        "/r/{code}",
        Who::OwnerOrPublic,
        "Follow a friend's link",
        "Records `referral.visited` and sends the browser (303) to the model's page.",
        get(ways_in::referral),
    )
}

fn acting_routes() -> Vec<Route> {
    vec![
        touches_route(),
        claim_route(),
        ask_route(),
        asked_route(),
        permissions_route(),
        referral_route(),
    ]
}

fn touches_route() -> Route {
    Route {
        body: json!({
            "type": ["object", "array"],
            "description":
                format!("One touch or up to 500; kinds: {}", touches::KINDS.join(", ")),
            "example": {
                "kind": "guide.viewed", "gtin": "09506000134352", "serial": "A1",
                "properties": { "guide": "jam" }, "id": "0f8f6b8e-5a0e-4d5c-9d51-2a7c3c7b8d10",
            },
        }),
        answer: (
            200,
            json!({
                "type": "object",
                "example": {
                    "accepted": 1, "duplicates": 0, "refused": 0,
                    "results": [{ "status": "accepted", "seq": 12 }],
                },
            }),
        ),
        problems: &["no_key", "csrf", "bad_json", "too_large", "too_many", "busy"],
        ..row(
            "post",
            "/v1/me/touches",
            Who::Owner,
            "Tell what I do",
            "Whose touch it is follows from the session. A touch with an `id` is counted once \
                 however often it is sent.",
            post(touches::post),
        )
    }
}

fn claim_route() -> Route {
    Route {
        body: about_product(
            json!({ "code": { "type": "string" } }),
            json!({ "gtin": "09506000134352", "serial": "A1", "code": "7KQ2-M9XD" }),
            &["serial", "code"],
        ),
        problems: &[
            "csrf",
            "invalid",
            "claim_code_wrong",
            "claim_not_offered",
            "already_owned",
            "claim_locked",
            "too_many",
            "no_such_product",
        ],
        ..row(
            "post",
            "/v1/me/claim",
            Who::OwnerOrPublic,
            "Show that it is mine",
            "With the code from the box. Answers with the owner's page, and makes the session \
                 if there is none. After ten wrong codes a unit takes no more for a day.",
            post(claim::post),
        )
    }
}

fn ask_route() -> Route {
    Route {
        body: about_product(
            json!({
                "text": { "type": "string", "maxLength": 2000 },
                "contact": { "type": "string", "maxLength": 200 },
                "id": { "type": "string" },
            }),
            json!({ "gtin": "09506000134352", "serial": "A1", "text": "It will not connect." }),
            &["text"],
        ),
        answer: (200, json!({ "type": "object", "example": { "id": "h1", "sent": true } })),
        problems: &["no_key", "csrf", "invalid", "too_many", "busy"],
        ..row(
            "post",
            "/v1/me/help",
            Who::Owner,
            "Ask a human",
            "A `help.asked` touch; it is in the company's inbox at once. The same `id` is \
                 sent once.",
            post(help::post),
        )
    }
}

fn asked_route() -> Route {
    Route {
        query: PRODUCT_QUERY,
        problems: &["no_key", "invalid"],
        answer: (
            200,
            json!({
                "type": "object",
                "example": { "messages": [{
                    "id": "h1", "kind": "help.asked", "mine": true, "from": "me",
                    "text": "It will not connect.", "time": "2026-11-22T10:00:00.000Z",
                }] },
            }),
        ),
        ..row(
            "get",
            "/v1/me/help",
            Who::Owner,
            "What was asked and answered",
            "Oldest first.",
            get(help::get),
        )
    }
}

fn permissions_route() -> Route {
    Route {
        body: json!({
            "type": "object",
            "required": ["purpose", "given"],
            "properties": {
                "purpose": { "type": "string" }, "given": { "type": "boolean" },
            },
            "example": { "purpose": "location", "given": true },
        }),
        problems: &["no_key", "csrf", "invalid", "too_many", "busy"],
        ..row(
            "post",
            "/v1/me/permissions",
            Who::Owner,
            "Give or withdraw a permission",
            "Each turn of a switch is a touch.",
            post(permissions::post),
        )
    }
}

fn referral_route() -> Route {
    Route {
        body: about_product(json!({}), json!({ "gtin": "09506000134352" }), &[]),
        problems: &["no_key", "csrf", "invalid", "no_such_model", "too_many", "busy"],
        ..row(
            "post",
            "/v1/me/referral",
            Who::Owner,
            "My personal link",
            "Made once for a person and a model; asked again it is the same.",
            post(referral::post),
        )
    }
}

fn data_routes() -> Vec<Route> {
    vec![
        Route {
            query: &[
                ("cursor", "Where the last answer ended: its `next`"),
                ("locale", "The language of texts, BCP 47"),
            ],
            problems: &["no_key", "invalid"],
            ..row(
                "get",
                "/v1/me",
                Who::Owner,
                "My data in plain words",
                "Names with why we believe them, traits, products, permissions, and the history, \
                 newest first, 50 at a time.",
                get(me::get),
            )
        },
        Route {
            answer: (
                202,
                json!({
                    "type": "object",
                    "example": { "receipt": {
                        "id": "r_9f3a6c1d2b4e5f60", "url": "/v1/receipts/r_9f3a6c1d2b4e5f60",
                    } },
                }),
            ),
            problems: &["no_key", "csrf", "no_such_person", "busy"],
            ..row(
                "delete",
                "/v1/me",
                Who::Owner,
                "Forget me",
                "At once nothing leads to the person any more; the receipt says when the last \
                 byte is overwritten.",
                delete(wipe::delete),
            )
        },
        Route {
            problems: &["no_key", "no_such_person", "too_many"],
            ..row(
                "get",
                "/v1/me/copy",
                Who::Owner,
                "A copy of my data",
                "Everything, as one JSON file.",
                get(copy::get),
            )
        },
    ]
}

fn code_routes() -> Vec<Route> {
    let svg = || (200, json!({ "type": "string", "description": "image/svg+xml" }));
    vec![
        Route {
            answer: svg(),
            query: LANGUAGE,
            problems: &["no_key", "not_found"],
            ..row(
                "get",
                "/v1/me/offers/{file}",
                Who::Owner,
                "An offer's code as a QR code",
                "`{code}.svg`, for codes that the person holds.",
                get(codes::offer),
            )
        },
        Route {
            answer: svg(),
            query: PRODUCT_QUERY,
            problems: &["no_key", "invalid", "not_found"],
            ..row(
                "get",
                "/v1/me/referral.svg",
                Who::Owner,
                "My personal link as a QR code",
                "",
                get(codes::referral),
            )
        },
        Route {
            answer: svg(),
            query: PRODUCT_QUERY,
            problems: &["invalid"],
            ..row(
                "get",
                "/v1/qr.svg",
                Who::Public,
                "A product's link as a QR code",
                "What belongs on the product or its box.",
                get(codes::product),
            )
        },
    ]
}
