//! Why the store could not be opened, and why it could not answer.

use std::path::PathBuf;

use marram_aws::ApiError;

use crate::database::Database;

/// Why [`Store::open`](crate::Store::open) failed.
#[derive(Debug, thiserror::Error)]
pub enum OpenStore {
    /// The path cannot be named in a database URL.
    #[error("the database path `{}` is not UTF-8: choose another data directory", .0.display())]
    Path(PathBuf),
    /// A file or directory of the store could not be made.
    #[error("cannot create `{}`", path.display())]
    Create {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// Another process has the store open.
    #[error(
        "another process uses the database `{0}`: stop it, or choose another data directory or \
         database"
    )]
    InUse(Database),
    /// Nobody answers there.
    #[error(
        "no PostgreSQL server answers at `{database}`: is it running, and does it listen there?"
    )]
    Unreachable {
        /// The database.
        database: Database,
        /// What the operating system said, unless there was no answer at all.
        #[source]
        source: Option<std::io::Error>,
    },
    /// The server does not know this user or password.
    #[error(
        "the server refuses the user or password for `{database}`: mend the URL in --store, \
         --store-file or MARRAM_STORE"
    )]
    Credentials {
        /// The database.
        database: Database,
        /// What the server said.
        #[source]
        source: sqlx::Error,
    },
    /// The server has no such database.
    #[error("there is no database `{database}`: make it with PostgreSQL's createdb")]
    NoDatabase {
        /// The database.
        database: Database,
        /// What the server said.
        #[source]
        source: sqlx::Error,
    },
    /// The database has no schema of the search path.
    #[error(
        "no schema of the search path exists in `{0}`: make it with CREATE SCHEMA, or change \
         options[search_path] in the URL"
    )]
    NoSchema(Database),
    /// The server is older than what is tested.
    #[error(
        "the server of `{database}` is PostgreSQL {found}: at least {} is needed",
        crate::postgres::OLDEST_MAJOR
    )]
    OldServer {
        /// The database.
        database: Database,
        /// Its major version.
        found: i64,
    },
    /// The database would not open.
    #[error("cannot open the database `{database}`")]
    Connect {
        /// The database.
        database: Database,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// The database was written by a newer program.
    #[error(
        "the database has schema version {found}, this program knows up to {known}: \
         run a newer marram-cloud, or restore the backup made before the upgrade"
    )]
    NewerSchema {
        /// The version in the database.
        found: i64,
        /// The newest version of this program.
        known: i64,
    },
    /// A migration failed; the database is as it was before it.
    #[error("migration {name} failed")]
    Migrate {
        /// The migration's file name without its extension.
        name: &'static str,
        /// What the database said.
        #[source]
        source: sqlx::Error,
    },
}

/// Why a statement or a transaction failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection became free before the deadline: the writer is held too long.
    #[error("the database was busy for longer than {} s", crate::store::WAIT.as_secs())]
    Busy,
    /// The database refused a statement.
    #[error("the database refused a statement")]
    Statement(#[source] sqlx::Error),
    /// A column holds what this program cannot have written.
    #[error("the {noun} `{key}` is damaged in the database")]
    Damaged {
        /// What kind of row.
        noun: &'static str,
        /// Its key.
        key: String,
        /// Why its column cannot be read.
        #[source]
        source: serde_json::Error,
    },
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolTimedOut => Self::Busy,
            other => Self::Statement(other),
        }
    }
}

/// A storage failure is the service's own fault, whatever was asked: 500, which SDKs retry.
impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(reason) = cause {
            message.push_str(": ");
            message.push_str(&reason.to_string());
            cause = reason.source();
        }
        Self::internal(message)
    }
}
