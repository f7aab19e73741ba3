//! Lists ordered by age, either way round, a page at a time.

use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::store::Reader;

/// A place in a list ordered by age: the last row already given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgePosition {
    /// That row's creation time, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// That row's key.
    pub key: String,
}

impl AgePosition {
    /// Before the oldest row.
    pub fn oldest() -> Self {
        Self { created_at_ms: i64::MIN, key: String::new() }
    }

    /// After the newest row.
    pub fn newest() -> Self {
        Self { created_at_ms: i64::MAX, key: String::new() }
    }
}

/// The two statements of a list: `$1` is the creation time and `$2` the key of the last row
/// already given, `$3` the number of rows.
pub(crate) struct ByAge {
    pub(crate) oldest_first: &'static str,
    pub(crate) newest_first: &'static str,
}

impl Reader {
    /// At most `limit` rows of the list from `from` on, each read by `read`.
    pub(crate) async fn rows_by_age<T>(
        &mut self,
        list: &ByAge,
        from: &AgePosition,
        oldest_first: bool,
        limit: i64,
        read: fn(&AnyRow) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = sqlx::query(if oldest_first { list.oldest_first } else { list.newest_first })
            .bind(from.created_at_ms)
            .bind(from.key.as_str())
            .bind(limit)
            .fetch_all(self.connection())
            .await?;
        rows.iter().map(read).collect()
    }
}
