//! The subscription tree: which subscribers' filters select a topic.
//!
//! One node per filter level, so that matching costs the topic's depth and the number of
//! matching subscribers, not the number of subscriptions. [`topic::matches`](crate::topic::matches)
//! is the definition it must agree with.

use std::collections::HashMap;

#[cfg(test)]
mod tests;

/// Values of subscribers `K` under plain topic filters.
///
/// A shared subscription is stored under its inner filter; the group belongs to the value. Filters
/// must be [valid](crate::topic::is_valid_filter), which also bounds the recursion here.
#[derive(Debug)]
pub struct SubscriptionTree<K, V> {
    root: Node<K, V>,
    len: usize,
}

#[derive(Debug)]
struct Node<K, V> {
    literal: HashMap<Box<str>, Node<K, V>>,
    plus: Option<Box<Node<K, V>>>,
    /// Filters that end in `#` below this level.
    hash: Vec<(K, V)>,
    /// Filters that end at this level.
    exact: Vec<(K, V)>,
}

impl<K, V> Default for Node<K, V> {
    fn default() -> Self {
        Self { literal: HashMap::new(), plus: None, hash: Vec::new(), exact: Vec::new() }
    }
}

impl<K, V> Node<K, V> {
    fn is_empty(&self) -> bool {
        self.literal.is_empty()
            && self.plus.is_none()
            && self.hash.is_empty()
            && self.exact.is_empty()
    }
}

impl<K, V> Default for SubscriptionTree<K, V> {
    fn default() -> Self {
        Self { root: Node::default(), len: 0 }
    }
}

impl<K: Ord, V> SubscriptionTree<K, V> {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of subscriptions.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no subscription.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sets the value of `key` under `filter` and returns the value it replaces.
    pub fn insert(&mut self, filter: &str, key: K, value: V) -> Option<V> {
        let mut node = &mut self.root;
        let mut levels = filter.split('/');
        let entries = loop {
            match levels.next() {
                Some("#") => break &mut node.hash,
                Some("+") => node = node.plus.get_or_insert_default(),
                Some(level) => node = node.literal.entry(level.into()).or_default(),
                None => break &mut node.exact,
            }
        };
        match entries.binary_search_by(|(other, _)| other.cmp(&key)) {
            Ok(at) => Some(std::mem::replace(&mut entries[at].1, value)),
            Err(at) => {
                entries.insert(at, (key, value));
                self.len += 1;
                None
            }
        }
    }

    /// Removes the value of `key` under `filter` and the nodes that hold nothing any more.
    pub fn remove(&mut self, filter: &str, key: &K) -> Option<V> {
        let removed = remove_below(&mut self.root, filter.split('/'), key);
        if removed.is_some() {
            self.len -= 1;
        }
        removed
    }

    /// Calls `visit` with the subscribers of each filter that selects `topic`, filter by filter.
    ///
    /// A subscriber with several matching filters is seen several times.
    pub fn visit_matches<'a>(&'a self, topic: &str, visit: &mut impl FnMut(&'a [(K, V)])) {
        visit_below(&self.root, Some(topic), topic.starts_with('$'), visit);
    }
}

fn remove_below<'f, K: Ord, V>(
    node: &mut Node<K, V>,
    mut levels: impl Iterator<Item = &'f str>,
    key: &K,
) -> Option<V> {
    let entries = match levels.next() {
        Some("#") => &mut node.hash,
        None => &mut node.exact,
        Some("+") => {
            let child = node.plus.as_mut()?;
            let removed = remove_boxed(child, &mut levels, key);
            if child.is_empty() {
                node.plus = None;
            }
            return removed;
        }
        Some(level) => {
            let child = node.literal.get_mut(level)?;
            let removed = remove_boxed(child, &mut levels, key);
            if child.is_empty() {
                node.literal.remove(level);
            }
            return removed;
        }
    };
    let at = entries.binary_search_by(|(other, _)| other.cmp(key)).ok()?;
    Some(entries.remove(at).1)
}

/// Breaks the endless chain of `&mut &mut …` iterator types that direct recursion would build.
fn remove_boxed<K: Ord, V>(
    node: &mut Node<K, V>,
    levels: &mut dyn Iterator<Item = &str>,
    key: &K,
) -> Option<V> {
    remove_below(node, levels, key)
}

fn visit_below<'a, K, V>(
    node: &'a Node<K, V>,
    rest: Option<&str>,
    reserved: bool,
    visit: &mut impl FnMut(&'a [(K, V)]),
) {
    if !node.hash.is_empty() && !reserved {
        visit(&node.hash);
    }
    let Some(rest) = rest else {
        if !node.exact.is_empty() {
            visit(&node.exact);
        }
        return;
    };
    let (level, below) = match rest.split_once('/') {
        Some((level, below)) => (level, Some(below)),
        None => (rest, None),
    };
    if let Some(child) = node.literal.get(level) {
        visit_below(child, below, false, visit);
    }
    if let Some(child) = &node.plus
        && !reserved
    {
        visit_below(child, below, false, visit);
    }
}
