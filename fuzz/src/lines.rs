//! Inputs of several texts: a line each, and what remains. So a corpus stays readable.

/// The first `N` lines and what follows them; `None` for bytes that are not such a text.
pub(crate) fn split<const N: usize>(data: &[u8]) -> Option<([&str; N], &str)> {
    let mut rest = std::str::from_utf8(data).ok()?;
    let mut lines = [""; N];
    for line in &mut lines {
        (*line, rest) = rest.split_once('\n')?;
    }
    Some((lines, rest))
}
