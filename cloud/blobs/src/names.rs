//! Which names buckets and objects may have.

use crate::AccessBlob;

const MAX_KEY_BYTES: usize = 1024;
/// How much of a refused key is repeated in the message.
const SHOWN: usize = 64;

/// Accepts S3's bucket names (general-purpose rules). They are used as folder names, and the rules
/// leave nothing that could step out of the folder.
pub(crate) fn check_bucket(name: &str) -> Result<(), AccessBlob> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let all = name.bytes().all(|byte| inner(byte) || byte == b'.' || byte == b'-');
    let ends = name.bytes().next().is_some_and(inner) && name.bytes().last().is_some_and(inner);
    if all && ends && (3..=63).contains(&name.len()) && !name.contains("..") {
        Ok(())
    } else {
        Err(AccessBlob::InvalidBucketName(name.chars().take(SHOWN).collect()))
    }
}

/// Accepts any key that S3 accepts; keys never become file names.
pub(crate) fn check_key(key: &str) -> Result<(), AccessBlob> {
    if (1..=MAX_KEY_BYTES).contains(&key.len()) && !key.contains('\0') {
        Ok(())
    } else {
        let shown = key.chars().take(SHOWN).collect();
        Err(AccessBlob::InvalidKey { key: shown, length: key.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_cannot_step_out_of_their_folder() {
        for good in ["abc", "my.bucket-1", "artifacts-us-east-1-123456789012"] {
            assert!(check_bucket(good).is_ok(), "{good}");
        }
        let long = "a".repeat(64);
        for bad in ["", "ab", "..", "a..b", ".abc", "abc-", "a/b", "A-B-C", "a_b", "a\0b", &long] {
            assert!(check_bucket(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_are_bounded() {
        assert!(check_key("../../etc/passwd").is_ok());
        assert!(check_key(&"k".repeat(1024)).is_ok());
        assert!(check_key(&"k".repeat(1025)).is_err());
        assert!(check_key("").is_err());
    }
}
