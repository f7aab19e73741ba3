//! The `Range` header.

/// What part of an object to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it: 200.
    Whole,
    /// From the first byte on, so many: 206.
    Part { first: u64, length: u64 },
    /// None of it is there: 416.
    Unsatisfiable,
}

impl Extent {
    /// Reads `bytes=a-b`, `bytes=a-` or `bytes=-n` against an object of `size` bytes. As in S3, a
    /// header of another form, also one with several ranges, is passed over.
    pub(super) fn of(header: Option<&str>, size: u64) -> Self {
        let Some(range) = header.and_then(|value| value.trim().strip_prefix("bytes=")) else {
            return Self::Whole;
        };
        let Some((first, last)) = range.split_once('-') else { return Self::Whole };
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first > last => Self::Whole,
            (Some(first), last) if last.is_some() || range.ends_with('-') => {
                Self::between(first, last.unwrap_or(u64::MAX), size)
            }
            (None, Some(length)) if first.is_empty() => {
                if length == 0 || size == 0 {
                    return Self::Unsatisfiable;
                }
                let length = length.min(size);
                Self::Part { first: size - length, length }
            }
            _ => Self::Whole,
        }
    }

    fn between(first: u64, last: u64, size: u64) -> Self {
        if first >= size {
            return Self::Unsatisfiable;
        }
        Self::Part { first, length: last.min(size - 1) - first + 1 }
    }
}

fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a30_ranges_are_cut_to_the_object() {
        let part = |first, length| Extent::Part { first, length };
        for (header, expected) in [
            ("bytes=0-3", part(0, 4)),
            ("bytes=4-", part(4, 6)),
            ("bytes=4-99", part(4, 6)),
            ("bytes=9-9", part(9, 1)),
            ("bytes=-3", part(7, 3)),
            ("bytes=-99", part(0, 10)),
            ("bytes=0-99999999999999999999999", part(0, 10)),
            ("bytes=10-", Extent::Unsatisfiable),
            ("bytes=-0", Extent::Unsatisfiable),
            ("bytes=3-2", Extent::Whole),
            ("bytes=0-1,3-4", Extent::Whole),
            ("bytes=a-b", Extent::Whole),
            ("bytes=-", Extent::Whole),
            ("lines=1-2", Extent::Whole),
        ] {
            assert_eq!(Extent::of(Some(header), 10), expected, "{header}");
        }
        assert_eq!(Extent::of(None, 10), Extent::Whole);
        assert_eq!(Extent::of(Some("bytes=0-"), 0), Extent::Unsatisfiable);
        assert_eq!(Extent::of(Some("bytes=-1"), 0), Extent::Unsatisfiable);
    }
}
