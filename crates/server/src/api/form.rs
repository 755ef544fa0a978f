//! Reading what a company sends: an object with known fields. A field that is not known is a
//! mistake rather than lost, and every mistake has its place.

use model::gs1::Gtin;
use model::id::Time;
use model::limits;
use model::texts::Texts;
use model::touch::Money;
use model::value::Map;
use serde_json::json;

use super::call::invalid;
use crate::ingest::Bad;
use crate::ingest::cursor::Cursor;
use crate::ingest::json::{self as source, Fields, Node};
use crate::ingest::parts;
use crate::problem::Problem;

const TEXT_BYTES: usize = 4_096;
const LANGUAGES: usize = 64;

pub struct Form<'a> {
    at: String,
    fields: Fields<'a>,
    known: &'static [&'static str],
}

/// The body's text.
pub fn text_of(body: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body))
        .map_err(|_| Problem::new("bad_json", "the body is not UTF-8"))
}

/// What is written in an ordinary way; the careful reader has the words for mistakes.
fn at_a_glance(text: &str) -> Option<Node<'_>> {
    let mut cursor = Cursor::new(text);
    let node = cursor.node()?;
    cursor.is_at_end().then_some(node)
}

/// What the edge of touches says, as the API says it.
pub fn problem(bad: Bad) -> Problem {
    let code = if bad.code == "bad_json" { "bad_json" } else { "invalid" };
    let mut at = json!({ "path": bad.at });
    if bad.line > 0 {
        at["line"] = bad.line.into();
        at["column"] = bad.column.into();
    }
    let hint = if bad.hint.is_empty() { String::new() } else { format!("; {}", bad.hint) };
    Problem::new(code, format!("{}{hint}", bad.detail)).at(at)
}

impl<'a> Form<'a> {
    /// The whole body, where it is small: what a touch may have.
    pub fn read_small(body: &'a [u8], known: &'static [&'static str]) -> Result<Form<'a>, Problem> {
        if body.len() > limits::TOUCH_BYTES {
            let most = limits::TOUCH_BYTES;
            let detail = format!("the body has {} bytes, {most} are allowed", body.len());
            return Err(Problem::new("too_large", detail));
        }
        Form::read(body, known)
    }

    /// The whole body.
    pub fn read(body: &'a [u8], known: &'static [&'static str]) -> Result<Form<'a>, Problem> {
        let text = text_of(body)?;
        let node = match at_a_glance(text) {
            Some(node) => node,
            None => source::read(text).map_err(problem)?,
        };
        Form::of(node, "", known)
    }

    /// An object within, that stands at `at`.
    pub fn of(
        node: Node<'a>,
        at: &str,
        known: &'static [&'static str],
    ) -> Result<Form<'a>, Problem> {
        let Node::Map(fields) = node else {
            let detail = format!("it is {}, not an object", node.type_name());
            return Err(invalid(at, detail));
        };
        let form = Form { at: at.to_owned(), fields, known };
        let unknown = form.fields.iter().find(|(name, _)| !known.contains(&&**name));
        match unknown {
            None => Ok(form),
            Some((name, _)) => {
                let name: String = name.chars().take(40).collect();
                let detail = format!("there is no such field; there are {}", known.join(", "));
                Err(invalid(&form.path(&name), detail))
            }
        }
    }

    pub fn path(&self, name: &str) -> String {
        if self.at.is_empty() { name.to_owned() } else { format!("{}.{name}", self.at) }
    }

    /// The field's value, `Null` if it is not there. The later of two counts.
    pub fn take(&mut self, name: &'static str) -> Node<'a> {
        debug_assert!(self.known.contains(&name), "{name} is read and so must be known");
        let mut taken = Node::Null;
        for (own, node) in &mut self.fields {
            if *own == *name {
                taken = std::mem::take(node);
            }
        }
        taken
    }

    pub fn text(&mut self, name: &'static str) -> Result<Option<Box<str>>, Problem> {
        let node = self.take(name);
        text_node(&node, || self.path(name))
    }

    /// A text that has to be there.
    pub fn word(&mut self, name: &'static str) -> Result<Box<str>, Problem> {
        self.text(name)?.ok_or_else(|| invalid(&self.path(name), "this field is missing"))
    }

    pub fn texts(&mut self, name: &'static str) -> Result<Texts, Problem> {
        let node = self.take(name);
        texts_node(&node, &self.path(name))
    }

    pub fn bool(&mut self, name: &'static str) -> Result<Option<bool>, Problem> {
        match self.take(name) {
            Node::Null => Ok(None),
            Node::Bool(bool) => Ok(Some(bool)),
            other => Err(self.wrong(name, &other, "true or false")),
        }
    }

    pub fn number(&mut self, name: &'static str) -> Result<Option<f64>, Problem> {
        match self.take(name) {
            Node::Null => Ok(None),
            node => match node.number() {
                Some(number) => Ok(Some(number)),
                None => Err(self.wrong(name, &node, "a number")),
            },
        }
    }

    pub fn whole(&mut self, name: &'static str) -> Result<Option<i64>, Problem> {
        match self.take(name) {
            Node::Null => Ok(None),
            Node::Int(int) => Ok(Some(int)),
            other => Err(self.wrong(name, &other, "a whole number")),
        }
    }

    pub fn list(&mut self, name: &'static str, most: usize) -> Result<Vec<Node<'a>>, Problem> {
        match self.take(name) {
            Node::Null => Ok(Vec::new()),
            Node::List(list) if list.len() <= most => Ok(list),
            Node::List(list) => {
                let detail = format!("it has {} items, {most} are allowed", list.len());
                Err(invalid(&self.path(name), detail))
            }
            other => Err(self.wrong(name, &other, "a list")),
        }
    }

    /// A list of texts.
    pub fn words(&mut self, name: &'static str, most: usize) -> Result<Vec<Box<str>>, Problem> {
        let list = self.list(name, most)?;
        let words = list.iter().enumerate().map(|(index, node)| {
            let at = format!("{}[{index}]", self.path(name));
            text_node(node, || at.clone())?.ok_or_else(|| invalid(&at, "it is empty"))
        });
        words.collect()
    }

    /// A list of GTINs.
    pub fn gtins(&mut self, name: &'static str, most: usize) -> Result<Vec<Gtin>, Problem> {
        let list = self.list(name, most)?;
        let gtins = list.iter().enumerate().map(|(index, node)| {
            let at = format!("{}[{index}]", self.path(name));
            let subject = parts::subject_of_pair(node, &Node::Null, "").map_err(problem);
            subject.map(|subject| subject.gtin).map_err(|problem| problem.at(json!({"path": at})))
        });
        gtins.collect()
    }

    pub fn time(&mut self, name: &'static str) -> Result<Option<Time>, Problem> {
        let node = self.take(name);
        if node.is_null() {
            return Ok(None);
        }
        let detail = "this is not a time; write 2026-11-22T10:00:00.000Z";
        let time = source::time_of(&node).ok_or_else(|| invalid(&self.path(name), detail))?;
        Ok(Some(time))
    }

    pub fn money(&mut self, name: &'static str) -> Result<Option<Money>, Problem> {
        let node = self.take(name);
        if node.is_null() {
            return Ok(None);
        }
        parts::money_of(&node, &self.path(name)).map(Some).map_err(problem)
    }

    pub fn map(&mut self, name: &'static str) -> Result<Map, Problem> {
        match self.take(name) {
            Node::Null => Ok(Map::EMPTY),
            Node::Map(fields) => source::into_map(fields, &self.path(name), 0).map_err(problem),
            other => Err(self.wrong(name, &other, "an object")),
        }
    }

    pub fn wrong(&self, name: &str, node: &Node<'_>, wanted: &str) -> Problem {
        invalid(&self.path(name), format!("it is {}, not {wanted}", node.type_name()))
    }
}

/// Where it stands is asked for only when there is a mistake to tell.
pub fn text_node(node: &Node<'_>, at: impl Fn() -> String) -> Result<Option<Box<str>>, Problem> {
    let Node::Text(text) = node else {
        if node.is_null() {
            return Ok(None);
        }
        return Err(invalid(&at(), format!("it is {}, not a text", node.type_name())));
    };
    let text = text.trim();
    if text.len() > TEXT_BYTES {
        return Err(invalid(&at(), format!("it has more than {TEXT_BYTES} bytes")));
    }
    Ok((!text.is_empty()).then(|| text.into()))
}

/// A plain text (then it is English) or a map from languages to texts.
pub fn texts_node(node: &Node<'_>, at: &str) -> Result<Texts, Problem> {
    let Node::Map(fields) = node else {
        let text = text_node(node, || at.to_owned())?;
        return Ok(text.map_or_else(Texts::default, |text| Texts::en(&text)));
    };
    if fields.len() > LANGUAGES {
        return Err(invalid(at, format!("more than {LANGUAGES} languages")));
    }
    let mut pairs = Vec::with_capacity(fields.len());
    for (tag, node) in fields {
        if !is_language(tag) {
            let detail = "the names of its fields are languages, such as en or de-AT";
            return Err(invalid(at, detail));
        }
        if let Some(text) = text_node(node, || format!("{at}.{tag}"))? {
            pairs.push((tag.to_string(), text.into()));
        }
    }
    Ok(Texts::new(pairs))
}

fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let first = parts.next().unwrap_or_default();
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric());
    (2..=3).contains(&first.len())
        && first.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|part| (1..=8).contains(&part.len()) && plain(part))
}

/// An id in an address: 1 to 64 letters, digits, dots, dashes, underscores.
pub fn id(text: &str) -> Result<Box<str>, Problem> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if text.len() > model::limits::NAME_BYTES || text.is_empty() || !text.bytes().all(plain) {
        return Err(invalid("id", "an id has 1 to 64 letters, digits, dots, dashes, underscores"));
    }
    Ok(text.into())
}
