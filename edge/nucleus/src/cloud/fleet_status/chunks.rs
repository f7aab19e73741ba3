//! A message in pieces that the broker takes.

use marram_model::fleet_status::{ChunkInfo, ComponentReport, FleetStatus};

/// The longest payload in bytes; AWS IoT takes 131072.
const MAX_BYTES: usize = 128_000;

/// The payloads of a message: one, or chunks that share all but their components.
pub(crate) fn payloads(message: &FleetStatus) -> Result<Vec<Vec<u8>>, serde_json::Error> {
    let whole = serde_json::to_vec(message)?;
    if whole.len() <= MAX_BYTES {
        return Ok(vec![whole]);
    }
    let mut common = message.clone();
    let components = std::mem::take(&mut common.components);
    // Room for chunkInfo with any two numbers.
    let overhead = serde_json::to_vec(&common)?.len() + 80;
    let groups = grouped(components, MAX_BYTES.saturating_sub(overhead))?;
    let total_chunks = i64::try_from(groups.len()).unwrap_or(i64::MAX);
    let chunk = |(chunk_id, components)| {
        let chunk_info = Some(ChunkInfo { chunk_id, total_chunks });
        serde_json::to_vec(&FleetStatus { chunk_info, components, ..common.clone() })
    };
    (1_i64..).zip(groups).map(chunk).collect()
}

/// Splits components into runs of at most `room` bytes; one that is longer stands alone.
fn grouped(
    components: Vec<ComponentReport>,
    room: usize,
) -> Result<Vec<Vec<ComponentReport>>, serde_json::Error> {
    let mut groups = Vec::new();
    let mut group = Vec::new();
    let mut used = 0;
    for component in components {
        let bytes = serde_json::to_vec(&component)?.len() + 1;
        if used + bytes > room && !group.is_empty() {
            groups.push(std::mem::take(&mut group));
            used = 0;
        }
        used += bytes;
        group.push(component);
    }
    groups.push(group);
    Ok(groups)
}
