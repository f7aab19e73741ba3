//! Which cloud a command asks, and all pages of what that lists.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use marram_cloud::Ready;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::aws::{AwsClient, CallCloud};
use crate::env::read_ready;
use crate::exit::BadInput;
use crate::output::{self, Output};

/// Which cloud, and how its answer is printed.
#[derive(Debug, clap::Args)]
pub(crate) struct Access {
    /// The file that the cloud wrote when it was ready
    #[arg(long, value_name = "F")]
    ready_file: PathBuf,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

impl Access {
    pub(crate) fn open(&self) -> Result<CloudClient> {
        let ready = read_ready(&self.ready_file)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(CloudClient { aws: AwsClient::new(&ready)?, ready, runtime, output: self.output })
    }
}

/// One cloud, asked call by call.
#[derive(Debug)]
pub(crate) struct CloudClient {
    pub(crate) ready: Ready,
    pub(crate) output: Output,
    aws: AwsClient,
    runtime: Runtime,
}

/// How an operation's pages are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pages {
    size: &'static str,
    ask: &'static str,
    answer: &'static str,
}

/// As most lists are.
pub(crate) const BY_TOKEN: Pages =
    Pages { size: "maxResults", ask: "nextToken", answer: "nextToken" };
/// As `iot` lists policies and role aliases.
pub(crate) const BY_MARKER: Pages = Pages { size: "pageSize", ask: "marker", answer: "nextMarker" };

/// The largest page that every service gives.
const PAGE_SIZE: usize = 100;

impl CloudClient {
    /// A call without a body.
    pub(crate) fn get(&self, service: &str, target: &str) -> Result<Value, CallCloud> {
        self.call(service, "GET", target, None)
    }

    pub(crate) fn call(
        &self,
        service: &str,
        method: &str,
        target: &str,
        body: Option<Value>,
    ) -> Result<Value, CallCloud> {
        self.runtime.block_on(self.aws.call(service, method, target, &[], body))
    }

    /// A call without a body; `None` if there is no such thing.
    pub(crate) fn find(&self, service: &str, target: &str) -> Result<Option<Value>, CallCloud> {
        match self.get(service, target) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// An object of S3 by its path; `None` if there is none.
    pub(crate) fn object(&self, target: &str) -> Result<Option<Bytes>, CallCloud> {
        match self.runtime.block_on(self.aws.send("s3", "GET", target, &[], b"")) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_status(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts an object where none is, into a bucket that is made if it is missing.
    pub(crate) fn put_object(
        &self,
        bucket: &str,
        target: &str,
        bytes: Vec<u8>,
    ) -> Result<(), CallCloud> {
        self.runtime.block_on(async {
            let path = format!("/{bucket}");
            match self.aws.send("s3", "HEAD", &path, &[], b"").await {
                Err(error) if error.is_status(404) => {
                    self.aws.send("s3", "PUT", &path, &[], b"").await?;
                }
                other => drop(other?),
            }
            self.aws.send("s3", "PUT", target, &[], &bytes).await.map(drop)
        })
    }

    /// What a presigned URL gives.
    pub(crate) fn fetch(&self, url: &str) -> Result<Bytes, CallCloud> {
        self.runtime.block_on(self.aws.fetch(url))
    }

    /// The member `name` of all of a list of `iot`, in order.
    pub(crate) fn names(
        &self,
        target: &str,
        pages: Pages,
        member: &str,
        name: &str,
    ) -> Result<Vec<String>> {
        let rows = self.all("iot", target, pages, member)?;
        let names = rows.iter().filter_map(|row| row[name].as_str());
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }

    /// The member `member` of all pages. On a terminal it counts along while that takes time.
    pub(crate) fn all(
        &self,
        service: &str,
        target: &str,
        pages: Pages,
        member: &str,
    ) -> Result<Vec<Value>> {
        let separator = if target.contains('?') { '&' } else { '?' };
        let first = format!("{target}{separator}{}={PAGE_SIZE}", pages.size);
        let mut counter = Counter::new(member);
        let mut rows: Vec<Value> = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let target = match &token {
                Some(token) => format!("{first}&{}={}", pages.ask, crate::aws::encoded(token)),
                None => first.clone(),
            };
            let mut page =
                self.get(service, &target).with_context(|| format!("listing {member}"))?;
            if let Some(Value::Array(more)) = page.get_mut(member).map(Value::take) {
                rows.extend(more);
            }
            let next = page[pages.answer].as_str().map(str::to_owned);
            if next.is_none() {
                return Ok(rows);
            }
            if next == token {
                bail!("the cloud gives the same page of {member} again and again");
            }
            token = next;
            counter.show(rows.len());
        }
    }

    /// Prints a value, in the form that was asked for.
    pub(crate) fn print(&self, value: &Value, text: impl FnOnce() -> String) -> Result<()> {
        match self.output {
            Output::Json => output::json(value)?,
            Output::Text => output::line(&text())?,
        }
        Ok(())
    }

    /// The ARN of `thing/NAME` or `thinggroup/NAME`; an ARN is itself.
    pub(crate) fn target_arn(&self, target: &str) -> Result<String> {
        let is_short = ["thing/", "thinggroup/"].iter().any(|kind| target.starts_with(kind));
        match target {
            arn if arn.starts_with("arn:") => Ok(arn.to_owned()),
            short if is_short => {
                let Ready { region, account_id, .. } = &self.ready;
                Ok(format!("arn:aws:iot:{region}:{account_id}:{short}"))
            }
            other => Err(BadInput(format!(
                "--target {other}: use thing/NAME, thinggroup/NAME or an ARN"
            ))
            .into()),
        }
    }
}

/// Says on a terminal how far a long list is; its line is gone in the end.
struct Counter<'m> {
    what: &'m str,
    is_shown: bool,
}

impl<'m> Counter<'m> {
    fn new(what: &'m str) -> Self {
        Self { what, is_shown: false }
    }

    fn show(&mut self, count: usize) {
        if std::io::stderr().is_terminal() {
            self.is_shown = true;
            eprint!("\r{}: {count} …", self.what);
            // Only a sign of life.
            let _ = std::io::stderr().flush();
        }
    }
}

impl Drop for Counter<'_> {
    fn drop(&mut self) {
        if self.is_shown {
            eprint!("\r\u{1b}[K");
        }
    }
}
