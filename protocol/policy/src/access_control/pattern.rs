//! Resource patterns of `accessControl`.
//!
//! `*` stands for any text, also none and also across `/`; `${*}`, `${?}` and `${$}` are the
//! characters themselves. Under MQTT matching a level that is exactly `+` stands for one level and
//! a trailing `/#` for any levels, also none; elsewhere both are ordinary.

/// How a service's resources are matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Matching {
    Standard,
    Mqtt,
}

/// A resource pattern, in the cheapest form that can decide it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pattern {
    /// `*`, and MQTT's `#`.
    Anything,
    /// No wildcard.
    Exact(Box<str>),
    /// One `*`, at the end.
    Prefix(Box<str>),
    Pieces(Box<[Piece]>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(Box<str>),
    /// `*`.
    AnyText,
    /// `+`: text without `/`.
    OneLevel,
    /// `/#` at the end: nothing, or `/` and any text.
    SubLevels,
}

/// Why a resource is not a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ParsePattern {
    #[error("it is empty; use `*` for every resource")]
    Empty,
    #[error("it contains `?` at byte {0}, which is no wildcard; write `${{?}}` for the character")]
    QuestionMark(usize),
    #[error("`${{` at byte {0} must be one of `${{*}}`, `${{?}}` and `${{$}}`")]
    Escape(usize),
}

impl Pattern {
    pub(super) fn parse(text: &str, matching: Matching) -> Result<Self, ParsePattern> {
        if text.is_empty() {
            return Err(ParsePattern::Empty);
        }
        let pieces = match matching {
            Matching::Standard => standard_pieces(text, 0)?,
            Matching::Mqtt => mqtt_pieces(text)?,
        };
        Ok(match pieces.as_slice() {
            [Piece::AnyText] => Self::Anything,
            [Piece::Literal(text)] => Self::Exact(text.clone()),
            [Piece::Literal(text), Piece::AnyText] => Self::Prefix(text.clone()),
            _ => Self::Pieces(pieces.into()),
        })
    }

    /// Whether the pattern covers `resource`. If that is a topic filter, `+` does not cover its
    /// `#`: one level is less than all.
    pub(super) fn matches(&self, resource: &str, is_filter: bool) -> bool {
        match self {
            Self::Anything => true,
            Self::Exact(text) => **text == *resource,
            Self::Prefix(text) => resource.starts_with(&**text),
            Self::Pieces(pieces) => pieces_match(pieces, resource, is_filter),
        }
    }
}

/// The pattern that covers `resource` and nothing else, whatever the matching (but for MQTT's
/// wildcards, which cannot be escaped).
pub(super) fn escape(resource: &str) -> String {
    let mut pattern = String::with_capacity(resource.len());
    let mut characters = resource.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '*' => pattern.push_str("${*}"),
            '?' => pattern.push_str("${?}"),
            '$' if characters.peek() == Some(&'{') => pattern.push_str("${$}"),
            _ => pattern.push(character),
        }
    }
    pattern
}

/// Pieces of the pattern text that starts at byte `offset` of a resource.
fn standard_pieces(text: &str, offset: usize) -> Result<Vec<Piece>, ParsePattern> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['*', '?', '$']) {
        let (literal, tail) = rest.split_at(at);
        push_literal(&mut pieces, literal);
        let position = offset + text.len() - tail.len();
        if let Some(after) = tail.strip_prefix('*') {
            push_any_text(&mut pieces);
            rest = after;
        } else if let Some(escape) = tail.strip_prefix("${") {
            let Some(character) = ["*}", "?}", "$}"].iter().find(|end| escape.starts_with(**end))
            else {
                return Err(ParsePattern::Escape(position));
            };
            push_literal(&mut pieces, &character[..1]);
            rest = &escape[2..];
        } else if let Some(after) = tail.strip_prefix('$') {
            push_literal(&mut pieces, "$");
            rest = after;
        } else {
            return Err(ParsePattern::QuestionMark(position));
        }
    }
    push_literal(&mut pieces, rest);
    Ok(pieces)
}

fn mqtt_pieces(text: &str) -> Result<Vec<Piece>, ParsePattern> {
    if text == "#" {
        return Ok(vec![Piece::AnyText]);
    }
    let (levels, has_sub_levels) = match text.strip_suffix("/#") {
        Some(levels) => (levels, true),
        None => (text, false),
    };
    let mut pieces = Vec::new();
    let mut offset = 0;
    for (number, level) in levels.split('/').enumerate() {
        if number > 0 {
            push_literal(&mut pieces, "/");
        }
        if level == "+" {
            pieces.push(Piece::OneLevel);
        } else {
            for piece in standard_pieces(level, offset)? {
                match piece {
                    Piece::Literal(text) => push_literal(&mut pieces, &text),
                    other => pieces.push(other),
                }
            }
        }
        offset += level.len() + 1;
    }
    if has_sub_levels {
        pieces.push(Piece::SubLevels);
    }
    Ok(pieces)
}

fn push_literal(pieces: &mut Vec<Piece>, text: &str) {
    if text.is_empty() {
        return;
    }
    match pieces.last_mut() {
        Some(Piece::Literal(last)) => *last = format!("{last}{text}").into(),
        _ => pieces.push(Piece::Literal(text.into())),
    }
}

fn push_any_text(pieces: &mut Vec<Piece>) {
    if pieces.last() != Some(&Piece::AnyText) {
        pieces.push(Piece::AnyText);
    }
}

/// Follows all ways through the pattern at once: `reached` has each length of `resource` that the
/// pieces so far can cover. Costs pieces × length, whatever the pattern.
fn pieces_match(pieces: &[Piece], resource: &str, is_filter: bool) -> bool {
    let text = resource.as_bytes();
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for piece in pieces {
        reached = match piece {
            Piece::Literal(literal) => after_literal(&reached, text, literal.as_bytes()),
            Piece::AnyText => after_any_text(&reached),
            Piece::OneLevel => after_one_level(&reached, text, is_filter),
            Piece::SubLevels => {
                let last = text.len();
                return reached[last] || (0..last).any(|at| reached[at] && text[at] == b'/');
            }
        };
        if !reached.contains(&true) {
            return false;
        }
    }
    reached[text.len()]
}

fn after_literal(reached: &[bool], text: &[u8], literal: &[u8]) -> Vec<bool> {
    let mut next = vec![false; reached.len()];
    for at in 0..reached.len().saturating_sub(literal.len()) {
        if reached[at] && text[at..].starts_with(literal) {
            next[at + literal.len()] = true;
        }
    }
    next
}

fn after_any_text(reached: &[bool]) -> Vec<bool> {
    let mut open = false;
    reached
        .iter()
        .map(|reached| {
            open |= reached;
            open
        })
        .collect()
}

fn after_one_level(reached: &[bool], text: &[u8], is_filter: bool) -> Vec<bool> {
    let mut next = vec![false; reached.len()];
    for start in (0..reached.len()).filter(|at| reached[*at]) {
        let level = text[start..].split(|byte| *byte == b'/').next().unwrap_or_default();
        let is_all = is_filter && level == b"#" && start + level.len() == text.len();
        if !is_all {
            next[start..=start + level.len()].fill(true);
        }
    }
    next
}
