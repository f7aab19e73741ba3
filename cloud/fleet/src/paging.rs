//! Pages of listings: sizes and opaque tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use marram_aws::ApiError;

const DEFAULT_SIZE: i64 = 50;
const MAX_SIZE: i64 = 100;

/// How many rows the caller wants: 1 to 100, 50 if it does not say.
pub(crate) fn size(max_results: Option<i64>) -> Result<usize, ApiError> {
    let wanted = max_results.unwrap_or(DEFAULT_SIZE);
    if !(1..=MAX_SIZE).contains(&wanted) {
        let message = format!("`{wanted}` is not between 1 and {MAX_SIZE}");
        return Err(ApiError::field("maxResults", message));
    }
    Ok(usize::try_from(wanted).unwrap_or_default())
}

/// The text that a token stands for; `""` without a token.
pub(crate) fn after(next_token: Option<&str>) -> Result<String, ApiError> {
    let Some(token) = next_token else {
        return Ok(String::new());
    };
    let invalid = || {
        let message = "is not a token that this operation returned: ask for the first page again";
        ApiError::field("nextToken", message)
    };
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
    String::from_utf8(bytes).map_err(|_| invalid())
}

/// As [`size`] for the iot services: the member `name`, 1 to `most`.
pub(crate) fn size_of(name: &str, wanted: Option<i64>, most: i64) -> Result<usize, ApiError> {
    let wanted = wanted.unwrap_or(DEFAULT_SIZE);
    let size = usize::try_from(wanted).ok().filter(|_| (1..=most).contains(&wanted));
    size.ok_or_else(|| ApiError::invalid_request(format!("`{name}` is {wanted}: use 1 to {most}")))
}

/// As [`after`] for the iot services.
pub(crate) fn iot_after(next_token: Option<&str>) -> Result<String, ApiError> {
    after(next_token).map_err(|error| ApiError::invalid_request(error.message))
}

/// The moment and id that a token stands for; `None` without a token.
pub(crate) fn before(next_token: Option<&str>) -> Result<Option<(i64, String)>, ApiError> {
    let text = after(next_token)?;
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.split_once('|').and_then(|(ms, id)| Some((ms.parse().ok()?, id.to_owned())));
    let message = "is not a token that this operation returned: ask for the first page again";
    parsed.map(Some).ok_or_else(|| ApiError::field("nextToken", message))
}

/// Cuts `rows`, which hold one more than the page when there is another page, to `size`, and
/// makes the token for the next page from the last row that stays.
pub(crate) fn cut<T>(
    mut rows: Vec<T>,
    size: usize,
    key: impl Fn(&T) -> String,
) -> (Vec<T>, Option<String>) {
    let has_more = rows.len() > size;
    rows.truncate(size);
    let token = rows.last().filter(|_| has_more).map(|row| URL_SAFE_NO_PAD.encode(key(row)));
    (rows, token)
}

/// The limit to read with, so that [`cut`] sees whether there is another page.
pub(crate) fn limit(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(MAX_SIZE) + 1
}

/// The key of a row that is listed by age.
pub(crate) fn age_key(ms: i64, id: &str) -> String {
    format!("{ms}|{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_and_its_token_lead_to_the_next() {
        let (rows, token) = cut(vec!["a", "b", "c"], 2, |row| (*row).to_owned());
        assert_eq!(rows, ["a", "b"]);
        assert_eq!(after(token.as_deref()).unwrap(), "b");
        let (rows, token) = cut(vec!["c"], 2, |row| (*row).to_owned());
        assert_eq!((rows, token), (vec!["c"], None));
    }

    #[test]
    fn foreign_tokens_and_sizes_out_of_range_are_refused() {
        assert!(after(Some("***")).is_err());
        let token = URL_SAFE_NO_PAD.encode("no number");
        assert!(before(Some(&token)).is_err());
        let token = URL_SAFE_NO_PAD.encode(age_key(5, "d"));
        assert_eq!(before(Some(&token)).unwrap(), Some((5, "d".to_owned())));
        assert!(size(Some(0)).is_err() && size(Some(101)).is_err());
        assert_eq!(size(None).unwrap(), 50);
    }
}
