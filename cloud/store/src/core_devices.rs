//! Core devices: what they last said of themselves and their components.

use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::StoreError;
use crate::store::{Reader, Tx};

/// A core device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoreDeviceRow {
    /// Its thing name.
    pub thing: String,
    /// The nucleus's version.
    pub core_version: String,
    /// For example `linux`.
    pub platform: String,
    /// For example `amd64`.
    pub architecture: String,
    /// `aws_nucleus_classic` or `aws_nucleus_lite`.
    pub runtime: String,
    /// `HEALTHY` or `UNHEALTHY`.
    pub status: String,
    /// The number of the message that said so.
    pub sequence_number: i64,
    /// That message's own time, in milliseconds since 1970.
    pub reported_at_ms: i64,
}

/// A component on a core device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledComponentRow {
    /// The component's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its state, as the API names it.
    pub state: String,
    /// Why it is errored or broken.
    pub details: Option<String>,
    /// A list of texts: the same as codes.
    pub status_codes_json: String,
    /// Whether a deployment names it.
    pub is_root: bool,
    /// The deployment that brought it, or `LOCAL`.
    pub source: Option<String>,
    /// When its state last changed, in milliseconds since 1970.
    pub changed_at_ms: i64,
    /// When the device last spoke of it, in milliseconds since 1970.
    pub reported_at_ms: i64,
}

/// What [`Reader::core_devices_after`] lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CoreDeviceFilter {
    /// Only those with this status.
    pub status: Option<String>,
    /// Only those with this runtime.
    pub runtime: Option<String>,
    /// Only those on which a deployment to this target succeeded.
    pub succeeded_target_arn: Option<String>,
}

impl CoreDeviceRow {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            thing: row.try_get("thing_name")?,
            core_version: row.try_get("core_version")?,
            platform: row.try_get("platform")?,
            architecture: row.try_get("architecture")?,
            runtime: row.try_get("runtime")?,
            status: row.try_get("status")?,
            sequence_number: row.try_get("sequence_number")?,
            reported_at_ms: row.try_get("reported_at")?,
        })
    }
}

impl InstalledComponentRow {
    fn from_row(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            name: row.try_get("component_name")?,
            version: row.try_get("version")?,
            state: row.try_get("state")?,
            details: row.try_get("details")?,
            status_codes_json: row.try_get("status_codes_json")?,
            is_root: row.try_get::<i64, _>("is_root")? != 0,
            source: row.try_get("source")?,
            changed_at_ms: row.try_get("changed_at")?,
            reported_at_ms: row.try_get("reported_at")?,
        })
    }
}

impl Reader {
    /// The core device `thing`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn core_device(&mut self, thing: &str) -> Result<Option<CoreDeviceRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM core_devices WHERE thing_name = $1")
            .bind(thing)
            .fetch_optional(self.connection())
            .await?;
        row.as_ref().map(CoreDeviceRow::from_row).transpose()
    }

    /// At most `limit` core devices whose names sort after `after` (`""` for the first), by name.
    ///
    /// # Errors
    /// The database refused.
    pub async fn core_devices_after(
        &mut self,
        filter: &CoreDeviceFilter,
        after: &str,
        limit: i64,
    ) -> Result<Vec<CoreDeviceRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM core_devices c WHERE c.thing_name > $1 \
             AND ($2 = '' OR c.status = $2) AND ($3 = '' OR c.runtime = $3) \
             AND ($4 = '' OR EXISTS (SELECT 1 FROM effective_deployments e \
               JOIN deployments d ON d.deployment_id = e.deployment_id \
               WHERE e.thing_name = c.thing_name AND d.target_arn = $4 \
               AND e.status = 'SUCCEEDED')) \
             ORDER BY c.thing_name LIMIT $5",
        )
        .bind(after)
        .bind(filter.status.as_deref().unwrap_or(""))
        .bind(filter.runtime.as_deref().unwrap_or(""))
        .bind(filter.succeeded_target_arn.as_deref().unwrap_or(""))
        .bind(limit)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(CoreDeviceRow::from_row).collect()
    }

    /// All components of the core device, by name.
    ///
    /// # Errors
    /// The database refused.
    pub async fn installed_components(
        &mut self,
        thing: &str,
    ) -> Result<Vec<InstalledComponentRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM installed_components WHERE thing_name = $1 ORDER BY component_name",
        )
        .bind(thing)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(InstalledComponentRow::from_row).collect()
    }

    /// The parts of the device's status message `sequence_number` that came since `since_ms`, by
    /// chunk id.
    ///
    /// # Errors
    /// The database refused.
    pub async fn status_chunks(
        &mut self,
        thing: &str,
        sequence_number: i64,
        since_ms: i64,
    ) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT payload FROM status_chunks WHERE thing_name = $1 AND sequence_number = $2 \
             AND received_at >= $3 ORDER BY chunk_id",
        )
        .bind(thing)
        .bind(sequence_number)
        .bind(since_ms)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(|row| Ok(row.try_get("payload")?)).collect()
    }
}

impl Tx {
    /// Keeps what a core device said of itself, whatever it said before.
    ///
    /// # Errors
    /// The database refused.
    pub async fn put_core_device(&mut self, row: &CoreDeviceRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO core_devices (thing_name, core_version, platform, architecture, \
             runtime, status, sequence_number, reported_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (thing_name) DO UPDATE SET \
             core_version = excluded.core_version, platform = excluded.platform, \
             architecture = excluded.architecture, runtime = excluded.runtime, \
             status = excluded.status, sequence_number = excluded.sequence_number, \
             reported_at = excluded.reported_at",
        )
        .bind(row.thing.as_str())
        .bind(row.core_version.as_str())
        .bind(row.platform.as_str())
        .bind(row.architecture.as_str())
        .bind(row.runtime.as_str())
        .bind(row.status.as_str())
        .bind(row.sequence_number)
        .bind(row.reported_at_ms)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Forgets the core device and its components; `false` when there is none.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_core_device(&mut self, thing: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM core_devices WHERE thing_name = $1")
            .bind(thing)
            .execute(self.connection())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Keeps a component of the core device, whatever was there.
    ///
    /// # Errors
    /// There is no such core device, or the database refused.
    pub async fn put_installed_component(
        &mut self,
        thing: &str,
        row: &InstalledComponentRow,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO installed_components (thing_name, component_name, version, state, \
             details, status_codes_json, is_root, source, changed_at, reported_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
             ON CONFLICT (thing_name, component_name) DO UPDATE SET \
             version = excluded.version, state = excluded.state, details = excluded.details, \
             status_codes_json = excluded.status_codes_json, is_root = excluded.is_root, \
             source = excluded.source, changed_at = excluded.changed_at, \
             reported_at = excluded.reported_at",
        )
        .bind(thing)
        .bind(row.name.as_str())
        .bind(row.version.as_str())
        .bind(row.state.as_str())
        .bind(row.details.as_deref())
        .bind(row.status_codes_json.as_str())
        .bind(i64::from(row.is_root))
        .bind(row.source.as_deref())
        .bind(row.changed_at_ms)
        .bind(row.reported_at_ms)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Forgets one component of the core device.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_installed_component(
        &mut self,
        thing: &str,
        component: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM installed_components WHERE thing_name = $1 AND component_name = $2",
        )
        .bind(thing)
        .bind(component)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Keeps one part of a status message, received at `now_ms`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn put_status_chunk(
        &mut self,
        thing: &str,
        sequence_number: i64,
        chunk_id: i64,
        payload: &str,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO status_chunks (thing_name, sequence_number, chunk_id, payload, \
             received_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (thing_name, sequence_number, chunk_id) DO UPDATE SET \
             payload = excluded.payload, received_at = excluded.received_at",
        )
        .bind(thing)
        .bind(sequence_number)
        .bind(chunk_id)
        .bind(payload)
        .bind(now_ms)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Forgets the parts of one status message, and all received before `before_ms`.
    ///
    /// # Errors
    /// The database refused.
    pub async fn delete_status_chunks(
        &mut self,
        thing: &str,
        sequence_number: i64,
        before_ms: i64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM status_chunks WHERE received_at < $3 \
             OR (thing_name = $1 AND sequence_number = $2)",
        )
        .bind(thing)
        .bind(sequence_number)
        .bind(before_ms)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
