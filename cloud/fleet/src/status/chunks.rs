//! Putting status messages together that came in parts, in whatever order.

use marram_aws::ApiError;
use marram_model::fleet_status::FleetStatus;

use crate::unit::Unit;

/// Parts that are not complete after this long never will be.
const KEPT_MS: i64 = 5 * 60 * 1000;

/// A device's message has at most this many parts (of 128 KB).
const MAX_CHUNKS: i64 = 256;

/// The whole message, once all its parts are there; `None` before.
pub(super) async fn assemble(
    unit: &mut Unit,
    thing: &str,
    status: FleetStatus,
    payload: &[u8],
) -> Result<Option<FleetStatus>, ApiError> {
    let chunk = match status.chunk_info {
        Some(chunk) if chunk.total_chunks > 1 => chunk,
        _ => return Ok(Some(status)),
    };
    let total = chunk.total_chunks;
    if total > MAX_CHUNKS || !(1..=total).contains(&chunk.chunk_id) {
        tracing::warn!(
            thing,
            chunk.chunk_id,
            total,
            "a part of a status message is numbered wrong"
        );
        return Ok(None);
    }
    let (sequence, now_ms) = (status.sequence_number, unit.now_ms);
    let text = String::from_utf8_lossy(payload);
    unit.tx.put_status_chunk(thing, sequence, chunk.chunk_id, &text, now_ms).await?;
    let parts = unit.tx.status_chunks(thing, sequence, now_ms - KEPT_MS).await?;
    if i64::try_from(parts.len()).unwrap_or(i64::MAX) < total {
        return Ok(None);
    }
    unit.tx.delete_status_chunks(thing, sequence, now_ms - KEPT_MS).await?;
    let mut whole = FleetStatus { components: Vec::new(), deployment_information: None, ..status };
    for part in parts {
        let Ok(part) = serde_json::from_str::<FleetStatus>(&part) else {
            tracing::warn!(thing, sequence, "a kept part of a status message is damaged");
            continue;
        };
        whole.components.extend(part.components);
        whole.deployment_information = whole.deployment_information.or(part.deployment_information);
    }
    Ok(Some(whole))
}
