//! One person's story, from the ad to the friend who buys, in time lapse: every step is one call
//! that her phone, the shop's till, the carrier or the printer makes, over HTTP.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::http::Client;
use super::super::{Failed, failed, say};
use super::company::{CAMPAIGN, GTIN, SHOPS, STORY_UNIT};

pub struct Story {
    /// Her phone: no key, only the session's cookie.
    phone: Client,
    /// The company's systems: till, shop, carrier, with the secret key.
    company: Client,
    url: String,
    user: String,
    wait: Duration,
    number: u32,
    /// Empty until she has a unit.
    serial: &'static str,
}

impl Story {
    pub fn new(url: &str, key: &str, user: &str, wait: Duration) -> Result<Story, Failed> {
        Ok(Story {
            phone: Client::new(url, None)?,
            company: Client::new(url, Some(key.to_owned()))?,
            url: url.to_owned(),
            user: user.to_owned(),
            wait,
            number: 0,
            serial: "",
        })
    }

    /// Plays it once.
    pub async fn play(&mut self) -> Result<(), Failed> {
        self.looks_around().await?;
        let code = self.goes_to_the_shop().await?;
        self.buys(&code).await?;
        self.waits_for_the_parcel().await?;
        self.installs().await?;
        self.has_trouble().await?;
        self.recommends().await
    }

    async fn looks_around(&mut self) -> Result<(), Failed> {
        let answer = self.phone.get(&format!("/c/{CAMPAIGN}?channel=web")).await?;
        if answer.status != 303 {
            return Err(failed(format_args!("the ad's link answered {}", answer.status)));
        }
        self.tell("Mia taps on an ad of 'Spring cleaning'").await?;
        self.touch(json!({"kind": "product.viewed", "gtin": GTIN})).await?;
        self.tell("She looks at the printer").await?;
        let fan = json!({"kind": "page.viewed", "gtin": GTIN, "properties": {"kind": "fan"}});
        self.touch(fan).await?;
        self.tell("She reads the page for photo fans").await
    }

    /// Gives the code of the offer that she gets on the way.
    async fn goes_to_the_shop(&mut self) -> Result<String, Failed> {
        let given = json!({"purpose": "location", "given": true});
        self.phone.send("POST", "/v1/me/permissions", &given).await?.success()?;
        self.tell("She allows her place to be used").await?;
        let (_, name, lat, lon) = SHOPS[0];
        // About 120 m north of the door.
        let query = format!("&lat={}&lon={lon}&setting=shop", lat + 0.0011);
        let page = self.page(&query).await?;
        let offer = &page["decision"]["offers"][0];
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (title, reason) = (word(&offer["title"]), word(&offer["reason"]["text"]));
        let code = word(&offer["code"]);
        if code.is_empty() {
            return Err(failed("near the shop there was no offer"));
        }
        self.line(&format!("She comes near {name}: '{title}'"), &page)?;
        say(format_args!("        why: {reason}"))?;
        self.wait().await;
        let entered =
            json!({"kind": "place.entered", "gtin": GTIN, "properties": {"place": SHOPS[0].0}});
        self.touch(entered).await?;
        self.tell("She goes in").await?;
        Ok(code)
    }

    async fn buys(&mut self, code: &str) -> Result<(), Failed> {
        let redeemed = json!({
            "kind": "offer.redeemed", "products": [model_link()], "place": SHOPS[0].0,
            "channel": "shop", "properties": {"code": code},
        });
        self.company_touch(redeemed).await?;
        self.tell("The till takes her code").await?;
        let user = self.user.clone();
        // The shop's page hands the session's name on with the order, so that the customer number
        // and the phone become one person.
        let device = device_of(&mut self.phone).await?;
        let order = json!({
            "kind": "order.placed", "products": [model_link()], "place": SHOPS[0].0,
            "channel": "shop", "money": {"amount": "249.00", "currency": "USD"},
            "aliases": {"user": user, "email": format!("{user}@example.com"), "device": device},
            "traits": {"first_name": "Mia"},
            "properties": {"order_id": format!("O-{user}"), "code": code},
        });
        self.company_touch(order).await?;
        self.tell("She orders it, to be sent home, 249.00 USD").await
    }

    async fn waits_for_the_parcel(&mut self) -> Result<(), Failed> {
        self.serial = STORY_UNIT;
        let stations = [
            ("product.shipped", "Leipzig, warehouse", "The warehouse packs unit PB-0002 for her"),
            ("parcel.scanned", "Leipzig, hub", "The parcel is scanned in Leipzig"),
            ("parcel.scanned", "Berlin, delivery base", "It is scanned in Berlin"),
            ("parcel.delivered", "at the door", "It is at her door"),
        ];
        for (kind, place, text) in stations {
            let scan = json!({
                "kind": kind, "products": [unit_link()], "channel": "partner",
                "aliases": {"user": self.user},
                "properties": {"carrier": "Tern", "number": "TN 4401 77", "place": place},
            });
            self.company_touch(scan).await?;
            self.tell(text).await?;
        }
        Ok(())
    }

    async fn installs(&mut self) -> Result<(), Failed> {
        let unboxed = json!({"kind": "product.unboxed", "gtin": GTIN, "serial": STORY_UNIT});
        self.touch(unboxed).await?;
        self.tell("She opens the box").await?;
        for (kind, state, text) in [
            (
                "product.powered_on",
                json!({"power": "on", "ink_percent": 100}),
                "The printer is switched on",
            ),
            ("product.connected", json!({"wifi": "ok"}), "It is in her Wi-Fi"),
            ("product.installed", json!({"firmware": "4.1.0"}), "It says that it is installed"),
            ("product.used", json!({"pages": 1}), "It prints its first page"),
        ] {
            self.device(kind, state).await?;
            self.tell(text).await?;
        }
        Ok(())
    }

    async fn has_trouble(&mut self) -> Result<(), Failed> {
        self.device("product.failed", json!({"error": "paper_jam"})).await?;
        self.tell("The printer reports a paper jam by itself").await?;
        let guide = json!({
            "kind": "guide.completed", "gtin": GTIN, "serial": STORY_UNIT,
            "properties": {"guide": "jam"},
        });
        self.touch(guide).await?;
        self.device("product.fixed", json!({"error": ""})).await?;
        self.tell("She follows the guide; the jam is gone").await
    }

    async fn recommends(&mut self) -> Result<(), Failed> {
        let asked = json!({"gtin": GTIN, "serial": STORY_UNIT});
        let link = self.phone.send("POST", "/v1/me/referral", &asked).await?.success()?;
        let link = link["url"].as_str().or_else(|| link["referral"]["url"].as_str());
        let link = link.ok_or_else(|| failed("the personal link has no address"))?.to_owned();
        self.tell(&format!("She recommends it: {link}")).await?;
        let path = link.find("/r/").map_or("", |at| &link[at..]);
        let mut friend = Client::new(&self.url, None)?;
        friend.get(path).await?;
        self.tell("A friend opens her link").await?;
        let page = friend.get(&format!("/v1/me/page?gtin={GTIN}")).await?.success()?;
        let offers = page["decision"]["offers"].as_array().cloned().unwrap_or_default();
        let code = offers.iter().find_map(|offer| offer["code"].as_str());
        let Some(code) = code else {
            return Err(failed("the friend got no welcome"));
        };
        let user = format!("{}-friend", self.user);
        let device = device_of(&mut friend).await?;
        let order = json!({
            "kind": "order.placed", "products": [model_link()], "channel": "web",
            "money": {"amount": "299.00", "currency": "USD"},
            "aliases": {"user": user, "email": format!("{user}@example.com"), "device": device},
            "properties": {"order_id": format!("O-{user}"), "code": code},
        });
        self.company_touch(order).await?;
        self.tell("The friend buys one too, 299.00 USD").await?;
        let page = self.page("").await?;
        let referral = &page["referral"];
        say(format_args!(
            "        her link by now: {} visits, {} orders. {}",
            referral["visits"],
            referral["orders"],
            referral["thanks"].as_str().unwrap_or_default()
        ))
    }

    /// What her phone tells.
    async fn touch(&mut self, touch: Value) -> Result<(), Failed> {
        taken(self.phone.send("POST", "/v1/me/touches", &touch).await?.success()?)
    }

    async fn company_touch(&mut self, touch: Value) -> Result<(), Failed> {
        taken(self.company.send("POST", "/v1/touches", &touch).await?.success()?)
    }

    /// What the printer itself tells: it knows its number, not its owner.
    async fn device(&mut self, kind: &str, state: Value) -> Result<(), Failed> {
        let touch = json!({
            "kind": kind, "products": [unit_link()], "channel": "device", "state": state,
        });
        self.company_touch(touch).await
    }

    async fn page(&mut self, more: &str) -> Result<Value, Failed> {
        let serial =
            if self.serial.is_empty() { String::new() } else { format!("&serial={}", self.serial) };
        let path = format!("/v1/me/page?gtin={GTIN}{serial}&locale=en{more}");
        self.phone.get(&path).await?.success()
    }

    async fn tell(&mut self, text: &str) -> Result<(), Failed> {
        let page = self.page("").await?;
        self.line(text, &page)?;
        self.wait().await;
        Ok(())
    }

    /// What happened, the stage that she is in by now, and what her menu has first.
    fn line(&mut self, text: &str, page: &Value) -> Result<(), Failed> {
        self.number += 1;
        let stage = page["bond"]["stage"]["title"].as_str().unwrap_or("nothing yet");
        let menu = page["decision"]["menu"][0]["title"].as_str().unwrap_or_default();
        say(format_args!(
            "{:4}  {text}\n        {stage}; her menu begins with: {menu}",
            self.number
        ))
    }

    async fn wait(&self) {
        tokio::time::sleep(self.wait).await;
    }
}

/// The name that a phone's session goes by, as its own page knows it.
async fn device_of(phone: &mut Client) -> Result<String, Failed> {
    let me = phone.get("/v1/me").await?.success()?;
    let aliases = me["aliases"].as_array().into_iter().flatten();
    let device = aliases.into_iter().find(|alias| alias["kind"] == "device");
    let device = device.and_then(|alias| alias["value"].as_str());
    device.map(str::to_owned).ok_or_else(|| failed("the phone's session has no name"))
}

/// Every touch of the story must be accepted, or it is not the story.
pub fn taken(answer: Value) -> Result<(), Failed> {
    let results = answer["results"].as_array().cloned().unwrap_or_default();
    match results.iter().find(|result| result["status"] == "refused") {
        Some(refused) => Err(failed(format_args!(
            "the server refused a touch of the demo: {}",
            refused["detail"].as_str().unwrap_or_default()
        ))),
        None => Ok(()),
    }
}

pub fn model_link() -> String {
    format!("/01/{GTIN}")
}

fn unit_link() -> String {
    format!("/01/{GTIN}/21/{STORY_UNIT}")
}
