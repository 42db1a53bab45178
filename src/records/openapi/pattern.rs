//! A field's pattern for others: as a regular expression that every JSON Schema reader knows, and as a text that
//! matches it.
//!
//! The server's patterns are those of the `regex` crate. What they share with ECMA-262 and its relatives is written out
//! again; a pattern with anything else (flags, Unicode properties, operations on classes) is not shown as a keyword.

use regex_syntax::{
    ast::{
        self, AssertionKind, Ast, ClassBracketed, ClassPerl, ClassPerlKind, ClassSet, ClassSetItem, GroupKind,
        LiteralKind, RepetitionKind, RepetitionRange,
    },
    hir::{Class, Hir, HirKind},
};

/// The most times that a sample repeats a part.
const REPEAT_MAX: u32 = 1_000;
/// The most parts that a sample consists of.
const PARTS_MAX: u32 = 10_000;
const NESTING_MAX: u32 = 50;

/// The whole-text form of a pattern, if it means the same everywhere.
pub(super) fn portable(pattern: &str) -> Option<String> {
    let parsed = ast::parse::ParserBuilder::new().nest_limit(NESTING_MAX).build().parse(pattern).ok()?;
    write(&parsed).map(|inner| format!("^(?:{inner})$"))
}

fn write(pattern: &Ast) -> Option<String> {
    Some(match pattern {
        Ast::Empty(_) => String::new(),
        Ast::Literal(literal) => write_literal(literal, "^$\\.*+?()[]{}|/")?,
        Ast::Dot(_) => ".".into(),
        Ast::Assertion(assertion) => match assertion.kind {
            AssertionKind::StartLine => "^".into(),
            AssertionKind::EndLine => "$".into(),
            _ => return None,
        },
        Ast::ClassPerl(class) => write_perl(class),
        Ast::ClassBracketed(class) => write_class(class)?,
        Ast::Repetition(repetition) => {
            let lazy = if repetition.greedy { "" } else { "?" };
            format!("{}{}{lazy}", write(&repetition.ast)?, write_repetition(&repetition.op.kind))
        }
        Ast::Group(group) => match &group.kind {
            GroupKind::NonCapturing(flags) if !flags.items.is_empty() => return None,
            _ => format!("(?:{})", write(&group.ast)?),
        },
        Ast::Alternation(alternation) => alternation.asts.iter().map(write).collect::<Option<Vec<_>>>()?.join("|"),
        Ast::Concat(concat) => concat.asts.iter().map(write).collect::<Option<String>>()?,
        Ast::Flags(_) | Ast::ClassUnicode(_) => return None,
    })
}

fn write_literal(literal: &ast::Literal, escaped: &str) -> Option<String> {
    if matches!(literal.kind, LiteralKind::Octal) || literal.c.is_control() {
        return None;
    }
    let backslash = if escaped.contains(literal.c) { "\\" } else { "" };
    Some(format!("{backslash}{}", literal.c))
}

fn write_perl(class: &ClassPerl) -> String {
    let letter = match class.kind {
        ClassPerlKind::Digit => 'd',
        ClassPerlKind::Space => 's',
        ClassPerlKind::Word => 'w',
    };
    format!("\\{}", if class.negated { letter.to_ascii_uppercase() } else { letter })
}

fn write_repetition(kind: &RepetitionKind) -> String {
    match kind {
        RepetitionKind::ZeroOrOne => "?".into(),
        RepetitionKind::ZeroOrMore => "*".into(),
        RepetitionKind::OneOrMore => "+".into(),
        RepetitionKind::Range(RepetitionRange::Exactly(count)) => format!("{{{count}}}"),
        RepetitionKind::Range(RepetitionRange::AtLeast(min)) => format!("{{{min},}}"),
        RepetitionKind::Range(RepetitionRange::Bounded(min, max)) => format!("{{{min},{max}}}"),
    }
}

fn write_class(class: &ClassBracketed) -> Option<String> {
    let ClassSet::Item(item) = &class.kind else { return None };
    let negation = if class.negated { "^" } else { "" };
    Some(format!("[{negation}{}]", write_item(item)?))
}

fn write_item(item: &ClassSetItem) -> Option<String> {
    const ESCAPED: &str = "\\]^[-";
    Some(match item {
        ClassSetItem::Literal(literal) => write_literal(literal, ESCAPED)?,
        ClassSetItem::Range(range) => {
            format!("{}-{}", write_literal(&range.start, ESCAPED)?, write_literal(&range.end, ESCAPED)?)
        }
        ClassSetItem::Perl(class) => write_perl(class),
        ClassSetItem::Union(union) => union.items.iter().map(write_item).collect::<Option<String>>()?,
        ClassSetItem::Empty(_) | ClassSetItem::Ascii(_) | ClassSetItem::Unicode(_) | ClassSetItem::Bracketed(_) => {
            return None;
        }
    })
}

/// Texts that probably match the pattern, from short to long. `variant` makes them differ where the pattern allows.
pub(super) fn samples(pattern: &str, variant: u32) -> Vec<String> {
    let Ok(parsed) = regex_syntax::ParserBuilder::new().nest_limit(NESTING_MAX).build().parse(pattern) else {
        return Vec::new();
    };
    let sample = |extra| {
        let mut sampler = Sampler { extra, variant, parts: 0, text: String::new() };
        sampler.add(&parsed);
        sampler.text
    };
    [0, 1, 2, 4, 8, 16, 64, 256].map(sample).into()
}

struct Sampler {
    /// How many times more than needed a part is repeated.
    extra: u32,
    variant: u32,
    parts: u32,
    text: String,
}

impl Sampler {
    fn add(&mut self, pattern: &Hir) {
        self.parts += 1;
        if self.parts > PARTS_MAX {
            return;
        }
        match pattern.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => self.text.push_str(&String::from_utf8_lossy(&literal.0)),
            HirKind::Class(class) => self.text.extend(self.pick(class)),
            HirKind::Repetition(repetition) => {
                let most = repetition.max.unwrap_or(REPEAT_MAX).min(REPEAT_MAX);
                for _ in 0..repetition.min.saturating_add(self.extra).min(most) {
                    if self.parts <= PARTS_MAX {
                        self.add(&repetition.sub);
                    }
                }
            }
            HirKind::Capture(capture) => self.add(&capture.sub),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.add(part)),
            HirKind::Alternation(parts) => parts.first().into_iter().for_each(|part| self.add(part)),
        }
    }

    /// A letter or digit of the class if it has one, else its first character.
    fn pick(&self, class: &Class) -> Option<char> {
        let Class::Unicode(class) = class else { return None };
        let holds = |c: &char| class.iter().any(|range| (range.start()..=range.end()).contains(c));
        let plain: Vec<char> = ('a'..='z').chain('A'..='Z').chain('1'..='9').chain(['0']).filter(holds).collect();
        let place = usize::try_from(self.variant).unwrap_or(0).checked_rem(plain.len()).unwrap_or(0);
        plain.get(place).copied().or_else(|| class.iter().next().map(|range| range.start()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_dialects_share_is_written_out() {
        let rows = [
            (r"[A-Z]{3}-\d{4}", Some(r"^(?:[A-Z]{3}-\d{4})$")),
            (r"(?P<year>\d+)|\#", Some(r"^(?:(?:\d+)|#)$")),
            (r"^[\w.%+\-]+?$", Some(r"^(?:^[\w.%+\-]+?$)$")),
            (r"a]b/c", Some(r"^(?:a\]b\/c)$")),
            (r"(?i)abc", None),
            (r"\p{Greek}", None),
            (r"[a-z&&[^aeiou]]", None),
            (r"\Aabc\z", None),
            (r"[[:alpha:]]", None),
        ];
        for (pattern, expected) in rows {
            assert_eq!(portable(pattern).as_deref(), expected, "{pattern}");
        }
    }

    #[test]
    fn samples_match() {
        for pattern in [r"[A-Z]{3}-\d{4}", r"(?i)abc|x", r"[^a-zA-Z0-9]+", r"\+?[0-9]{6,}", r"\w+@\w+\.(com|org)"] {
            let whole = regex::Regex::new(&format!("^(?:{pattern})$")).unwrap();
            assert!(samples(pattern, 1).iter().any(|sample| whole.is_match(sample)), "{pattern}");
        }
    }
}
