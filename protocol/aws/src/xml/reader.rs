//! Reading a small document into a tree.

/// Deeper nesting than any request body has.
const MAX_DEPTH: usize = 16;

/// One element: its local name, its own text, and its children in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// The name without its prefix.
    pub name: String,
    /// All text directly inside.
    pub text: String,
    /// The elements directly inside.
    pub children: Vec<Element>,
}

/// Why a body is not a document that we take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the XML body is not well-formed at byte {at}: {reason}")]
pub struct ParseXml {
    /// The offset in bytes.
    pub at: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

impl Element {
    /// The first child called `name`.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child called `name`.
    pub fn child_text(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// All children called `name`.
    pub fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// Reads a document in UTF-8. The caller bounds its length.
///
/// # Errors
/// Not well-formed, nested too deeply, or with a document type.
pub fn parse(bytes: &[u8]) -> Result<Element, ParseXml> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| ParseXml { at: error.valid_up_to(), reason: "not UTF-8" })?;
    let mut reader = Reader { text, at: 0, open: Vec::new(), root: None };
    while reader.at < text.len() {
        reader.step()?;
    }
    match (reader.open.is_empty(), reader.root) {
        (true, Some(root)) => Ok(root),
        _ => Err(ParseXml { at: text.len(), reason: "it ends too early" }),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    open: Vec<Element>,
    root: Option<Element>,
}

impl<'a> Reader<'a> {
    /// Takes one tag, comment or run of text.
    fn step(&mut self) -> Result<(), ParseXml> {
        let rest = &self.text[self.at..];
        if rest.starts_with("<?") {
            self.take_until("?>").map(drop)
        } else if rest.starts_with("<!--") {
            self.take_until("-->").map(drop)
        } else if rest.starts_with("<![CDATA[") {
            let data = &self.take_until("]]>")?["<![CDATA[".len()..];
            let Some(element) = self.open.last_mut() else {
                return Err(self.wrong("text outside of the root element"));
            };
            element.text.push_str(data);
            Ok(())
        } else if rest.starts_with("<!") {
            Err(self.wrong("document types are not taken"))
        } else if rest.starts_with("</") {
            let name = local(self.take_until(">")?[2..].trim());
            self.close(name)
        } else if rest.starts_with('<') {
            self.open_tag()
        } else {
            self.take_text()
        }
    }

    /// What stands before `end`; continues after it.
    fn take_until(&mut self, end: &str) -> Result<&'a str, ParseXml> {
        let rest = &self.text[self.at..];
        let length = rest.find(end).ok_or_else(|| self.wrong("a tag is not closed"))?;
        self.at += length + end.len();
        Ok(&rest[..length])
    }

    fn open_tag(&mut self) -> Result<(), ParseXml> {
        if self.open.len() == MAX_DEPTH || (self.open.is_empty() && self.root.is_some()) {
            return Err(self.wrong("nested too deeply, or a second root element"));
        }
        let rest = &self.text[self.at + 1..];
        let length = tag_end(rest).ok_or_else(|| self.wrong("a tag is not closed"))?;
        let (tag, empty) = match rest[..length].strip_suffix('/') {
            Some(tag) => (tag, true),
            None => (&rest[..length], false),
        };
        let name = local(tag.split_ascii_whitespace().next().unwrap_or_default());
        if name.is_empty() {
            return Err(self.wrong("a tag without a name"));
        }
        self.at += length + 2;
        self.open.push(Element {
            name: name.to_owned(),
            text: String::new(),
            children: Vec::new(),
        });
        if empty { self.close(name) } else { Ok(()) }
    }

    fn close(&mut self, name: &str) -> Result<(), ParseXml> {
        let Some(element) = self.open.pop().filter(|element| element.name == name) else {
            return Err(self.wrong("a closing tag that nothing opened"));
        };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn take_text(&mut self) -> Result<(), ParseXml> {
        let rest = &self.text[self.at..];
        let raw = &rest[..rest.find('<').unwrap_or(rest.len())];
        let text = unescape(raw).ok_or_else(|| self.wrong("an unknown entity"))?;
        match self.open.last_mut() {
            Some(element) => element.text.push_str(&text),
            None if raw.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n']).is_empty() => {}
            None => return Err(self.wrong("text outside of the root element")),
        }
        self.at += raw.len();
        Ok(())
    }

    fn wrong(&self, reason: &'static str) -> ParseXml {
        ParseXml { at: self.at, reason }
    }
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// Where the tag ends: at the first `>` outside of an attribute's quotes.
fn tag_end(rest: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in rest.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if open == byte => quote = None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'>') => return Some(at),
            _ => {}
        }
    }
    None
}

fn unescape(raw: &str) -> Option<String> {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('&') {
        let (entity, tail) = after.split_once(';')?;
        out.push_str(before);
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => character(entity)?,
        });
        rest = tail;
    }
    out.push_str(rest);
    Some(out)
}

fn character(entity: &str) -> Option<char> {
    let number = entity.strip_prefix('#')?;
    let code = match number.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => number.parse().ok()?,
    };
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_attributes_comments_and_cdata_are_understood() {
        let text = "<?xml version='1.0'?><!-- c -->\n<s:A xmlns:s=\"a>b\"><B/><C>x<![CDATA[<&>]]>\
                    &#65;</C></s:A>\n";
        let root = parse(text.as_bytes()).unwrap();
        assert_eq!((root.name.as_str(), root.children.len()), ("A", 2));
        assert_eq!(root.child_text("B"), Some(""));
        assert_eq!(root.child_text("C"), Some("x<&>A"));
    }

    #[test]
    fn broken_or_dangerous_documents_are_refused() {
        let deep = format!("{}{}", "<a>".repeat(17), "</a>".repeat(17));
        for text in [
            "",
            "<a>",
            "<a></b>",
            "</a>",
            "<a/><b/>",
            "x<a/>",
            "<a>&bomb;</a>",
            "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
            deep.as_str(),
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
