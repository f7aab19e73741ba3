//! PutComponentMetric: what AWS's own components, such as the stream manager, measure.
//!
//! Each value is one line of `telemetry/<component>.log`, with the members that telemetry has in
//! the cloud, and the time. The files are bounded as logs are.
//!
//! Source: ipc 4.10 (`nucleus: builtin/services/telemetry/ComponentMetricIPCEventStreamAgent.java`);
//! the members' names: device-cloud protocol 9.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use marram_ipc::shapes::{self, Metric, PutComponentMetricRequest};
use marram_ipc::{IpcError, Operation};
use marram_model::ComponentName;
use marram_os::clock::SharedClock;
use marram_os::file::create_dir_all_mode;
use marram_telemetry::{Limits, SizeRotatingWriter};
use serde::Serialize;

use super::authorizer::{Authorizer, Service};

const OPERATION: Operation = Operation::PutComponentMetric;
/// Only components whose names begin so are heard.
const OF_AWS: &str = "aws.";
/// It may name its metrics as it likes.
const STREAM_MANAGER: &str = "aws.greengrass.StreamManager";
const MAX_NAME_BYTES: usize = 32;
/// What one component's metrics may take on the disk.
const LIMITS: Limits = Limits { file_kb: 256, total_kb: 1024 };
/// Telemetry's names of units; components write them in other ways.
const UNITS: [&str; 8] = [
    "Bytes",
    "BytesPerSecond",
    "Count",
    "CountPerSecond",
    "Megabytes",
    "None",
    "Percent",
    "Seconds",
];

/// Where metrics are kept.
#[derive(Debug)]
pub(super) struct ComponentMetrics {
    folder: PathBuf,
    clock: SharedClock,
    files: Mutex<BTreeMap<ComponentName, SizeRotatingWriter>>,
}

/// One value of one component, checked.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Measured {
    #[serde(rename = "NS")]
    namespace: String,
    #[serde(rename = "N")]
    name: String,
    #[serde(rename = "U")]
    unit: &'static str,
    #[serde(rename = "Sum")]
    value: f64,
}

/// The line that is written.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "TS")]
    timestamp_ms: i64,
    #[serde(flatten)]
    measured: &'a Measured,
}

/// Checks a request: who asks, what was measured, and then the policies.
pub(super) fn check(
    authorizer: &Authorizer,
    component: &ComponentName,
    payload: &[u8],
) -> Result<Vec<Measured>, IpcError> {
    if !component.as_str().starts_with(OF_AWS) {
        return Err(IpcError::unauthorized(format!(
            "{component} is not authorized to perform {}: only components whose name begins with \
             `{OF_AWS}` are",
            OPERATION.wire_name()
        )));
    }
    let request: PutComponentMetricRequest = shapes::parse(OPERATION, payload)?;
    let metrics = request.metrics.filter(|metrics| !metrics.is_empty()).ok_or_else(|| {
        IpcError::invalid_arguments(
            "Null or Empty list of metrics found in PutComponentMetricRequest",
        )
    })?;
    let measured: Option<Vec<Measured>> =
        metrics.into_iter().map(|metric| measured(component, metric)).collect();
    let measured = measured.ok_or_else(|| {
        IpcError::invalid_arguments("Invalid argument found in PutComponentMetricRequest")
    })?;
    if component.as_str() != STREAM_MANAGER {
        for metric in &measured {
            authorizer.authorize(component, Service::ComponentMetric, OPERATION, &metric.name)?;
        }
    }
    Ok(measured)
}

fn measured(component: &ComponentName, metric: Metric) -> Option<Measured> {
    let name = metric.name.filter(|name| (1..=MAX_NAME_BYTES).contains(&name.len()))?;
    let unit = unit(&metric.unit?)?;
    let value = metric.value.filter(|value| *value >= 0.0)?;
    Some(Measured { namespace: component.to_string(), name, unit, value })
}

/// `BYTES_PER_SECOND` and `bytes/second` are both `BytesPerSecond`.
fn unit(text: &str) -> Option<&'static str> {
    let letters: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    UNITS.into_iter().find(|unit| unit.eq_ignore_ascii_case(&letters))
}

impl ComponentMetrics {
    pub(super) fn new(folder: PathBuf, clock: SharedClock) -> Self {
        Self { folder, clock, files: Mutex::default() }
    }

    /// Writes values down. Blocks on the disk.
    pub(super) fn keep(
        &self,
        component: &ComponentName,
        measured: &[Measured],
    ) -> Result<(), IpcError> {
        self.write(component, measured)
            .map_err(|error| IpcError::service(format!("the metrics could not be kept: {error}")))
    }

    fn write(&self, component: &ComponentName, measured: &[Measured]) -> io::Result<()> {
        let mut lines = Vec::new();
        for measured in measured {
            let line = Line { timestamp_ms: self.clock.now_ms(), measured };
            serde_json::to_writer(&mut lines, &line)?;
            lines.push(b'\n');
        }
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if !files.contains_key(component) {
            files.insert(component.clone(), self.open(component)?);
        }
        match files.get_mut(component) {
            Some(file) => file.write_all(&lines),
            None => Ok(()),
        }
    }

    fn open(&self, component: &ComponentName) -> io::Result<SizeRotatingWriter> {
        create_dir_all_mode(&self.folder, 0o700).map_err(io::Error::other)?;
        let path = self.folder.join(format!("{component}.log"));
        SizeRotatingWriter::open(path, LIMITS, self.clock.clone()).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipc_4_10_units_are_read_in_every_spelling() {
        for text in ["BYTES_PER_SECOND", "BytesPerSecond", "bytes/per/second"] {
            assert_eq!(unit(text), Some("BytesPerSecond"), "{text}");
        }
        for wrong in ["", "Bits", "_"] {
            assert_eq!(unit(wrong), None, "{wrong}");
        }
    }
}
