//! Text in quotes, with the escapes of JSON ([RFC 8259](https://www.rfc-editor.org/rfc/rfc8259#section-7)).

/// Reads the quoted text that `source` begins with: what it says, and how many bytes it takes.
///
/// # Errors
/// How many bytes from the start the fault lies, and what it is.
pub(super) fn read(source: &str) -> Result<(String, usize), (usize, &'static str)> {
    let mut chars = source.chars();
    let quote = chars.next();
    let mut text = String::new();
    loop {
        let at = source.len() - chars.as_str().len();
        match chars.next() {
            None => return Err((0, "this text has no closing quote")),
            Some('\\') => {
                let (char, rest) = escape(chars.as_str()).map_err(|message| (at, message))?;
                text.push(char);
                chars = rest.chars();
            }
            char if char == quote => return Ok((text, at + 1)),
            Some(char) => text.push(char),
        }
    }
}

/// Reads what stands behind a backslash: the character it means, and the text after it.
fn escape(source: &str) -> Result<(char, &str), &'static str> {
    const UNKNOWN: &str = r#"no such escape; there are \" \' \\ \/ \b \f \n \r \t and \u with four hex digits"#;
    let mut chars = source.chars();
    let char = match chars.next() {
        Some(char @ ('"' | '\'' | '\\' | '/')) => char,
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => return unicode(chars.as_str()).ok_or("expected a character's code, as in \\u00e9"),
        _ => return Err(UNKNOWN),
    };
    Ok((char, chars.as_str()))
}

/// Reads four hex digits, or two groups of them that are a surrogate pair.
fn unicode(source: &str) -> Option<(char, &str)> {
    let (first, rest) = unit(source)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(first)?, rest));
    }
    let (second, rest) = unit(rest.strip_prefix("\\u")?)?;
    let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    Some((char::from_u32(0x10000 + ((first - 0xd800) << 10) + low)?, rest))
}

fn unit(source: &str) -> Option<(u32, &str)> {
    let (digits, rest) = source.split_at_checked(4)?;
    let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex { Some((u32::from_str_radix(digits, 16).ok()?, rest)) } else { None }
}
