//! Wildcard patterns with policy variables in them. Which variables there are, and what they stand
//! for, is the language's own: IoT policies and IAM policies each have theirs.

use std::fmt;

/// A variable as a document names it.
pub(crate) trait Variable: Sized + Clone + fmt::Debug + PartialEq {
    /// What is known about whoever asks.
    type Values<'v>: Default;

    /// Reads what stands between `${` and `}`.
    fn named(name: &str) -> Self;

    /// The variable's value for whoever asks.
    fn resolve<'v>(&self, values: &Self::Values<'v>) -> Option<&'v str>;
}

/// A pattern cut at its `*`s: the pieces between them must occur in this order, the first at the
/// start and the last at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern<V> {
    runs: Vec<Vec<Piece<V>>>,
    ignore_case: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece<V> {
    Literal(String),
    AnyCharacter,
    Variable(V),
}

/// Why a pattern could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParsePattern {
    #[error("`${{` at byte {0} has no `}}`: close the variable, or write `${{$}}{{` for the text")]
    Unterminated(usize),
}

impl<V: Variable> Pattern<V> {
    /// Reads a pattern: `*` and `?` are wildcards, `${name}` is a variable, and `${*}`, `${?}`,
    /// `${$}` are those characters themselves.
    pub(crate) fn parse(text: &str) -> Result<Self, ParsePattern> {
        let mut runs = vec![Vec::new()];
        let mut rest = text;
        while let Some(at) = rest.find(['*', '?', '$']) {
            let (literal, tail) = rest.split_at(at);
            push_literal(&mut runs, literal);
            rest = if let Some(variable) = tail.strip_prefix("${") {
                let Some((name, tail)) = variable.split_once('}') else {
                    return Err(ParsePattern::Unterminated(text.len() - tail.len()));
                };
                match name {
                    "*" | "?" | "$" => push_literal(&mut runs, name),
                    name => push(&mut runs, Piece::Variable(V::named(name))),
                }
                tail
            } else {
                match &tail[..1] {
                    "*" => runs.push(Vec::new()),
                    "?" => push(&mut runs, Piece::AnyCharacter),
                    dollar => push_literal(&mut runs, dollar),
                }
                &tail[1..]
            };
        }
        push_literal(&mut runs, rest);
        Ok(Self { runs, ignore_case: false })
    }

    /// A pattern in which only variables are special.
    pub(crate) fn without_wildcards(text: &str) -> Result<Self, ParsePattern> {
        let mut pattern = Self { runs: vec![Vec::new()], ignore_case: false };
        for (at, run) in Self::parse(text)?.runs.into_iter().enumerate() {
            if at > 0 {
                push_literal(&mut pattern.runs, "*");
            }
            for piece in run {
                match piece {
                    Piece::AnyCharacter => push_literal(&mut pattern.runs, "?"),
                    Piece::Literal(text) => push_literal(&mut pattern.runs, &text),
                    variable @ Piece::Variable(_) => push(&mut pattern.runs, variable),
                }
            }
        }
        Ok(pattern)
    }

    /// The same pattern, for which `A` and `a` are one letter.
    pub(crate) fn ignoring_case(self) -> Self {
        Self { ignore_case: true, ..self }
    }

    /// The variables in the pattern.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &V> {
        self.runs.iter().flatten().filter_map(|piece| match piece {
            Piece::Variable(variable) => Some(variable),
            Piece::Literal(_) | Piece::AnyCharacter => None,
        })
    }

    /// Whether every variable of the pattern has a value.
    pub(crate) fn resolves(&self, values: &V::Values<'_>) -> bool {
        self.variables().all(|variable| variable.resolve(values).is_some())
    }

    /// Whether all of `text` fits; a variable without a value fits nothing.
    pub(crate) fn matches(&self, text: &str, values: &V::Values<'_>) -> bool {
        let Some((first, others)) = self.runs.split_first() else { return text.is_empty() };
        let Some(mut rest) = self.strip(first, text, values) else { return false };
        let Some((last, middle)) = others.split_last() else { return rest.is_empty() };
        for run in middle {
            // The leftmost place is always a good one: it leaves the most text for what follows.
            let Some(tail) = places(rest).find_map(|at| self.strip(run, at, values)) else {
                return false;
            };
            rest = tail;
        }
        places(rest).any(|at| self.strip(last, at, values).is_some_and(str::is_empty))
    }

    /// What is left of `text` behind `run`, if it starts with it.
    fn strip<'t>(
        &self,
        run: &[Piece<V>],
        text: &'t str,
        values: &V::Values<'_>,
    ) -> Option<&'t str> {
        run.iter().try_fold(text, |rest, piece| match piece {
            Piece::Literal(literal) if self.ignore_case => strip_ignoring_case(rest, literal),
            Piece::Literal(literal) => rest.strip_prefix(literal.as_str()),
            Piece::Variable(variable) => rest.strip_prefix(variable.resolve(values)?),
            Piece::AnyCharacter => {
                let mut characters = rest.chars();
                characters.next().map(|_| characters.as_str())
            }
        })
    }
}

fn strip_ignoring_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// All the tails of `text`, longest first, down to the empty one.
fn places(text: &str) -> impl Iterator<Item = &str> {
    text.char_indices().map(|(at, _)| at).chain([text.len()]).map(|at| &text[at..])
}

fn push<V>(runs: &mut [Vec<Piece<V>>], piece: Piece<V>) {
    if let Some(run) = runs.last_mut() {
        run.push(piece);
    }
}

fn push_literal<V>(runs: &mut [Vec<Piece<V>>], text: &str) {
    if text.is_empty() {
        return;
    }
    match runs.last_mut().and_then(|run| run.last_mut()) {
        Some(Piece::Literal(before)) => before.push_str(text),
        _ => push(runs, Piece::Literal(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::iot::Variables;

    type Pattern = super::Pattern<crate::iot::Variable>;

    /// The definition itself, with exponential patience.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|at| naive(rest, &text[at..])),
            Some(('?', rest)) => !text.is_empty() && naive(rest, &text[1..]),
            Some((c, rest)) => text.first() == Some(c) && naive(rest, &text[1..]),
        }
    }

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(text, &Variables::default())
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_matcher(pattern in "[ab/é*?]{0,10}", text in "[ab/é]{0,12}") {
            let p: Vec<char> = pattern.chars().collect();
            let t: Vec<char> = text.chars().collect();
            prop_assert_eq!(matches(&pattern, &text), naive(&p, &t));
        }

        #[test]
        fn an_escaped_text_matches_itself_only(text in "[a*?$]{0,8}", other in "[a*?$]{0,8}") {
            let escaped: String = text
                .chars()
                .map(|c| if "*?$".contains(c) { format!("${{{c}}}") } else { c.to_string() })
                .collect();
            prop_assert!(matches(&escaped, &text));
            prop_assert_eq!(matches(&escaped, &other), text == other);
        }
    }

    #[test]
    fn a_variables_value_is_never_a_wildcard() {
        let pattern = Pattern::parse("client/${iot:ClientId}").unwrap();
        let variables = Variables { client_id: Some("*"), ..Variables::default() };
        assert!(pattern.matches("client/*", &variables));
        assert!(!pattern.matches("client/other", &variables));
    }

    #[test]
    fn an_open_variable_is_refused_with_its_place() {
        assert_eq!(Pattern::parse("a/${iot:ClientId"), Err(ParsePattern::Unterminated(2)));
        assert!(matches("a$b", "a$b"));
    }
}
