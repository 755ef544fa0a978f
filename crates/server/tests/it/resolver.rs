//! The resolver and the pages: what a scanned code leads to, for people and for machines.

use serde_json::{Value as Json, json};

use crate::phone::{Answer, GTIN, Shop};

async fn ask(shop: &Shop, path: &str, headers: &[(&str, &str)]) -> Answer {
    shop.phone().call("GET", path, headers, None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn people_get_a_page_and_machines_a_linkset() {
    let shop = Shop::open("resolver").await;
    let path = format!("/01/{GTIN}/21/A1");
    let page = ask(&shop, &path, &[("accept", "text/html,*/*;q=0.8")]).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.header("content-security-policy").contains("default-src 'self'"));
    assert!(page.header("link").contains("rel=\"linkset\""));
    assert!(page.header("vary").contains("Accept"));
    assert_eq!(page.header("access-control-allow-origin"), "*");
    for headers in [
        [("accept", "application/linkset+json")],
        [("accept", "application/json")],
        [("accept", "*/*")],
    ] {
        let query = if headers[0].1 == "*/*" { "?linkType=linkset" } else { "" };
        let linkset = ask(&shop, &format!("{path}{query}"), &headers).await;
        assert_eq!(linkset.status, 200);
        let document = linkset.json();
        let item = &document["linkset"][0];
        assert!(item["anchor"].as_str().expect("a URI").ends_with(&path));
        assert_eq!(item["itemDescription"], "EverPrint 3");
        assert!(item["https://gs1.org/voc/defaultLink"][0]["href"].is_string());
        assert_eq!(item["https://gs1.org/voc/instructions"].as_array().map(Vec::len), Some(2));
        conforms(&document);
    }
    // A unit that nobody registered is answered as its model.
    let unknown = ask(&shop, &format!("/01/{GTIN}/21/none?linkType=all"), &[]).await.json();
    let anchor = unknown["linkset"][0]["anchor"].as_str().expect("a URI").to_owned();
    assert!(anchor.ends_with(&format!("/01/{GTIN}")), "{anchor}");
    let head = shop.phone().call("HEAD", &path, &[], None).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    let options = shop.phone().call("OPTIONS", &path, &[], None).await;
    assert_eq!(options.status, 204);
    assert_eq!(options.header("access-control-allow-origin"), "*");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_type_is_redirected_to_in_the_callers_language() {
    let shop = Shop::open("redirect").await;
    let path = format!("/01/{GTIN}/21/A1?linkType=gs1:instructions&17=271231");
    for (language, target) in [
        ("de-AT, en;q=0.5", "https://help.example/de?17=271231"),
        ("en", "https://help.example/en?17=271231"),
    ] {
        let answer = ask(&shop, &path, &[("accept-language", language)]).await;
        assert_eq!((answer.status, answer.header("location")), (307, target.into()));
    }
    let pip = ask(&shop, &format!("/01/{GTIN}/21/A1?linkType=gs1:pip"), &[]).await;
    assert_eq!(pip.status, 307);
    assert!(pip.header("location").ends_with(&format!("/01/{GTIN}/21/A1")));
    let none = ask(&shop, &format!("/01/{GTIN}?linkType=gs1:recallStatus"), &[]).await;
    assert_eq!(none.status, 404);
    // Two languages fit a caller who names neither equally well.
    let many = ask(&shop, &format!("/01/{GTIN}?linkType=gs1:instructions"), &[]).await;
    assert_eq!(many.status, 300);
    assert!(many.header("link").contains("https://help.example/de"));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_and_unknown_codes_say_so() {
    let shop = Shop::open("unknown").await;
    let html = [("accept", "text/html")];
    let json_only = [("accept", "application/json")];
    for (path, status, code) in [
        ("/01/09506000134353", 400, "bad_link"),
        ("/01/09506000134352/21/", 400, "bad_link"),
        ("/01/04012345123456", 404, "no_such_model"),
        ("/00/106141412345678908", 404, "not_found"),
    ] {
        let answer = ask(&shop, path, &json_only).await;
        assert_eq!((answer.status, answer.json()["code"].clone()), (status, json!(code)), "{path}");
    }
    for (path, status) in [
        ("/01/09506000134353", 400),
        ("/01/04012345123456", 404),
        ("/somewhere", 404),
        ("/me", 200),
        ("/me/receipt/9f3a6c1d2b4e5f60", 200),
        ("/01/09506000134352/guides/jam", 200),
        ("/01/09506000134352/21/A1/chat", 200),
        ("/01/09506000134352/10/LOT/21/A1", 200),
    ] {
        let answer = ask(&shop, path, &html).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.header("content-type").starts_with("text/html"), "{path}");
    }
    let description = ask(&shop, "/.well-known/gs1resolver", &[]).await.json();
    assert_eq!(description["supportedPrimaryKeys"], json!(["01"]));
    let code = ask(&shop, &format!("/v1/qr.svg?gtin={GTIN}&serial=A1"), &[]).await;
    assert_eq!((code.status, code.header("content-type")), (200, "image/svg+xml".into()));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_built_files_are_kept_and_the_page_is_asked_for_again() {
    let shop = Shop::open("files").await;
    let page = ask(&shop, "/me", &[("accept", "text/html")]).await;
    assert_eq!(page.status, 200);
    let text = page.text();
    if text.contains("is not built yet") {
        eprintln!("skipped: web/companion is not built, there are no files to ask for");
        return shop.close().await;
    }
    let etag = page.header("etag");
    let again = ask(&shop, "/index.html", &[("if-none-match", etag.as_str())]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let gone = [("accept", "text/html"), ("if-none-match", etag.as_str())];
    assert_eq!(ask(&shop, "/01/04012345123456", &gone).await.status, 404);
    let worker = ask(&shop, "/sw.js", &[]).await;
    assert_eq!((worker.status, worker.header("cache-control")), (200, "no-cache".into()));
    let from = text.find("/companion/index-").expect("the page loads its program");
    let script = text[from..].split('"').next().expect("a path");
    let plain = ask(&shop, script, &[]).await;
    let packed = ask(&shop, script, &[("accept-encoding", "gzip, br")]).await;
    assert!(plain.header("cache-control").contains("immutable"));
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.body.len() < plain.body.len() / 2);
    let missing = ask(&shop, "/companion/index-00000000.js", &[("accept", "text/html")]).await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.header("content-type"), "application/problem+json");
    shop.close().await;
}

/// The parts of GS1's schema for linksets that it uses: types, what is required, patterns of texts.
fn conforms(document: &Json) {
    let Ok(folder) = std::env::var("EVERBOND_FIXTURES") else {
        eprintln!("skipped: EVERBOND_FIXTURES is not set, the linkset is not held to the schema");
        return;
    };
    let file = std::path::Path::new(&folder).join("gs1/gs1-linkset-schema.json");
    let schema = std::fs::read_to_string(&file).expect("the schema can be read");
    let schema: Json = serde_json::from_str(&schema).expect("it is JSON");
    let context = &schema["properties"]["linkset"]["items"];
    let link = context["patternProperties"].as_object().expect("one pattern");
    let link = &link.values().next().expect("one pattern")["items"];
    for item in document["linkset"].as_array().expect("a list") {
        for name in context["required"].as_array().expect("a list") {
            assert!(item[name.as_str().expect("a name")].is_string(), "{name}");
        }
        for (rel, links) in item.as_object().expect("an object") {
            if context["properties"].get(rel).is_some() {
                continue;
            }
            assert!(rel.starts_with("https://") || rel.bytes().all(|b| b.is_ascii_lowercase()));
            for one in links.as_array().expect("links stand in lists") {
                for name in link["required"].as_array().expect("a list") {
                    assert!(one[name.as_str().expect("a name")].is_string(), "{name}");
                }
                for (name, value) in one.as_object().expect("an object") {
                    let rule = link["properties"].get(name).expect("no other fields are allowed");
                    let is = match rule["type"].as_str() {
                        Some("string") => value.is_string(),
                        Some("array") => value.is_array(),
                        _ => value.is_boolean(),
                    };
                    assert!(is, "{name}");
                }
                assert!(one["href"].as_str().is_some_and(|href| href.starts_with("http")));
            }
        }
    }
}
