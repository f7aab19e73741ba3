//! Which database: a file of SQLite's, or a schema of a PostgreSQL server.
//!
//! Invariant: what [`Display`](fmt::Display) and [`Debug`] show has no password, so that a
//! database may stand in any log line and error.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

/// Where a store keeps everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// A file, made where it is missing.
    Sqlite(PathBuf),
    /// A database that exists on a server.
    Postgres(PostgresUrl),
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

impl<P: AsRef<Path>> From<P> for Database {
    fn from(path: P) -> Self {
        Self::Sqlite(path.as_ref().to_owned())
    }
}

/// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with the parameters of PostgreSQL's own clients
/// (`sslmode`, `sslrootcert`, `host` for a socket's folder, `options[search_path]`). What it does
/// not say comes from `PGPASSWORD`, `~/.pgpass` and their kin, as for `psql`.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    text: String,
    shown: String,
}

/// Why a text is not a PostgreSQL URL; the text itself is not repeated: it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum ParsePostgresUrl {
    /// Another scheme, or none.
    #[error(
        "not a PostgreSQL URL: write postgres://USER:PASSWORD@HOST:PORT/DATABASE; \
         without it the cloud keeps everything in its data directory"
    )]
    Scheme,
    /// A part of it cannot be read.
    #[error("not a PostgreSQL URL: percent-encode what is special in the user name and password")]
    Unreadable(#[source] sqlx::Error),
}

impl FromStr for PostgresUrl {
    type Err = ParsePostgresUrl;

    fn from_str(text: &str) -> Result<Self, ParsePostgresUrl> {
        let text = text.trim();
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(ParsePostgresUrl::Scheme);
        }
        let options: PgConnectOptions = text.parse().map_err(ParsePostgresUrl::Unreadable)?;
        let user = options.get_username();
        let place = options.get_socket().map_or_else(
            || format!("{}:{}", options.get_host(), options.get_port()),
            |folder| folder.display().to_string(),
        );
        let shown = format!("postgres://{user}@{place}/{}", options.get_database().unwrap_or(user));
        Ok(Self { text: text.to_owned(), shown })
    }
}

impl PostgresUrl {
    /// The whole URL, with its password.
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let url = "postgres://marram:s3cret%2F@db.example:5433/fleet?sslmode=require";
        let url: PostgresUrl = url.parse().unwrap();
        for text in [url.to_string(), format!("{url:?}"), format!("{}", Database::Postgres(url))] {
            assert_eq!(text, "postgres://marram@db.example:5433/fleet");
        }
        let error = PostgresUrl::from_str("mysql://a:s3cret@b/c").unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }

    #[test]
    fn a_socket_is_named_by_its_folder() {
        let url: PostgresUrl =
            "postgres://marram@localhost/fleet?host=/run/postgresql".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://marram@/run/postgresql/fleet");
    }
}
