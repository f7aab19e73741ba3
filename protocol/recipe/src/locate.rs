//! Where in a recipe's text a field stands, so that a problem can be shown beside its line.
//!
//! JSON is YAML, so one reader serves both. It keeps places only; the values were read before.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: u64,
    /// In characters, from 1.
    pub column: u64,
}

/// Where `field` stands, as [`crate::Problem::field`] names it, for example
/// `Manifests[0].Artifacts[1].Unarchive`. A field that is missing is at the object that lacks it.
/// `None` if the text is no YAML.
pub fn locate(text: &str, field: &str) -> Option<Place> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let root: Spanned<Node> = serde_saphyr::from_str(text).ok()?;
    Some(find(&root, place(root.referenced), field))
}

enum Node {
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
    List(Vec<Spanned<Node>>),
    Scalar,
}

fn place(location: Location) -> Place {
    Place { line: location.line(), column: location.column() }
}

fn find(node: &Spanned<Node>, at: Place, path: &str) -> Place {
    let path = path.strip_prefix('.').unwrap_or(path);
    if path.is_empty() {
        return at;
    }
    match &node.value {
        Node::Map(entries) => {
            // Names may contain dots: the longest that fits is meant.
            let fitting = entries.iter().filter_map(|(key, value)| {
                let rest = after_name(path, &key.value)?;
                Some((key, value, rest))
            });
            match fitting.min_by_key(|(_, _, rest)| rest.len()) {
                Some((key, value, rest)) => find(value, place(key.referenced), rest),
                None => at,
            }
        }
        Node::List(items) => {
            let found = after_index(path).and_then(|(index, rest)| Some((items.get(index)?, rest)));
            match found {
                Some((item, rest)) => find(item, place(item.referenced), rest),
                None => at,
            }
        }
        Node::Scalar => at,
    }
}

/// What follows `name`, in any case, at the start of `path`.
fn after_name<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let (head, rest) = path.split_at_checked(name.len())?;
    let is_whole = rest.is_empty() || rest.starts_with(['.', '[']);
    (is_whole && head.eq_ignore_ascii_case(name)).then_some(rest)
}

fn after_index(path: &str) -> Option<(usize, &str)> {
    let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
    Some((index.parse().ok()?, rest))
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Places;

        impl<'de> Visitor<'de> for Places {
            type Value = Node;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("anything")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Node::Map(entries))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Node::List(items))
            }

            fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Node, D::Error> {
                IgnoredAny::deserialize(inner).map(|_| Node::Scalar)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
                Ok(Node::Scalar)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
                Ok(Node::Scalar)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
                Ok(Node::Scalar)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
                Ok(Node::Scalar)
            }

            fn visit_str<E>(self, _: &str) -> Result<Node, E> {
                Ok(Node::Scalar)
            }

            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Scalar)
            }

            fn visit_none<E>(self) -> Result<Node, E> {
                Ok(Node::Scalar)
            }
        }

        deserializer.deserialize_any(Places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, field: &str) -> (u64, u64) {
        let place = locate(text, field).unwrap();
        (place.line, place.column)
    }

    const YAML: &str = "\
ComponentName: a
ComponentDependencies:
  com.example: {VersionRequirement: x}
  com.example.B:
    VersionRequirement: y
manifests:
  - Platform: {os: linux}
    Count: 3
    Nothing: null
  - Artifacts:
      - Uri: s3://a/b
        Unarchive: TAR
";

    #[test]
    fn fields_of_yaml_are_found_in_any_case() {
        assert_eq!(at(YAML, "ComponentName"), (1, 1));
        assert_eq!(at(YAML, "Manifests[1].Artifacts[0].Unarchive"), (12, 9));
        assert_eq!(at(YAML, "Manifests[0].Platform.os"), (7, 16));
    }

    #[test]
    fn a_name_with_dots_is_not_taken_for_its_beginning() {
        assert_eq!(at(YAML, "ComponentDependencies.com.example.B.VersionRequirement"), (5, 5));
        assert_eq!(at(YAML, "ComponentDependencies.com.example.VersionRequirement"), (3, 17));
    }

    #[test]
    fn a_missing_field_is_where_it_should_be() {
        assert_eq!(at(YAML, "Manifests[1].Artifacts[0].Digest"), (11, 9));
        assert_eq!(at(YAML, "ComponentVersion").0, 1);
    }

    #[test]
    fn fields_of_json_are_found() {
        let json = "{\n  \"Manifests\": [\n    {\"Artifacts\": [{\"Uri\": 5}]}\n  ]\n}\n";
        assert_eq!(at(json, "Manifests[0].Artifacts[0].URI"), (3, 21));
    }

    #[test]
    fn what_is_no_yaml_has_no_places() {
        assert_eq!(locate("a: [", "a"), None);
    }
}
