//! PocketBase's filter language, as far as it is written: a tree of comparisons. What names mean is for `rules`.

/// How deep parentheses may nest.
const DEPTH_MAX: usize = 32;

/// A filter as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Any(Vec<Filter>),
    All(Vec<Filter>),
    Compare(Operand, Operator, Operand),
}

/// A side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    /// `author.name:lower`, `@request.auth.id`, also the words of the language.
    Name(String),
    Text(String),
    Number(String),
}

/// An operator: its sign, and whether one of many values suffices (`?=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) sign: &'static str,
    pub(super) any: bool,
}

/// The longer before those that begin them.
const SIGNS: [&str; 8] = ["!=", "!~", ">=", "<=", "=", "~", ">", "<"];

/// Reads a filter.
///
/// # Errors
/// That it cannot be read, and where.
pub(super) fn parse(source: &str) -> Result<Filter, String> {
    let mut parser = Parser { source, rest: source, depth: 0 };
    let filter = parser.any()?;
    parser.blank();
    if parser.rest.is_empty() { Ok(filter) } else { Err(parser.fault()) }
}

struct Parser<'s> {
    source: &'s str,
    rest: &'s str,
    depth: usize,
}

impl<'s> Parser<'s> {
    fn any(&mut self) -> Result<Filter, String> {
        let mut parts = vec![self.all()?];
        while self.take("||") {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Filter::Any))
    }

    fn all(&mut self) -> Result<Filter, String> {
        let mut parts = vec![self.part()?];
        while self.take("&&") {
            parts.push(self.part()?);
        }
        Ok(one_or(parts, Filter::All))
    }

    fn part(&mut self) -> Result<Filter, String> {
        if !self.take("(") {
            let left = self.operand()?;
            let operator = self.operator()?;
            return Ok(Filter::Compare(left, operator, self.operand()?));
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("it nests too deep".to_owned());
        }
        let inner = self.any()?;
        self.depth -= 1;
        if self.take(")") { Ok(inner) } else { Err(self.fault()) }
    }

    fn operator(&mut self) -> Result<Operator, String> {
        let any = self.take("?");
        let sign = SIGNS.into_iter().find(|sign| self.rest_after_blank().starts_with(sign));
        let sign = sign.ok_or_else(|| self.fault())?;
        self.take(sign);
        Ok(Operator { sign, any })
    }

    fn operand(&mut self) -> Result<Operand, String> {
        let rest = self.rest_after_blank();
        let first = rest.chars().next().ok_or_else(|| self.fault())?;
        if matches!(first, '"' | '\'') {
            let (text, length) = quoted(rest, first).ok_or_else(|| self.fault())?;
            self.skip(length);
            return Ok(Operand::Text(text));
        }
        let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '@');
        let signed = usize::from(first == '-');
        let body = rest.get(signed..).unwrap_or_default();
        let length = signed + body.find(|c: char| !is_inner(c)).unwrap_or(body.len());
        let word = rest.get(..length).unwrap_or_default().to_owned();
        let digits = word.trim_start_matches('-');
        if digits.starts_with(|c: char| c.is_ascii_digit()) {
            self.skip(length);
            let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') && !digits.ends_with('.');
            let number = plain && digits.matches('.').count() < 2;
            return if number { Ok(Operand::Number(word)) } else { Err(self.fault()) };
        }
        if signed == 1
            || digits.is_empty()
            || !digits.starts_with(|c: char| c.is_ascii_alphabetic() || "_@".contains(c))
        {
            return Err(self.fault());
        }
        self.skip(length);
        if self.rest.starts_with('(') {
            return Err(format!("the function {word}() is not translated"));
        }
        Ok(Operand::Name(word))
    }

    /// Passes over white space and comments.
    fn blank(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            if !self.rest.starts_with("//") {
                return;
            }
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.skip(end);
        }
    }

    fn rest_after_blank(&mut self) -> &'s str {
        self.blank();
        self.rest
    }

    fn take(&mut self, sign: &str) -> bool {
        self.blank();
        let found = self.rest.starts_with(sign);
        if found {
            self.skip(sign.len());
        }
        found
    }

    fn skip(&mut self, length: usize) {
        self.rest = self.rest.get(length..).unwrap_or_default();
    }

    fn fault(&self) -> String {
        format!("it cannot be read from character {} on", self.source.chars().count() - self.rest.chars().count() + 1)
    }
}

fn one_or(mut parts: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Filter {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            join(parts)
        }
    }
}

/// The text in quotes that `source` begins with, and how many bytes it takes. Only the quote itself is escaped.
fn quoted(source: &str, quote: char) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut chars = source.char_indices().skip(1).peekable();
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' if chars.next_if(|(_, next)| *next == quote).is_some() => text.push(quote),
            _ if char == quote => return Some((text, at + 1)),
            _ => text.push(char),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(left: &str, sign: &'static str, any: bool, right: Operand) -> Filter {
        Filter::Compare(Operand::Name(left.into()), Operator { sign, any }, right)
    }

    #[test]
    fn filters_are_read_as_they_are_written() {
        let text = |text: &str| Operand::Text(text.into());
        let number = |text: &str| Operand::Number(text.into());
        let a = || compare("a", "=", false, number("1"));
        let b = || compare("b", "~", true, text("it's \"x\""));
        let table = [
            ("a=1", a()),
            (" a = 1 // why\n", a()),
            ("// why\n a = // what\n 1", a()),
            ("((a = 1))", a()),
            (r#"b ?~ 'it\'s "x"'"#, b()),
            ("a = 1 && b ?~ \"it's \\\"x\\\"\"", Filter::All(vec![a(), b()])),
            ("a=1||a=1&&a=1", Filter::Any(vec![a(), Filter::All(vec![a(), a()])])),
            ("(a=1||a=1)&&a=1", Filter::All(vec![Filter::Any(vec![a(), a()]), a()])),
            ("x.y_via_z.t:lower !~ -1.5", compare("x.y_via_z.t:lower", "!~", false, number("-1.5"))),
            ("@request.auth.id ?>= @now", compare("@request.auth.id", ">=", true, Operand::Name("@now".into()))),
        ];
        for (source, expected) in table {
            assert_eq!(parse(source), Ok(expected), "{source}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        let deep = format!("{}a = 1{}", "(".repeat(40), ")".repeat(40));
        for source in
            ["", "a", "a =", "a = 1 &&", "(a = 1", "a = 1)", "a == 1", "a = 'x", "1a = 1", "a = 1.", &deep, "- = 1"]
        {
            assert!(parse(source).is_err(), "{source}");
        }
    }
}
