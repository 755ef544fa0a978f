//! Tokens to an expression tree, after the grammar of the Common Expression Language. It knows no
//! fields, functions or types; `check` does. Depth and size are bounded here.

use super::lex::{Slip, Token, lex};
use super::limits;

#[derive(Clone, Debug)]
pub struct Expr {
    pub at: usize,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Box<str>),
    Name(Box<str>),
    Select(Box<Expr>, Box<str>),
    Index(Box<Expr>, Box<Expr>),
    Call { target: Option<Box<Expr>>, name: Box<str>, arguments: Vec<Expr> },
    Not(Box<Expr>),
    Negate(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    If(Box<[Expr; 3]>),
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    next: usize,
    depth: usize,
    nodes: usize,
}

const RELATIONS: &[&str] = &["==", "!=", "<=", ">=", "<", ">"];
const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "package",
    "return",
    "var",
    "void",
    "while",
];

pub fn parse(source: &str) -> Result<Expr, Slip> {
    if source.len() > limits::SOURCE_BYTES {
        let message = format!("a condition has at most {} bytes", limits::SOURCE_BYTES);
        return Err(Slip::new(0, message));
    }
    if source.trim().is_empty() {
        return Err(Slip::new(0, "the condition is empty; leave it out if it always holds"));
    }
    let mut parser = Parser { tokens: lex(source)?, next: 0, depth: 0, nodes: 0 };
    let expr = parser.expr()?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.unexpected("the end of the condition")),
    }
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].0
    }

    fn at(&self) -> usize {
        self.tokens[self.next].1
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(own) if *own == sign)
    }

    fn eat(&mut self, sign: &str) -> bool {
        let eaten = self.is_sign(sign);
        self.next += usize::from(eaten);
        eaten
    }

    fn eat_any(&mut self, signs: &[&'static str]) -> Option<&'static str> {
        signs.iter().copied().find(|sign| self.eat(sign))
    }

    fn expect(&mut self, sign: &str) -> Result<(), Slip> {
        if self.eat(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    fn unexpected(&self, wanted: &str) -> Slip {
        let found = match self.peek() {
            Token::End => "the condition ends".to_string(),
            Token::Word(word) | Token::Quoted(word) => format!("there is `{word}`"),
            Token::Int(int) => format!("there is `{int}`"),
            Token::Uint(int) => format!("there is `{int}u`"),
            Token::Double(double) => format!("there is `{double}`"),
            Token::Text(text) => format!("there is the text \"{text}\""),
            Token::Sign(sign) => format!("there is `{sign}`"),
        };
        let slip = Slip::new(self.at(), format!("{wanted} should be here, but {found}"));
        match self.peek() {
            Token::Word(word) => match word.to_ascii_lowercase().as_str() {
                "and" => slip.suggest("&&"),
                "or" => slip.suggest("||"),
                "not" => slip.suggest("!"),
                "is" | "equals" => slip.suggest("=="),
                _ => slip,
            },
            _ => slip,
        }
    }

    fn make(&mut self, at: usize, what: What) -> Result<Expr, Slip> {
        self.nodes += 1;
        if self.nodes > limits::NODES {
            return Err(Slip::new(at, format!("a condition has at most {} parts", limits::NODES)));
        }
        Ok(Expr { at, what })
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Parser) -> Result<T, Slip>) -> Result<T, Slip> {
        self.depth += 1;
        if self.depth > limits::DEPTH {
            let message = format!("a condition is nested at most {} deep", limits::DEPTH);
            return Err(Slip::new(self.at(), message));
        }
        let parsed = parse(self)?;
        self.depth -= 1;
        Ok(parsed)
    }

    fn expr(&mut self) -> Result<Expr, Slip> {
        self.deeper(|parser| {
            let condition = parser.or()?;
            let at = parser.at();
            if !parser.eat("?") {
                return Ok(condition);
            }
            let yes = parser.or()?;
            parser.expect(":")?;
            let no = parser.expr()?;
            parser.make(at, What::If(Box::new([condition, yes, no])))
        })
    }

    fn or(&mut self) -> Result<Expr, Slip> {
        let at = self.at();
        let mut parts = vec![self.and()?];
        while self.eat("||") {
            parts.push(self.and()?);
        }
        if parts.len() == 1 { Ok(parts.remove(0)) } else { self.make(at, What::Or(parts)) }
    }

    fn and(&mut self) -> Result<Expr, Slip> {
        let at = self.at();
        let mut parts = vec![self.relation()?];
        while self.eat("&&") {
            parts.push(self.relation()?);
        }
        if parts.len() == 1 { Ok(parts.remove(0)) } else { self.make(at, What::And(parts)) }
    }

    fn relation(&mut self) -> Result<Expr, Slip> {
        self.chain(
            |parser| match parser.peek() {
                Token::Word(word) if **word == *"in" => {
                    parser.next += 1;
                    Some("in")
                }
                _ => parser.eat_any(RELATIONS),
            },
            |parser| {
                parser.chain(
                    |parser| parser.eat_any(&["+", "-"]),
                    |parser| parser.chain(|parser| parser.eat_any(&["*", "/", "%"]), Parser::unary),
                )
            },
        )
    }

    /// Left-associative operators of one rank. Each one deepens the tree, so each one counts.
    fn chain(
        &mut self,
        operator: impl Fn(&mut Parser) -> Option<&'static str>,
        operand: impl Fn(&mut Parser) -> Result<Expr, Slip>,
    ) -> Result<Expr, Slip> {
        let mut left = operand(self)?;
        let depth = self.depth;
        loop {
            let at = self.at();
            let Some(sign) = operator(self) else {
                self.depth = depth;
                return Ok(left);
            };
            let right = operand(self)?;
            self.deeper(|_| Ok(()))?;
            self.depth += 1;
            left = self.make(at, What::Binary(sign, Box::new(left), Box::new(right)))?;
        }
    }

    fn unary(&mut self) -> Result<Expr, Slip> {
        let at = self.at();
        if self.eat("!") {
            let inner = self.deeper(Parser::unary)?;
            return self.make(at, What::Not(Box::new(inner)));
        }
        if !self.eat("-") {
            return self.member();
        }
        if *self.peek() == Token::Int(1 << 63) {
            self.next += 1;
            return self.make(at, What::Int(i64::MIN));
        }
        let inner = self.deeper(Parser::unary)?;
        match inner.what {
            What::Int(int) if int > i64::MIN => self.make(at, What::Int(-int)),
            What::Double(double) => self.make(at, What::Double(-double)),
            _ => self.make(at, What::Negate(Box::new(inner))),
        }
    }

    fn member(&mut self) -> Result<Expr, Slip> {
        let mut expr = self.primary()?;
        let depth = self.depth;
        loop {
            if self.eat(".") {
                expr = self.after_dot(expr)?;
            } else if self.is_sign("[") {
                let at = self.at();
                self.next += 1;
                let index = self.expr()?;
                self.expect("]")?;
                expr = self.make(at, What::Index(Box::new(expr), Box::new(index)))?;
            } else {
                self.depth = depth;
                return Ok(expr);
            }
            self.deeper(|_| Ok(()))?;
            self.depth += 1;
        }
    }

    fn after_dot(&mut self, target: Expr) -> Result<Expr, Slip> {
        let at = self.at();
        let name = match self.peek() {
            Token::Word(word) if !matches!(&**word, "in" | "true" | "false" | "null") => {
                word.clone()
            }
            Token::Quoted(name) => name.clone(),
            Token::Word(word) => {
                let message = format!("`{word}` has its own meaning");
                return Err(Slip::new(at, message).suggest(format!("`{word}`")));
            }
            _ => return Err(self.unexpected("a name")),
        };
        self.next += 1;
        if self.eat("(") {
            let arguments = self.list(")")?;
            let target = Some(Box::new(target));
            return self.make(at, What::Call { target, name, arguments });
        }
        self.make(at, What::Select(Box::new(target), name))
    }

    fn primary(&mut self) -> Result<Expr, Slip> {
        let at = self.at();
        let token = self.peek().clone();
        self.next += usize::from(token != Token::End);
        match token {
            Token::Int(int) => match i64::try_from(int) {
                Ok(int) => self.make(at, What::Int(int)),
                Err(_) => Err(Slip::new(at, "this number does not fit into 64 bits with a sign")),
            },
            Token::Uint(int) => self.make(at, What::Uint(int)),
            Token::Double(double) => self.make(at, What::Double(double)),
            Token::Text(text) => self.make(at, What::Text(text)),
            Token::Word(word) => self.word(at, word),
            Token::Sign("(") => {
                let inner = self.expr()?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Sign("[") => {
                let items = self.list("]")?;
                self.make(at, What::List(items))
            }
            Token::Sign("{") => self.map(at),
            other => {
                self.next -= usize::from(other != Token::End);
                Err(self.unexpected("a value"))
            }
        }
    }

    fn word(&mut self, at: usize, word: Box<str>) -> Result<Expr, Slip> {
        match &*word {
            "true" => self.make(at, What::Bool(true)),
            "false" => self.make(at, What::Bool(false)),
            "null" => self.make(at, What::Null),
            reserved if RESERVED.contains(&reserved) => {
                Err(Slip::new(at, format!("`{reserved}` is a reserved word")))
            }
            "not" if !self.is_sign("(") && !self.is_sign(".") => {
                Err(Slip::new(at, "`not` is no operator here").suggest("!"))
            }
            _ if self.eat("(") => {
                let arguments = self.list(")")?;
                self.make(at, What::Call { target: None, name: word, arguments })
            }
            _ => self.make(at, What::Name(word)),
        }
    }

    /// Expressions with commas between, up to `close`; a list literal may end in a comma.
    fn list(&mut self, close: &str) -> Result<Vec<Expr>, Slip> {
        let mut items = Vec::new();
        while !self.eat(close) {
            items.push(self.expr()?);
            if !self.eat(",") {
                self.expect(close)?;
                break;
            }
            if close == ")" && self.is_sign(")") {
                return Err(self.unexpected("a value"));
            }
        }
        Ok(items)
    }

    fn map(&mut self, at: usize) -> Result<Expr, Slip> {
        let mut entries = Vec::new();
        while !self.eat("}") {
            let key = self.expr()?;
            self.expect(":")?;
            entries.push((key, self.expr()?));
            if !self.eat(",") {
                self.expect("}")?;
                break;
            }
        }
        self.make(at, What::Map(entries))
    }
}
