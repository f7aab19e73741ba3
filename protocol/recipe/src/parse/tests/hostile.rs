//! Recipes that somebody, or a bad disk, has damaged: each is read or refused, and soon.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::lifecycle::Lifecycle;
use crate::platform::Attributes;

/// Most features at once, with what tempts a parser: anchors, quotes, blocks, placeholders.
const YAML: &str = r#"---
RecipeFormatVersion: '2020-01-25'
ComponentName: com.example.Pump
ComponentVersion: 1.2.0-rc.1+b5
ComponentType: aws.greengrass.generic
ComponentDescription: &text "a\tpump"
ComponentPublisher: *text
ComponentConfiguration:
  DefaultConfiguration:
    rate: 5
    list: [1, 2.5, null, true, "x"]
    accessControl: {aws.greengrass.ipc.pubsub: {'p:1': {operations: ['*'], resources: ['*']}}}
ComponentDependencies:
  aws.greengrass.TokenExchangeService: {VersionRequirement: '>=2.0.0 <3.0.0 || ^4', DependencyType: SOFT}
Manifests:
  - Name: first
    Platform: {os: linux, architecture: '/arm|amd64/', runtime: '*', x: null}
    Selections: [linux]
    Artifacts:
      - Uri: s3://bucket/pump-1.2.0.zip
        Digest: 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
        Algorithm: SHA-256
        Unarchive: ZIP
        Permission: {Read: OWNER, Execute: NONE}
  - Platform: {os: windows}
    Lifecycle: {run: {Script: "py main.py", Timeout: "30"}}
Lifecycle:
  linux:
    Setenv: {RATE: '{configuration:/rate}'}
    install: {Script: 'pip3 install x', RequiresPrivilege: true, Skipif: 'exists /opt', Timeout: 300}
    run: |
      python3 -u {artifacts:decompressedPath}/pump/main.py
  errorResetTime: 60
"#;

/// What stands for trouble in YAML and JSON.
const TOKENS: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    ":",
    ": ",
    "- ",
    "\n",
    "\t",
    "  ",
    "&a ",
    "*a",
    "!!binary ",
    "? ",
    "<<: ",
    "%",
    "\u{feff}",
    "\0",
    "null",
    "1e999",
    "---\n",
    "\u{202e}",
];

#[derive(Debug, Clone)]
enum Damage {
    /// A token comes in.
    Insert(usize, &'static str),
    /// So many characters go.
    Delete(usize, usize),
    /// So many characters come again elsewhere.
    Copy(usize, usize, usize),
    /// Two lines change places.
    Swap(usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<usize>(), prop::sample::select(TOKENS.to_vec()))
            .prop_map(|(at, token)| Damage::Insert(at, token)),
        (any::<usize>(), 1..40usize).prop_map(|(at, count)| Damage::Delete(at, count)),
        (any::<usize>(), 1..200usize, any::<usize>())
            .prop_map(|(from, count, to)| Damage::Copy(from, count, to)),
        (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Damage::Swap(a, b)),
    ]
}

fn damaged(text: &str, damages: &[Damage]) -> String {
    let mut all: Vec<char> = text.chars().collect();
    for damage in damages {
        let length = all.len().max(1);
        match *damage {
            Damage::Insert(at, token) => {
                let at = at % length;
                all.splice(at..at, token.chars());
            }
            Damage::Delete(at, count) => {
                let at = at % length;
                all.drain(at..(at + count).min(all.len()));
            }
            Damage::Copy(from, count, to) => {
                let (from, to) = (from % length, to % length);
                let piece = all[from..(from + count).min(all.len())].to_vec();
                all.splice(to..to, piece);
            }
            Damage::Swap(a, b) => {
                let text: String = all.iter().collect();
                let mut lines: Vec<&str> = text.split('\n').collect();
                let count = lines.len();
                lines.swap(a % count, b % count);
                all = lines.join("\n").chars().collect();
            }
        }
    }
    all.into_iter().collect()
}

/// Everything that is done with a recipe once it was read.
fn use_it(recipe: &Recipe) {
    let attributes: Attributes =
        [("os", "linux"), ("architecture", "amd64")].map(|(k, v)| (k.into(), v.into())).into();
    if let Some(selected) = recipe.select(&attributes) {
        let _ = Lifecycle::parse(&selected.lifecycle);
    }
    let yaml = recipe.to_yaml().unwrap();
    let again = parse(yaml.as_bytes(), Format::Yaml, Strictness::Device);
    assert_eq!(again.as_ref(), Ok(recipe), "{yaml}");
}

#[test]
fn the_undamaged_recipe_is_good() {
    let recipe = parse(YAML.as_bytes(), Format::Yaml, Strictness::Cloud).unwrap();
    assert_eq!(recipe.component_publisher.as_deref(), Some("a\tpump"));
    use_it(&recipe);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a1_4_a_damaged_recipe_is_read_or_refused(
        damages in vec(damage(), 1..6), is_json in any::<bool>()
    ) {
        let text = if is_json {
            let recipe = parse(YAML.as_bytes(), Format::Yaml, Strictness::Cloud).unwrap();
            damaged(&recipe.to_json().to_string(), &damages)
        } else {
            damaged(YAML, &damages)
        };
        for strictness in [Strictness::Cloud, Strictness::Device] {
            if let Ok(recipe) = parse(text.as_bytes(), Format::Detect, strictness) {
                use_it(&recipe);
            }
        }
    }

    #[test]
    fn a1_4_any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..400)) {
        let _ = parse(&bytes, Format::Detect, Strictness::Device);
    }
}

/// A recipe whose default configuration is this text.
fn with_configuration(text: &str) -> String {
    format!(
        "RecipeFormatVersion: '2020-01-25'\nComponentName: a\nComponentVersion: 1.0.0\n\
         Manifests: [{{}}]\nComponentConfiguration:\n  DefaultConfiguration:\n{text}\n"
    )
}

#[test]
fn a1_4_bombs_of_yaml_and_json_are_refused() {
    let laughs: String = (1..40)
        .map(|n| format!("    a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", ")))
        .collect();
    let bombs = [
        with_configuration(&format!("    a0: &a0 [lol]\n{laughs}")),
        with_configuration(&format!("    deep: {}", "[".repeat(7_000))),
        with_configuration(&format!("    deep: {}{}", "[".repeat(3_000), "]".repeat(3_000))),
        with_configuration(&format!("    deep: {}", "{a: ".repeat(3_000))),
        with_configuration("    self: &self [*self]"),
        "- ".repeat(7_000),
        "[".repeat(15_000),
        format!("{}1{}", "{\"a\":".repeat(2_000), "}".repeat(2_000)),
    ];
    for bomb in bombs {
        for format in [Format::Detect, Format::Yaml, Format::Json] {
            for strictness in [Strictness::Cloud, Strictness::Device] {
                let result = parse(bomb.as_bytes(), format, strictness);
                assert!(result.is_err(), "{}", &bomb[..60]);
            }
        }
    }
}

#[test]
fn a1_4_a_recipe_of_many_parts_is_read() {
    // As much of one thing as fits.
    let many = |part: &str, fields: &dyn Fn(&str) -> Value| {
        let parts = (0..400).map(|n| part.replace('#', &n.to_string())).collect::<Vec<_>>();
        cloud(&with(&fields(&format!("[{}]", parts.join(",")))))
    };
    let list = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let artifacts =
        many(r#"{"Uri":"s3://b/#"}"#, &|text| json!({"Manifests": [{"Artifacts": list(text)}]}));
    assert_eq!(artifacts.unwrap().manifests[0].artifacts.len(), 400);
    let manifests = many(r#"{"Platform":{"x":"/#/"}}"#, &|text| json!({"Manifests": list(text)}));
    assert_eq!(manifests.unwrap().manifests.len(), 400);
    let needs: Map<String, Value> =
        (0..200).map(|n| (format!("c{n}"), json!({"VersionRequirement": "^1.0.0"}))).collect();
    let recipe = cloud(&with(&json!({"ComponentDependencies": needs}))).unwrap();
    assert_eq!(recipe.dependencies.len(), 200);
}
