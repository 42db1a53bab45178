//! Markdown for descriptions.

/// The text as code, whatever it holds.
pub(super) fn code(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let gap = if longest > 0 { " " } else { "" };
    format!("{fence}{gap}{text}{gap}{fence}")
}

/// `a`, `b` and `c`.
pub(super) fn code_list<'t>(texts: impl Iterator<Item = &'t str>) -> String {
    let mut texts: Vec<String> = texts.map(code).collect();
    match (texts.pop(), texts.as_slice()) {
        (None, _) => String::new(),
        (Some(last), []) => last,
        (Some(last), others) => format!("{} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_holds_any_text() {
        assert_eq!(code("a = 1"), "`a = 1`");
        assert_eq!(code("a ~ \"``\"\n  && b"), "``` a ~ \"``\" && b ```");
        assert_eq!(code_list(["a", "b", "c"].into_iter()), "`a`, `b` and `c`");
    }
}
