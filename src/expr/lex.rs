//! The source as tokens with positions.

use std::fmt;

use super::{
    CompareOp, ExprError,
    ast::Comparison::{self, Contains, In, Lacks, Order},
    error::Result,
    quoted,
};

/// The smallest parts of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'s> {
    /// `name`, `author.name`, also the words of the language.
    Path(&'s str),
    /// `@auth.id`, without the sign.
    Special(&'s str),
    /// Digits, without a sign.
    Number(&'s str),
    /// `30d`: how many of which unit.
    Duration(i64),
    /// What stood in quotes.
    Text(String),
    Symbol(Symbol),
}

/// A token of fixed spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Symbol {
    Open,
    Close,
    OpenList,
    CloseList,
    Comma,
    Plus,
    Minus,
    Or,
    And,
    Not,
    Compare(Comparison),
}

/// The most units of a duration.
const DURATION_MAX: i64 = 1_000_000;

/// A token and the byte at which it begins.
pub(super) type Lexed<'s> = (usize, Token<'s>);

/// Every symbol, the longer before those that begin them; also what other languages write, with what to write here.
const SYMBOLS: &[(&str, std::result::Result<Symbol, &str>)] = &[
    ("==", Err(r#"use "=" to compare, not "==""#)),
    ("<>", Err(r#"use "!=" for unequal, not "<>""#)),
    ("||", Ok(Symbol::Or)),
    ("&&", Ok(Symbol::And)),
    ("!=", Ok(Symbol::Compare(Order(CompareOp::Ne)))),
    ("!~", Ok(Symbol::Compare(Lacks))),
    ("<=", Ok(Symbol::Compare(Order(CompareOp::Le)))),
    (">=", Ok(Symbol::Compare(Order(CompareOp::Ge)))),
    ("=", Ok(Symbol::Compare(Order(CompareOp::Eq)))),
    ("<", Ok(Symbol::Compare(Order(CompareOp::Lt)))),
    (">", Ok(Symbol::Compare(Order(CompareOp::Gt)))),
    ("~", Ok(Symbol::Compare(Contains))),
    ("!", Ok(Symbol::Not)),
    ("(", Ok(Symbol::Open)),
    (")", Ok(Symbol::Close)),
    ("[", Ok(Symbol::OpenList)),
    ("]", Ok(Symbol::CloseList)),
    (",", Ok(Symbol::Comma)),
    ("+", Ok(Symbol::Plus)),
    ("-", Ok(Symbol::Minus)),
    ("|", Err(r#"use "||" for or, not "|""#)),
    ("&", Err(r#"use "&&" for and, not "&""#)),
];

/// Cuts the whole source into tokens.
pub(super) fn tokens(source: &str) -> Result<Vec<Lexed<'_>>> {
    let mut tokens = Vec::new();
    let mut rest = source.trim_start();
    while let Some(first) = rest.chars().next() {
        let position = source.len() - rest.len();
        let (token, length) = token(first, rest).map_err(|(at, message)| ExprError::new(position + at, message))?;
        tokens.push((position, token));
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    Ok(tokens)
}

/// A fault, by its distance from the start of the token.
type Fault = (usize, String);

fn token(first: char, rest: &str) -> std::result::Result<(Token<'_>, usize), Fault> {
    if let Some((spelling, symbol)) = SYMBOLS.iter().find(|(spelling, _)| rest.starts_with(spelling)) {
        return symbol.map(|symbol| (Token::Symbol(symbol), spelling.len())).map_err(|message| (0, message.to_owned()));
    }
    match first {
        '"' | '\'' => match quoted::read(rest) {
            Ok((text, length)) => Ok((Token::Text(text), length)),
            Err((at, message)) => Err((at, message.to_owned())),
        },
        '@' => {
            let path = path(rest, 1)?;
            Ok((Token::Special(path), path.len() + 1))
        }
        '0'..='9' => match duration(rest) {
            Some((seconds, length)) => Ok((Token::Duration(seconds), length)),
            None => number(rest).map(|text| (Token::Number(text), text.len())),
        },
        _ if is_letter(first) => match path(rest, 0)? {
            "in" => Ok((Token::Symbol(Symbol::Compare(In)), 2)),
            path => Ok((Token::Path(path), path.len())),
        },
        _ => Err((0, format!("unexpected character {first:?}"))),
    }
}

fn is_letter(char: char) -> bool {
    char.is_ascii_alphabetic() || char == '_'
}

/// Reads names joined by points, from byte `start` on.
fn path(source: &str, start: usize) -> std::result::Result<&str, Fault> {
    let source = source.get(start..).unwrap_or_default();
    let end = source.find(|char: char| !is_letter(char) && !char.is_ascii_digit() && char != '.');
    let path = source.get(..end.unwrap_or(source.len())).unwrap_or_default();
    let mut at = 0;
    for name in path.split('.') {
        if !name.starts_with(is_letter) {
            return Err((start + at, "expected a name: a letter, then letters, digits or _".to_owned()));
        }
        at += name.len() + 1;
    }
    Ok(path)
}

/// Reads whole weeks, days, hours, minutes or seconds, as in `7d`; in seconds, with the length of the text.
fn duration(source: &str) -> Option<(i64, usize)> {
    let end = source.find(|char: char| !char.is_ascii_digit())?;
    let (digits, rest) = source.split_at_checked(end)?;
    let unit = match rest.chars().next()? {
        'w' => 604_800,
        'd' => 86_400,
        'h' => 3_600,
        'm' => 60,
        's' => 1,
        _ => return None,
    };
    if rest.chars().nth(1).is_some_and(|char| is_letter(char) || char.is_ascii_digit() || char == '.') {
        return None;
    }
    let count: i64 = digits.parse().ok().filter(|count| *count <= DURATION_MAX)?;
    Some((count * unit, end + 1))
}

/// Reads digits, then perhaps a fraction and an exponent.
fn number(source: &str) -> std::result::Result<&str, Fault> {
    let mut rest = digits(source, source)?;
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = digits(source, fraction)?;
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        rest = digits(source, exponent.strip_prefix(['+', '-']).unwrap_or(exponent))?;
    }
    let length = source.len() - rest.len();
    if rest.starts_with(|char| is_letter(char) || char == '.') {
        return Err((length, "expected the number to end here".to_owned()));
    }
    Ok(source.get(..length).unwrap_or_default())
}

/// What follows the digits that `rest`, the end of `source`, begins with.
fn digits<'s>(source: &str, rest: &'s str) -> std::result::Result<&'s str, Fault> {
    let after = rest.trim_start_matches(|char: char| char.is_ascii_digit());
    if after.len() == rest.len() {
        return Err((source.len() - rest.len(), "expected a digit".to_owned()));
    }
    Ok(after)
}

impl fmt::Display for Token<'_> {
    /// The token as messages call it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{path:?}"),
            Self::Special(path) => write!(f, "\"@{path}\""),
            Self::Number(_) => f.write_str("a number"),
            Self::Duration(_) => f.write_str("a duration"),
            Self::Text(_) => f.write_str("text"),
            Self::Symbol(Symbol::Compare(In)) => f.write_str("\"in\""),
            Self::Symbol(symbol) => {
                let spelled = SYMBOLS.iter().find(|(_, other)| *other == Ok(*symbol));
                write!(f, "{:?}", spelled.map_or("", |(spelling, _)| spelling))
            }
        }
    }
}
