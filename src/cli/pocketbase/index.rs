//! The SQL statements that make PocketBase's indexes, as far as an index of Stead can be the same.

/// An index over columns.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) unique: bool,
    /// The columns in order, and whether each descends.
    pub(super) columns: Vec<(String, bool)>,
}

/// Reads `CREATE [UNIQUE] INDEX [IF NOT EXISTS] name ON table (columns)`.
///
/// # Errors
/// Why no index of Stead is the same.
pub(super) fn parse(sql: &str) -> Result<Index, &'static str> {
    const UNREADABLE: &str = "the statement cannot be read";
    let mut tokens = tokens(sql).ok_or(UNREADABLE)?.into_iter().peekable();
    let mut expect =
        |words: &[&str]| -> bool { words.iter().all(|word| tokens.next_if(|token| token.is_word(word)).is_some()) };
    if !expect(&["create"]) {
        return Err(UNREADABLE);
    }
    let unique = expect(&["unique"]);
    if !expect(&["index"]) || (expect(&["if"]) && !expect(&["not", "exists"])) {
        return Err(UNREADABLE);
    }
    let mut names = 0;
    while tokens.next_if(|token| !token.is_word("on") && !matches!(token, Token::Sign('('))).is_some() {
        names += 1;
    }
    let table = tokens.next().zip(tokens.next());
    if names == 0 || !matches!(table, Some((Token::Word(..), Token::Name(_) | Token::Word(_)))) {
        return Err(UNREADABLE);
    }
    if tokens.next() != Some(Token::Sign('(')) {
        return Err(UNREADABLE);
    }
    let mut columns = Vec::new();
    loop {
        let (Some(Token::Name(name)) | Some(Token::Word(name))) = tokens.next() else {
            return Err("it is over an expression");
        };
        let descends = tokens.next_if(|token| token.is_word("desc")).is_some();
        if !descends {
            let _ = tokens.next_if(|token| token.is_word("asc"));
        }
        columns.push((name, descends));
        match tokens.next() {
            Some(Token::Sign(',')) => {}
            Some(Token::Sign(')')) => break,
            Some(token) if token.is_word("collate") => return Err("it compares text in an order of its own (COLLATE)"),
            _ => return Err("it is over an expression"),
        }
    }
    match tokens.next() {
        None | Some(Token::Sign(';')) => Ok(Index { unique, columns }),
        Some(token) if token.is_word("where") => Err("it is over some records only (WHERE)"),
        Some(_) => Err(UNREADABLE),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    /// In quotes, so never a word of SQL.
    Name(String),
    Sign(char),
}

impl Token {
    fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(text) if text.eq_ignore_ascii_case(word))
    }
}

fn tokens(sql: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = sql.trim();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '`' | '"' | '[' => {
                let close = if first == '[' { ']' } else { first };
                let end = rest.get(1..)?.find(close)?;
                tokens.push(Token::Name(rest.get(1..=end)?.to_owned()));
                end + 2
            }
            _ if first.is_alphanumeric() || first == '_' => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                tokens.push(Token::Word(rest.get(..end)?.to_owned()));
                end
            }
            _ => {
                tokens.push(Token::Sign(first));
                first.len_utf8()
            }
        };
        rest = rest.get(length..)?.trim_start();
    }
    Some(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(unique: bool, columns: &[(&str, bool)]) -> Result<Index, &'static str> {
        Ok(Index { unique, columns: columns.iter().map(|(name, desc)| ((*name).to_owned(), *desc)).collect() })
    }

    #[test]
    fn plain_indexes_are_read() {
        let table = [
            ("CREATE INDEX `idx_a` ON `posts` (`title`)", index(false, &[("title", false)])),
            ("CREATE INDEX idx ON posts (created DESC, `id` ASC)", index(false, &[("created", true), ("id", false)])),
            ("create unique index if not exists \"main\".\"x\" on [posts] (\n  [slug],\n  lang\n);", {
                index(true, &[("slug", false), ("lang", false)])
            }),
            ("CREATE UNIQUE INDEX on_time ON posts (`on`, \"desc\")", index(true, &[("on", false), ("desc", false)])),
        ];
        for (sql, expected) in table {
            assert_eq!(parse(sql), expected, "{sql}");
        }
    }

    #[test]
    fn what_no_index_here_is_like_is_refused() {
        let table = [
            ("CREATE INDEX i ON t (lower(a))", "expression"),
            ("CREATE INDEX i ON t (a + b)", "expression"),
            ("CREATE INDEX i ON t ('a')", "expression"),
            ("CREATE INDEX i ON t (json_extract(a, '$.b'), c)", "expression"),
            ("CREATE INDEX i ON t ()", "expression"),
            ("CREATE INDEX i ON t (a COLLATE NOCASE)", "COLLATE"),
            ("CREATE UNIQUE INDEX i ON t (a) WHERE a != ''", "WHERE"),
            ("CREATE INDEX i ON t (a) nonsense", "cannot be read"),
            ("CREATE INDEX i ON t", "cannot be read"),
            ("CREATE INDEX ON t (a)", "cannot be read"),
            ("CREATE INDEX `i ON t (a)", "cannot be read"),
            ("DROP INDEX i", "cannot be read"),
            ("", "cannot be read"),
        ];
        for (sql, reason) in table {
            let found = parse(sql).unwrap_err();
            assert!(found.contains(reason), "{sql}: {found}");
        }
    }
}
