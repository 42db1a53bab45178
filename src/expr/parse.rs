//! Tokens to a syntax tree, by recursive descent with a bounded depth.
//!
//! Loosest first: `||`, `&&`, `!`, comparisons. Not here: what names mean and which types fit.

use std::{iter::Peekable, vec};

use super::{
    DEPTH_MAX, ExprError, LIST_ITEMS_MAX, OPERANDS_MAX,
    ast::{Comparison, Condition, Literal, Operand, OperandKind},
    error::Result,
    lex::{Lexed, Symbol, Token},
    number::Number,
};

/// Parses the tokens of a source of `end` bytes.
pub(super) fn parse(tokens: Vec<Lexed<'_>>, end: usize) -> Result<Condition> {
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), end, depth: 0, operands: 0 };
    let condition = parser.any()?;
    match parser.tokens.peek() {
        None => Ok(condition),
        Some((position, token)) => Err(ExprError::new(*position, misplaced(token))),
    }
}

/// Why `token` cannot follow a complete condition.
fn misplaced(token: &Token<'_>) -> String {
    match token {
        Token::Symbol(Symbol::Compare(_)) => r#"comparisons do not chain; join them with "&&""#.to_owned(),
        Token::Path(word) => {
            word_for_operator(word).unwrap_or_else(|| format!(r#"expected "&&" or "||", found {token}"#))
        }
        _ => format!(r#"expected "&&" or "||", found {token}"#),
    }
}

/// What to write in place of a word that other languages have as an operator.
fn word_for_operator(word: &str) -> Option<String> {
    let operator = match word.to_ascii_lowercase().as_str() {
        "and" => "&&",
        "or" => "||",
        "not" => "!",
        "in" => "in",
        _ => return None,
    };
    Some(format!("use {operator:?}, not {word:?}"))
}

struct Parser<'s> {
    tokens: Peekable<vec::IntoIter<Lexed<'s>>>,
    end: usize,
    depth: usize,
    operands: usize,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Condition> {
        self.chain(Symbol::Or, Self::all, Condition::Any)
    }

    fn all(&mut self) -> Result<Condition> {
        self.chain(Symbol::And, Self::not, Condition::All)
    }

    /// One part, or several of them with `joint` between.
    fn chain(
        &mut self,
        joint: Symbol,
        part: fn(&mut Self) -> Result<Condition>,
        join: fn(Vec<Condition>) -> Condition,
    ) -> Result<Condition> {
        let first = part(self)?;
        if !self.next_is(joint) {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.take(joint) {
            parts.push(part(self)?);
        }
        Ok(join(parts))
    }

    fn not(&mut self) -> Result<Condition> {
        let position = self.position();
        if !self.take(Symbol::Not) {
            return self.comparison();
        }
        let inner = self.nested(position, Self::not)?;
        Ok(Condition::Not(Box::new(inner)))
    }

    fn comparison(&mut self) -> Result<Condition> {
        let start = self.position();
        let left = self.primary()?;
        let Some((_, Token::Symbol(Symbol::Compare(comparison)))) = self.tokens.peek() else { return Ok(left) };
        let comparison = *comparison;
        let left = into_operand(left, start)?;
        self.tokens.next();
        let start = self.position();
        let right = match comparison {
            Comparison::In if self.take(Symbol::OpenList) => self.list(start)?,
            _ => into_operand(self.primary()?, start)?,
        };
        Ok(Condition::Compare { left, comparison, right })
    }

    /// An operand, or any condition in parentheses.
    fn primary(&mut self) -> Result<Condition> {
        let position = self.position();
        if !self.take(Symbol::Open) {
            return self.operand().map(Condition::Bare);
        }
        let inner = self.nested(position, Self::any)?;
        match self.tokens.next() {
            Some((_, Token::Symbol(Symbol::Close))) => Ok(inner),
            None => Err(ExprError::new(position, r#"this "(" is not closed"#)),
            Some((at, Token::Symbol(Symbol::Comma))) => Err(ExprError::new(at, r#"expected ")"; a list is [a, b]"#)),
            Some((at, token)) => Err(ExprError::new(at, misplaced(&token))),
        }
    }

    fn operand(&mut self) -> Result<Operand> {
        let position = self.position();
        self.operands += 1;
        if self.operands > OPERANDS_MAX {
            return Err(ExprError::new(position, format!("the expression has more than {OPERANDS_MAX} operands")));
        }
        let kind = match self.tokens.next() {
            Some((_, Token::Path(word @ ("any" | "all")))) if self.next_is(Symbol::Open) => {
                self.each(word, position)?
            }
            Some((_, Token::Path(name))) if self.next_is(Symbol::Open) => self.call(name, position)?,
            Some((_, Token::Special("now"))) => self.now()?,
            Some((_, Token::Special(path))) => OperandKind::Special(path.to_owned()),
            Some((_, Token::Path(path))) if !is_word(path) => {
                self.refuse_not(path, position)?;
                OperandKind::Path(path.to_owned())
            }
            Some((_, Token::Symbol(Symbol::OpenList))) => {
                return Err(ExprError::new(position, r#"a list stands only at the right of "in""#));
            }
            token => OperandKind::Literal(self.literal(token, "a value")?),
        };
        Ok(Operand { position, kind })
    }

    /// The literal that `token` is or begins; `expected` says what else could have stood there.
    fn literal(&mut self, token: Option<Lexed<'_>>, expected: &str) -> Result<Literal> {
        let Some((position, token)) = token else {
            return Err(ExprError::new(self.end, format!("expected {expected}, found the end")));
        };
        let parsed = match token {
            Token::Text(text) => return Ok(Literal::Text(text)),
            Token::Path("null") => return Ok(Literal::Null),
            Token::Path(word @ ("true" | "false")) => return Ok(Literal::Bool(word == "true")),
            Token::Number(text) => Number::parse(text),
            Token::Symbol(Symbol::Minus) => match self.tokens.next_if(|(_, next)| matches!(next, Token::Number(_))) {
                Some((_, Token::Number(text))) => Number::parse(&format!("-{text}")),
                _ => return Err(ExprError::new(position, r#"expected a number behind "-""#)),
            },
            other => return Err(ExprError::new(position, format!("expected {expected}, found {other}"))),
        };
        parsed.map(Literal::Number).ok_or_else(|| ExprError::new(position, "this number is too large"))
    }

    /// The rest of a list whose bracket at `start` was taken.
    fn list(&mut self, start: usize) -> Result<Operand> {
        self.operands += 1;
        let mut items = Vec::new();
        let mut closed = self.take(Symbol::CloseList);
        while !closed {
            let position = self.position();
            if items.len() == LIST_ITEMS_MAX {
                return Err(ExprError::new(position, format!("the list has more than {LIST_ITEMS_MAX} items")));
            }
            let token = self.tokens.next();
            items.push((position, self.literal(token, "a literal")?));
            closed = self.take(Symbol::CloseList);
            if !closed {
                self.separator("]")?;
            }
        }
        Ok(Operand { position: start, kind: OperandKind::List(items) })
    }

    fn call(&mut self, name: &str, position: usize) -> Result<OperandKind> {
        if let Some(message) = word_for_operator(name) {
            return Err(ExprError::new(position, message));
        }
        self.tokens.next();
        let mut args = Vec::new();
        let mut closed = self.take(Symbol::Close);
        while !closed {
            args.push(self.nested(position, Self::operand)?);
            closed = self.take(Symbol::Close);
            if !closed {
                self.separator(")")?;
            }
        }
        Ok(OperandKind::Call { name: name.to_owned(), args })
    }

    /// What follows `any` or `all`: the many in parentheses, perhaps with a condition about each.
    fn each(&mut self, word: &str, position: usize) -> Result<OperandKind> {
        self.tokens.next();
        let over = Box::new(self.nested(position, Self::operand)?);
        let mut inner = None;
        if self.take(Symbol::Comma) {
            inner = Some(Box::new(self.nested(position, Self::any)?));
        }
        match self.tokens.next() {
            Some((_, Token::Symbol(Symbol::Close))) => Ok(OperandKind::Each { all: word == "all", over, inner }),
            Some((at, token)) => Err(ExprError::new(at, format!(r#"expected ")" behind {word}(…, found {token}"#))),
            None => Err(ExprError::new(self.end, r#"expected ")", found the end"#)),
        }
    }

    /// What follows `@now`: perhaps a duration before or after it.
    fn now(&mut self) -> Result<OperandKind> {
        let sign = match (self.take(Symbol::Plus), self.next_is(Symbol::Minus)) {
            (true, _) => 1,
            (false, true) => {
                self.tokens.next();
                -1
            }
            (false, false) => return Ok(OperandKind::Now(0)),
        };
        match self.tokens.next() {
            Some((_, Token::Duration(seconds))) => Ok(OperandKind::Now(sign * seconds)),
            Some((at, token)) => Err(ExprError::new(at, format!("expected a duration such as 7d, found {token}"))),
            None => Err(ExprError::new(self.end, "expected a duration such as 7d, found the end")),
        }
    }

    /// Takes a comma, or tells that it or `close` was expected.
    fn separator(&mut self, close: &str) -> Result<()> {
        match self.tokens.next() {
            Some((_, Token::Symbol(Symbol::Comma))) => Ok(()),
            Some((at, token)) => Err(ExprError::new(at, format!(r#"expected "," or "{close}", found {token}"#))),
            None => Err(ExprError::new(self.end, format!(r#"expected "," or "{close}", found the end"#))),
        }
    }

    /// Refuses `not x`; a field of this name stands before an operator.
    fn refuse_not(&mut self, word: &str, position: usize) -> Result<()> {
        let before_operand = match self.tokens.peek() {
            None => false,
            Some((_, Token::Symbol(symbol))) => *symbol == Symbol::Not,
            Some(_) => true,
        };
        if before_operand && word.eq_ignore_ascii_case("not") {
            return Err(ExprError::new(position, word_for_operator(word).unwrap_or_default()));
        }
        Ok(())
    }

    fn nested<T>(&mut self, position: usize, inner: fn(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == DEPTH_MAX {
            return Err(ExprError::new(position, format!("the expression nests deeper than {DEPTH_MAX} levels")));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn position(&mut self) -> usize {
        self.tokens.peek().map_or(self.end, |(position, _)| *position)
    }

    fn next_is(&mut self, symbol: Symbol) -> bool {
        matches!(self.tokens.peek(), Some((_, Token::Symbol(next))) if *next == symbol)
    }

    fn take(&mut self, symbol: Symbol) -> bool {
        let found = self.next_is(symbol);
        if found {
            self.tokens.next();
        }
        found
    }
}

/// Whether a path is a literal's word.
fn is_word(path: &str) -> bool {
    matches!(path, "true" | "false" | "null")
}

/// The operand that stands where only one can, perhaps in parentheses.
fn into_operand(condition: Condition, position: usize) -> Result<Operand> {
    match condition {
        Condition::Bare(operand) => Ok(operand),
        _ => Err(ExprError::new(position, r#"a condition cannot be compared; join conditions with "&&" or "||""#)),
    }
}
