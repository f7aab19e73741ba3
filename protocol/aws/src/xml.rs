//! The little XML that the query and S3 protocols need: a writer, and a reader of small documents.
//!
//! The reader knows elements, text, entities, CDATA and comments. It drops attributes and
//! namespace prefixes, which no request body gives a meaning to, and refuses document types, so
//! that nothing can be included or expanded.

mod reader;

use std::fmt::Display;

pub use reader::{Element, ParseXml, parse};

/// Writes the inside of one element.
#[derive(Debug)]
pub struct Writer {
    out: String,
}

/// A whole document with `root` in `namespace` (none when empty) and what `content` writes in it.
pub fn document(root: &str, namespace: &str, content: impl FnOnce(&mut Writer)) -> String {
    let mut writer = Writer { out: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<".to_owned() };
    writer.out.push_str(root);
    if !namespace.is_empty() {
        writer.out.push_str(" xmlns=\"");
        writer.out.push_str(namespace);
        writer.out.push('"');
    }
    writer.out.push('>');
    content(&mut writer);
    writer.close(root);
    writer.out
}

impl Writer {
    /// `<name>value</name>` with the value escaped.
    pub fn text(&mut self, name: &str, value: impl Display) {
        self.open(name);
        self.escape(&value.to_string());
        self.close(name);
    }

    /// As [`Writer::text`], or nothing.
    pub fn optional(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// `<name>…</name>` with what `content` writes.
    pub fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.open(name);
        content(self);
        self.close(name);
    }

    /// The text of the element itself, escaped.
    pub fn inner_text(&mut self, value: &str) {
        self.escape(value);
    }

    fn open(&mut self, name: &str) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
    }

    fn close(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    /// Control characters, which XML 1.0 cannot carry, are written as references, as S3 does.
    fn escape(&mut self, value: &str) {
        for character in value.chars() {
            match character {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                c if c.is_ascii_control() && c != '\n' && c != '\t' => {
                    self.out.push_str(&format!("&#x{:X};", u32::from(c)));
                }
                c => self.out.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn documents_are_written_with_their_namespace() {
        let text = document("A", "urn:x", |a| {
            a.text("B", "1 < 2 & \"3\"");
            a.optional("C", None::<u8>);
            a.element("D", |d| d.text("E", 5));
        });
        let body = "<A xmlns=\"urn:x\"><B>1 &lt; 2 &amp; &quot;3&quot;</B><D><E>5</E></D></A>";
        assert!(text.ends_with(body), "{text}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in "\\PC{0,40}", other in "[\\x01-\\x7f]{0,20}") {
            let text = document("A", "urn:x", |a| {
                a.text("B", &value);
                a.element("C", |c| c.text("D", &other));
            });
            let root = parse(text.as_bytes()).unwrap();
            prop_assert_eq!(root.child_text("B"), Some(value.as_str()));
            prop_assert_eq!(root.child("C").unwrap().child_text("D"), Some(other.as_str()));
        }

        #[test]
        fn reading_never_panics(text in "[<>/&;!?a-c\\[\\]\"' =-]{0,60}") {
            let _ = parse(text.as_bytes());
        }
    }
}
