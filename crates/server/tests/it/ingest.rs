//! The ways in from outside: native touches, Segment's calls, and the real SDKs of `tests/sdks`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use engine::Entity;
use model::alias::{Alias, AliasKind};
use model::entry::{Body, KeyScope};
use model::id::Time;
use model::touch::{Source, Touch};
use serde_json::{Value as Json, json};
use server::serve::key_of;

use crate::phone::{Answer, Phone, Shop};

const WRITE: &str = "wk_ingest01_0123456789abcdefghijklmn";
const SECRET: &str = "sk_ingest01_0123456789abcdefghijklmn";

async fn shop(name: &str) -> Shop {
    let shop = Shop::open(name).await;
    shop.submit(vec![
        Body::PutKey(key_of(KeyScope::Write, "web", WRITE)),
        Body::PutKey(key_of(KeyScope::Secret, "back office", SECRET)),
    ])
    .await;
    shop
}

async fn send(phone: &mut Phone, key: &str, path: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {key}");
    phone.call("POST", path, &[("authorization", &bearer)], Some(body.to_owned())).await
}

/// Every body of the log.
fn log(shop: &Shop) -> Vec<Body> {
    let reader = shop.app().engine.reader();
    (reader.first_seq()..=reader.last_seq())
        .filter_map(|seq| reader.read(seq).expect("the log can be read"))
        .map(|record| {
            let at = Time(record.time_ms);
            Body::read(at, record.tag, &record.common, &record.personal).expect("a body")
        })
        .collect()
}

fn touches(shop: &Shop, source: Source) -> Vec<Touch> {
    let touches = log(shop).into_iter().filter_map(|body| match body {
        Body::Touch(touch) if touch.source == source => Some(touch),
        _ => None,
    });
    touches.collect()
}

fn has_person(shop: &Shop, kind: AliasKind, value: &str) -> Option<model::id::PersonId> {
    let alias = Alias::new(kind, value).expect("valid");
    shop.app().engine.state().person_by_alias(&alias)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_a_bad_item_succeeds_and_the_item_is_kept() {
    let shop = shop("ingest-batch").await;
    let mut phone = shop.phone();
    let body = r#"{"batch":[{"type":"track","userId":"u1","event":"Order Completed","messageId":"m1",
        "properties":{"total":5}},{"type":"track","event":"Lost"}],"context":{"locale":"de"}}"#;
    for _ in 0..2 {
        let answer = send(&mut phone, WRITE, "/v1/batch", body).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"success":true}"#));
        assert_eq!(answer.header("access-control-allow-origin"), "*");
    }
    let refused = log(&shop).into_iter().find_map(|body| match body {
        Body::Refused { source, code, raw, .. } => Some((source, code, raw)),
        _ => None,
    });
    let (source, code, raw) = refused.expect("kept");
    assert_eq!((source, &*code), (Source::Segment, "no_person"));
    let raw: Json = serde_json::from_slice(&raw).expect("JSON");
    assert_eq!(raw, json!({"type": "track", "event": "Lost", "context": {"locale": "de"}}));
    assert_eq!(touches(&shop, Source::Segment).len(), 1);
    let refused =
        shop.app().engine.state().timeline_all(&Entity::Topic(engine::Topic::Refused)).len();
    assert_eq!(refused, 2);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn native_touches_are_answered_one_by_one() {
    let shop = shop("ingest-native").await;
    let mut phone = shop.phone();
    let body = r#"[{"kind":"product.used","id":"1","gtin":"9506000134352","person":"user:u1"},
        {"kind":"product.used","id":"1","gtin":"9506000134352","person":"user:u1"},{"kind":"x"}]"#;
    let answer = send(&mut phone, SECRET, "/v1/touches", body).await.json();
    assert_eq!(
        (&answer["accepted"], &answer["duplicates"], &answer["refused"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(answer["results"][1], json!({"status": "duplicate"}));
    assert_eq!(answer["results"][2]["at"], "touches[2].kind");
    assert_eq!(answer["results"][2]["line"], 2);
    assert!(touches(&shop, Source::Native)[0].trusted);
    let lines = "{\"kind\":\"page.viewed\",\"person\":\"user:u1\"}\n{\"kind\":\n";
    let headers =
        [("authorization", &*format!("Bearer {WRITE}")), ("content-type", "application/x-ndjson")];
    let answer = phone.call("POST", "/v1/touches", &headers, Some(lines.into())).await.json();
    assert_eq!((&answer["accepted"], &answer["refused"]), (&json!(1), &json!(1)));
    assert!(!touches(&shop, Source::Native).last().expect("one").trusted);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_taken_wherever_clients_put_them_and_no_others() {
    let shop = shop("ingest-keys").await;
    let mut phone = shop.phone();
    let call = r#"{"userId":"u1","event":"X"}"#.to_owned();
    let in_body = format!(r#"{{"userId":"u1","event":"X","writeKey":"{WRITE}"}}"#);
    let query = format!("/v1/t?writeKey={WRITE}");
    let settings = format!("/v1/projects/{WRITE}/settings");
    assert_eq!(phone.call("POST", &query, &[], Some(call.clone())).await.status, 200);
    assert_eq!(phone.call("POST", "/v1/track", &[], Some(in_body)).await.status, 200);
    let answer = phone.call("POST", "/v1/track", &[], Some(call.clone())).await;
    assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("no_key")));
    assert!(answer.json()["message"].is_string());
    let wrong = send(&mut phone, "wk_ingest01_wrong", "/v1/track", &call).await;
    assert_eq!((wrong.status, &wrong.json()["code"]), (401, &json!("bad_key")));
    let answer = phone.get(&settings).await.json();
    assert_eq!(answer["integrations"]["Segment.io"]["apiKey"], WRITE);
    assert_eq!(phone.get("/v1/projects/nobody/settings").await.status, 401);
    let asked = phone.call("OPTIONS", "/v1/b", &[("origin", "https://shop.example")], None).await;
    let allowed = asked.header("access-control-allow-headers");
    for name in ["authorization", "content-type", "x-retry-count", "anonymousid", "sentat"] {
        assert!(allowed.contains(name), "{name} is not in {allowed}");
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_a_problem_with_its_status() {
    let shop = shop("ingest-problems").await;
    let mut phone = shop.phone();
    let broken = send(&mut phone, WRITE, "/v1/batch", "{\"batch\":[\n{]}").await;
    assert_eq!((broken.status, &broken.json()["at"]["line"]), (400, &json!(2)));
    let bearer = format!("Bearer {WRITE}");
    let said = [("authorization", bearer.as_str()), ("content-encoding", "br")];
    let answer = phone.call("POST", "/v1/batch", &said, Some("{}".into())).await;
    assert_eq!(answer.status, 415);
    let many = format!("[{}1]", "1,".repeat(model::limits::BATCH_TOUCHES));
    assert_eq!(send(&mut phone, WRITE, "/v1/batch", &many).await.status, 413);
    let large = "x".repeat(model::limits::BODY_BYTES + 1);
    assert_eq!(send(&mut phone, WRITE, "/v1/batch", &large).await.status, 413);
    assert!(touches(&shop, Source::Segment).is_empty());
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_may_be_public_cannot_make_two_users_one() {
    let shop = shop("ingest-alias").await;
    let mut phone = shop.phone();
    for user in ["victim", "attacker"] {
        let call = format!(r#"{{"userId":"{user}","traits":{{}}}}"#);
        send(&mut phone, WRITE, "/v1/identify", &call).await;
    }
    let alias = r#"{"userId":"attacker","previousId":"victim"}"#;
    assert_eq!(send(&mut phone, WRITE, "/v1/alias", alias).await.status, 200);
    let person = |name| has_person(&shop, AliasKind::User, name).expect("known");
    assert_ne!(person("victim"), person("attacker"));
    shop.close().await;
}

/// Needs `npm ci` and, for Python, `.venv` in tests/sdks; see its README.
#[tokio::test(flavor = "multi_thread")]
async fn every_real_sdk_arrives_as_it_was_sent() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/sdks");
    let python = folder.join(".venv/bin/python");
    let mut drivers: Vec<(PathBuf, Vec<&str>, &str)> = Vec::new();
    if folder.join("node_modules").is_dir() {
        drivers.push(("node".into(), vec!["segment-node.mjs"], ""));
        drivers.push(("node".into(), vec!["rudder-node.mjs"], ""));
        let chromium = std::env::var("EVERBOND_CHROMIUM").unwrap_or("/usr/bin/chromium".into());
        if Path::new(&chromium).exists() {
            drivers.push(("node".into(), vec!["segment-browser.mjs"], ""));
            drivers.push(("node".into(), vec!["segment-browser.mjs"], "--batching"));
        } else {
            eprintln!("skipped: there is no {chromium}, the browser SDK is not tried");
        }
    } else {
        eprintln!("skipped: tests/sdks/node_modules is not there, no SDK of npm is tried");
    }
    if python.exists() {
        drivers.push((python.clone(), vec!["segment_python.py"], ""));
        drivers.push((python, vec!["segment_python.py"], "--gzip"));
    } else {
        eprintln!("skipped: tests/sdks/.venv is not there, the SDK for Python is not tried");
    }
    let shop = shop("ingest-sdks").await;
    let url = format!("http://{}", shop.phone().addr);
    for (at, (program, script, flag)) in drivers.into_iter().enumerate() {
        let run = format!("r{at}");
        let mut command = std::process::Command::new(program);
        command.current_dir(&folder).args(script).args([&url, WRITE, &run]).stdin(Stdio::null());
        command.args(Some(flag).filter(|flag| !flag.is_empty()));
        let output = tokio::task::spawn_blocking(move || command.output().expect("it starts"));
        let output = output.await.expect("no panic");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{run}: {told}");
        let report: Json = serde_json::from_slice(&output.stdout).expect("a line of JSON");
        check_arrived(&shop, &run, &report);
    }
    assert!(!log(&shop).iter().any(|body| matches!(body, Body::Refused { .. })));
    shop.close().await;
}

fn check_arrived(shop: &Shop, run: &str, report: &Json) {
    let sdk = report["sdk"].as_str().expect("a name");
    let (user, anonymous) = (format!("user-{run}"), format!("anon-{run}"));
    let mut arrived = touches(shop, Source::Segment);
    arrived.retain(|touch| {
        touch.aliases.iter().any(|alias| *alias.value == *user || *alias.value == *anonymous)
    });
    let mut kinds: Vec<&str> = arrived.iter().map(|touch| touch.kind.as_str()).collect();
    let sent = report["sent"].as_array().expect("a list");
    let mut expected: Vec<&str> =
        sent.iter().map(|call| call["kind"].as_str().expect("a kind")).collect();
    kinds.sort_unstable();
    expected.sort_unstable();
    assert_eq!(kinds, expected, "{sdk}");
    let one = |kind: &str| {
        let found = arrived.iter().find(|touch| touch.kind.as_str() == kind);
        found.unwrap_or_else(|| panic!("{sdk} sent no {kind}"))
    };
    let order = one("order.placed");
    assert_eq!(order.money.map(|money| money.to_string()).as_deref(), Some("299.00 USD"), "{sdk}");
    assert_eq!(order.products[0].to_string(), format!("/01/09506000134352/21/S-{run}"), "{sdk}");
    assert_eq!(order.properties.text("order_id"), Some(&*format!("order-{run}")), "{sdk}");
    assert_eq!(one("page.viewed").campaign.as_deref(), Some(&*format!("spring-{run}")), "{sdk}");
    assert_eq!(one("person.identified").traits.text("name"), Some("Änne Beispiel"), "{sdk}");
    assert_eq!(one("event.coffee_brewed").properties.text("event"), Some("Coffee Brewed"), "{sdk}");
    let account = format!("acct-{run}");
    assert_eq!(one("person.grouped").properties.text("account"), Some(&*account), "{sdk}");
    assert!(arrived.iter().all(|touch| touch.id.0 != 0 && touch.channel.is_some()), "{sdk}");
    // Whoever looked without a name and whoever ordered are one person, known by e-mail as well.
    let known = has_person(shop, AliasKind::User, &user);
    assert!(known.is_some(), "{sdk}");
    assert_eq!(has_person(shop, AliasKind::Anonymous, &anonymous), known, "{sdk}");
    assert_eq!(has_person(shop, AliasKind::Email, &format!("{run}@example.com")), known, "{sdk}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_key_leads_no_session_to_anothers_data() {
    let shop = shop("ingest-thief").await;
    let mut thief = shop.phone();
    assert_eq!(thief.post("/v1/me/session", json!({})).await.status, 200);
    thief.touch("product.viewed", None).await;
    let device = thief.get("/v1/me").await.json()["aliases"][0]["value"].clone();
    let mut office = shop.phone();
    let bought = json!({ "kind": "product.bought", "aliases": { "email": "victim@example.com" },
        "products": ["/01/09506000134352/21/A1"], "traits": { "name": "Victoria" } });
    send(&mut office, SECRET, "/v1/touches", &bought.to_string()).await;

    let tries = json!([
        { "kind": "app.opened", "aliases": { "device": device, "email": "victim@example.com" } },
        { "kind": "person.aliased", "aliases": { "device": device, "user": "thief" } },
        { "kind": "app.opened", "aliases": { "user": "thief", "email": "victim@example.com" } },
        { "kind": "product.resold", "aliases": { "email": "victim@example.com" },
          "products": ["/01/09506000134352/21/A1"] },
        { "kind": "help.answered", "aliases": { "email": "victim@example.com" },
          "properties": { "text": "Send us your password" },
          "products": ["/01/09506000134352/21/A1"] },
    ]);
    let answer = send(&mut shop.phone(), WRITE, "/v1/touches", &tries.to_string()).await.json();
    let codes: Vec<&Json> = (0..4).map(|at| &answer["results"][at]["code"]).collect();
    let needs = json!("device_needs_secret_key");
    assert_eq!(codes, [&needs, &needs, &Json::Null, &json!("not_owner")]);
    let linked = json!({ "kind": "app.opened", "aliases": { "user": "thief", "device": device } });
    send(&mut office, SECRET, "/v1/touches", &linked.to_string()).await;
    let seen = thief.get("/v1/me").await.text();
    assert!(seen.contains("thief") && !seen.contains("Victoria"), "{seen}");
    assert!(!thief.get("/v1/me/copy").await.text().contains("Victoria"));
    assert_eq!(thief.page(Some("A1")).await["access"], "prospect");

    // The owner is still the owner, and reads nothing that only looks like the company's word.
    let mut victim = shop.phone();
    assert_eq!(victim.post("/v1/me/session", json!({})).await.status, 200);
    victim.touch("product.viewed", None).await;
    let device = victim.get("/v1/me").await.json()["aliases"][0]["value"].clone();
    let linked = json!({ "kind": "app.opened",
        "aliases": { "email": "victim@example.com", "device": device } });
    send(&mut office, SECRET, "/v1/touches", &linked.to_string()).await;
    let page = victim.page(Some("A1")).await;
    assert_eq!(page["access"], "owner");
    assert!(!page.to_string().contains("password"));
    let said = victim.get("/v1/me/help?gtin=09506000134352&serial=A1").await.text();
    assert!(!said.contains("password"), "{said}");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_key_cannot_use_up_the_ids_of_the_companys_messages() {
    let shop = shop("ingest-ids").await;
    let mut phone = shop.phone();
    let touch = r#"{"kind":"order.placed","id":"order-1001","aliases":{"user":"u1"}}"#;
    let mut statuses = Vec::new();
    for key in [WRITE, WRITE, SECRET, SECRET] {
        let answer = send(&mut phone, key, "/v1/touches", touch).await.json();
        statuses.push(answer["results"][0]["status"].as_str().expect("a status").to_owned());
    }
    assert_eq!(statuses, ["accepted", "duplicate", "accepted", "duplicate"]);
    shop.close().await;
}
