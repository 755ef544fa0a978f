//! From the expression tree to the tree that is evaluated: names become paths, calls become
//! functions, and what can be known of types is checked, with a suggestion where one is near.

use std::sync::Arc;

use jiff::tz::TimeZone;
use regex_lite::RegexBuilder;

use super::eval::{self, Function, Loop, LoopKind, Node, Order, Pattern};
use super::lex::Slip;
use super::parse::{Expr, What};
use super::schema::{Field, FieldRow, Kind, Root, Type, schema};
use super::time::{self, Part};
use super::val::Val;
use super::{Compiled, Path, limits, text};

struct Checker<'s> {
    stages: Option<&'s [&'s str]>,
    paths: Vec<Path>,
    /// The variables of the enclosing loops.
    locals: Vec<(Box<str>, Type)>,
}

type Checked = Result<(Node, Type), Slip>;

const BOOL: Type = Type::of(Kind::Bool);

pub fn check(expr: &Expr, source: &str, stages: Option<&[&str]>) -> Result<Compiled, Slip> {
    let mut checker = Checker { stages, paths: Vec::new(), locals: Vec::new() };
    let (root, ty) = checker.check(expr)?;
    if !matches!(ty.kind, Kind::Bool | Kind::Dyn) {
        let message = format!("a condition must be true or false, this is {}", ty.kind.name());
        return Err(Slip::new(expr.at, message));
    }
    let names = checker.paths.iter().map(|path| Arc::from(path.to_string())).collect();
    Ok(Compiled { source: source.into(), root, paths: checker.paths.into(), names })
}

/// What a dotted name means.
enum Meaning {
    Field(Path, Type),
    /// `context.place`: the fields below it.
    Group(Root, &'static str, Vec<&'static FieldRow>),
}

/// One name of a dotted name and where it stands.
type Part1<'e> = (&'e str, usize);

impl Checker<'_> {
    fn check(&mut self, expr: &Expr) -> Checked {
        let constant = |val, kind| Ok((Node::Const(val), Type::of(kind)));
        match &expr.what {
            What::Null => constant(Val::Null, Kind::Null),
            What::Bool(bool) => constant(Val::Bool(*bool), Kind::Bool),
            What::Int(int) => constant(Val::Int(*int), Kind::Int),
            What::Uint(int) => constant(Val::Uint(*int), Kind::Uint),
            What::Double(double) => constant(Val::Double(*double), Kind::Double),
            What::Text(text) => constant(Val::text(text.clone()), Kind::Text),
            What::Name(name) => self.name(expr.at, name),
            What::Select(inner, name) => match self.meaning(expr)? {
                Some(meaning) => self.field(expr.at, meaning),
                None => self.select(inner, name, expr.at),
            },
            What::Index(inner, key) => match self.meaning(expr)? {
                Some(meaning) => self.field(expr.at, meaning),
                None => self.index(inner, key, expr.at),
            },
            What::Call { target, name, arguments } => match target {
                Some(target) => self.member_call(expr.at, target, name, arguments),
                None => self.global_call(expr.at, name, arguments),
            },
            What::Not(inner) => {
                let inner = self.boolean(inner, "!")?;
                Ok((Node::Not(Box::new(inner)), BOOL))
            }
            What::Negate(inner) => self.negate(inner),
            What::And(parts) => {
                let parts = parts.iter().map(|part| self.boolean(part, "&&"));
                Ok((Node::And(parts.collect::<Result<_, _>>()?), BOOL))
            }
            What::Or(parts) => {
                let parts = parts.iter().map(|part| self.boolean(part, "||"));
                Ok((Node::Or(parts.collect::<Result<_, _>>()?), BOOL))
            }
            What::Binary(sign, left, right) => self.binary(expr.at, sign, left, right),
            What::If(parts) => self.conditional(parts),
            What::List(items) => self.list(items),
            What::Map(entries) => self.map(entries),
        }
    }

    fn boolean(&mut self, expr: &Expr, operation: &str) -> Result<Node, Slip> {
        let (node, ty) = self.check(expr)?;
        match ty.kind {
            Kind::Bool | Kind::Dyn => Ok(node),
            kind => {
                let message = format!("{operation} takes true or false, this is {}", kind.name());
                Err(Slip::new(expr.at, message))
            }
        }
    }

    // Names.

    fn name(&mut self, at: usize, name: &str) -> Checked {
        if let Some(slot) = self.local(name) {
            return Ok((Node::Local(slot as u16), self.locals[slot].1));
        }
        match Root::named(name) {
            Some(root) => {
                let first = schema().fields.iter().find(|row| row.root == root);
                let slip = Slip::new(at, format!("{name} is no value by itself; name a field"));
                Err(first.map_or(slip.clone(), |row| slip.suggest(row.path())))
            }
            None => Err(self.unknown_name(at, name, &[])),
        }
    }

    fn local(&self, name: &str) -> Option<usize> {
        self.locals.iter().rposition(|(own, _)| **own == *name)
    }

    fn unknown_name(&self, at: usize, name: &str, rest: &[Part1<'_>]) -> Slip {
        let known = Root::ALL.map(Root::name);
        let locals = self.locals.iter().map(|(own, _)| &**own);
        let near = text::nearest(name, known.into_iter().chain(locals)).map(|near| {
            rest.iter().fold(near.to_string(), |path, (part, _)| format!("{path}.{part}"))
        });
        let slip = Slip::new(at, format!("nothing is called {name} here"));
        match near.or_else(|| schema().suggest_anywhere(name)) {
            Some(suggestion) => slip.suggest(suggestion),
            None => Slip::new(at, format!("{}; there are {}", slip.message, known.join(", "))),
        }
    }

    /// What a chain of dots and `["…"]` from a variable means; `None` if it is no such chain.
    fn meaning(&self, expr: &Expr) -> Result<Option<Meaning>, Slip> {
        let mut parts: Vec<Part1<'_>> = Vec::new();
        let mut inner = expr;
        let (name, at) = loop {
            match &inner.what {
                What::Select(of, name) => {
                    parts.push((name, inner.at));
                    inner = of;
                }
                What::Index(of, key) => {
                    let What::Text(key_text) = &key.what else { return Ok(None) };
                    parts.push((key_text, key.at));
                    inner = of;
                }
                What::Name(name) => break (name, inner.at),
                _ => return Ok(None),
            }
        };
        parts.reverse();
        if self.local(name).is_some() {
            return Ok(None);
        }
        match Root::named(name) {
            Some(root) => resolve(root, &parts).map(Some),
            None => Err(self.unknown_name(at, name, &parts)),
        }
    }

    fn path(&mut self, path: Path) -> u16 {
        let at = self.paths.iter().position(|own| *own == path).unwrap_or_else(|| {
            self.paths.push(path);
            self.paths.len() - 1
        });
        at as u16
    }

    fn field(&mut self, at: usize, meaning: Meaning) -> Checked {
        match meaning {
            Meaning::Field(path, ty) => Ok((Node::Fact(self.path(path)), ty)),
            Meaning::Group(root, name, rows) => {
                let names: Vec<&str> = rows.iter().map(|row| row.name).collect();
                let message =
                    format!("{}.{name} is no value by itself: {}", root.name(), names.join(", "));
                Err(Slip::new(at, message))
            }
        }
    }

    fn select(&mut self, inner: &Expr, name: &str, at: usize) -> Checked {
        let (node, ty) = self.check(inner)?;
        let item = match ty.kind {
            Kind::Map => ty.inner(),
            Kind::Dyn => Type::DYN,
            kind => {
                let message = format!("nothing lies below a value that is {}", kind.name());
                return Err(Slip::new(at, message));
            }
        };
        Ok((Node::Select(Box::new(node), name.into()), item))
    }

    fn index(&mut self, inner: &Expr, key: &Expr, at: usize) -> Checked {
        let (inner, ty) = self.check(inner)?;
        let (key_node, key_ty) = self.check(key)?;
        let number = matches!(key_ty.kind, Kind::Int | Kind::Uint | Kind::Double | Kind::Dyn);
        match ty.kind {
            Kind::List if !number => {
                let message = format!("a list is counted from 0, this is {}", key_ty.kind.name());
                return Err(Slip::new(key.at, message));
            }
            Kind::List | Kind::Map | Kind::Dyn => {}
            kind => {
                return Err(Slip::new(at, format!("[ ] does not go with {}", kind.name())));
            }
        }
        Ok((Node::Index(Box::new([inner, key_node])), ty.inner()))
    }

    // Operators.

    fn negate(&mut self, inner: &Expr) -> Checked {
        let (node, ty) = self.check(inner)?;
        match ty.kind {
            Kind::Int | Kind::Double | Kind::Duration | Kind::Dyn => {
                Ok((Node::Negate(Box::new(node)), ty))
            }
            kind => Err(Slip::new(inner.at, format!("- does not go with {}", kind.name()))),
        }
    }

    fn conditional(&mut self, parts: &[Expr; 3]) -> Checked {
        let condition = self.boolean(&parts[0], "?")?;
        let (yes, yes_ty) = self.check(&parts[1])?;
        let (no, no_ty) = self.check(&parts[2])?;
        let ty = if yes_ty == no_ty { yes_ty } else { Type::DYN };
        Ok((Node::If(Box::new([condition, yes, no])), ty))
    }

    fn binary(&mut self, at: usize, sign: &'static str, left: &Expr, right: &Expr) -> Checked {
        let (left_node, left_ty) = self.check(left)?;
        let (right_node, right_ty) = self.check(right)?;
        self.known_texts(&left_node, right)?;
        self.known_texts(&right_node, left)?;
        let sides = Box::new([left_node, right_node]);
        let order = match sign {
            "==" | "!=" => {
                comparable(at, sign, left_ty.kind, right_ty.kind, left, right)?;
                return Ok((Node::Equal { negated: sign == "!=", sides }, BOOL));
            }
            "in" => {
                contained(at, left_ty, right_ty)?;
                return Ok((Node::In(sides), BOOL));
            }
            "<" => Order::Less,
            "<=" => Order::LessEqual,
            ">" => Order::Greater,
            ">=" => Order::GreaterEqual,
            _ => {
                let kind = sum(at, sign, left_ty.kind, right_ty.kind, left, right)?;
                let node = match sign {
                    "+" => Node::Add(sides),
                    "-" => Node::Subtract(sides),
                    _ => Node::Multiply(sign, sides),
                };
                let same_list = kind == Kind::List && left_ty == right_ty;
                return Ok((node, if same_list { left_ty } else { Type::of(kind) }));
            }
        };
        comparable(at, sign, left_ty.kind, right_ty.kind, left, right)?;
        if let Some(kind) = [left_ty.kind, right_ty.kind]
            .into_iter()
            .find(|kind| matches!(kind, Kind::Null | Kind::List | Kind::Map))
        {
            return Err(Slip::new(at, format!("{sign} does not go with {}", kind.name())));
        }
        Ok((Node::Order { sign, order, sides }, BOOL))
    }

    /// A text beside a field of which all possible values are known has to be one of these.
    fn known_texts(&self, node: &Node, other: &Expr) -> Result<(), Slip> {
        let Node::Fact(number) = node else { return Ok(()) };
        let path = &self.paths[usize::from(*number)];
        let (known, also): (&[&str], &[&str]) = match (path.field, self.stages) {
            (Field::BondStage, Some(stages)) => (stages, &["none"]),
            (field, _) => (field.row().values, &[]),
        };
        if known.is_empty() {
            return Ok(());
        }
        let single = std::slice::from_ref(other);
        let items = if let What::List(items) = &other.what { items } else { single };
        for item in items {
            let What::Text(value) = &item.what else { continue };
            let mut all = known.iter().chain(also).copied();
            if all.clone().any(|known| *known == **value) {
                continue;
            }
            let slip = Slip::new(item.at, format!("{path} is never \"{value}\""));
            return Err(match text::nearest(value, all.clone()) {
                Some(near) => slip.suggest(format!("\"{near}\"")),
                None => {
                    let list = all.by_ref().collect::<Vec<_>>().join(", ");
                    Slip::new(item.at, format!("{}; it can be {list}", slip.message))
                }
            });
        }
        Ok(())
    }

    fn list(&mut self, items: &[Expr]) -> Checked {
        let mut nodes = Vec::with_capacity(items.len());
        let mut kinds: Vec<Kind> = Vec::new();
        for item in items {
            let (node, ty) = self.check(item)?;
            nodes.push(node);
            kinds.push(ty.kind);
        }
        let same = kinds.windows(2).all(|pair| pair[0] == pair[1]);
        let item = if same { kinds.first().copied().unwrap_or(Kind::Dyn) } else { Kind::Dyn };
        let constant = nodes.iter().all(|node| matches!(node, Node::Const(_)));
        let mut node = Node::List(nodes.into());
        if constant && let Ok(val) = eval::constant(&node) {
            node = Node::Const(val);
        }
        Ok((node, Type::list(item)))
    }

    fn map(&mut self, entries: &[(Expr, Expr)]) -> Checked {
        let mut pairs: Vec<(Val<'static>, Node)> = Vec::with_capacity(entries.len());
        for (key, item) in entries {
            let (Node::Const(key_val), key_ty) = self.check(key)? else {
                return Err(Slip::new(key.at, "the keys of a map are written out"));
            };
            if !matches!(key_ty.kind, Kind::Text | Kind::Int | Kind::Uint | Kind::Bool) {
                let message =
                    format!("a key is text, int, uint or bool, not {}", key_ty.kind.name());
                return Err(Slip::new(key.at, message));
            }
            if pairs.iter().any(|(own, _)| own.equals(&key_val)) {
                return Err(Slip::new(key.at, "this key is in the map twice"));
            }
            pairs.push((key_val, self.check(item)?.0));
        }
        let constant = pairs.iter().all(|(_, node)| matches!(node, Node::Const(_)));
        let mut node = Node::Map(pairs.into());
        if constant && let Ok(val) = eval::constant(&node) {
            node = Node::Const(val);
        }
        Ok((node, Type::map(Kind::Dyn)))
    }

    // Calls.

    fn global_call(&mut self, at: usize, name: &str, arguments: &[Expr]) -> Checked {
        if name == "has" {
            return self.has(at, arguments);
        }
        let function = match name {
            "size" => Function::Size,
            "int" => Function::Int,
            "uint" => Function::Uint,
            "double" => Function::Double,
            "string" => Function::String,
            "bool" => Function::Bool,
            "timestamp" => Function::Timestamp,
            "duration" => Function::Duration,
            "dyn" => {
                let [argument] = exactly(at, name, arguments)?;
                return Ok((self.check(argument)?.0, Type::DYN));
            }
            _ => return Err(unknown_function(at, name, false)),
        };
        let [argument] = exactly(at, name, arguments)?;
        self.call(function, argument, &[])
    }

    fn call(&mut self, function: Function, first: &Expr, rest: &[Expr]) -> Checked {
        let mut made = Kind::Dyn;
        let mut nodes = Vec::with_capacity(1 + rest.len());
        for argument in std::iter::once(first).chain(rest) {
            let (node, ty) = self.check(argument)?;
            made = function.takes(ty.kind).ok_or_else(|| {
                let message = format!("{} does not take {}", function.name(), ty.kind.name());
                Slip::new(argument.at, message)
            })?;
            nodes.push(node);
        }
        let constant = nodes.iter().all(|node| matches!(node, Node::Const(_)));
        let node = Node::Call(function, nodes.into());
        if !constant {
            return Ok((node, Type::of(made)));
        }
        match eval::constant(&node) {
            Ok(val) => Ok((Node::Const(val), Type::of(made))),
            Err(why) => {
                let usage = schema().functions.iter().find(|row| row.name == function.name());
                let slip = Slip::new(first.at, why.to_string());
                Err(usage.map_or(slip.clone(), |row| slip.suggest(row.usage)))
            }
        }
    }

    fn has(&mut self, at: usize, arguments: &[Expr]) -> Checked {
        let [argument] = exactly(at, "has", arguments)?;
        let What::Select(inner, name) = &argument.what else {
            let slip = Slip::new(argument.at, "has takes a dotted name");
            return Err(slip.suggest("has(product.state.error)"));
        };
        let rows = match self.meaning(argument)? {
            Some(Meaning::Field(path, _)) => vec![self.path(path)],
            Some(Meaning::Group(root, _, rows)) => {
                let path = |row: &FieldRow| Path { root, field: row.field, rest: Vec::new() };
                rows.into_iter().map(|row| self.path(path(row))).collect()
            }
            None => {
                let (node, ty) = self.check(inner)?;
                if !matches!(ty.kind, Kind::Map | Kind::Dyn) {
                    let message = format!("nothing lies below {}", ty.kind.name());
                    return Err(Slip::new(argument.at, message));
                }
                return Ok((Node::HasKey(Box::new(node), (**name).into()), BOOL));
            }
        };
        Ok((Node::Has(rows.into()), BOOL))
    }

    fn member_call(&mut self, at: usize, target: &Expr, name: &str, args: &[Expr]) -> Checked {
        if let Some(part) = Part::named(name) {
            return self.time_part(at, part, name, target, args);
        }
        let function = match name {
            "size" => {
                let [] = exactly(at, name, args)?;
                return self.call(Function::Size, target, &[]);
            }
            "lowerAscii" | "upperAscii" => {
                let [] = exactly(at, name, args)?;
                let lower = name == "lowerAscii";
                let function = if lower { Function::LowerAscii } else { Function::UpperAscii };
                return self.call(function, target, &[]);
            }
            "contains" => Function::Contains,
            "startsWith" => Function::StartsWith,
            "endsWith" => Function::EndsWith,
            "matches" => return self.matches(at, target, args),
            "all" => return self.run_loop(at, LoopKind::All, target, args),
            "exists" => return self.run_loop(at, LoopKind::Exists, target, args),
            "exists_one" | "existsOne" => {
                return self.run_loop(at, LoopKind::ExistsOne, target, args);
            }
            "filter" => return self.run_loop(at, LoopKind::Filter, target, args),
            "map" => return self.run_loop(at, LoopKind::Map, target, args),
            _ => return Err(unknown_function(at, name, true)),
        };
        let [argument] = exactly(at, name, args)?;
        self.call(function, target, std::slice::from_ref(argument))
    }

    fn matches(&mut self, at: usize, target: &Expr, arguments: &[Expr]) -> Checked {
        let [pattern] = exactly(at, "matches", arguments)?;
        let (node, ty) = self.check(target)?;
        if !matches!(ty.kind, Kind::Text | Kind::Dyn) {
            let message = format!("matches does not take {}", ty.kind.name());
            return Err(Slip::new(target.at, message));
        }
        let What::Text(source) = &pattern.what else {
            let message = "the pattern is written out as a text, so that it is compiled once";
            return Err(Slip::new(pattern.at, message));
        };
        let pattern = compile_pattern(source).map_err(|message| {
            Slip::new(pattern.at, format!("this is no regular expression: {message}"))
        })?;
        Ok((Node::Matches(Box::new(node), pattern), BOOL))
    }

    fn time_part(
        &mut self,
        at: usize,
        part: Part,
        name: &str,
        target: &Expr,
        arguments: &[Expr],
    ) -> Checked {
        let (node, ty) = self.check(target)?;
        let duration = ty.kind == Kind::Duration && part.has_duration() && arguments.is_empty();
        if !duration && !matches!(ty.kind, Kind::Time | Kind::Dyn) {
            let message = format!("{name} does not take {}", ty.kind.name());
            return Err(Slip::new(target.at, message));
        }
        let zone = match arguments {
            [] => TimeZone::UTC,
            [zone] => {
                let What::Text(zone_name) = &zone.what else {
                    return Err(Slip::new(zone.at, "the time zone is written out as a text"));
                };
                time::zone(zone_name).ok_or_else(|| {
                    let slip = Slip::new(zone.at, format!("there is no time zone {zone_name}"));
                    match nearest_zone(zone_name) {
                        Some(near) => slip.suggest(format!("\"{near}\"")),
                        None => slip,
                    }
                })?
            }
            _ => return Err(Slip::new(at, format!("{name} takes a time zone or nothing"))),
        };
        Ok((Node::Part(part, Box::new(node), zone), Type::of(Kind::Int)))
    }

    fn run_loop(&mut self, at: usize, kind: LoopKind, target: &Expr, args: &[Expr]) -> Checked {
        let (name, test, make) = match (kind, args) {
            (LoopKind::Map, [name, make]) => (name, None, Some(make)),
            (LoopKind::Map, [name, test, make]) => (name, Some(test), Some(make)),
            (kind, [name, test]) if kind != LoopKind::Map => (name, Some(test), None),
            _ => {
                let message = "a loop takes the name of its variable and what to do with it";
                return Err(Slip::new(at, message).suggest("list.exists(x, x > 1)"));
            }
        };
        let What::Name(variable) = &name.what else {
            return Err(Slip::new(name.at, "the variable of a loop is a plain name"));
        };
        if Root::named(variable).is_some() {
            return Err(Slip::new(name.at, format!("{variable} already means something else")));
        }
        let (range, range_ty) = self.check(target)?;
        let item = match range_ty.kind {
            Kind::List => range_ty.inner(),
            Kind::Map | Kind::Dyn => Type::DYN,
            other => {
                let message = format!("a loop goes through a list or map, not {}", other.name());
                return Err(Slip::new(target.at, message));
            }
        };
        let slot = self.locals.len() as u16;
        self.locals.push((variable.clone(), item));
        let test = test.map(|test| self.boolean(test, "a loop")).transpose()?;
        let make = make.map(|make| self.check(make)).transpose()?;
        self.locals.pop();
        let ty = match kind {
            LoopKind::Filter => Type::list(item.kind),
            LoopKind::Map => Type::list(make.as_ref().map_or(Kind::Dyn, |(_, ty)| ty.kind)),
            _ => BOOL,
        };
        let make = make.map(|(node, _)| node);
        Ok((Node::Loop(Box::new(Loop { kind, slot, range, test, make })), ty))
    }
}

fn resolve(root: Root, parts: &[Part1<'_>]) -> Result<Meaning, Slip> {
    let (first, first_at) = parts[0];
    if let Some(row) = schema().field(root, first) {
        return below(row, &parts[1..]);
    }
    let group = schema().group(root, first);
    let Some(row) = group.first() else {
        let slip = Slip::new(first_at, format!("{} has no {first}", root.name()));
        return Err(match schema().suggest_field(root, first) {
            Some(near) => slip.suggest(near),
            None => {
                let mut names: Vec<&str> = schema()
                    .fields
                    .iter()
                    .filter(|row| row.root == root)
                    .map(|row| row.name.split('.').next().unwrap_or(row.name))
                    .collect();
                names.dedup();
                let message = format!("{}; it has {}", slip.message, names.join(", "));
                Slip::new(first_at, message)
            }
        });
    };
    let group_name = row.name.split('.').next().unwrap_or(row.name);
    let Some((second, second_at)) = parts.get(1) else {
        return Ok(Meaning::Group(root, group_name, group));
    };
    let full = format!("{first}.{second}");
    match schema().field(root, &full) {
        Some(row) => below(row, &parts[2..]),
        None => {
            let names: Vec<&str> =
                group.iter().filter_map(|row| row.name.split('.').nth(1)).collect();
            let message = format!("{}.{first} has no {second}", root.name());
            Err(match text::nearest(second, names.iter().copied()) {
                Some(near) => {
                    let near = format!("{}.{first}.{near}", root.name());
                    Slip::new(*second_at, message).suggest(near)
                }
                None => Slip::new(*second_at, format!("{message}; it has {}", names.join(", "))),
            })
        }
    }
}

/// What the names after a field mean: keys of an open map, or nothing.
fn below(row: &'static FieldRow, rest: &[Part1<'_>]) -> Result<Meaning, Slip> {
    let ty = match rest {
        [] => row.ty,
        _ if row.ty.kind == Kind::Map && row.ty.item == Kind::Dyn => Type::DYN,
        [_] if row.ty.kind == Kind::Map => row.ty.inner(),
        [(name, at), ..] => {
            let message = format!("{} is {}, it has no {name}", row.path(), row.ty.kind.name());
            return Err(Slip::new(*at, message));
        }
    };
    let rest = rest.iter().map(|(name, _)| (*name).into()).collect();
    Ok(Meaning::Field(Path { root: row.root, field: row.field, rest }, ty))
}

fn exactly<'e, const N: usize>(
    at: usize,
    name: &str,
    arguments: &'e [Expr],
) -> Result<&'e [Expr; N], Slip> {
    arguments.try_into().map_err(|_| {
        let found = arguments.len();
        Slip::new(at, format!("{name} takes {N} in its brackets, here are {found}"))
    })
}

fn unknown_function(at: usize, name: &str, member: bool) -> Slip {
    let slip = Slip::new(at, format!("there is no function {name}"));
    let usual = match name {
        "len" | "length" | "count" => Some("size"),
        "lower" | "toLowerCase" | "lowercase" => Some("lowerAscii"),
        "upper" | "toUpperCase" | "uppercase" => Some("upperAscii"),
        "now" => return slip.suggest("context.time"),
        "includes" => Some("contains"),
        "some" | "any" => Some("exists"),
        "every" => Some("all"),
        _ => None,
    };
    let rows = || schema().functions.iter();
    let same_form = rows().filter(|row| row.member == member).map(|row| row.name);
    let near = usual.or_else(|| rows().map(|row| row.name).find(|own| *own == name));
    let near = near.or_else(|| text::nearest(name, same_form));
    let near = near.or_else(|| text::nearest(name, rows().map(|row| row.name)));
    let preferred = |row: &&super::FunctionRow| Some(row.name) == near && row.member == member;
    let row = rows().find(preferred).or_else(|| rows().find(|row| Some(row.name) == near));
    match row {
        Some(row) => slip.suggest(row.usage),
        None => slip,
    }
}

/// The smallest limit under which it compiles says how large it is; the crate does not.
fn compile_pattern(source: &str) -> Result<Pattern, String> {
    let mut weight = 1;
    loop {
        match RegexBuilder::new(source).size_limit(weight * 1024).build() {
            Ok(regex) => return Ok(Pattern { regex, weight }),
            Err(error) if weight * 1024 >= limits::REGEX_BYTES => return Err(error.to_string()),
            Err(_) => weight *= 2,
        }
    }
}

fn nearest_zone(name: &str) -> Option<String> {
    let zones: Vec<String> =
        jiff::tz::TimeZoneDatabase::bundled().available().map(|zone| zone.to_string()).collect();
    text::nearest(name, zones.iter().map(String::as_str)).map(str::to_string)
}

fn is_number(kind: Kind) -> bool {
    matches!(kind, Kind::Int | Kind::Uint | Kind::Double)
}

/// Comparing what can never be equal is a slip, not a no.
fn comparable(
    at: usize,
    sign: &str,
    left: Kind,
    right: Kind,
    left_expr: &Expr,
    right_expr: &Expr,
) -> Result<(), Slip> {
    let numbers = is_number(left) && is_number(right);
    if left == right || numbers || left == Kind::Dyn || right == Kind::Dyn {
        return Ok(());
    }
    let message = format!("{sign} compares {} with {}", left.name(), right.name());
    let slip = Slip::new(at, message);
    if left == Kind::Null || right == Kind::Null {
        let message = "this is never null; has(…) asks whether it is there";
        return Err(Slip::new(at, message));
    }
    // "3" beside a number, or 3 beside a text.
    let numeral = |expr: &Expr| match &expr.what {
        What::Text(text) if text.parse::<f64>().is_ok() => Some(text.to_string()),
        What::Int(int) => Some(format!("\"{int}\"")),
        _ => None,
    };
    let other_fits = |kind: Kind| is_number(kind) || kind == Kind::Text;
    let suggestion = if other_fits(left) && other_fits(right) {
        numeral(right_expr).or_else(|| numeral(left_expr))
    } else {
        None
    };
    Err(match suggestion {
        Some(suggestion) => slip.suggest(suggestion),
        None => slip,
    })
}

fn contained(at: usize, left: Type, right: Type) -> Result<(), Slip> {
    match right.kind {
        Kind::Dyn | Kind::Map => Ok(()),
        Kind::List => {
            let (a, b) = (left.kind, right.item);
            if a == b || a == Kind::Dyn || b == Kind::Dyn || is_number(a) && is_number(b) {
                return Ok(());
            }
            let message = format!("{} is never in a list of {}", a.name(), b.name());
            Err(Slip::new(at, message))
        }
        Kind::Text => {
            let message = "`in` looks into lists and maps; a text has contains";
            Err(Slip::new(at, message).suggest("text.contains(\"x\")"))
        }
        kind => Err(Slip::new(at, format!("`in` looks into lists and maps, not {}", kind.name()))),
    }
}

/// The kind that `+ - * / %` make of two kinds.
fn sum(
    at: usize,
    sign: &str,
    left: Kind,
    right: Kind,
    left_expr: &Expr,
    right_expr: &Expr,
) -> Result<Kind, Slip> {
    use Kind::{Double, Duration, Dyn, Int, List, Text, Time, Uint};
    let made = match (sign, left, right) {
        (_, Dyn, _) | (_, _, Dyn) => Some(Dyn),
        ("%", Double, Double) => None,
        (_, Int, Int) | (_, Uint, Uint) | (_, Double, Double) => Some(left),
        ("+", Text, Text) | ("+", List, List) => Some(left),
        ("+" | "-", Time, Duration) | ("+", Duration, Time) => Some(Time),
        ("+" | "-", Duration, Duration) | ("-", Time, Time) => Some(Duration),
        _ => None,
    };
    made.ok_or_else(|| {
        let message = format!("{sign} does not go with {} and {}", left.name(), right.name());
        let slip = Slip::new(at, message);
        let as_double = |expr: &Expr| match expr.what {
            What::Int(int) => Some(format!("{int}.0")),
            _ => None,
        };
        let suggestion = match (left, right) {
            (Double, Int) => as_double(right_expr).or(Some("double(…)".into())),
            (Int, Double) => as_double(left_expr).or(Some("double(…)".into())),
            (Text, Int | Uint | Double) | (Int | Uint | Double, Text) if sign == "+" => {
                Some("string(…)".into())
            }
            _ => None,
        };
        match suggestion {
            Some(suggestion) => slip.suggest(suggestion),
            None => slip,
        }
    })
}
