//! A small HTTP/1.1 client for the commands that speak to a running server, on the same hyper as
//! the server. It speaks plain HTTP only: TLS is the proxy's, and the commands run beside it.

use std::time::Duration;

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::{Failed, failed};

const ANSWER_WAIT: Duration = Duration::from_secs(150);

/// One connection at a time, opened when it is needed.
pub struct Client {
    /// `127.0.0.1:8480`
    authority: String,
    /// What stands before every path, without a slash at the end.
    base: String,
    key: Option<String>,
    /// `name=value` of each cookie that the server set.
    cookies: Vec<String>,
    connection: Option<SendRequest<Full<Bytes>>>,
}

pub struct Answer {
    pub status: u16,
    pub retry_after_s: Option<u64>,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The JSON of a success, the server's own words otherwise.
    pub fn success(self) -> Result<Value, Failed> {
        if self.is_success() {
            return Ok(self.json());
        }
        let problem = self.json();
        let word = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        let (title, detail, hint) = (word("title"), word("detail"), word("hint"));
        if title.is_empty() {
            return Err(failed(format_args!("the server answered with status {}", self.status)));
        }
        Err(failed(format_args!("{title}: {detail}. {hint}")))
    }
}

impl Client {
    pub fn new(url: &str, key: Option<String>) -> Result<Client, Failed> {
        let Some(rest) = url.strip_prefix("http://") else {
            return Err(Failed::Usage(format!(
                "--url {url:?} must begin with http://; where a proxy adds TLS, give the address \
                 behind it"
            )));
        };
        let (authority, base) = match rest.split_once('/') {
            Some((authority, base)) => (authority, format!("/{}", base.trim_end_matches('/'))),
            None => (rest, String::new()),
        };
        let host_end = authority.rfind(']').map_or(0, |at| at + 1);
        let port = if authority[host_end..].contains(':') { "" } else { ":80" };
        let base = if base == "/" { String::new() } else { base };
        let authority = format!("{authority}{port}");
        Ok(Client { authority, base, key, cookies: Vec::new(), connection: None })
    }

    pub async fn get(&mut self, path: &str) -> Result<Answer, Failed> {
        self.call("GET", path, "", Bytes::new()).await
    }

    pub async fn send(&mut self, method: &str, path: &str, body: &Value) -> Result<Answer, Failed> {
        self.call(method, path, "application/json", body.to_string().into()).await
    }

    /// A connection that the server has closed meanwhile is opened again once.
    pub async fn call(
        &mut self,
        method: &str,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> Result<Answer, Failed> {
        let old = self.connection.is_some();
        match self.call_once(method, path, kind, body.clone()).await {
            Err(_) if old => {
                self.connection = None;
                self.call_once(method, path, kind, body).await
            }
            result => result,
        }
    }

    async fn call_once(
        &mut self,
        method: &str,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> Result<Answer, Failed> {
        let mut request = hyper::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("host", &self.authority)
            .header("x-everbond", "1");
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        if !self.cookies.is_empty() {
            request = request.header("cookie", self.cookies.join("; "));
        }
        let request = request.body(Full::new(body))?;
        let connection = self.connect().await?;
        let answer = tokio::time::timeout(ANSWER_WAIT, async {
            connection.ready().await?;
            let (head, body) = connection.send_request(request).await?.into_parts();
            Ok::<_, hyper::Error>((head, body.collect().await?.to_bytes()))
        });
        let answer = answer.await.map_err(|_| failed("the server did not answer in time"))?;
        let (head, body) = answer.map_err(|error| {
            failed(format_args!("the connection to {} broke: {error}", self.authority))
        })?;
        let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(cookie) = text("set-cookie").and_then(|cookie| cookie.split(';').next()) {
            let name = cookie.split('=').next().unwrap_or_default();
            self.cookies.retain(|own| own.split('=').next() != Some(name));
            self.cookies.push(cookie.to_owned());
        }
        Ok(Answer {
            status: head.status.as_u16(),
            retry_after_s: text("retry-after").and_then(|seconds| seconds.parse().ok()),
            body,
        })
    }

    async fn connect(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, Failed> {
        if self.connection.as_ref().is_some_and(SendRequest::is_closed) {
            self.connection = None;
        }
        if self.connection.is_none() {
            let stream = TcpStream::connect(&self.authority).await.map_err(|error| {
                failed(format_args!(
                    "cannot reach {}: {error}; is the server running?",
                    self.authority
                ))
            })?;
            stream.set_nodelay(true)?;
            let (sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            // Its error is told to whoever waits for an answer.
            tokio::spawn(async move { connection.await.unwrap_or_default() });
            self.connection = Some(sender);
        }
        Ok(self.connection.as_mut().expect("it was just made"))
    }
}
