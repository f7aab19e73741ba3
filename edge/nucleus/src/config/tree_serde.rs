//! The written form of a tree: a container is an object, a leaf the list `[modified, value]`, or
//! `[modified, value, origin]`.

use std::fmt;
use std::sync::Arc;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeTuple};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::origin::Origin;
use super::tree::{Container, Leaf, Node};

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Leaf(leaf) => {
                let length = if leaf.origin.is_some() { 3 } else { 2 };
                let mut tuple = serializer.serialize_tuple(length)?;
                tuple.serialize_element(&leaf.modified)?;
                tuple.serialize_element(&leaf.value)?;
                if let Some(origin) = &leaf.origin {
                    tuple.serialize_element(&**origin)?;
                }
                tuple.end()
            }
            Self::Container(container) => {
                let children = container.children();
                let mut map = serializer.serialize_map(Some(children.len()))?;
                for child in children {
                    map.serialize_entry(&*child.name, &*child.node)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, or a list of a timestamp and a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut container = Container::default();
        while let Some((name, node)) = map.next_entry::<String, Node>()? {
            container.put(&name, Arc::new(node));
        }
        Ok(Node::Container(container))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let missing = || A::Error::custom("a leaf needs a timestamp and a value");
        let modified = seq.next_element()?.ok_or_else(missing)?;
        let value = seq.next_element()?.ok_or_else(missing)?;
        let origin = seq.next_element::<Origin>()?.map(Arc::new);
        Ok(Node::Leaf(Leaf { value, modified, origin }))
    }
}
