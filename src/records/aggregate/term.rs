//! The grammar of one item of `select` and `group`: `name` or `function(name)`, perhaps with `as name`.

/// An item as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item<'t> {
    /// What stands before the parentheses.
    pub(super) function: Option<&'t str>,
    /// What stands in them, or by itself.
    pub(super) name: &'t str,
    /// The name of the column.
    pub(super) alias: Option<&'t str>,
}

impl<'t> Item<'t> {
    /// Reads an item; nothing when it is none. Names are not looked at.
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        let (call, rest) = match text.split_once(')') {
            Some((call, rest)) => (Some(call), rest.trim()),
            None => (None, text.trim()),
        };
        let mut words = rest.split_whitespace();
        let (function, name) = match call {
            Some(call) => call.split_once('(').map(|(function, name)| (Some(function.trim()), name.trim()))?,
            None => (None, words.next()?),
        };
        let alias = match (words.next(), words.next(), words.next()) {
            (None, ..) => None,
            (Some("as"), Some(alias), None) => Some(alias),
            _ => return None,
        };
        Some(Self { function, name, alias })
    }

    /// The name of the column: the one given, or the function's and the field's as one word (`sumPrice`).
    pub(super) fn column(&self) -> String {
        match (self.alias, self.function) {
            (Some(alias), _) => alias.to_owned(),
            (None, function) => one_word(function.into_iter().chain(self.name.split('.'))),
        }
    }
}

/// `sum`, `invoice`, `total` make `sumInvoiceTotal`.
fn one_word<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut word = String::new();
    for name in names {
        let mut letters = name.chars();
        if !word.is_empty() {
            word.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        }
        word.push_str(letters.as_str());
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_or_refused_whole() {
        let rows = [
            ("count", Some((None, "count", "count"))),
            (" count  as n ", Some((None, "count", "n"))),
            ("sum(price)", Some((Some("sum"), "price", "sumPrice"))),
            ("sum( price )as total", Some((Some("sum"), "price", "total"))),
            ("month(createdAt) as month", Some((Some("month"), "createdAt", "month"))),
            ("as as as", Some((None, "as", "as"))),
            ("sum()", Some((Some("sum"), "", "sum"))),
            ("sum((a))", None),
            ("sum)price", None),
            ("sum(price) total", None),
            ("sum(price) as", None),
            ("sum(price) as a b", None),
            ("sum(invoice.total)", Some((Some("sum"), "invoice.total", "sumInvoiceTotal"))),
            ("author.name", Some((None, "author.name", "authorName"))),
            ("count AS n", None),
            ("", None),
            (" ", None),
        ];
        for (text, expected) in rows {
            let read = Item::parse(text);
            let found = read.map(|item| (item.function, item.name, item.column()));
            let expected = expected.map(|(function, name, column): (_, _, &str)| (function, name, column.to_owned()));
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
