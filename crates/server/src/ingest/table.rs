//! Files of touches, read row by row: CSV as spreadsheets and databases write it, and NDJSON.
//!
//! The first row of a CSV names its columns. `kind`, `time`, `id`, `user`, `email`, `anonymous`,
//! `loyalty`, `phone`, `device`, `gtin`, `serial`, `place`, `campaign`, `channel`, `amount`,
//! `currency`, `lat`, `lon`, and whatever begins with `properties.`, `traits.` or `state.` go where
//! their names say; every other column becomes a property of its own name. A [`Columns`] map says
//! otherwise. The delimiter is found by counting; texts that are not UTF-8 are read as
//! Windows-1252, which is what spreadsheets then mean.
//!
//! A row is counted once however often its file is read: by its `id`, or else by a digest of its
//! cells and of how many equal rows stood before it. So an import that broke off starts over.
//!
//! Kept true: no row takes more memory than `TOUCH_BYTES`, whatever quotes are left open.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{ErrorKind, Read};

use model::id::{Digest, Time};
use model::limits;
use model::touch::{Source, Touch};

use super::json::{self, Digits, Fields, Node};
use super::native::{self, Defaults};
use super::{Bad, Problem};

/// Rows without an id of their own that one file may have: each is remembered while it is read.
pub const ROWS_WITHOUT_ID: usize = 10_000_000;

/// One row of a file, or line of NDJSON.
#[derive(Debug)]
pub struct Row {
    /// Where it begins, in bytes from the start of the file.
    pub offset: u64,
    /// From 1; a row with line breaks in quotes has several.
    pub line: u64,
    pub touch: Result<Touch, Bad>,
}

/// Where a file's columns go, beyond what their names say. One line each of a map file:
/// `field = Column name`, or `field = "the same for every row"`; `#` begins a comment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// (field, column)
    named: Vec<(Box<str>, Box<str>)>,
    /// (field, text)
    fixed: Vec<(Box<str>, Box<str>)>,
}

impl Columns {
    pub fn parse(text: &str) -> Result<Columns, Problem> {
        let mut columns = Columns::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim().trim_start_matches('\u{feff}');
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |detail: &str| Problem {
                place: Some((number + 1, 1)),
                ..Problem::new(422, "bad_map", detail, "write: kind = \"order.placed\"")
            };
            let (field, value) =
                line.split_once('=').ok_or_else(|| wrong("a line without an equals sign"))?;
            let (field, value) = (field.trim(), value.trim());
            if Field::named(field).is_none() {
                return Err(wrong("the left side is not a field of a touch"));
            }
            let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            match quoted {
                Some(text) => columns.fixed.push((field.into(), text.into())),
                None if value.is_empty() => return Err(wrong("the right side is empty")),
                None => columns.named.push((field.into(), value.into())),
            }
        }
        Ok(columns)
    }
}

/// A cell's place in a touch.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    /// A field of the same name.
    Plain(&'static str),
    Time,
    Alias(&'static str),
    Amount,
    Currency,
    Lat,
    Lon,
    /// `properties`, `traits` or `state`, and the way inside.
    Inner(&'static str, Box<str>),
}

const PLAIN: [&str; 7] = ["kind", "id", "gtin", "serial", "place", "campaign", "channel"];
const ALIASES: [&str; 6] = ["user", "email", "anonymous", "loyalty", "phone", "device"];

impl Field {
    fn named(name: &str) -> Option<Field> {
        let same = |own: &&&str| own.eq_ignore_ascii_case(name);
        if let Some(own) = PLAIN.iter().find(same) {
            return Some(Field::Plain(own));
        }
        if let Some(own) = ALIASES.iter().find(same) {
            return Some(Field::Alias(own));
        }
        for map in ["properties", "traits", "state"] {
            if let Some(way) = name.strip_prefix(map).and_then(|rest| rest.strip_prefix('.')) {
                return (!way.is_empty()).then(|| Field::Inner(map, way.into()));
            }
        }
        Some(match name.to_ascii_lowercase().as_str() {
            "time" => Field::Time,
            "amount" => Field::Amount,
            "currency" => Field::Currency,
            "lat" => Field::Lat,
            "lon" => Field::Lon,
            _ => return None,
        })
    }
}

/// Reads the rows of a CSV file.
pub struct Csv<R> {
    lines: Lines<R>,
    delimiter: u8,
    fields: Vec<Field>,
    header: Vec<String>,
    fixed: Vec<(Field, Box<str>)>,
    seen: Seen,
    arrival: Time,
}

impl<R: Read> Csv<R> {
    /// Reads the header. `now` is the time of rows that name none.
    pub fn open(input: R, columns: &Columns, now: Time) -> Result<Csv<R>, Problem> {
        let mut lines = Lines::new(input);
        let header = loop {
            match lines.next_record(None).map_err(|e| unreadable(&e))? {
                Some(Record::Bytes { bytes, .. }) if bytes.trim_ascii().is_empty() => {}
                Some(Record::Bytes { bytes, .. }) => break bytes,
                Some(Record::Broken { .. }) => {
                    let detail = "the first row, which names the columns, is too long";
                    return Err(Problem::new(422, "bad_header", detail, "is a quote left open?"));
                }
                None => {
                    let hint = "the first row names the columns: kind,time,user,…";
                    return Err(Problem::new(422, "bad_header", "the file is empty", hint));
                }
            }
        };
        let header = header.strip_prefix(b"\xef\xbb\xbf".as_slice()).unwrap_or(&header).to_vec();
        if header.starts_with(b"\xff\xfe") || header.starts_with(b"\xfe\xff") {
            let detail = "the file is UTF-16";
            return Err(Problem::new(422, "bad_text", detail, "save it as CSV UTF-8"));
        }
        let delimiter = sniff_delimiter(&header);
        let header: Vec<String> =
            split(&header, delimiter).map(|cell| text_of(&cell).trim().to_owned()).collect();
        let (fields, fixed) = place_columns(&header, columns)?;
        let seen = Seen::default();
        Ok(Csv { lines, delimiter, fields, header, fixed, seen, arrival: now })
    }

    /// What each column of the file becomes: `Bestellnummer` → `properties.Bestellnummer`.
    pub fn columns(&self) -> impl Iterator<Item = (&str, String)> {
        self.header.iter().zip(&self.fields).map(|(name, field)| {
            let place = match field {
                Field::Plain(own) => (*own).to_owned(),
                Field::Alias(kind) => format!("aliases.{kind}"),
                Field::Inner(map, way) => format!("{map}.{way}"),
                Field::Time => "time".to_owned(),
                Field::Amount => "money.amount".to_owned(),
                Field::Currency => "money.currency".to_owned(),
                Field::Lat => "location.lat".to_owned(),
                Field::Lon => "location.lon".to_owned(),
            };
            (name.as_str(), place)
        })
    }

    fn touch_of(&mut self, bytes: &[u8]) -> Result<Touch, Bad> {
        let cells: Vec<Cow<'_, [u8]>> = split(bytes, self.delimiter).collect();
        if cells.len() > self.fields.len() {
            let detail = format!("{} cells, but {} columns", cells.len(), self.fields.len());
            let hint = "put cells that hold the delimiter into quotes";
            return Err(Bad::new("bad_row", "", detail, hint));
        }
        let texts: Vec<Cow<'_, str>> = cells.iter().map(|cell| text_of(cell)).collect();
        let filled = self.fields.iter().zip(texts.iter().map(|text| text.trim()));
        let fixed = self.fixed.iter().map(|(field, text)| (field, &**text));
        let comma = self.delimiter != b',';
        let node = node_of(filled.chain(fixed).filter(|(_, text)| !text.is_empty()), comma)?;
        let has_id = json::get(&node, "id").is_some();
        let defaults = Defaults { trusted: true, ..Defaults::of(Source::File) };
        let mut touch = native::touch_of(Node::Map(node), 0, self.arrival, &defaults)?;
        if !has_id {
            // Joined by a byte that no cell holds, so that the digest does not depend on quotes
            // and delimiters; the header says what the cells mean.
            let cells = texts.join("\u{1f}");
            let header = self.header.join("\u{1f}");
            touch.id = self.seen.id_of(&[header.as_bytes(), cells.as_bytes()])?;
        }
        Ok(touch)
    }
}

impl<R: Read> Iterator for Csv<R> {
    type Item = Result<Row, std::io::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (offset, line, touch) = match self.lines.next_record(Some(self.delimiter)) {
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
                Ok(Some(Record::Broken { offset, line, start, detail })) => {
                    (offset, line, Err(broken(detail, &start)))
                }
                Ok(Some(Record::Bytes { bytes, .. })) if bytes.trim_ascii().is_empty() => continue,
                Ok(Some(Record::Bytes { offset, line, bytes })) => {
                    (offset, line, self.touch_of(&bytes).map_err(|bad| bad.with_raw(&bytes)))
                }
            };
            return Some(Ok(Row { offset, line, touch: touch.map_err(|bad| in_line(bad, line)) }));
        }
    }
}

/// Reads the lines of an NDJSON file, each a native touch.
pub struct Ndjson<R> {
    lines: Lines<R>,
    seen: Seen,
    arrival: Time,
}

impl<R: Read> Ndjson<R> {
    pub fn open(input: R, now: Time) -> Ndjson<R> {
        Ndjson { lines: Lines::new(input), seen: Seen::default(), arrival: now }
    }

    fn touch_of(&mut self, bytes: &[u8]) -> Result<Touch, Bad> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Bad::new("bad_text", "", "it is not UTF-8", "send this line as UTF-8"))?;
        let node = json::read(text)?;
        let has_id = node.get("id").is_some_and(|id| !id.is_null());
        let defaults = Defaults { trusted: true, ..Defaults::of(Source::File) };
        let mut touch = native::touch_of(node, 0, self.arrival, &defaults)?;
        if !has_id {
            touch.id = self.seen.id_of(&[bytes])?;
        }
        Ok(touch)
    }
}

impl<R: Read> Iterator for Ndjson<R> {
    type Item = Result<Row, std::io::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (offset, line, touch) = match self.lines.next_record(None) {
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
                Ok(Some(Record::Broken { offset, line, start, detail })) => {
                    (offset, line, Err(broken(detail, &start)))
                }
                Ok(Some(Record::Bytes { offset, line, bytes })) => {
                    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf".as_slice()).unwrap_or(&bytes);
                    let bytes = bytes.trim_ascii();
                    if bytes.is_empty() {
                        continue;
                    }
                    (offset, line, self.touch_of(bytes).map_err(|bad| bad.with_raw(bytes)))
                }
            };
            return Some(Ok(Row { offset, line, touch: touch.map_err(|bad| in_line(bad, line)) }));
        }
    }
}

fn in_line(bad: Bad, line: u64) -> Bad {
    Bad { line: line as usize, column: bad.column.max(1), ..bad }
}

fn broken(detail: &'static str, start: &[u8]) -> Bad {
    let hint = "close the quote, write a quote inside a cell twice, or shorten the row";
    Bad::new("bad_row", "", detail, hint).with_raw(start)
}

fn unreadable(error: &std::io::Error) -> Problem {
    let detail = format!("the file cannot be read: {error}");
    Problem::new(422, "unreadable_file", detail, "check the path and the disk")
}

type Placed = (Vec<Field>, Vec<(Field, Box<str>)>);

fn place_columns(header: &[String], columns: &Columns) -> Result<Placed, Problem> {
    let wrong = |detail: String, hint| Problem::new(422, "bad_header", detail, hint);
    for (_, column) in &columns.named {
        if !header.iter().any(|name| name == &**column) {
            let detail = format!("there is no column {column:?}; there are {}", header.join(", "));
            return Err(wrong(detail, "give the column's name as the first row has it"));
        }
    }
    let mut fields: Vec<Field> = Vec::with_capacity(header.len());
    for (at, name) in header.iter().enumerate() {
        let mapped = columns.named.iter().find(|(_, column)| **column == **name);
        let field = match mapped {
            Some((field, _)) => Field::named(field).expect("checked when the map was read"),
            None => Field::named(name).unwrap_or_else(|| {
                let name =
                    if name.is_empty() { format!("column_{}", at + 1) } else { name.clone() };
                // A dot would mean an object; in a foreign name it is only a dot.
                Field::Inner("properties", name.replace('.', "_").into())
            }),
        };
        if fields.contains(&field) {
            let detail = format!("two columns become the same field, the second is {name:?}");
            return Err(wrong(detail, "rename one of them, or map it to another field"));
        }
        fields.push(field);
    }
    let mut fixed: Vec<(Field, Box<str>)> = Vec::new();
    for (name, text) in &columns.fixed {
        let field = Field::named(name).expect("checked when the map was read");
        if fields.contains(&field) {
            let detail = format!("the map fixes {name}, and the file has a column for it");
            return Err(wrong(detail, "take one of the two away"));
        }
        fixed.push((field, text.clone()));
    }
    let has_kind = |field: &Field| *field == Field::Plain("kind");
    if !fields.iter().any(has_kind) && !fixed.iter().any(|(field, _)| has_kind(field)) {
        let detail = format!("no column says the kind; the columns are {}", header.join(", "));
        let hint = "name a column `kind`, or map: kind = \"order.placed\"";
        return Err(wrong(detail, hint));
    }
    Ok((fields, fixed))
}

/// The touch that the cells make, in the native form. `comma` tells that numbers may have one.
fn node_of<'a>(
    cells: impl Iterator<Item = (&'a Field, &'a str)>,
    comma: bool,
) -> Result<Fields<'a>, Bad> {
    let mut node: Fields<'a> = Vec::new();
    let [mut aliases, mut money, mut location]: [Fields<'a>; 3] = Default::default();
    let mut maps: [(&'static str, Fields<'a>); 3] =
        [("properties", vec![]), ("traits", vec![]), ("state", vec![])];
    for (field, text) in cells {
        match field {
            Field::Plain(name) => node.push(((*name).into(), Node::Text(text.into()))),
            Field::Time => node.push(("time".into(), time_of(text))),
            Field::Alias(kind) => aliases.push(((*kind).into(), Node::Text(text.into()))),
            Field::Amount => money.push(("amount".into(), decimal(text, comma))),
            Field::Currency => money.push(("currency".into(), Node::Text(text.into()))),
            Field::Lat => location.push(("lat".into(), decimal(text, comma))),
            Field::Lon => location.push(("lon".into(), decimal(text, comma))),
            Field::Inner(map, way) => {
                let map = maps.iter_mut().find(|(name, _)| name == map);
                let (name, fields) = map.expect("a field is of one of the three maps");
                put_in(fields, way, value_of(text)).map_err(|bad| bad.under(name))?;
            }
        }
    }
    // A currency column is often filled where there is no amount; that is no money.
    if json::get(&money, "amount").is_some() {
        node.push(("money".into(), Node::Map(money)));
    }
    for (name, fields) in [("aliases", aliases), ("location", location)].into_iter().chain(maps) {
        if !fields.is_empty() {
            node.push((name.into(), Node::Map(fields)));
        }
    }
    Ok(node)
}

/// `address.city` makes an object in an object.
fn put_in<'a>(fields: &mut Fields<'a>, way: &'a str, value: Node<'a>) -> Result<(), Bad> {
    let Some((first, rest)) = way.split_once('.') else {
        fields.push((way.into(), value));
        return Ok(());
    };
    let at = match fields.iter().position(|(name, _)| name == first) {
        Some(at) => at,
        None => {
            fields.push((first.into(), Node::Map(Vec::new())));
            fields.len() - 1
        }
    };
    match &mut fields[at].1 {
        Node::Map(inner) => put_in(inner, rest, value),
        _ => {
            let detail = "a column is both a value and the object around another column";
            Err(Bad::new("bad_row", way, detail, "rename one of the columns"))
        }
    }
}

/// A cell as what it looks like. Leading zeros and signs are kept as text: they are codes.
fn value_of(text: &str) -> Node<'_> {
    match text {
        "true" | "TRUE" | "True" => return Node::Bool(true),
        "false" | "FALSE" | "False" => return Node::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let is_number = all_digits(whole)
        && all_digits(fraction)
        && (whole == "0" || !whole.starts_with('0'))
        && digits.len() <= 15;
    if !is_number {
        return Node::Text(text.into());
    }
    match text.parse::<i64>() {
        Ok(int) => Node::Int(int),
        Err(_) => text.parse().map_or_else(|_| Node::Text(text.into()), Node::Float),
    }
}

/// A number whose decimal sign may be a comma: where both signs occur, the last one is it.
fn decimal(text: &str, comma: bool) -> Node<'_> {
    let plain: String = text.chars().filter(|c| !matches!(c, ' ' | '\u{a0}' | '\'')).collect();
    let text = match (plain.rfind(','), plain.rfind('.')) {
        (Some(c), Some(p)) if c > p => plain.replace('.', "").replace(',', "."),
        (Some(_), Some(_)) => plain.replace(',', ""),
        (Some(_), None) if comma && plain.matches(',').count() == 1 => plain.replace(',', "."),
        _ => plain,
    };
    Node::Text(Cow::Owned(text))
}

/// Also `22.11.2026` and `22.11.2026 14:05`, which mean one thing only; `11/22/2026` does not.
fn time_of(text: &str) -> Node<'_> {
    let dotted = || {
        let mut input = Digits { rest: text.as_bytes() };
        let day = input.number(2)?;
        input.one_of(b".")?;
        let month = input.number(2)?;
        input.one_of(b".")?;
        let year = input.number(4)?;
        let mut ms = json::days_since_1970(year, month, day)? * Time::DAY_MS;
        if input.one_of(b" ").is_some() {
            ms += input.clock()?;
        }
        input.rest.is_empty().then_some(ms)
    };
    match dotted() {
        // As milliseconds, unless so near to 1970 that they would be taken for seconds.
        Some(ms) if ms.abs() >= 100_000_000_000 => Node::Int(ms),
        _ => Node::Text(text.into()),
    }
}

/// Tells equal rows apart by how many of them came before.
#[derive(Default)]
struct Seen {
    counts: HashMap<u128, u32>,
}

impl Seen {
    fn id_of(&mut self, row: &[&[u8]]) -> Result<Digest, Bad> {
        let content = Digest::of(row).0;
        if self.counts.len() == ROWS_WITHOUT_ID && !self.counts.contains_key(&content) {
            let detail = "too many rows without an id";
            let hint = "give a column `id`, or import the file in parts";
            return Err(Bad::new("id_needed", "", detail, hint));
        }
        let count = self.counts.entry(content).or_insert(0);
        *count += 1;
        Ok(Digest::of(&[b"row", &content.to_be_bytes(), &count.to_be_bytes()]))
    }
}

/// The delimiter that the header has most of.
fn sniff_delimiter(header: &[u8]) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0), (b'|', 0)];
    let mut quoted = false;
    for byte in header {
        quoted ^= *byte == b'"';
        if let Some((_, count)) = counts.iter_mut().find(|(own, _)| !quoted && own == byte) {
            *count += 1;
        }
    }
    let most = counts.into_iter().rev().max_by_key(|(_, count)| *count);
    most.map_or(b',', |(delimiter, _)| delimiter)
}

/// The cells of a row, without their quotes.
fn split(row: &[u8], delimiter: u8) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let mut rest = Some(row);
    std::iter::from_fn(move || {
        let input = rest?;
        let (cell, after) = if input.first() == Some(&b'"') {
            quoted_cell(&input[1..], delimiter)
        } else {
            let end = input.iter().position(|byte| *byte == delimiter).unwrap_or(input.len());
            (Cow::Borrowed(&input[..end]), &input[end..])
        };
        rest = after.split_first().map(|(_, rest)| rest);
        Some(cell)
    })
}

/// A cell after its opening quote, and what follows it, the delimiter included.
fn quoted_cell(input: &[u8], delimiter: u8) -> (Cow<'_, [u8]>, &[u8]) {
    let mut cell = Vec::new();
    let mut at = 0;
    while at < input.len() {
        match (input[at], input.get(at + 1)) {
            (b'"', Some(b'"')) => {
                cell.push(b'"');
                at += 2;
            }
            (b'"', _) => {
                // What stands between the closing quote and the delimiter belongs to the cell.
                let rest = &input[at + 1..];
                let end = rest.iter().position(|byte| *byte == delimiter).unwrap_or(rest.len());
                cell.extend_from_slice(&rest[..end]);
                return (Cow::Owned(cell), &rest[end..]);
            }
            (byte, _) => {
                cell.push(byte);
                at += 1;
            }
        }
    }
    (Cow::Owned(cell), &[])
}

/// UTF-8, or else Windows-1252.
fn text_of(cell: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(cell) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(cell.iter().map(|byte| windows_1252(*byte)).collect()),
    }
}

fn windows_1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// Cuts a file into rows.
struct Lines<R> {
    input: R,
    /// What was read and not given out yet; at most a row and a chunk.
    buffer: Vec<u8>,
    start: usize,
    ended: bool,
    /// Of `start` in the file.
    offset: u64,
    /// Lines given out.
    line: u64,
}

enum Record {
    Bytes {
        offset: u64,
        line: u64,
        bytes: Vec<u8>,
    },
    /// A row that has more than a touch may have, or whose quote is never closed. Reading goes on
    /// with the line after its first, so that it takes no good rows with it.
    Broken {
        offset: u64,
        line: u64,
        start: Vec<u8>,
        detail: &'static str,
    },
}

/// Whether a line break is part of a cell. Only a quote that begins a cell opens one.
struct Quoting {
    delimiter: u8,
    open: bool,
    at_cell_start: bool,
}

impl Quoting {
    fn pass(&mut self, byte: u8) {
        let closes = self.open && byte == b'"';
        if closes {
            self.open = false;
        } else if self.at_cell_start && byte == b'"' {
            self.open = true;
        }
        // The second of two quotes, which stand for one, opens the cell again; in a cell that
        // began without a quote it is only a character.
        self.at_cell_start = !self.open && (byte == self.delimiter || closes);
    }
}

impl<R: Read> Lines<R> {
    fn new(input: R) -> Lines<R> {
        Lines { input, buffer: Vec::new(), start: 0, ended: false, offset: 0, line: 0 }
    }

    /// The next line, or several where a quote spans them, as a `delimiter` says that there are
    /// cells.
    fn next_record(&mut self, delimiter: Option<u8>) -> Result<Option<Record>, std::io::Error> {
        let (offset, line) = (self.offset, self.line + 1);
        let mut quoting =
            Quoting { delimiter: delimiter.unwrap_or(0), open: false, at_cell_start: true };
        let mut len = 0;
        let mut breaks = 0;
        let mut first_line_len = None;
        let detail = loop {
            if self.start + len == self.buffer.len() && !self.fill()? {
                break if breaks > 0 { Some(QUOTE_OPEN) } else { None };
            }
            let byte = self.buffer[self.start + len];
            len += 1;
            if byte == b'\n' {
                first_line_len.get_or_insert(len);
                if !quoting.open {
                    breaks += 1;
                    break None;
                }
                breaks += 1;
            } else if delimiter.is_some() {
                quoting.pass(byte);
            }
            if len > limits::TOUCH_BYTES {
                break Some(if breaks > 0 { QUOTE_OPEN } else { ROW_TOO_LONG });
            }
        };
        let row = |len: usize| self.buffer[self.start..self.start + len].to_vec();
        match detail {
            None if len == 0 => Ok(None),
            None => {
                let mut bytes = row(len);
                self.consume(len, breaks);
                while matches!(bytes.last(), Some(b'\n' | b'\r')) {
                    bytes.pop();
                }
                Ok(Some(Record::Bytes { offset, line, bytes }))
            }
            Some(detail) => {
                let start = row(first_line_len.unwrap_or(len).min(limits::TOUCH_BYTES));
                self.skip_line()?;
                Ok(Some(Record::Broken { offset, line, start, detail }))
            }
        }
    }

    fn skip_line(&mut self) -> Result<(), std::io::Error> {
        loop {
            let rest = &self.buffer[self.start..];
            match memchr::memchr(b'\n', rest) {
                Some(end) => {
                    self.consume(end + 1, 1);
                    return Ok(());
                }
                None => {
                    self.consume(rest.len(), 0);
                    if !self.fill()? {
                        self.line += 1;
                        return Ok(());
                    }
                }
            }
        }
    }

    fn consume(&mut self, len: usize, breaks: u64) {
        self.start += len;
        self.offset += len as u64;
        // The last line may have no end.
        self.line += if len > 0 { breaks.max(u64::from(self.ended)) } else { 0 };
    }

    /// Reads one more chunk behind what is there. False at the end of the file.
    fn fill(&mut self) -> Result<bool, std::io::Error> {
        const CHUNK: usize = 64 * 1024;
        self.buffer.drain(..self.start);
        self.start = 0;
        let len = self.buffer.len();
        self.buffer.resize(len + CHUNK, 0);
        let read = loop {
            match self.input.read(&mut self.buffer[len..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.buffer.truncate(len);
                    return Err(error);
                }
                Ok(read) => break read,
            }
        };
        self.buffer.truncate(len + read);
        self.ended = read == 0;
        Ok(read > 0)
    }
}

const QUOTE_OPEN: &str = "a quote is opened and not closed within the size of a row";
const ROW_TOO_LONG: &str = "the row has more bytes than a touch may have";

#[cfg(test)]
mod tests;
