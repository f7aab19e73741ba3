//! Pages of lists: how many rows, and opaque tokens that say where to go on.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use marram_aws::ApiError;
use marram_aws::iot::OrderedPageRequest;
use marram_store::AgePosition;

/// AWS's default for lists of things and groups.
const DEFAULT_ROWS: i64 = 25;
const MAX_ROWS: i64 = 250;

/// A page that a caller asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    list: &'static str,
    /// The key of the last row already given; empty at the start.
    pub(crate) after: String,
    rows: usize,
}

impl Page {
    /// Reads a page of the list `list` (whose tokens no other list accepts) from the members
    /// `names` (token, size).
    pub(crate) fn parse(
        list: &'static str,
        names: (&str, &str),
        token: Option<&str>,
        size: Option<i64>,
    ) -> Result<Self, ApiError> {
        let size = size.unwrap_or(DEFAULT_ROWS);
        let rows = usize::try_from(size).ok().filter(|_| (1..=MAX_ROWS).contains(&size));
        let Some(rows) = rows else {
            return Err(ApiError::invalid_request(format!(
                "`{}` is {size}: use 1 to {MAX_ROWS}",
                names.1
            )));
        };
        let after = match token {
            None => String::new(),
            Some(token) => decode(list, token).ok_or_else(|| {
                ApiError::invalid_request(format!(
                    "`{}` is `{token}`, which this list did not give: start without it",
                    names.0
                ))
            })?,
        };
        Ok(Self { list, after, rows })
    }

    /// A page asked for with `nextToken` and `maxResults`.
    pub(crate) fn by_token(
        list: &'static str,
        token: Option<&str>,
        size: Option<i64>,
    ) -> Result<Self, ApiError> {
        Self::parse(list, ("nextToken", "maxResults"), token, size)
    }

    /// A page asked for with `marker` and `pageSize`.
    pub(crate) fn by_marker(
        list: &'static str,
        marker: Option<&str>,
        size: Option<i64>,
    ) -> Result<Self, ApiError> {
        Self::parse(list, ("marker", "pageSize"), marker, size)
    }

    /// How many rows to fetch: one more than is given, to know whether there are more.
    pub(crate) fn fetch(&self) -> i64 {
        i64::try_from(self.rows).map_or(i64::MAX, |rows| rows + 1)
    }

    /// Cuts `rows` to the page, and makes the token if that cut something off.
    pub(crate) fn cut<T>(
        &self,
        mut rows: Vec<T>,
        key: impl Fn(&T) -> String,
    ) -> (Vec<T>, Option<String>) {
        if rows.len() <= self.rows {
            return (rows, None);
        }
        rows.truncate(self.rows);
        let next = rows.last().map(|last| encode(self.list, &key(last)));
        (rows, next)
    }

    /// The page of a whole list that is sorted by its own text.
    pub(crate) fn of_sorted(&self, all: Vec<String>) -> (Vec<String>, Option<String>) {
        let rest = all.into_iter().filter(|row| *row > self.after).collect();
        self.cut(rest, String::clone)
    }
}

/// A page of a list that is ordered by age.
#[derive(Debug)]
pub(crate) struct AgePage {
    page: Page,
    /// The last row already given.
    pub(crate) from: AgePosition,
    /// The order.
    pub(crate) oldest_first: bool,
}

impl AgePage {
    /// Reads a page of the list `list`.
    pub(crate) fn parse(
        list: &'static str,
        request: &OrderedPageRequest,
    ) -> Result<Self, ApiError> {
        let page = Page::by_marker(list, request.marker.as_deref(), request.page_size)?;
        let oldest_first = request.ascending_order;
        let from = match page.after.split_once(' ') {
            Some((ms, key)) => AgePosition {
                created_at_ms: ms.parse().map_err(|_| {
                    ApiError::invalid_request(
                        "`marker` is not one that this list gave: start without it",
                    )
                })?,
                key: key.to_owned(),
            },
            None if oldest_first => AgePosition::oldest(),
            None => AgePosition::newest(),
        };
        Ok(Self { page, from, oldest_first })
    }

    /// As [`Page::fetch`].
    pub(crate) fn fetch(&self) -> i64 {
        self.page.fetch()
    }

    /// As [`Page::cut`], for rows with a creation time and a key.
    pub(crate) fn cut<T>(
        &self,
        rows: Vec<T>,
        position: impl Fn(&T) -> (i64, &str),
    ) -> (Vec<T>, Option<String>) {
        self.page.cut(rows, |row| {
            let (created_at_ms, key) = position(row);
            format!("{created_at_ms} {key}")
        })
    }
}

/// The model wants markers of base64 characters.
fn encode(list: &str, key: &str) -> String {
    STANDARD.encode(format!("{list} {key}"))
}

fn decode(list: &str, token: &str) -> Option<String> {
    let text = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
    text.strip_prefix(list)?.strip_prefix(' ').map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_to_the_whole_list() {
        let all: Vec<String> = (0..7).map(|n| format!("row {n}")).collect();
        let (mut token, mut seen) = (None, Vec::new());
        loop {
            let page = Page::by_token("rows", token.as_deref(), Some(3)).unwrap();
            let (rows, next) = page.of_sorted(all.clone());
            seen.extend(rows);
            token = next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn foreign_tokens_and_sizes_are_refused_by_name() {
        let foreign = encode("things", "a");
        let error = Page::by_token("groups", Some(&foreign), None).unwrap_err();
        assert!(error.message.contains("nextToken"), "{error}");
        for size in [0, -1, 251] {
            let error = Page::by_marker("groups", None, Some(size)).unwrap_err();
            assert!(error.message.contains("pageSize"), "{error}");
        }
    }
}
