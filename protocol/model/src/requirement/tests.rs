use proptest::prelude::*;

use super::*;

fn requirement(text: &str) -> Requirement {
    text.parse().unwrap()
}

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

#[test]
fn ver_req_accepts_and_rejects() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("^1.2.3", &["1.2.3", "1.9.0"], &["2.0.0", "1.2.2", "1.5.0-beta", "2.0.0-beta"]),
        ("^0.2.3", &["0.2.9"], &["0.3.0"]),
        ("^0.0.3", &["0.0.3"], &["0.0.4"]),
        ("^1.2.3-pr.1", &["1.2.3-pr.2"], &["1.2.4-alpha"]),
        ("~1.2", &["1.2.9"], &["1.3.0"]),
        ("1.x", &["1.0.0", "1.99.0"], &["2.0.0"]),
        ("*", &["0.0.1", "1.0.0-alpha"], &[]),
        (">=1.0.0", &["1.5.0-beta", "1.0.0+b"], &["1.0.0-rc"]),
        (">=0.0.0", &[], &["0.0.0-alpha"]),
        (">=1.0.0-beta <2.0.0", &["1.0.0-rc", "1.1.0"], &["1.1.0-rc", "1.0.0-alpha"]),
        ("2.0.0 || 1.0.0", &["1.0.0", "2.0.0"], &["1.5.0"]),
        ("1.2 - 2.3", &["1.2.0", "2.3.9"], &["2.4.0"]),
        ("=1.0.0", &["1.0.0+build"], &["1.0.1"]),
    ];
    for (text, accepted, rejected) in cases {
        for v in *accepted {
            assert!(requirement(text).matches(&version(v)), "{text} must accept {v}");
        }
        for v in *rejected {
            assert!(!requirement(text).matches(&version(v)), "{text} must reject {v}");
        }
    }
}

#[test]
fn ver_req_normalised_forms() {
    let cases = [
        ("1.0.0", "=1.0.0"),
        ("=1.0.0", "=1.0.0"),
        ("==1.0.0", "=1.0.0"),
        ("v1.0.0", "=1.0.0"),
        ("*", ">=0.0.0"),
        ("", ">=0.0.0"),
        ("latest", ">=0.0.0"),
        ("1", ">=1.0.0 <2.0.0"),
        ("1.x", ">=1.0.0 <2.0.0"),
        ("1.*", ">=1.0.0 <2.0.0"),
        ("~1", ">=1.0.0 <2.0.0"),
        ("1.2", ">=1.2.0 <1.3.0"),
        ("1.2.x", ">=1.2.0 <1.3.0"),
        ("~1.2", ">=1.2.0 <1.3.0"),
        ("~>1.2", ">=1.2.0 <1.3.0"),
        ("~1.2.3", ">=1.2.3 <1.3.0"),
        ("1.2.3 - 2.3.4", ">=1.2.3 <=2.3.4"),
        ("1.2 - 2.3", ">=1.2.0 <2.4.0"),
        ("^1.2.3", ">=1.2.3 <2.0.0"),
        ("^1.2", ">=1.2.0 <2.0.0"),
        ("^0.2.3", ">=0.2.3 <0.3.0"),
        ("^0.0.3", ">=0.0.3 <0.0.4"),
        ("^0.0", ">=0.0.0 <0.1.0"),
        ("^0", ">=0.0.0 <1.0.0"),
        (">=1.0.0 <2.0.0", ">=1.0.0 <2.0.0"),
        (">= 1.0.0   < 2.0.0", ">=1.0.0 <2.0.0"),
        ("2.0.0 || 1.0.0", "=2.0.0 || =1.0.0"),
    ];
    for (text, normalised) in cases {
        assert_eq!(requirement(text).to_string(), normalised, "{text}");
    }
}

#[test]
fn ver_req_defects_of_semver4j_are_not_copied() {
    assert_eq!(requirement("1.0.0-1").to_string(), "=1.0.0-1");
    assert_eq!(requirement("1.0.0-rc-1").to_string(), "=1.0.0-rc-1");
    assert!(!requirement("1.0.0 1.1.0").matches(&version("1.0.0")));
    assert_eq!(requirement(">1").to_string(), ">=2.0.0");
    assert!(requirement(">=1.2").matches(&version("1.2.0")));
    assert!(!requirement("<2").matches(&version("2.0.0")));
    assert!(!requirement(">*").matches(&version("0.0.0-0")));
}

#[test]
fn ver_req_errors() {
    for bad in [
        ">=1.0.0,<2.0.0",
        "x",
        "X",
        "not-a-version",
        "1.2.3.4",
        "01.0.0",
        ">=",
        "1.0.0 -",
        "1.2-beta",
        "1.0.0-",
        "1.0.0+",
        "- 1.0.0",
        "99999999999999999999",
    ] {
        assert!(bad.parse::<Requirement>().is_err(), "{bad}");
    }
}

#[test]
fn ver_req_several_requirements_intersect_for_real() {
    let both = [requirement(">=1.0.0 <2.0.0 || >=3.0.0 <4.0.0"), requirement(">=3.5.0")];
    let accepts = |v: &str| both.iter().all(|r| r.matches(&version(v)));
    assert!(accepts("3.6.0"));
    assert!(!accepts("1.2.0"));
}

prop_compose! {
    fn any_version()(
        major in 0u64..4, minor in 0u64..4, patch in 0u64..4,
        suffix in prop::sample::select(vec!["", "-1", "-alpha", "-beta.2", "+b", "-rc.1+b"]),
    ) -> String {
        format!("{major}.{minor}.{patch}{suffix}")
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[0-9x*.^~<>=|v -]{0,24}") {
        if let Ok(requirement) = text.parse::<Requirement>() {
            let normalised = requirement.to_string();
            prop_assert_eq!(normalised.parse::<Requirement>().unwrap(), requirement, "{}", normalised);
        }
    }

    #[test]
    fn the_normal_form_means_the_same(
        prefix in prop::sample::select(vec!["", "^", "~", ">=", "<=", ">", "<", "="]),
        bound in any_version(), candidate in any_version(),
    ) {
        let original = requirement(&format!("{prefix}{bound}"));
        let reparsed = requirement(&original.to_string());
        prop_assert_eq!(original.matches(&version(&candidate)), reparsed.matches(&version(&candidate)));
    }

    #[test]
    fn an_exact_requirement_matches_its_own_version_only(a in any_version(), b in any_version()) {
        let (a, b) = (version(&a), version(&b));
        prop_assert_eq!(Requirement::exact(&a).matches(&b), a.same_precedence(&b));
    }
}
