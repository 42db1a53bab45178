//! Case-insensitive search in text, for `~`.

/// The text in the form that two texts of the same letters share: lower case, character by character.
///
/// Unlike [`str::to_lowercase`] it does not depend on a letter's neighbours, so that a part of a text folds to a part of
/// the folded text: the Greek sigma has one form, wherever in a word it stands.
pub(super) fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).map(|char| if char == 'ς' { 'σ' } else { char }).collect()
}

/// Whether `text` has `needle`, which is folded already, in it.
pub(super) fn contains(text: &str, needle: &str) -> bool {
    if needle.is_empty() {
        return true;
    }
    if text.is_ascii() {
        return text.as_bytes().windows(needle.len()).any(|part| part.eq_ignore_ascii_case(needle.as_bytes()));
    }
    fold(text).contains(needle)
}

/// [`contains`] for a needle that is not folded yet.
pub(super) fn contains_unfolded(text: &str, needle: &str) -> bool {
    contains(text, &fold(needle))
}
