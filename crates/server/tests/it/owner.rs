//! The owner's calls: who sees what, the claim, help, permissions, the personal link, the data and
//! the wipe.

use serde_json::json;

use crate::phone::{CODE, GTIN, Phone, Shop, email, touch, unit};
use model::entry::Body;
use model::value::Value;

async fn session(phone: &mut Phone) {
    let answer = phone.post("/v1/me/session", json!({})).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("set-cookie").contains("HttpOnly"));
}

async fn claim(phone: &mut Phone, serial: &str, code: &str) -> crate::phone::Answer {
    phone.post("/v1/me/claim", json!({ "gtin": GTIN, "serial": serial, "code": code })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_person_sees_who_looked_at_their_data() {
    const KEY: &str = "sk_look0001_0123456789abcdefghijklmnopqrstuv";
    let shop = Shop::open("looks").await;
    let key = server::serve::key_of(model::entry::KeyScope::Secret, "Service desk", KEY);
    shop.submit(vec![Body::PutKey(key)]).await;
    let mut owner = shop.phone();
    assert_eq!(claim(&mut owner, "A1", CODE).await.status, 200);
    let me = owner.get("/v1/me").await.json();
    assert_eq!(me["lookups"], json!([]));
    let bearer = format!("Bearer {KEY}");
    let path = format!("/v1/persons/{}", me["person"].as_str().expect("a person"));
    for _ in 0..2 {
        let answer = shop.phone().call("GET", &path, &[("authorization", &*bearer)], None).await;
        assert_eq!(answer.status, 200);
    }
    let looks = owner.get("/v1/me").await.json()["lookups"].clone();
    assert_eq!(looks.as_array().map(Vec::len), Some(1), "{looks}");
    assert_eq!(looks[0]["who"], "Service desk");
    assert_eq!(looks[0]["why"], "your profile");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_a_prospect_and_the_owner_see_different_pages() {
    let shop = Shop::open("access").await;
    let mut report = touch("product.reported", None, unit("A1"));
    report.state.insert("error", Value::from("paper_jam"));
    shop.submit(vec![Body::Touch(report)]).await;
    let mut stranger = shop.phone();
    let page = stranger.page(Some("A1")).await;
    assert_eq!(page["access"], "public");
    assert_eq!(page["product"]["name"], "EverPrint 3");
    assert_eq!(page["product"]["price"], json!({ "amount": "299.00", "currency": "USD" }));
    assert_eq!(page["product"]["state"], json!(null));
    assert_eq!(page["product"]["attributes"], json!({ "color": "white" }));
    assert_eq!(page["product"]["claimable"], true);
    assert_eq!(page["bond"], json!(null));
    assert_eq!(page["content"]["guides"][0]["title"], "Clear a jam");
    assert!(!page.to_string().contains("fix-jam"));

    let mut looker = shop.phone();
    session(&mut looker).await;
    looker.touch("product.scanned", Some("A1")).await;
    let page = looker.page(Some("A1")).await;
    assert_eq!(page["access"], "prospect");
    assert_eq!(page["bond"]["stage"]["id"], "interested");
    assert_eq!(page["bond"]["stages"][0]["state"], "now");
    assert_eq!(page["bond"]["stages"][1]["state"], "ahead");
    assert_eq!(page["product"]["state"], json!(null));

    let mut owner = shop.phone();
    let page = claim(&mut owner, "A1", CODE).await;
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(owner.cookie.is_some());
    let page = page.json();
    assert_eq!(page["access"], "owner");
    assert_eq!(page["bond"]["role"], "owner");
    assert_eq!(page["bond"]["stage"]["id"], "installing");
    assert_eq!(page["product"]["state"], json!({ "error": "paper_jam" }));
    assert_eq!(page["product"]["attributes"]["firmware"], "1.2");
    assert_eq!(page["product"]["claimable"], false);
    assert_eq!(page["decision"]["menu"][0]["id"], "fix-jam");
    assert_eq!(page["decision"]["steps"][0]["state"], "next");
    // Whoever was here before still sees nothing of it.
    let page = looker.page(Some("A1")).await;
    assert_eq!(page["access"], "prospect");
    assert_eq!(page["product"]["state"], json!(null));
    assert!(!page.to_string().contains("paper_jam"));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_needs_the_code_and_is_locked_after_ten_wrong_ones() {
    let shop = Shop::open("claim").await;
    let mut phone = shop.phone();
    let wrong = claim(&mut phone, "A1", "AAAA-AAAA").await;
    assert_eq!((wrong.status, wrong.json()["code"].clone()), (403, json!("claim_code_wrong")));
    assert!(phone.cookie.is_none(), "a wrong code leaves no session behind");
    assert_eq!(claim(&mut phone, "A1", " 7kq2m9xd ").await.status, 200);
    let mut other = shop.phone();
    let late = claim(&mut other, "A1", CODE).await;
    assert_eq!((late.status, late.json()["code"].clone()), (409, json!("already_owned")));
    assert_eq!(claim(&mut other, "C3", CODE).await.status, 404);
    for _ in 0..10 {
        assert_eq!(claim(&mut other, "B2", "AAAA-AAAA").await.status, 403);
    }
    let locked = claim(&mut other, "B2", CODE).await;
    assert_eq!((locked.status, locked.json()["code"].clone()), (429, json!("claim_locked")));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_tries_ten_codes_a_minute() {
    let shop = Shop::open("claim-limit").await;
    let mut phone = shop.phone();
    session(&mut phone).await;
    for at in 0..10 {
        let serial = if at % 2 == 0 { "A1" } else { "B2" };
        assert_eq!(claim(&mut phone, serial, "AAAA-AAAA").await.status, 403);
    }
    let answer = claim(&mut phone, "A1", CODE).await;
    assert_eq!((answer.status, answer.json()["code"].clone()), (429, json!("too_many")));
    assert!(answer.header("retry-after").parse::<u32>().expect("seconds") > 0);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_change_something_come_from_our_page_only() {
    let shop = Shop::open("csrf").await;
    let mut phone = shop.phone();
    let bare = [("content-type", "application/json")];
    for (method, path) in [
        ("POST", "/v1/me/session"),
        ("POST", "/v1/me/touches"),
        ("POST", "/v1/me/claim"),
        ("POST", "/v1/me/help"),
        ("POST", "/v1/me/permissions"),
        ("POST", "/v1/me/referral"),
        ("DELETE", "/v1/me"),
    ] {
        let answer = phone.call(method, path, &bare, Some("{}".into())).await;
        assert_eq!((answer.status, answer.json()["code"].clone()), (403, json!("csrf")), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
    }
    assert!(phone.cookie.is_none());
    for path in ["/v1/me", "/v1/me/copy", "/v1/me/referral.svg?gtin=09506000134352"] {
        assert_eq!(phone.get(path).await.status, 401, "{path}");
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_some_kinds_may_come_and_each_id_counts_once() {
    let shop = Shop::open("touches").await;
    let mut phone = shop.phone();
    session(&mut phone).await;
    let touches = json!([
        { "kind": "guide.viewed", "gtin": GTIN, "id": "one" },
        { "kind": "guide.viewed", "gtin": GTIN, "id": "one" },
        { "kind": "order.placed", "gtin": GTIN },
        { "kind": "page.viewed", "aliases": { "user": "somebody" } },
    ]);
    let answer = phone.post("/v1/me/touches", touches).await.json();
    assert_eq!(answer["accepted"], 1);
    assert_eq!(answer["duplicates"], 1);
    assert_eq!(answer["refused"], 2);
    assert_eq!(answer["results"][2]["code"], "kind_not_allowed");
    assert_eq!(answer["results"][3]["code"], "field_not_allowed");
    let me = phone.get("/v1/me?locale=de").await.json();
    assert_eq!(me["aliases"].as_array().expect("a list").len(), 1);
    assert_eq!(me["timeline"][0]["text"], "Du hast eine Anleitung geöffnet");
    assert_eq!(phone.post("/v1/me/touches", json!("x")).await.json()["refused"], 1);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_hears_of_a_touch_within_a_second() {
    let shop = Shop::open("live").await;
    let mut owner = shop.phone();
    assert_eq!(claim(&mut owner, "A1", CODE).await.status, 200);
    let mut stranger = shop.phone();
    let path = format!("/v1/live?gtin={GTIN}&serial=A1");
    let mut mine = owner.listen(&path).await;
    let mut theirs = stranger.listen(&path).await;
    assert!(mine.says("event: hello").await && theirs.says("event: hello").await);
    let begun = std::time::Instant::now();
    shop.submit(vec![Body::Touch(touch("product.failed", None, unit("A1")))]).await;
    assert!(mine.says("event: changed").await);
    assert!(begun.elapsed().as_millis() < 1_000);
    // A stranger at the same unit hears nothing of it, nor of another's.
    let other = Body::PutProduct(model::things::Product {
        subject: unit("Z9"),
        made: None,
        claim: None,
        attributes: model::value::Map::EMPTY,
    });
    shop.submit(vec![other]).await;
    let quiet =
        tokio::time::timeout(std::time::Duration::from_millis(300), theirs.says("event: changed"));
    assert!(!quiet.await.unwrap_or(false));
    let wiped = owner.call("DELETE", "/v1/me", &[("x-everbond", "1")], None).await;
    assert_eq!(wiped.status, 202);
    assert!(mine.says("event: gone").await);
    assert_eq!(stranger.get("/v1/live").await.status, 401);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_persons_who_are_one_keep_their_streams() {
    let shop = Shop::open("merge").await;
    let mut first = shop.phone();
    session(&mut first).await;
    first.touch("product.viewed", None).await;
    let mut second = shop.phone();
    session(&mut second).await;
    second.touch("product.viewed", None).await;
    let path = format!("/v1/live?gtin={GTIN}");
    let mut live = second.listen(&path).await;
    assert!(live.says("event: hello").await);
    let (keep, gone) = {
        let ids = shop.app().engine.state().persons_after(None, 2);
        (ids[0], ids[1])
    };
    shop.submit(vec![Body::Merge { keep, gone, reason: "the same".into() }]).await;
    assert!(live.says("event: changed").await);
    // It now hears what happens to the person that it became part of.
    first.touch("cart.added", None).await;
    assert!(live.says("event: changed").await);
    assert_eq!(second.page(None).await["bond"]["stage"]["id"], "engaged");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_held_by_one_person_and_shown_as_used_afterwards() {
    let shop = Shop::open("offers").await;
    let mut friend = shop.phone();
    session(&mut friend).await;
    let link = friend.post("/v1/me/referral", json!({ "gtin": GTIN })).await.json();
    let link = link["url"].as_str().expect("a link").to_owned();
    let mut phone = shop.phone();
    let html = [("accept", "text/html")];
    phone.call("GET", &link[link.find("/r/").expect("a path")..], &html, None).await;
    let page = phone.page(None).await;
    let offer = page["decision"]["offers"][0].clone();
    assert_eq!(offer["id"], "friend-welcome");
    let code = offer["code"].as_str().expect("a code").to_owned();
    assert_eq!(phone.page(None).await["decision"]["offers"][0]["code"], code.as_str());
    let qr = offer["qr"].as_str().expect("a picture").to_owned();
    let svg = phone.get(&qr).await;
    assert_eq!((svg.status, svg.header("content-type")), (200, "image/svg+xml".into()));
    assert_eq!(friend.get(&qr).await.status, 404);
    assert_eq!(shop.phone().get(&qr).await.status, 401);
    let mut till = touch("offer.redeemed", None, unit("A1").to_model());
    till.trusted = true;
    till.properties.insert("code", Value::from(code.as_str()));
    shop.submit(vec![Body::Touch(till)]).await;
    let used = phone.page(None).await["decision"]["offers"][0].clone();
    assert_eq!((&used["redeemed"], &used["code"]), (&json!(true), &json!(null)));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_company_hears_everything_and_a_stop_ends_all_streams() {
    let shop = Shop::open("live-company").await;
    let text = "sk_abcdefgh_0123456789abcdefghjkmnpqrstvwxyz";
    let key = server::serve::key_of(model::entry::KeyScope::Secret, "test", text);
    shop.submit(vec![Body::PutKey(key)]).await;
    let bearer = format!("Bearer {text}");
    let mut all = shop.phone().listen_with("/v1/live", &[("authorization", &bearer)]).await;
    assert!(all.says("event: hello").await);
    shop.submit(vec![Body::Touch(touch("product.used", None, unit("B2")))]).await;
    assert!(all.says("event: changed\ndata: {\"seq\":").await);
    let mut phone = shop.phone().listen(&format!("/v1/live?gtin={GTIN}")).await;
    assert!(phone.says("event: hello").await);
    shop.close().await;
    assert!(all.ends().await && phone.ends().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_resale_neither_owner_sees_anything_of_the_other() {
    let shop = Shop::open("resale").await;
    let mut first = shop.phone();
    assert_eq!(claim(&mut first, "A1", CODE).await.status, 200);
    let asked = json!({ "gtin": GTIN, "serial": "A1", "text": "My secret question" });
    assert_eq!(first.post("/v1/me/help", asked).await.status, 200);
    let device = {
        let state = shop.app().engine.state();
        let owner = state.product(unit("A1")).and_then(|product| product.owner).expect("claimed");
        state.person(owner).expect("there").aliases[0].alias.clone()
    };
    let live = format!("/v1/live?gtin={GTIN}&serial=A1");
    let mut hears = first.listen(&live).await;
    assert!(hears.says("event: hello").await);
    shop.trusted("product.resold", Some(device), unit("A1")).await;
    assert!(hears.says("event: changed").await);
    let page = first.page(Some("A1")).await;
    assert_eq!(
        (&page["access"], &page["bond"]["stage"]["id"]),
        (&json!("prospect"), &json!("parted"))
    );
    assert_eq!(page["product"]["claimable"], true);

    let mut second = shop.phone();
    let page = claim(&mut second, "A1", CODE).await.json();
    assert_eq!(page["access"], "owner");
    assert!(!page.to_string().contains("secret question"));
    let said = second.get(&format!("/v1/me/help?gtin={GTIN}&serial=A1")).await.json();
    assert_eq!(said["messages"], json!([]));
    assert!(!second.get("/v1/me/copy").await.text().contains("secret question"));
    let mut report = touch("product.failed", None, unit("A1"));
    report.state.insert("error", Value::from("paper_jam"));
    shop.submit(vec![Body::Touch(report)]).await;
    let page = first.page(Some("A1")).await;
    assert_eq!((&page["access"], &page["product"]["claimable"]), (&json!("public"), &json!(false)));
    assert!(!page.to_string().contains("paper_jam"));
    assert!(!page.to_string().contains("fix-jam"));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn help_is_asked_and_answered() {
    let shop = Shop::open("help").await;
    let mut phone = shop.phone();
    session(&mut phone).await;
    assert_eq!(claim(&mut phone, "A1", CODE).await.status, 200);
    let body = json!({ "gtin": GTIN, "serial": "A1", "text": "It will not connect", "id": "q1" });
    for _ in 0..2 {
        let sent = phone.post("/v1/me/help", body.clone()).await;
        assert_eq!(sent.json(), json!({ "id": "q1", "sent": true }));
    }
    let long = json!({ "gtin": GTIN, "text": "x".repeat(2_001) });
    assert_eq!(phone.post("/v1/me/help", long).await.status, 422);
    let me = shop.app().engine.state().product(unit("A1")).and_then(|product| product.owner);
    let alias = {
        let state = shop.app().engine.state();
        state.person(me.expect("claimed")).expect("there").aliases[0].alias.clone()
    };
    let mut answer = touch("help.answered", Some(alias), unit("A1"));
    answer.trusted = true;
    answer.properties.insert("text", Value::from("Press the button"));
    shop.submit(vec![Body::Touch(answer)]).await;
    let said = phone.get(&format!("/v1/me/help?gtin={GTIN}&serial=A1")).await.json();
    let said: Vec<(&str, bool)> = said["messages"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (one["text"].as_str().expect("a text"), one["mine"] == true))
        .collect();
    assert_eq!(said, [("It will not connect", true), ("Press the button", false)]);
    let page = phone.page(Some("A1")).await;
    assert_eq!(page["messages"][0]["text"], "Press the button");
    let mut other = shop.phone();
    session(&mut other).await;
    let none = other.get(&format!("/v1/me/help?gtin={GTIN}&serial=A1")).await.json();
    assert_eq!(none["messages"], json!([]));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_switch_and_a_decision_says_why() {
    let shop = Shop::open("permissions").await;
    let mut phone = shop.phone();
    session(&mut phone).await;
    phone.touch("product.viewed", None).await;
    let given = |page: &serde_json::Value| {
        let all = page["permissions"].as_array().expect("a list").clone();
        all.iter().find(|one| one["purpose"] == "location").expect("asked for")["given"].clone()
    };
    assert_eq!(given(&phone.page(None).await), false);
    let on = json!({ "purpose": "location", "given": true });
    assert_eq!(phone.post("/v1/me/permissions", on).await.status, 200);
    let page = phone.page(None).await;
    assert_eq!(given(&page), true);
    let odd = json!({ "purpose": "everything", "given": true });
    assert_eq!(phone.post("/v1/me/permissions", odd).await.status, 422);
    let decision = page["decision"]["id"].as_str().expect("a name").to_owned();
    let why = phone.get(&format!("/v1/me/why/{decision}?locale=en")).await;
    assert_eq!(why.status, 200, "{}", why.text());
    let why = why.json();
    let mut items = why["items"].as_array().expect("a list").iter();
    let offer = items.find(|one| one["id"] == "shop-50").expect("it is listed");
    assert_eq!(offer["shown"], false);
    assert_eq!(offer["switch_off"], json!(["location"]));
    assert!(!offer["reason"]["text"].as_str().expect("words").is_empty());
    let mut other = shop.phone();
    session(&mut other).await;
    assert_eq!(other.get(&format!("/v1/me/why/{decision}")).await.status, 404);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parcel_is_read_from_the_persons_touches() {
    let shop = Shop::open("parcel").await;
    let mut phone = shop.phone();
    session(&mut phone).await;
    phone.touch("product.viewed", None).await;
    let device = {
        let state = shop.app().engine.state();
        let id = state.persons_after(None, 1)[0];
        state.person(id).expect("there").aliases[0].alias.clone()
    };
    shop.trusted("order.placed", Some(device.clone()), unit("A1")).await;
    let mut scan = touch("parcel.scanned", Some(device), unit("A1"));
    scan.trusted = true;
    scan.properties.insert("carrier", Value::from("Hermes"));
    scan.properties.insert("number", Value::from("H1"));
    scan.properties.insert("place", Value::from("Leipzig"));
    shop.submit(vec![Body::Touch(scan)]).await;
    let page = phone.page(Some("A1")).await;
    assert_eq!(page["access"], "owner");
    assert_eq!(page["bond"]["stage"]["id"], "awaiting_delivery");
    assert_eq!(page["parcel"]["status"], "On its way");
    assert_eq!(page["parcel"]["carrier"], "Hermes");
    assert_eq!(page["parcel"]["events"].as_array().expect("a list").len(), 2);
    assert_eq!(page["parcel"]["events"][1]["place"], "Leipzig");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ad_and_a_friends_link_lead_to_the_model() {
    let shop = Shop::open("links").await;
    let mut friend = shop.phone();
    session(&mut friend).await;
    let made = friend.post("/v1/me/referral", json!({ "gtin": GTIN })).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let made = made.json();
    let again = friend.post("/v1/me/referral", json!({ "gtin": GTIN })).await.json();
    assert_eq!(made, again);
    let url = made["url"].as_str().expect("a link");
    let path = &url[url.find("/r/").expect("a path")..];
    let svg = friend.get(&format!("/v1/me/referral.svg?gtin={GTIN}")).await;
    assert_eq!((svg.status, svg.header("content-type")), (200, "image/svg+xml".into()));

    let html = [("accept", "text/html")];
    let mut visitor = shop.phone();
    let answer = visitor.call("GET", path, &html, None).await;
    assert_eq!((answer.status, answer.header("location")), (303, format!("/01/{GTIN}")));
    assert!(visitor.cookie.is_some());
    assert_eq!(visitor.page(None).await["bond"]["stage"]["id"], "interested");
    assert_eq!(friend.page(None).await["referral"]["visits"], 1);
    // Neither the friend's own click nor a look ahead counts.
    friend.call("GET", path, &html, None).await;
    let ahead = [("accept", "text/html"), ("sec-purpose", "prefetch")];
    shop.phone().call("GET", path, &ahead, None).await;
    assert_eq!(friend.page(None).await["referral"]["visits"], 1);

    let mut phone = shop.phone();
    let answer = phone.call("GET", "/c/summer?target=https://evil.example", &html, None).await;
    assert_eq!((answer.status, answer.header("location")), (303, format!("/01/{GTIN}")));
    assert_eq!(phone.page(None).await["access"], "prospect");
    let odd = shop.phone().call("GET", "/c/odd", &html, None).await;
    assert_eq!(odd.header("location"), format!("/01/{GTIN}"));
    let away = shop.phone().call("GET", "/c/away", &html, None).await;
    assert_eq!(away.header("location"), "https://shop.example/sale?x=1");
    for path in ["/c/nothing", "/r/0000-0000"] {
        let answer = shop.phone().call("GET", path, &html, None).await;
        assert_eq!(answer.status, 404);
        assert!(answer.header("content-type").starts_with("text/html"));
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn my_data_can_be_read_taken_along_and_wiped() {
    let shop = Shop::open("wipe").await;
    let mut phone = shop.phone();
    session(&mut phone).await;
    assert_eq!(claim(&mut phone, "A1", CODE).await.status, 200);
    let device = {
        let state = shop.app().engine.state();
        let owner = state.product(unit("A1")).and_then(|product| product.owner).expect("claimed");
        state.person(owner).expect("there").aliases[0].alias.clone()
    };
    let mut known = touch("page.viewed", Some(device), unit("A1"));
    known.trusted = true;
    known.aliases.push(email("eva@example.com"));
    known.settle_aliases();
    known.traits.insert("first_name", Value::from("Eva"));
    shop.submit(vec![Body::Touch(known)]).await;
    for _ in 0..60 {
        phone.touch("page.viewed", Some("A1")).await;
    }
    let me = phone.get("/v1/me?locale=en").await.json();
    assert_eq!(me["traits"], json!({ "first_name": "Eva" }));
    assert_eq!(me["bonds"][0]["name"], "EverPrint 3");
    assert_eq!(me["bonds"][0]["role"], "owner");
    assert_eq!(me["timeline"].as_array().expect("a list").len(), 50);
    let next = me["next"].as_str().expect("there is more");
    let rest = phone.get(&format!("/v1/me?cursor={next}")).await.json();
    let rest_len = rest["timeline"].as_array().expect("a list").len();
    assert!((11..50).contains(&rest_len), "{rest_len}");
    assert_eq!(rest["next"], json!(null));

    let copy = phone.get("/v1/me/copy").await;
    assert_eq!(
        copy.header("content-disposition"),
        "attachment; filename=\"everbond-my-data.json\""
    );
    let copy = copy.json();
    assert!(copy.to_string().contains("eva@example.com"));
    assert!(copy["timeline"].as_array().expect("a list").len() >= 62);

    let wiped = phone.call("DELETE", "/v1/me", &[("x-everbond", "1")], None).await;
    assert_eq!(wiped.status, 202);
    let receipt = wiped.json()["receipt"].clone();
    let url = receipt["url"].as_str().expect("a path").to_owned();
    assert!(phone.cookie.is_none(), "the session ends");
    let page = phone.page(Some("A1")).await;
    assert_eq!(page["access"], "public");
    assert_eq!(page["product"]["claimable"], true);
    assert_eq!(phone.get("/v1/me").await.status, 401);
    let shown = phone.get(&url).await;
    assert_eq!((shown.status, shown.json()["id"].clone()), (200, receipt["id"].clone()));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_not_valid_says_so() {
    let shop = Shop::open("page-errors").await;
    let mut phone = shop.phone();
    for (path, status, code) in [
        ("/v1/me/page", 422, "invalid"),
        ("/v1/me/page?gtin=09506000134353", 422, "invalid"),
        ("/v1/me/page?gtin=09506000134352&lat=x", 422, "invalid"),
        ("/v1/me/page?gtin=09506000134352&channel=pigeon", 422, "invalid"),
        ("/v1/me/page?gtin=04012345123456", 404, "no_such_model"),
        ("/v1/me/why/d_0000000000000000", 404, "not_found"),
        ("/v1/nothing", 404, "not_found"),
    ] {
        let answer = phone.get(path).await;
        assert_eq!((answer.status, answer.json()["code"].clone()), (status, json!(code)), "{path}");
    }
    // A unit that nobody registered is its model's page.
    let page = phone.page(Some("unknown")).await;
    assert_eq!(page["product"]["claimable"], false);
    shop.close().await;
}
