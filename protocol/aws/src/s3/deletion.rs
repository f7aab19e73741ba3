//! The bodies of DeleteObjects.

use super::NAMESPACE;
use crate::ApiError;
use crate::xml::{self, document};

/// What DeleteObjects is asked to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteRequest {
    /// Whether only failures are to be answered.
    pub quiet: bool,
    /// The keys, in order.
    pub keys: Vec<String>,
}

impl DeleteRequest {
    /// Reads the request's body; `None` when it is not that shape.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let root = xml::parse(body).ok().filter(|root| root.name == "Delete")?;
        let keys: Option<Vec<String>> =
            root.all("Object").map(|o| o.child_text("Key").map(str::to_owned)).collect();
        Some(Self { quiet: root.child_text("Quiet") == Some("true"), keys: keys? })
    }
}

/// What became of each key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeleteResult {
    /// Keys that are gone, or never were.
    pub deleted: Vec<String>,
    /// Keys that could not be deleted, and why.
    pub errors: Vec<(String, ApiError)>,
}

impl DeleteResult {
    /// The answer's body.
    pub fn body(&self) -> String {
        document("DeleteResult", NAMESPACE, |result| {
            for key in &self.deleted {
                result.element("Deleted", |deleted| deleted.text("Key", key));
            }
            for (key, error) in &self.errors {
                result.element("Error", |entry| {
                    entry.text("Key", key);
                    entry.text("Code", error.code);
                    entry.text("Message", &error.message);
                });
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_with_their_spaces() {
        let body = b"<Delete><Object><Key> a&amp;b </Key></Object><Quiet>true</Quiet></Delete>";
        let request = DeleteRequest::parse(body).unwrap();
        assert_eq!(request, DeleteRequest { quiet: true, keys: vec![" a&b ".to_owned()] });
        assert_eq!(DeleteRequest::parse(b"<Delete><Object/></Delete>"), None);
    }
}
