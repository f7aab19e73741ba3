//! The text of one variable: `{namespace:key}` or `{component:namespace:key}`.

/// A variable in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placeholder<'a> {
    /// The whole, with the braces.
    pub(super) text: &'a str,
    pub(super) component: Option<&'a str>,
    pub(super) namespace: &'a str,
    /// Contains neither `:` nor `}`; may be empty.
    pub(super) key: &'a str,
}

impl<'a> Placeholder<'a> {
    /// The variable that `text`, which begins with `{`, begins with.
    pub(super) fn at_start_of(text: &'a str) -> Option<Self> {
        let inner = &text[1..];
        let (first, rest) = split_word(inner)?;
        if let Some((key, end)) = split_key(rest) {
            let text = &text[..text.len() - end.len()];
            return Some(Self { text, component: None, namespace: first, key });
        }
        let (namespace, rest) = split_word(rest)?;
        let (key, end) = split_key(rest)?;
        let text = &text[..text.len() - end.len()];
        Some(Self { text, component: Some(first), namespace, key })
    }
}

/// `word:` and what follows it.
fn split_word(text: &str) -> Option<(&str, &str)> {
    let (word, rest) = text.split_once(':')?;
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (!word.is_empty() && word.chars().all(is_word)).then_some((word, rest))
}

/// `key}` and what follows it.
fn split_key(text: &str) -> Option<(&str, &str)> {
    let (key, rest) = text.split_once('}')?;
    (!key.contains(':')).then_some((key, rest))
}
