//! YAML (and so JSON) to a tree that keeps where everything stands. Scalars stay as written until
//! somebody says what they should be, so an article number keeps its leading zeros.
//! Anchors, aliases, tags and several documents are refused: a journey needs none, and an alias
//! can make a small file enormous.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::limits;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    pub line: u32,
    pub column: u32,
    /// In characters from the beginning of the file.
    index: usize,
}

#[derive(Clone, Debug)]
pub struct Node {
    pub spot: Spot,
    pub data: Data,
}

#[derive(Clone, Debug)]
pub enum Data {
    Scalar {
        raw: String,
        style: ScalarStyle,
    },
    List(Vec<Node>),
    /// In the order of the file; keys may be there twice.
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, Debug)]
pub struct Key {
    pub name: String,
    pub spot: Spot,
}

/// Why there is no tree.
pub struct Broken {
    pub spot: Spot,
    pub message: String,
}

impl Spot {
    pub const START: Spot = Spot { line: 1, column: 1, index: 0 };

    fn of(marker: &Marker) -> Spot {
        Spot { line: marker.line() as u32, column: marker.col() as u32 + 1, index: marker.index() }
    }
}

impl Node {
    /// Not given, or given as nothing.
    pub fn is_null(&self) -> bool {
        let Data::Scalar { raw, style: ScalarStyle::Plain } = &self.data else { return false };
        matches!(raw.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// A scalar without quotes, as it stands.
    pub fn plain(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar { raw, style: ScalarStyle::Plain } => Some(raw),
            _ => None,
        }
    }

    pub fn what(&self) -> &'static str {
        match &self.data {
            _ if self.is_null() => "nothing",
            Data::Scalar { .. } => "a text or number",
            Data::List(_) => "a list",
            Data::Map(_) => "a map",
        }
    }
}

pub fn load(text: &str) -> Result<Node, Broken> {
    let mut loader = Loader { parser: Parser::new_from_str(text), depth: 0 };
    let mut root = None;
    loop {
        let (event, spot) = loader.next()?;
        match event {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            _ if root.is_some() => return Err(broken(spot, "a file holds one journey")),
            event => root = Some(loader.node(event, spot)?),
        }
    }
    root.ok_or_else(|| broken(Spot::START, "the file is empty"))
}

fn broken(spot: Spot, message: impl Into<String>) -> Broken {
    Broken { spot, message: message.into() }
}

struct Loader<'s> {
    parser: Parser<'s, saphyr_parser::StrInput<'s>>,
    depth: usize,
}

impl<'s> Loader<'s> {
    fn next(&mut self) -> Result<(Event<'s>, Spot), Broken> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, Spot::of(&span.start))),
            Some(Err(error)) => {
                Err(broken(Spot::of(error.marker()), format!("not YAML: {}", error.info())))
            }
            None => Err(broken(Spot::START, "the file ends too early")),
        }
    }

    fn node(&mut self, event: Event<'s>, spot: Spot) -> Result<Node, Broken> {
        self.depth += 1;
        if self.depth > limits::DEPTH {
            return Err(broken(spot, format!("the file is nested deeper than {}", limits::DEPTH)));
        }
        let data = match event {
            Event::Scalar(raw, style, anchor, tag) => {
                plain_node(spot, anchor, tag.is_some())?;
                Data::Scalar { raw: raw.into_owned(), style }
            }
            Event::SequenceStart(anchor, tag) => {
                plain_node(spot, anchor, tag.is_some())?;
                Data::List(self.list()?)
            }
            Event::MappingStart(anchor, tag) => {
                plain_node(spot, anchor, tag.is_some())?;
                Data::Map(self.map()?)
            }
            Event::Alias(_) => return Err(broken(spot, "aliases (*name) are not used here")),
            _ => return Err(broken(spot, "a value should be here")),
        };
        self.depth -= 1;
        Ok(Node { spot, data })
    }

    fn list(&mut self) -> Result<Vec<Node>, Broken> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, spot) => items.push(self.node(event, spot)?),
            }
        }
    }

    fn map(&mut self) -> Result<Vec<(Key, Node)>, Broken> {
        let mut pairs = Vec::new();
        loop {
            let name = match self.next()? {
                (Event::MappingEnd, _) => return Ok(pairs),
                (event, spot) => self.node(event, spot)?,
            };
            let Data::Scalar { raw, .. } = name.data else {
                return Err(broken(name.spot, "a key is a text"));
            };
            let (event, spot) = self.next()?;
            pairs.push((Key { name: raw, spot: name.spot }, self.node(event, spot)?));
        }
    }
}

fn plain_node(spot: Spot, anchor: usize, tagged: bool) -> Result<(), Broken> {
    match (anchor, tagged) {
        (0, false) => Ok(()),
        (_, true) => Err(broken(spot, "tags (!name) are not used here")),
        _ => Err(broken(spot, "anchors (&name) are not used here")),
    }
}

/// Where in the file the character at `line` and `column` (from 1) of a scalar's content stands.
/// The content is laid along the source: escapes, folded lines and indentation are stepped over.
pub fn place_in(source: &str, node: &Node, line: u32, column: u32) -> (u32, u32) {
    let Data::Scalar { raw, style } = &node.data else {
        return (node.spot.line, node.spot.column);
    };
    let wanted = char_at(raw, line, column);
    let source: Vec<char> = source.chars().collect();
    let mut at = node.spot.index;
    match style {
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => at += 1,
        ScalarStyle::Literal | ScalarStyle::Folded => {
            // The spot may be that of the `|`, before its line's end.
            if matches!(source.get(at), Some('|' | '>')) {
                at += source[at..].iter().position(|c| *c == '\n').map_or(0, |skip| skip + 1);
            }
        }
        ScalarStyle::Plain => {}
    }
    let mut found = at;
    for c in raw.chars().chain(['\0']).take(wanted + 1) {
        (found, at) = step(&source, at, c, *style);
    }
    let found = found.min(source.len());
    let before = &source[..found];
    let line = before.iter().filter(|c| **c == '\n').count() as u32 + 1;
    let column = before.iter().rev().take_while(|c| **c != '\n').count() as u32 + 1;
    (line, column)
}

/// The number of the character at line and column, both from 1.
fn char_at(text: &str, line: u32, column: u32) -> usize {
    let lines = text.split_inclusive('\n').take(line.saturating_sub(1) as usize);
    lines.map(|line| line.chars().count()).sum::<usize>() + column.saturating_sub(1) as usize
}

/// Where the content's next character `c` stands from `at` on, and where the one after may begin.
/// `\0` stands for the end of the content, which is wherever `at` is.
fn step(source: &[char], mut at: usize, c: char, style: ScalarStyle) -> (usize, usize) {
    while let Some(here) = source.get(at) {
        match (*here, style) {
            _ if c == '\0' => break,
            ('\\', ScalarStyle::DoubleQuoted) => match source.get(at + 1) {
                Some('\n') => at += 2,
                Some('x') => return (at, at + 4),
                Some('u') => return (at, at + 6),
                Some('U') => return (at, at + 10),
                _ => return (at, at + 2),
            },
            ('\'', ScalarStyle::SingleQuoted) if c == '\'' => return (at, at + 2),
            (here, _) if here == c => return (at, at + 1),
            ('\n', _) if c == ' ' => {
                let blank = source[at..].iter().take_while(|c| c.is_whitespace()).count();
                return (at, at + blank);
            }
            _ => at += 1,
        }
    }
    (at, at)
}
