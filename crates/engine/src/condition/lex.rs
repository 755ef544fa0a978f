//! Condition text to tokens, each with the byte at which it begins. Literals are read to their
//! values here.

/// A mistake at a byte of the text; the caller makes line and column of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Slip {
    pub at: usize,
    pub message: String,
    pub suggestion: Option<String>,
}

impl Slip {
    pub fn new(at: usize, message: impl Into<String>) -> Slip {
        Slip { at, message: message.into(), suggestion: None }
    }

    pub fn suggest(mut self, suggestion: impl Into<String>) -> Slip {
        self.suggestion = Some(suggestion.into());
        self
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    Word(Box<str>),
    /// A name in backticks; only after a dot.
    Quoted(Box<str>),
    /// Unsigned, so that a minus before it can reach the smallest `int`.
    Int(u64),
    Uint(u64),
    Double(f64),
    Text(Box<str>),
    /// Operators and brackets, as written.
    Sign(&'static str),
    End,
}

/// Longer signs stand before their beginnings.
const SIGNS: &[&str] = &[
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "-", "+", "*", "/", "%", "?", ":", ".", ",",
    "(", ")", "[", "]", "{", "}",
];

struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

pub fn lex(source: &str) -> Result<Vec<(Token, usize)>, Slip> {
    let mut lexer = Lexer { source, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank();
        let at = lexer.at;
        let token = lexer.token()?;
        let end = token == Token::End;
        tokens.push((token, at));
        if end {
            return Ok(tokens);
        }
    }
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take_while(&mut self, good: impl Fn(char) -> bool) -> &'s str {
        let rest = self.rest();
        let len = rest.find(|c| !good(c)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn skip_blank(&mut self) {
        loop {
            self.take_while(char::is_whitespace);
            if !self.rest().starts_with("//") {
                return;
            }
            self.take_while(|c| c != '\n');
        }
    }

    fn token(&mut self) -> Result<Token, Slip> {
        let Some(first) = self.peek() else { return Ok(Token::End) };
        if let Some(prefix) = self.text_prefix() {
            return self.text(prefix);
        }
        if first == '_' || first.is_ascii_alphabetic() {
            return Ok(Token::Word(
                self.take_while(|c| c == '_' || c.is_ascii_alphanumeric()).into(),
            ));
        }
        let second = self.rest().chars().nth(1);
        if first.is_ascii_digit() || first == '.' && second.is_some_and(|c| c.is_ascii_digit()) {
            return self.number();
        }
        if first == '`' {
            return self.quoted();
        }
        let sign = SIGNS.iter().find(|sign| self.rest().starts_with(**sign));
        match sign {
            Some(sign) => {
                self.at += sign.len();
                Ok(Token::Sign(sign))
            }
            None => Err(self.stray(first)),
        }
    }

    fn stray(&self, first: char) -> Slip {
        let slip = Slip::new(self.at, format!("`{first}` has no meaning here"));
        match first {
            '=' => Slip::new(self.at, "one `=` does not compare").suggest("=="),
            '&' => slip.suggest("&&"),
            '|' => slip.suggest("||"),
            '“' | '”' | '„' | '‘' | '’' => slip.suggest("\""),
            _ => slip,
        }
    }

    fn quoted(&mut self) -> Result<Token, Slip> {
        let at = self.at;
        self.at += 1;
        let name = self.take_while(|c| c != '`' && c != '\n');
        if self.peek() != Some('`') || name.is_empty() {
            return Err(Slip::new(at, "a name in backticks has no closing backtick"));
        }
        self.at += 1;
        Ok(Token::Quoted(name.into()))
    }

    fn number(&mut self) -> Result<Token, Slip> {
        let at = self.at;
        let too_big = || Slip::new(at, "this number does not fit into 64 bits");
        let rest = self.rest();
        if rest.starts_with("0x") || rest.starts_with("0X") {
            self.at += 2;
            let digits = self.take_while(|c| c.is_ascii_hexdigit());
            if digits.is_empty() {
                return Err(Slip::new(at, "`0x` needs hexadecimal digits"));
            }
            let int = u64::from_str_radix(digits, 16).map_err(|_| too_big())?;
            return self.whole(int, at);
        }
        self.take_while(|c| c.is_ascii_digit());
        let mut fraction = false;
        let after_dot = self.rest().strip_prefix('.').and_then(|rest| rest.chars().next());
        if after_dot.is_some_and(|c| c.is_ascii_digit()) {
            fraction = true;
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit());
        }
        if let Some(exponent) = self.exponent_len() {
            fraction = true;
            self.at += exponent;
        }
        let digits = &self.source[at..self.at];
        if fraction {
            let double: f64 = digits.parse().map_err(|_| too_big())?;
            self.no_word_follows(at)?;
            return if double.is_finite() { Ok(Token::Double(double)) } else { Err(too_big()) };
        }
        let int = digits.parse().map_err(|_| too_big())?;
        self.whole(int, at)
    }

    fn exponent_len(&self) -> Option<usize> {
        let rest = self.rest().strip_prefix(['e', 'E'])?;
        let digits = rest.strip_prefix(['+', '-']).unwrap_or(rest);
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        (count > 0).then(|| 1 + rest.len() - digits.len() + count)
    }

    fn whole(&mut self, int: u64, at: usize) -> Result<Token, Slip> {
        let unsigned = self.rest().starts_with(['u', 'U']);
        self.at += usize::from(unsigned);
        self.no_word_follows(at)?;
        Ok(if unsigned { Token::Uint(int) } else { Token::Int(int) })
    }

    fn no_word_follows(&self, at: usize) -> Result<(), Slip> {
        match self.peek() {
            Some(c) if c == '_' || c.is_ascii_alphanumeric() => {
                Err(Slip::new(at, "a letter stands directly behind this number"))
            }
            _ => Ok(()),
        }
    }

    /// The letters before an opening quote, if a text begins here.
    fn text_prefix(&self) -> Option<&'s str> {
        let rest = self.rest();
        let quote = rest.find(['"', '\''])?;
        let prefix = &rest[..quote];
        ["", "r", "b", "rb", "br"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(prefix))
            .then_some(prefix)
    }

    fn text(&mut self, prefix: &str) -> Result<Token, Slip> {
        let at = self.at;
        if prefix.contains(['b', 'B']) {
            return Err(Slip::new(at, "bytes are not supported: write a text without the b"));
        }
        let raw = !prefix.is_empty();
        self.at += prefix.len();
        let rest = self.rest();
        let quote = &rest[..1];
        let triple = rest.len() >= 3 && rest.bytes().take(3).all(|b| b == quote.as_bytes()[0]);
        let close = if triple { &rest[..3] } else { quote };
        self.at += close.len();
        let mut text = String::new();
        loop {
            if self.rest().starts_with(close) {
                self.at += close.len();
                return Ok(Token::Text(text.into()));
            }
            let open = || Slip::new(at, format!("this text has no closing {close}"));
            let c = self.peek().ok_or_else(open)?;
            if c == '\n' && !triple {
                return Err(open());
            }
            self.at += c.len_utf8();
            if c == '\\' && !raw {
                text.push(self.escape()?);
            } else {
                text.push(c);
            }
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Result<char, Slip> {
        let at = self.at - 1;
        let bad = |what: &str| Slip::new(at, format!("{what} after a backslash"));
        let c = self.peek().ok_or_else(|| bad("nothing stands"))?;
        self.at += c.len_utf8();
        let digits = match c {
            'a' => return Ok('\u{07}'),
            'b' => return Ok('\u{08}'),
            'f' => return Ok('\u{0c}'),
            'n' => return Ok('\n'),
            'r' => return Ok('\r'),
            't' => return Ok('\t'),
            'v' => return Ok('\u{0b}'),
            '\\' | '?' | '"' | '\'' | '`' => return Ok(c),
            'x' | 'X' => 2,
            'u' => 4,
            'U' => 8,
            '0'..='3' => {
                self.at -= 1;
                return self.code(3, 8, at);
            }
            _ => return Err(bad(&format!("`{c}` has no meaning")).suggest("\\\\")),
        };
        self.code(digits, 16, at)
    }

    fn code(&mut self, count: usize, radix: u32, at: usize) -> Result<char, Slip> {
        let digits = self.rest().get(..count).filter(|d| d.chars().all(|c| c.is_digit(radix)));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, radix).ok());
        self.at += count;
        code.and_then(char::from_u32).ok_or_else(|| {
            Slip::new(at, format!("this escape needs {count} digits of a character"))
        })
    }
}
