//! Which devices a manifest is for (recipes and deployments, A2).

use std::collections::BTreeMap;

use regex_lite::{Regex, RegexBuilder};

/// The most that a compiled expression may take: a repetition of repetitions asks for gigabytes.
const MAX_REGEX_BYTES: usize = 64 * 1024;

/// What a device is: `os`, `architecture`, …, with the owner's overrides.
pub type Attributes = BTreeMap<String, String>;

/// What a manifest asks of a device, attribute by attribute; `None` asks nothing.
pub type Template = BTreeMap<String, Option<String>>;

/// True if a device with `attributes` satisfies every line of `template`.
///
/// Keys and values are compared exactly. A value may be `*`, a `/regular expression/` over the
/// whole value, or `all` and `any` for `os` and `architecture`.
pub fn matches(template: &Template, attributes: &Attributes) -> bool {
    template.iter().all(|(key, wanted)| match wanted.as_deref() {
        None | Some("*") => true,
        Some(wanted) => attributes
            .get(key)
            .filter(|has| !has.is_empty())
            .is_some_and(|has| value_matches(key, wanted, has)),
    })
}

fn value_matches(key: &str, wanted: &str, has: &str) -> bool {
    if let Some(pattern) = regex_of(wanted) {
        return compile(pattern).is_ok_and(|regex| regex.is_match(has));
    }
    if matches!(key, "os" | "architecture") && matches!(wanted, "all" | "any") {
        return true;
    }
    // Other marks at the start are kept for the future, as the nucleus does.
    wanted.starts_with(|c: char| c.is_ascii_alphanumeric()) && wanted == has
}

/// The pattern between the slashes, if the value is one.
fn regex_of(wanted: &str) -> Option<&str> {
    wanted.strip_prefix('/')?.strip_suffix('/')
}

fn compile(pattern: &str) -> Result<Regex, regex_lite::Error> {
    RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(MAX_REGEX_BYTES).build()
}

/// Why a value of a template can never match anything.
pub(crate) fn check(wanted: &str) -> Result<(), String> {
    match regex_of(wanted) {
        Some(pattern) => compile(pattern).map(|_| ()).map_err(|error| error.to_string()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Attributes {
        [("os", "linux"), ("architecture", "amd64")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into()
    }

    fn template(lines: &[(&str, &str)]) -> Template {
        lines.iter().map(|(k, v)| ((*k).to_owned(), Some((*v).to_owned()))).collect()
    }

    #[test]
    fn platform_templates_that_match() {
        let matching: &[&[(&str, &str)]] = &[
            &[],
            &[("os", "linux")],
            &[("os", "/windows|linux/")],
            &[("os", "*")],
            &[("os", "all")],
            &[("os", "any")],
            &[("architecture", "all")],
            &[("runtime", "*")],
        ];
        for lines in matching {
            assert!(matches(&template(lines), &device()), "{lines:?}");
        }
        assert!(matches(&[("x".to_owned(), None)].into(), &device()));
    }

    #[test]
    fn platform_templates_that_do_not_match() {
        let others: &[&[(&str, &str)]] = &[
            &[("os", "Linux")],
            &[("OS", "linux")],
            &[("os", "/lin/")],
            &[("x", "all")],
            &[("x", "/.*/")],
            &[("runtime", "aws_nucleus_lite")],
            &[("os", "")],
            &[("os", "_x")],
            &[("os", "/")],
            &[("os", "//")],
            &[("os", "/(/")],
            &[("os", "linux"), ("architecture", "aarch64")],
        ];
        for lines in others {
            assert!(!matches(&template(lines), &device()), "{lines:?}");
        }
    }

    #[test]
    fn platform_expressions_that_would_grow_are_refused() {
        for bomb in ["/((a{1000}){1000}){1000}/".to_owned(), format!("/{}a/", "(".repeat(5000))] {
            assert!(check(&bomb).is_err(), "{bomb}");
            assert!(!matches(&template(&[("os", &bomb)]), &device()));
        }
        // No backtracking: this one takes others exponential time.
        let long: Attributes = [("os".to_owned(), "a".repeat(10_000))].into();
        assert!(!matches(&template(&[("os", "/(a*)*b/")]), &long));
        assert!(check("/armv[678][lb]|aarch64.{0,20}/").is_ok());
    }

    #[test]
    fn only_a_broken_regular_expression_is_a_problem() {
        assert!(check("/(/").is_err());
        assert!(check("/a|b/").is_ok());
        assert!(check("(").is_ok());
    }
}
