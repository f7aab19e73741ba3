//! The objects of one bucket in the order of their keys, and listing them by prefix and delimiter.
//!
//! The index is in memory and is read from the metadata files at start: some 300 bytes for each
//! object, which for artifacts is little, and makes a lookup free of I/O.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::Object;

/// All objects of a bucket by key.
pub(crate) type Objects = BTreeMap<String, Arc<Object>>;

/// What to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Only keys that start so.
    pub prefix: String,
    /// Keys that hold this behind the prefix are given as one common prefix.
    pub delimiter: Option<String>,
    /// Start behind this name: a key, or a common prefix that an earlier page ended with.
    pub after: Option<String>,
    /// The most objects and common prefixes together.
    pub max_keys: usize,
}

/// One page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The objects in the order of their keys.
    pub objects: Vec<Arc<Object>>,
    /// The common prefixes in order.
    pub common_prefixes: Vec<String>,
    /// Where the next page starts, as [`ListQuery::after`]; `None` on the last page.
    pub next: Option<String>,
}

/// Lists one page.
pub(crate) fn list(objects: &Objects, query: &ListQuery) -> Page {
    let mut page = Page::default();
    let mut last: Option<String> = None;
    let mut from = first(query);
    while let Some((key, object)) = objects.range::<str, _>((bound(&from), Bound::Unbounded)).next()
    {
        if !key.starts_with(&query.prefix) {
            break;
        }
        let group = common_prefix(key, query);
        let name = group.unwrap_or(key);
        from = Bound::Excluded(past(key, group));
        if group.is_some() && (query.after.as_deref() == group || last.as_deref() == group) {
            continue;
        }
        if page.objects.len() + page.common_prefixes.len() >= query.max_keys {
            page.next = last;
            return page;
        }
        last = Some(name.to_owned());
        match group {
            Some(group) => page.common_prefixes.push(group.to_owned()),
            None => page.objects.push(Arc::clone(object)),
        }
    }
    page
}

fn first(query: &ListQuery) -> Bound<String> {
    match &query.after {
        Some(after) if *after >= query.prefix => Bound::Excluded(after.clone()),
        _ => Bound::Included(query.prefix.clone()),
    }
}

fn bound(from: &Bound<String>) -> Bound<&str> {
    from.as_ref().map(String::as_str)
}

/// The part of `key` up to and with the first delimiter behind the prefix.
fn common_prefix<'k>(key: &'k str, query: &ListQuery) -> Option<&'k str> {
    let delimiter = query.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())?;
    let at = key[query.prefix.len()..].find(delimiter)?;
    Some(&key[..query.prefix.len() + at + delimiter.len()])
}

/// The name to go on behind: of a group the last that it can have, so that a group of a million
/// objects costs one step. (A key with further U+10FFFF is behind it and is skipped on its own.)
fn past(key: &str, group: Option<&str>) -> String {
    match group {
        Some(group) => format!("{group}{}", char::MAX).max(key.to_owned()),
        None => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Attributes;

    fn objects(keys: &[&str]) -> Objects {
        keys.iter()
            .map(|key| {
                let object = Object {
                    key: (*key).to_owned(),
                    size: 0,
                    etag: String::new(),
                    sha256: String::new(),
                    modified_ms: 0,
                    attributes: Attributes::default(),
                    content: String::new(),
                };
                ((*key).to_owned(), Arc::new(object))
            })
            .collect()
    }

    fn query(prefix: &str, delimiter: Option<&str>, max_keys: usize) -> ListQuery {
        ListQuery {
            prefix: prefix.to_owned(),
            delimiter: delimiter.map(str::to_owned),
            after: None,
            max_keys,
        }
    }

    fn names(page: &Page) -> (Vec<&str>, Vec<&str>) {
        let keys = page.objects.iter().map(|object| object.key.as_str()).collect();
        (keys, page.common_prefixes.iter().map(String::as_str).collect())
    }

    #[test]
    fn a_delimiter_folds_keys_into_folders() {
        let all = objects(&["a", "b/1", "b/2", "b/c/3", "c", "c/4"]);
        let page = list(&all, &query("", Some("/"), 1000));
        assert_eq!(names(&page), (vec!["a", "c"], vec!["b/", "c/"]));
        let page = list(&all, &query("b/", Some("/"), 1000));
        assert_eq!(names(&page), (vec!["b/1", "b/2"], vec!["b/c/"]));
        let page = list(&all, &query("b", Some("/"), 1000));
        assert_eq!(names(&page), (vec![], vec!["b/"]));
    }

    #[test]
    fn pages_end_only_when_more_follows() {
        let all = objects(&["a", "b/1", "b/2", "c"]);
        let page = list(&all, &query("", Some("/"), 2));
        assert_eq!(names(&page), (vec!["a"], vec!["b/"]));
        assert_eq!(page.next.as_deref(), Some("b/"));
        let rest = list(&all, &ListQuery { after: page.next, ..query("", Some("/"), 1) });
        assert_eq!((names(&rest), rest.next.as_deref()), ((vec!["c"], vec![]), None));
        assert_eq!(list(&all, &query("", None, 0)), Page::default());
    }

    #[test]
    fn starting_inside_a_folder_still_shows_it() {
        let all = objects(&["b/1", "b/2"]);
        let start = ListQuery { after: Some("b/1".to_owned()), ..query("", Some("/"), 9) };
        assert_eq!(names(&list(&all, &start)), (vec![], vec!["b/"]));
    }

    proptest! {
        #[test]
        fn pages_together_are_the_whole_listing(
            keys in proptest::collection::btree_set("[ab/\u{10FFFF}]{1,5}", 0..20),
            prefix in "[ab/]{0,2}",
            delimiter in proptest::option::of("[/b]{1,2}"),
            max_keys in 1_usize..5,
        ) {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let all = objects(&keys);
            let whole = list(&all, &query(&prefix, delimiter.as_deref(), usize::MAX));
            let mut joined = Page::default();
            let mut after = None;
            loop {
                let page = list(
                    &all,
                    &ListQuery { after, ..query(&prefix, delimiter.as_deref(), max_keys) },
                );
                prop_assert!(page.objects.len() + page.common_prefixes.len() <= max_keys);
                joined.objects.extend(page.objects);
                joined.common_prefixes.extend(page.common_prefixes);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            prop_assert_eq!(&joined, &whole);
            let matching = keys.iter().filter(|key| key.starts_with(&prefix)).count();
            let folded = keys.iter().filter(|key| {
                whole.common_prefixes.iter().any(|common| key.starts_with(common.as_str()))
            }).count();
            prop_assert_eq!(whole.objects.len() + folded, matching);
        }
    }
}
