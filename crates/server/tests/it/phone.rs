//! A phone: speaks HTTP over a plain socket, keeps its cookie as a browser does, and can listen to
//! a live stream. And what the tests put into a workspace, without going through the company's API.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use model::alias::{Alias, AliasKind};
use model::entry::Body;
use model::gs1::{Serial, Subject};
use model::id::Time;
use model::kind::Kind;
use model::texts::Texts;
use model::things::{Campaign, Link, Model, Product};
use model::touch::{Money, Source, Touch};
use model::value::{Map, Value};
use serde_json::Value as Json;
use server::app::{App, now};
use server::config::Config;
use server::serve::{Started, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const GTIN: &str = "09506000134352";
pub const CODE: &str = "7KQ2-M9XD";

/// A server with a folder of its own, which goes with it.
pub struct Shop {
    started: Option<Started>,
    folder: std::path::PathBuf,
}

impl Shop {
    /// With one model, its journey, two units that can be claimed, and a campaign.
    pub async fn open(name: &str) -> Shop {
        let folder = std::env::temp_dir().join(format!("everbond-{name}-{}", std::process::id()));
        // What a test that was killed left behind.
        let _ = std::fs::remove_dir_all(&folder);
        let config = Config {
            data: folder.clone(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            ..Config::default()
        };
        let shop = Shop { started: Some(start(config).await.expect("it starts")), folder };
        shop.submit(vec![
            Body::PutModel(printer()),
            Body::PutJourney { source: include_str!("../../../../journeys/printer.yaml").into() },
            Body::PutProduct(product("A1")),
            Body::PutProduct(product("B2")),
            Body::PutCampaign(campaign("summer", None)),
            Body::PutCampaign(campaign("odd", Some("//evil.example/"))),
            Body::PutCampaign(campaign("away", Some("https://shop.example/sale?x=1"))),
        ])
        .await;
        shop
    }

    pub fn app(&self) -> &App {
        &self.started.as_ref().expect("it runs").app
    }

    pub fn phone(&self) -> Phone {
        Phone { addr: self.started.as_ref().expect("it runs").addr, cookie: None }
    }

    pub async fn submit(&self, bodies: Vec<Body>) {
        let answers = self.app().engine.submit(bodies).await.expect("it runs");
        for (_, outcome) in answers {
            assert!(matches!(outcome, model::outcome::Outcome::Accepted(_)), "{outcome:?}");
        }
    }

    /// The company says that this happened.
    pub async fn trusted(&self, kind: &'static str, alias: Option<Alias>, subject: Subject) {
        let mut touch = touch(kind, alias, subject);
        touch.trusted = true;
        self.submit(vec![Body::Touch(touch)]).await;
    }

    pub async fn close(mut self) {
        let started = self.started.take().expect("it runs");
        started.stop().await.expect("it stops");
        std::fs::remove_dir_all(&self.folder).expect("nothing holds the folder");
    }
}

pub fn unit(serial: &str) -> Subject {
    let serial = Serial::new(serial).expect("valid");
    Subject::unit(GTIN.parse().expect("valid"), serial)
}

pub fn touch(kind: &'static str, alias: Option<Alias>, subject: Subject) -> Touch {
    let mut touch = Touch::new(Kind::of(kind), now(), Source::Native);
    touch.aliases = alias.into_iter().collect();
    touch.products = vec![subject];
    touch
}

fn printer() -> Model {
    let title = |en: &str, de: &str| {
        let pair: Map = [("en", Value::from(en)), ("de", Value::from(de))].into_iter().collect();
        Value::Map(pair)
    };
    let guide: Map = [
        ("id", Value::from("jam")),
        ("title", title("Clear a jam", "Stau lösen")),
        ("steps", Value::List([].into())),
    ]
    .into_iter()
    .collect();
    let link = |rel: &str, href: &str, language: &str| Link {
        rel: rel.into(),
        href: href.into(),
        title: "".into(),
        media_type: Some("text/html".into()),
        languages: vec![language.into()],
    };
    Model {
        gtin: GTIN.parse().expect("valid"),
        name: Texts::new([("en".into(), "EverPrint 3".into())]),
        brand: "Ever".into(),
        image: None,
        price: Money::parse("299.00 USD"),
        attributes: [("color", Value::from("white"))].into_iter().collect(),
        content: [("guides", Value::List([Value::Map(guide)].into()))].into_iter().collect(),
        links: vec![
            link("gs1:instructions", "https://help.example/en", "en"),
            link("gs1:instructions", "https://help.example/de", "de"),
        ],
    }
}

fn product(serial: &str) -> Product {
    Product {
        subject: unit(serial),
        made: Some(Time(1_700_000_000_000)),
        claim: Some(server::claim::claim_digest(CODE)),
        attributes: [("firmware", Value::from("1.2"))].into_iter().collect(),
    }
}

fn campaign(id: &str, target: Option<&str>) -> Campaign {
    Campaign {
        id: id.into(),
        name: id.into(),
        subjects: vec![unit("A1").to_model()],
        stage: None,
        starts: None,
        ends: None,
        cost: None,
        target: target.map(Into::into),
        window_ms: Campaign::WINDOW_MS,
    }
}

#[derive(Clone)]
pub struct Phone {
    pub addr: SocketAddr,
    /// `everbond_session=…`
    pub cookie: Option<String>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The values of this header, joined as HTTP allows.
    pub fn header(&self, name: &str) -> String {
        let own = self.headers.iter().filter(|(own, _)| own == name);
        own.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(", ")
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Json {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }
}

impl Phone {
    pub async fn get(&mut self, path: &str) -> Answer {
        self.call("GET", path, &[("accept", "application/json")], None).await
    }

    pub async fn post(&mut self, path: &str, body: Json) -> Answer {
        let headers = [("x-everbond", "1"), ("content-type", "application/json")];
        self.call("POST", path, &headers, Some(body.to_string())).await
    }

    /// The page of a product; it must be there.
    pub async fn page(&mut self, serial: Option<&str>) -> Json {
        let serial = serial.map_or_else(String::new, |serial| format!("&serial={serial}"));
        let answer = self.get(&format!("/v1/me/page?gtin={GTIN}{serial}&locale=en")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    pub async fn touch(&mut self, kind: &str, serial: Option<&str>) -> Json {
        let touch = serde_json::json!({ "kind": kind, "gtin": GTIN, "serial": serial });
        let answer = self.post("/v1/me/touches", touch).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    pub async fn call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let mut stream = self.send(method, path, headers, body, "close").await;
        let mut bytes = Vec::new();
        // What came before a connection broke counts; without a head the parser says so.
        let _ = stream.read_to_end(&mut bytes).await;
        let answer = parse(&bytes);
        for (_, value) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let pair = value.split(';').next().unwrap_or_default();
            let ends = value.contains("Max-Age=0");
            self.cookie = (!ends).then(|| pair.to_owned());
        }
        answer
    }

    /// Opens a live stream.
    pub async fn listen(&mut self, path: &str) -> Live {
        self.listen_with(path, &[("accept", "text/event-stream")]).await
    }

    pub async fn listen_with(&mut self, path: &str, headers: &[(&str, &str)]) -> Live {
        Live { stream: self.send("GET", path, headers, None, "keep-alive").await, read: Vec::new() }
    }

    async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
        connection: &str,
    ) -> TcpStream {
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: {connection}\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(cookie) = &self.cookie {
            head += &format!("cookie: {cookie}\r\n");
        }
        let body = body.unwrap_or_default();
        head += &format!("content-length: {}\r\n\r\n{body}", body.len());
        let mut stream = TcpStream::connect(self.addr).await.expect("it listens");
        // A server that refuses early does not read to the end; its answer says why.
        let _ = stream.write_all(head.as_bytes()).await;
        stream
    }
}

pub struct Live {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Live {
    /// Whether the server ends it, within three seconds.
    pub async fn ends(&mut self) -> bool {
        let ended = async {
            let mut some = [0; 1024];
            while !matches!(self.stream.read(&mut some).await, Ok(0) | Err(_)) {}
        };
        tokio::time::timeout(Duration::from_secs(3), ended).await.is_ok()
    }

    /// Waits until the stream has said this; `false` after three seconds.
    pub async fn says(&mut self, text: &str) -> bool {
        let said = async {
            loop {
                let all = String::from_utf8_lossy(&self.read).into_owned();
                if let Some(at) = all.find(text) {
                    self.read.drain(..at + text.len());
                    return true;
                }
                let mut some = [0; 1024];
                match self.stream.read(&mut some).await {
                    Ok(0) | Err(_) => return false,
                    Ok(len) => self.read.extend_from_slice(&some[..len]),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(3), said).await.unwrap_or(false)
    }
}

fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status");
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let all: HashMap<&str, &str> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let rest = &bytes[end + 4..];
    let chunked = all.get("transfer-encoding") == Some(&"chunked");
    let body = if chunked { unchunk(rest) } else { rest.to_vec() };
    Answer { status: status.parse().expect("a number"), headers, body }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let len = std::str::from_utf8(&bytes[..end]).expect("a length");
        let len = usize::from_str_radix(len.trim(), 16).expect("a length in hex");
        if len == 0 {
            break;
        }
        out.extend_from_slice(&bytes[end + 2..end + 2 + len]);
        bytes = &bytes[end + 4 + len..];
    }
    out
}

pub fn email(address: &str) -> Alias {
    Alias::new(AliasKind::Email, address).expect("valid")
}
