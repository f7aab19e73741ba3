//! One request a line: an update, or `get` or `delete` before the payload.

use marram_shadow::{Stored, delete, get, update};

const NAME: &str = "settings";
const NOW_S: i64 = 1_700_000_000;

pub(crate) fn run(data: &[u8]) {
    let mut stored: Option<Stored> = None;
    for (age, line) in data.split(|byte| *byte == b'\n').enumerate().take(32) {
        let now_s = NOW_S + age as i64;
        let version = stored.as_ref().map_or(0, |stored| stored.version);
        if let Some(payload) = line.strip_prefix(b"get") {
            if let Ok(reply) = get(stored.as_ref(), payload, NAME, now_s) {
                assert_eq!(reply["version"], version);
            }
        } else if let Some(payload) = line.strip_prefix(b"delete") {
            if let Ok(deletion) = delete(stored.as_ref(), payload, NAME, now_s) {
                assert_eq!(deletion.stored.version, version + 1);
                assert!(deletion.stored.document.is_none());
                stored = Some(deletion.stored);
            }
        } else {
            stored = change(stored, line, now_s);
        }
    }
}

fn change(stored: Option<Stored>, payload: &[u8], now_s: i64) -> Option<Stored> {
    let version = stored.as_ref().map_or(0, |stored| stored.version);
    let Ok(changed) = update(stored.as_ref(), payload, now_s) else { return stored };
    assert_eq!(changed.stored.version, version + 1);
    assert_eq!(changed.accepted["version"], version + 1);
    if let Some(delta) = &changed.delta {
        assert!(delta["state"].as_object().is_some_and(|state| !state.is_empty()), "{delta}");
    }
    let json = serde_json::to_vec(&changed.stored).expect("a shadow can be kept");
    let kept: Stored = serde_json::from_slice(&json).expect("and read again");
    assert_eq!(kept, changed.stored);
    Some(kept)
}
