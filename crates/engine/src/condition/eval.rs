//! Evaluation of a compiled condition. `&&`, `||`, `all` and `exists` absorb what is unknown on
//! one side where the other side decides; everything else passes it on.

use std::cmp::Ordering;
use std::sync::Arc;

use jiff::tz::TimeZone;
use model::value::Value;
use regex_lite::Regex;

use super::limits;
use super::schema::Kind;
use super::time::{self, Part};
use super::val::{self, List, Map, Text, Val};
use super::{Compiled, Fact, Facts, Notes, Path, Verdict, Why};

#[derive(Debug)]
pub enum Node {
    Const(Val<'static>),
    /// A fact, by the number of its path.
    Fact(u16),
    /// Whether any of these facts is there.
    Has(Box<[u16]>),
    /// The variable of an enclosing loop.
    Local(u16),
    Select(Box<Node>, Arc<str>),
    HasKey(Box<Node>, Arc<str>),
    Index(Box<[Node; 2]>),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<[Node]>),
    Or(Box<[Node]>),
    If(Box<[Node; 3]>),
    Equal {
        negated: bool,
        sides: Box<[Node; 2]>,
    },
    Order {
        sign: &'static str,
        order: Order,
        sides: Box<[Node; 2]>,
    },
    In(Box<[Node; 2]>),
    Add(Box<[Node; 2]>),
    Subtract(Box<[Node; 2]>),
    Multiply(&'static str, Box<[Node; 2]>),
    List(Box<[Node]>),
    Map(Box<[(Val<'static>, Node)]>),
    Call(Function, Box<[Node]>),
    Matches(Box<Node>, Pattern),
    Part(Part, Box<Node>, TimeZone),
    Loop(Box<Loop>),
}

/// A regular expression; its time grows with the text's length times its own size.
#[derive(Debug)]
pub struct Pattern {
    pub regex: Regex,
    /// Its compiled size in units of 1024 bytes.
    pub weight: usize,
}

#[derive(Clone, Copy, Debug)]
pub enum Order {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Size,
    Int,
    Uint,
    Double,
    String,
    Bool,
    Timestamp,
    Duration,
    Contains,
    StartsWith,
    EndsWith,
    LowerAscii,
    UpperAscii,
}

#[derive(Debug)]
pub struct Loop {
    pub kind: LoopKind,
    /// The number of its variable.
    pub slot: u16,
    pub range: Node,
    pub test: Option<Node>,
    pub make: Option<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopKind {
    All,
    Exists,
    ExistsOne,
    Filter,
    Map,
}

struct Run<'a, 'n> {
    facts: &'a dyn Facts,
    paths: &'a [Path],
    names: &'a [Arc<str>],
    steps_left: u32,
    locals: Vec<Val<'a>>,
    /// Where what is read is noted, and the number of each path there.
    notes: Option<(&'n mut Notes<'a>, &'a [usize])>,
}

const TWO_TO_63: f64 = (1_u64 << 63) as f64;

type Outcome<'a> = Result<Val<'a>, Why>;

pub fn holds<'a>(
    compiled: &'a Compiled,
    facts: &'a dyn Facts,
    notes: Option<(&mut Notes<'a>, &'a [usize])>,
) -> Verdict {
    let mut run = Run {
        facts,
        paths: &compiled.paths,
        names: &compiled.names,
        steps_left: limits::STEPS,
        locals: Vec::new(),
        notes,
    };
    match run.truth(&compiled.root, "a condition") {
        Ok(true) => Verdict::Yes,
        Ok(false) => Verdict::No,
        Err(why) => Verdict::Unknown(why),
    }
}

/// The value of a node that reads no fact and no variable.
pub fn constant(node: &Node) -> Result<Val<'static>, Why> {
    struct Nothing;
    impl Facts for Nothing {
        fn fact(&self, _: &Path) -> Fact<'_> {
            Fact::Missing
        }
    }
    let mut run = Run {
        facts: &Nothing,
        paths: &[],
        names: &[],
        steps_left: limits::STEPS,
        locals: Vec::new(),
        notes: None,
    };
    run.eval(node).map(|val| keep(&val))
}

/// A copy that lives on.
fn keep(val: &Val<'_>) -> Val<'static> {
    match val {
        Val::Null => Val::Null,
        Val::Bool(bool) => Val::Bool(*bool),
        Val::Int(int) => Val::Int(*int),
        Val::Uint(int) => Val::Uint(*int),
        Val::Double(double) => Val::Double(*double),
        Val::Text(text) => Val::text(text.as_str()),
        Val::Time(ms) => Val::Time(*ms),
        Val::Duration(ms) => Val::Duration(*ms),
        Val::List(list) => Val::list(list.iter().map(|val| keep(&val)).collect()),
        Val::Map(map) => {
            let pair = |(key, val): (Val<'_>, Val<'_>)| (keep(&key), keep(&val));
            Val::Map(Map::Made(map.pairs().into_iter().map(pair).collect()))
        }
    }
}

fn not_taken(operation: &'static str, val: &Val<'_>) -> Why {
    Why::WrongType { operation, left: val.kind(), right: None }
}

impl Node {
    /// Whether it is yes, no or unknown, and no other value.
    fn is_boolean(&self) -> bool {
        matches!(
            self,
            Node::And(_)
                | Node::Or(_)
                | Node::Not(_)
                | Node::Equal { .. }
                | Node::Order { .. }
                | Node::In(_)
                | Node::Has(_)
                | Node::HasKey(..)
                | Node::Matches(..)
        )
    }
}

impl Order {
    fn holds(self, found: Ordering) -> bool {
        match self {
            Order::Less => found.is_lt(),
            Order::LessEqual => found.is_le(),
            Order::Greater => found.is_gt(),
            Order::GreaterEqual => found.is_ge(),
        }
    }
}

impl<'a> Run<'a, '_> {
    fn step(&mut self, weight: u32) -> Result<(), Why> {
        self.steps_left = self.steps_left.checked_sub(weight).ok_or(Why::CostLimit)?;
        Ok(())
    }

    fn eval(&mut self, node: &'a Node) -> Outcome<'a> {
        if node.is_boolean() {
            return self.truth(node, "").map(Val::Bool);
        }
        self.step(1)?;
        match node {
            Node::Const(val) => Ok(Val::lend(val)),
            Node::Fact(number) => self.read(*number),
            Node::Local(slot) => {
                let val = self.locals.get(usize::from(*slot));
                Ok(val.expect("the checker puts variables inside their loop only").clone())
            }
            Node::If(parts) => {
                let [condition, yes, no] = &**parts;
                let branch = if self.truth(condition, "?")? { yes } else { no };
                self.eval(branch)
            }
            Node::Select(inner, key) => {
                let map = self.eval(inner)?;
                select(&map, key)
            }
            Node::Call(function, arguments) => self.call(*function, arguments),
            _ => self.eval_seldom(node),
        }
    }

    /// A node of which yes or no is wanted. The nodes that can be nothing else are answered here,
    /// without a value in between: they are most of what conditions are made of.
    fn truth(&mut self, node: &'a Node, operation: &'static str) -> Result<bool, Why> {
        if !node.is_boolean() {
            return match self.eval(node)? {
                Val::Bool(bool) => Ok(bool),
                other => Err(not_taken(operation, &other)),
            };
        }
        self.step(1)?;
        match node {
            Node::And(parts) => self.until(parts, false, "&&"),
            Node::Or(parts) => self.until(parts, true, "||"),
            Node::Not(inner) => self.truth(inner, "!").map(|bool| !bool),
            Node::Equal { negated, sides: pair } => {
                if let Some(found) = self.compare_fact(pair)? {
                    return Ok((found == Ordering::Equal) != *negated);
                }
                let (a, b) = self.sides(pair)?;
                self.step(a.weight().min(b.weight()))?;
                Ok(a.equals(&b) != *negated)
            }
            Node::Order { sign, order, sides: pair } => {
                if let Some(found) = self.compare_fact(pair)? {
                    return Ok(order.holds(found));
                }
                let (a, b) = self.sides(pair)?;
                self.step(a.weight().min(b.weight()))?;
                Ok(a.compare(&b, sign)?.is_some_and(|found| order.holds(found)))
            }
            Node::In(pair) => self.is_in(pair),
            Node::Has(numbers) => Ok(self.has(numbers)),
            Node::HasKey(inner, key) => match self.eval(inner)? {
                Val::Map(map) => Ok(map.get(&Val::Text(Text::Lent(key))).is_some()),
                other => Err(not_taken("has", &other)),
            },
            Node::Matches(inner, pattern) => self.matches(inner, pattern),
            _ => unreachable!("is_boolean names the nodes above"),
        }
    }

    /// The short way for a fact beside a constant of the same kind, without a value made of
    /// either: a third of the time. `None` means the long way.
    fn compare_fact(&mut self, pair: &'a [Node; 2]) -> Result<Option<Ordering>, Why> {
        let [Node::Fact(number), Node::Const(constant)] = pair else { return Ok(None) };
        self.step(2)?;
        let number = usize::from(*number);
        let fact = self.fact(number);
        Ok(match (&fact, constant) {
            (Fact::Missing, _) => return Err(Why::Missing(self.names[number].clone())),
            (Fact::Text(fact), Val::Text(text)) => Some((*fact).cmp(text.as_str())),
            (Fact::Value(Value::Text(fact)), Val::Text(text)) => Some((**fact).cmp(text.as_str())),
            (Fact::Int(fact), Val::Int(int)) => Some(fact.cmp(int)),
            (Fact::Value(Value::Int(fact)), Val::Int(int)) => Some(fact.cmp(int)),
            (Fact::Float(fact), Val::Double(double)) => fact.partial_cmp(double),
            (Fact::Value(Value::Float(fact)), Val::Double(double)) => fact.partial_cmp(double),
            (Fact::Bool(fact), Val::Bool(bool)) => Some(fact.cmp(bool)),
            (Fact::Value(Value::Bool(fact)), Val::Bool(bool)) => Some(fact.cmp(bool)),
            (Fact::Time(fact), Val::Time(ms)) => Some(fact.cmp(ms)),
            _ => None,
        })
    }

    /// The rest of [`Run::eval`], apart from it so that the usual nodes have a small stack frame.
    #[inline(never)]
    fn eval_seldom(&mut self, node: &'a Node) -> Outcome<'a> {
        match node {
            Node::Add(pair) => {
                let (a, b) = self.sides(pair)?;
                self.step(a.weight().saturating_add(b.weight()))?;
                val::add(&a, &b)
            }
            Node::Subtract(pair) => {
                let (a, b) = self.sides(pair)?;
                val::subtract(&a, &b)
            }
            Node::Multiply(sign, pair) => {
                let (a, b) = self.sides(pair)?;
                val::multiply(sign, &a, &b)
            }
            Node::Negate(inner) => val::negate(&self.eval(inner)?),
            Node::Index(pair) => {
                let (whole, key) = self.sides(pair)?;
                index(&whole, &key)
            }
            Node::List(items) => {
                let vals = items.iter().map(|item| self.eval(item));
                Ok(Val::list(vals.collect::<Result<_, _>>()?))
            }
            Node::Map(pairs) => {
                let mut made = Vec::with_capacity(pairs.len());
                for (key, item) in pairs {
                    made.push((Val::lend(key), self.eval(item)?));
                }
                Ok(Val::Map(Map::Made(made.into())))
            }
            Node::Part(part, inner, zone) => {
                let val = self.eval(inner)?;
                let found = match val {
                    Val::Time(ms) => part.of_time(ms, zone),
                    Val::Duration(ms) => part.of_duration(ms),
                    _ => None,
                };
                found.map(Val::Int).ok_or_else(|| not_taken("a part of a time", &val))
            }
            Node::Loop(inner) => self.run_loop(inner),
            _ => unreachable!("Run::eval has done all other nodes"),
        }
    }

    fn read(&mut self, number: u16) -> Outcome<'a> {
        let number = usize::from(number);
        let fact = self.fact(number);
        Val::of_fact(fact).ok_or_else(|| Why::Missing(self.names[number].clone()))
    }

    /// Notes what was read, if anybody wants to know; what is not there was not read.
    fn fact(&mut self, number: usize) -> Fact<'a> {
        let path = &self.paths[number];
        let Some((notes, numbers)) = &mut self.notes else { return self.facts.fact(path) };
        let own = numbers[number];
        let fact = match notes.read.get_mut(own) {
            Some(Some(fact)) => *fact,
            read => {
                let fact = self.facts.fact(path);
                if let Some(read) = read {
                    *read = Some(fact);
                }
                fact
            }
        };
        if !matches!(fact, Fact::Missing) && !notes.sheet.note_known(own) {
            fact.note(own, &self.names[number], &mut notes.sheet);
        }
        fact
    }

    /// What is there is also noted as used.
    fn has(&mut self, numbers: &[u16]) -> bool {
        numbers.iter().any(|number| self.read(*number).is_ok())
    }

    fn sides(&mut self, pair: &'a [Node; 2]) -> Result<(Val<'a>, Val<'a>), Why> {
        Ok((self.eval(&pair[0])?, self.eval(&pair[1])?))
    }

    /// `&&` ends at the first no, `||` at the first yes; if none comes, the first unknown wins.
    fn until(
        &mut self,
        parts: &'a [Node],
        end: bool,
        operation: &'static str,
    ) -> Result<bool, Why> {
        let mut unknown = None;
        for part in parts {
            match self.truth(part, operation) {
                Ok(bool) if bool == end => return Ok(end),
                Ok(_) => {}
                Err(Why::CostLimit) => return Err(Why::CostLimit),
                Err(why) => unknown = unknown.or(Some(why)),
            }
        }
        unknown.map_or(Ok(!end), Err)
    }

    fn is_in(&mut self, pair: &'a [Node; 2]) -> Result<bool, Why> {
        let (val, whole) = self.sides(pair)?;
        self.step(whole.weight())?;
        match &whole {
            Val::List(list) => Ok(list.contains(&val)),
            Val::Map(map) => Ok(map.get(&val).is_some()),
            _ => Err(val::wrong("in", &val, &whole)),
        }
    }

    fn matches(&mut self, inner: &'a Node, pattern: &Pattern) -> Result<bool, Why> {
        match self.eval(inner)? {
            Val::Text(text) => {
                let text = text.as_str();
                let weight = text.len().saturating_mul(pattern.weight) / 4;
                self.step(weight.min(u32::MAX as usize) as u32)?;
                Ok(pattern.regex.is_match(text))
            }
            other => Err(not_taken("matches", &other)),
        }
    }

    fn run_loop(&mut self, inner: &'a Loop) -> Outcome<'a> {
        let items: Vec<Val<'a>> = match self.eval(&inner.range)? {
            Val::List(list) => list.iter().collect(),
            Val::Map(map) => map.pairs().into_iter().map(|(key, _)| key).collect(),
            other => return Err(not_taken("a loop", &other)),
        };
        self.step(items.len().min(u32::MAX as usize) as u32)?;
        let depth = self.locals.len();
        debug_assert_eq!(depth, usize::from(inner.slot));
        let mut made = Vec::new();
        let mut count = 0_usize;
        let mut unknown = None;
        for item in items {
            self.locals.push(item.clone());
            let outcome = self.run_once(inner, item);
            self.locals.truncate(depth);
            match (inner.kind, outcome) {
                (_, Err(Why::CostLimit)) => return Err(Why::CostLimit),
                (LoopKind::All | LoopKind::Exists, Err(why)) => unknown = unknown.or(Some(why)),
                (_, Err(why)) => return Err(why),
                (LoopKind::All, Ok(None)) => return Ok(Val::Bool(false)),
                (LoopKind::Exists, Ok(Some(_))) => return Ok(Val::Bool(true)),
                (LoopKind::Filter | LoopKind::Map, Ok(Some(val))) => made.push(val),
                (_, Ok(Some(_))) => count += 1,
                (_, Ok(None)) => {}
            }
        }
        match (inner.kind, unknown) {
            (_, Some(why)) => Err(why),
            (LoopKind::All, None) => Ok(Val::Bool(true)),
            (LoopKind::Exists, None) => Ok(Val::Bool(false)),
            (LoopKind::ExistsOne, None) => Ok(Val::Bool(count == 1)),
            (LoopKind::Filter | LoopKind::Map, None) => Ok(Val::list(made)),
        }
    }

    /// `None` if the test says no; otherwise what becomes of the item.
    fn run_once(&mut self, inner: &'a Loop, item: Val<'a>) -> Result<Option<Val<'a>>, Why> {
        if let Some(test) = &inner.test
            && !self.truth(test, "a loop")?
        {
            return Ok(None);
        }
        inner.make.as_ref().map_or(Ok(item), |make| self.eval(make)).map(Some)
    }

    fn call(&mut self, function: Function, arguments: &'a [Node]) -> Outcome<'a> {
        let first = self.eval(&arguments[0])?;
        let Some(second) = arguments.get(1) else {
            self.step(if function == Function::Size { 0 } else { first.weight() })?;
            return convert(function, first);
        };
        let second = self.eval(second)?;
        self.step(first.weight())?;
        let (Val::Text(text), Val::Text(part)) = (&first, &second) else {
            return Err(val::wrong(function.name(), &first, &second));
        };
        let (text, part) = (text.as_str(), part.as_str());
        Ok(Val::Bool(match function {
            Function::Contains => text.contains(part),
            Function::StartsWith => text.starts_with(part),
            Function::EndsWith => text.ends_with(part),
            _ => unreachable!("only these three take two"),
        }))
    }
}

impl Function {
    pub fn name(self) -> &'static str {
        match self {
            Function::Size => "size",
            Function::Int => "int",
            Function::Uint => "uint",
            Function::Double => "double",
            Function::String => "string",
            Function::Bool => "bool",
            Function::Timestamp => "timestamp",
            Function::Duration => "duration",
            Function::Contains => "contains",
            Function::StartsWith => "startsWith",
            Function::EndsWith => "endsWith",
            Function::LowerAscii => "lowerAscii",
            Function::UpperAscii => "upperAscii",
        }
    }

    /// What it makes of a value of this kind; `None` if it does not take it.
    pub fn takes(self, kind: Kind) -> Option<Kind> {
        use Kind::{Bool, Double, Duration, Dyn, Int, List, Map, Text, Time, Uint};
        let (taken, made): (&[Kind], Kind) = match self {
            Function::Size => (&[Text, List, Map], Int),
            Function::Int => (&[Int, Uint, Double, Text, Time], Int),
            Function::Uint => (&[Int, Uint, Double, Text], Uint),
            Function::Double => (&[Int, Uint, Double, Text], Double),
            Function::String => (&[Bool, Int, Uint, Double, Text, Time, Duration], Text),
            Function::Bool => (&[Bool, Text], Bool),
            Function::Timestamp => (&[Text, Int, Time], Time),
            Function::Duration => (&[Text, Duration], Duration),
            Function::Contains | Function::StartsWith | Function::EndsWith => (&[Text], Bool),
            Function::LowerAscii | Function::UpperAscii => (&[Text], Text),
        };
        (kind == Dyn || taken.contains(&kind)).then_some(made)
    }
}

fn select<'a>(map: &Val<'a>, key: &Arc<str>) -> Outcome<'a> {
    match map {
        Val::Map(map) => {
            map.get(&Val::Text(Text::Lent(key))).ok_or_else(|| Why::NoKey(key.clone()))
        }
        other => Err(not_taken("a dot", other)),
    }
}

fn index<'a>(whole: &Val<'a>, key: &Val<'a>) -> Outcome<'a> {
    let missing = || Why::NoKey(key.key_text().into());
    match (whole, key) {
        (Val::Map(map), _) => map.get(key).ok_or_else(missing),
        (Val::List(list), _) => {
            let at = match key {
                Val::Int(int) => usize::try_from(*int).ok(),
                Val::Uint(int) => usize::try_from(*int).ok(),
                Val::Double(double) if *double >= 0.0 && *double as u32 as f64 == *double => {
                    Some(*double as usize)
                }
                Val::Double(_) => None,
                _ => return Err(val::wrong("[]", whole, key)),
            };
            at.and_then(|at| list.get(at)).ok_or_else(missing)
        }
        _ => Err(val::wrong("[]", whole, key)),
    }
}

/// Functions of one value.
fn convert<'a>(function: Function, val: Val<'a>) -> Outcome<'a> {
    let bad_text = || Why::BadText { operation: function.name() };
    Ok(match (function, &val) {
        (Function::Size, Val::Text(text)) => Val::Int(text.as_str().chars().count() as i64),
        (Function::Size, Val::List(list)) => Val::Int(list.len() as i64),
        (Function::Size, Val::Map(map)) => Val::Int(map.len() as i64),
        (Function::Int, Val::Int(_))
        | (Function::Uint, Val::Uint(_))
        | (Function::Double, Val::Double(_))
        | (Function::String, Val::Text(_))
        | (Function::Bool, Val::Bool(_))
        | (Function::Timestamp, Val::Time(_))
        | (Function::Duration, Val::Duration(_)) => val,
        (Function::Int | Function::Uint | Function::Double, _) => number(function, &val)?,
        (Function::String, _) => Val::text(to_text(&val)?),
        (Function::Bool, Val::Text(text)) => match text.as_str() {
            "true" | "True" | "TRUE" | "t" | "1" => Val::Bool(true),
            "false" | "False" | "FALSE" | "f" | "0" => Val::Bool(false),
            _ => return Err(bad_text()),
        },
        (Function::Timestamp, Val::Text(text)) => {
            Val::Time(time::read_time(text.as_str()).ok_or_else(bad_text)?)
        }
        (Function::Timestamp, Val::Int(seconds)) => {
            let ms = seconds.checked_mul(1000).filter(|ms| time::in_range(*ms));
            Val::Time(ms.ok_or(Why::Overflow)?)
        }
        (Function::Duration, Val::Text(text)) => {
            Val::Duration(time::read_duration(text.as_str()).ok_or_else(bad_text)?)
        }
        (Function::LowerAscii, Val::Text(text)) => Val::text(text.as_str().to_ascii_lowercase()),
        (Function::UpperAscii, Val::Text(text)) => Val::text(text.as_str().to_ascii_uppercase()),
        _ => return Err(not_taken(function.name(), &val)),
    })
}

/// `int`, `uint` and `double` of another kind. Fractions are cut off towards zero.
fn number<'a>(function: Function, val: &Val<'a>) -> Outcome<'a> {
    let bad_text = || Why::BadText { operation: function.name() };
    Ok(match (function, val) {
        (Function::Int, Val::Uint(int)) => {
            Val::Int(i64::try_from(*int).map_err(|_| Why::Overflow)?)
        }
        (Function::Int, Val::Double(double)) => {
            // 2^63 itself does not fit, its negative does.
            let fits = (-TWO_TO_63..TWO_TO_63).contains(double);
            if !fits {
                return Err(Why::Overflow);
            }
            Val::Int(*double as i64)
        }
        (Function::Int, Val::Time(ms)) => Val::Int(ms.div_euclid(1000)),
        (Function::Int, Val::Text(text)) => {
            Val::Int(text.as_str().parse().map_err(|_| bad_text())?)
        }
        (Function::Uint, Val::Int(int)) => {
            Val::Uint(u64::try_from(*int).map_err(|_| Why::Overflow)?)
        }
        (Function::Uint, Val::Double(double)) => {
            if !(0.0..2.0 * TWO_TO_63).contains(double) {
                return Err(Why::Overflow);
            }
            Val::Uint(*double as u64)
        }
        (Function::Uint, Val::Text(text)) => {
            Val::Uint(text.as_str().parse().map_err(|_| bad_text())?)
        }
        (Function::Double, Val::Int(int)) => Val::Double(*int as f64),
        (Function::Double, Val::Uint(int)) => Val::Double(*int as f64),
        (Function::Double, Val::Text(text)) => {
            Val::Double(text.as_str().parse().map_err(|_| bad_text())?)
        }
        _ => return Err(not_taken(function.name(), val)),
    })
}

fn to_text(val: &Val<'_>) -> Result<String, Why> {
    Ok(match val {
        Val::Bool(bool) => bool.to_string(),
        Val::Int(int) => int.to_string(),
        Val::Uint(int) => int.to_string(),
        Val::Double(double) => double.to_string(),
        Val::Time(ms) => time::time_text(*ms),
        Val::Duration(ms) => time::duration_text(*ms),
        other => return Err(not_taken("string", other)),
    })
}

impl List<'_> {
    /// Without copying the entries.
    fn contains(&self, val: &Val<'_>) -> bool {
        match self {
            List::Values(values) => values.iter().any(|own| Val::of(own).equals(val)),
            List::Lent(vals) => vals.iter().any(|own| own.equals(val)),
            List::Made(vals) => vals.iter().any(|own| own.equals(val)),
        }
    }
}
