use marram_os::clock::{ManualClock, SharedClock};
use marram_recipe::{DependencyType, Format, Strictness};

use super::*;
use crate::packages::Metadata;
use crate::resolve::{Candidate, Next, Resolver};

const NOW: i64 = 5_000;

struct Device {
    _dir: tempfile::TempDir,
    paths: NucleusPaths,
    config: ConfigStore,
    store: PackageStore,
    attributes: Attributes,
}

impl Device {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let paths = NucleusPaths::new(dir.path());
        let clock: SharedClock = ManualClock::at_ms(NOW).shared();
        let config = ConfigStore::open(&paths, None, clock).unwrap();
        let store = PackageStore::open(&paths).unwrap();
        let attributes = [("os".to_owned(), "linux".to_owned())].into();
        Self { _dir: dir, paths, config, store, attributes }
    }

    /// Puts a recipe into the store: a minimal one with `extra` over it.
    fn with(self, name: &str, version: &str, extra: Value) -> Self {
        let mut recipe = json!({
            "RecipeFormatVersion": "2020-01-25", "ComponentName": name,
            "ComponentVersion": version, "Manifests": [{}],
        });
        if let (Some(recipe), Value::Object(extra)) = (recipe.as_object_mut(), extra) {
            recipe.extend(extra);
        }
        let text = recipe.to_string();
        let recipe =
            marram_recipe::parse(text.as_bytes(), Format::Json, Strictness::Device).unwrap();
        self.store.save_recipe(&recipe, &Metadata::default()).unwrap();
        self
    }

    fn compose(&self, components: Value, merge_timestamp: i64) -> Result<Composition, Compose> {
        let document = json!({"components": components}).to_string();
        let document = DeploymentDocument::parse(document.as_bytes()).unwrap();
        let roots = document.components.iter().map(|(n, spec)| (n.clone(), spec.version.clone()));
        let mut resolver =
            Resolver::new("thing/T", [("thing/T".to_owned(), roots.collect())].into(), None);
        let resolution = loop {
            match resolver.next().unwrap() {
                Next::Done(resolution) => break resolution,
                Next::Query(query) => {
                    let versions = self.store.versions_of(&query.component).unwrap();
                    let version = versions.iter().find(|v| query.accepts(v)).unwrap();
                    let recipe = self.store.load_recipe(&query.component, version).unwrap();
                    resolver.answer(&query, Candidate::from(&recipe)).unwrap();
                }
            }
        };
        let composer = Composer {
            config: &self.config,
            store: &self.store,
            paths: &self.paths,
            attributes: &self.attributes,
            origin: &Arc::new(Origin::LocalDeployment { id: "d".into() }),
            thing_name: "T",
        };
        composer.compose(&resolution, &document, merge_timestamp)
    }

    fn deploy(&self, components: Value, merge_timestamp: i64) {
        let composition = self.compose(components, merge_timestamp).unwrap();
        self.config.transaction(|tx| composition.write(tx, NOW)).unwrap();
    }

    fn get(&self, pointer: &str) -> Value {
        self.config.get(&[SERVICES]).unwrap().pointer(pointer).cloned().unwrap_or(Value::Null)
    }
}

#[test]
fn a_component_is_written_as_greengrass_writes_it() {
    let device = Device::new()
        .with(
            "a",
            "1.0.0",
            json!({
                "ComponentConfiguration": {"DefaultConfiguration": {"rate": 5, "name": "x"}},
                "ComponentDependencies":
                    {"d": {"VersionRequirement": "*", "DependencyType": "SOFT"}},
                "Lifecycle": {"run": "r {configuration:/rate} {d:configuration:/k} {iot:thingName}"},
            }),
        )
        .with("d", "2.0.0", json!({"ComponentConfiguration": {"DefaultConfiguration": {"k": "v"}}}));
    device.deploy(
        json!({"a": {"version": "1.0.0", "configurationUpdate": {"merge": {"rate": 7}}}}),
        100,
    );
    assert_eq!(
        device.get("/a"),
        json!({
            "componentType": "GENERIC", "dependencies": ["d:SOFT"],
            "lifecycle": {"run": "r 7 v T"}, "version": "1.0.0",
            "configuration": {"rate": 7, "name": "x"},
        })
    );
    assert_eq!(device.get("/main/dependencies"), json!(["a:HARD"]));
}

#[test]
fn what_is_no_longer_wanted_goes_and_what_is_not_ours_stays() {
    let device = Device::new().with("a", "1.0.0", json!({})).with("b", "1.0.0", json!({}));
    device.deploy(json!({"a": {"version": "1.0.0"}, "b": {"version": "1.0.0"}}), 100);
    let others = json!({
        "DeploymentService": {"runtime": {"x": 1}},
        "aws.greengrass.Nucleus": {"configuration": {"awsRegion": "eu-west-1"}},
        "a": {"runtime": {"y": 2}, "_private": {"z": 3}},
    });
    device.config.merge(&[SERVICES], &others, 200).unwrap();
    device.deploy(json!({"a": {"version": "1.0.0"}}), 300);
    assert_eq!(device.get("/b"), Value::Null);
    assert_eq!(device.get("/DeploymentService/runtime/x"), 1);
    assert_eq!(device.get("/aws.greengrass.Nucleus/configuration/awsRegion"), "eu-west-1");
    assert_eq!(device.get("/a/runtime/y"), 2);
    assert_eq!(device.get("/a/_private/z"), 3);
}

#[test]
fn the_previous_version_outlives_a_second_deployment_of_the_same() {
    let device = Device::new().with("a", "1.0.0", json!({})).with("a", "1.1.0", json!({}));
    device.deploy(json!({"a": {"version": "1.0.0"}}), 100);
    assert_eq!(device.get("/a/previousVersion"), Value::Null);
    for _ in 0..2 {
        device.deploy(json!({"a": {"version": "1.1.0"}}), 200);
        assert_eq!(device.get("/a/previousVersion"), "1.0.0");
    }
    let kept = &services::kept_versions(&device.config)["a"];
    assert_eq!(*kept, [Version::new(1, 0, 0), Version::new(1, 1, 0)].into());
}

#[test]
fn engine_store_keeps_the_last_two_versions() {
    let mut device = Device::new();
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        device = device.with("a", version, json!({}));
        device.deploy(json!({"a": {"version": version}}), 100);
        device.store.clean_up(&services::kept_versions(&device.config)).unwrap();
    }
    // Once more the same.
    device.deploy(json!({"a": {"version": "1.2.0"}}), 200);
    device.store.clean_up(&services::kept_versions(&device.config)).unwrap();
    let stored = device.store.versions_of(&"a".parse().unwrap()).unwrap();
    assert_eq!(stored, [Version::new(1, 2, 0), Version::new(1, 1, 0)]);
}

#[test]
fn engine_run_with_of_a_root_is_what_the_document_says() {
    let device = Device::new()
        .with("a", "1.0.0", json!({"ComponentDependencies": {"d": {"VersionRequirement": "*"}}}))
        .with("d", "1.0.0", json!({}));
    let run_with = json!({"posixUser": "u:g", "systemResourceLimits": {"memory": 1024}});
    device.deploy(json!({"a": {"version": "1.0.0", "runWith": run_with}}), 100);
    assert_eq!(device.get("/a/runWith"), run_with);
    device.config.merge(&[SERVICES, "d", "runWith"], &json!({"posixUser": "d"}), 150).unwrap();
    let limits = json!({"systemResourceLimits": {"cpus": 0.5}, "posixUser": ""});
    device.deploy(json!({"a": {"version": "1.0.0", "runWith": limits}}), 200);
    assert_eq!(device.get("/a/runWith"), json!({"systemResourceLimits": {"cpus": 0.5}}));
    assert_eq!(device.get("/d/runWith"), json!({"posixUser": "d"}), "no root keeps what it has");
    device.deploy(json!({"a": {"version": "1.0.0"}}), 300);
    assert_eq!(device.get("/a/runWith"), Value::Null);
}

#[test]
fn cfg_08_an_update_of_what_is_no_root_changes_nothing() {
    let device = Device::new()
        .with("a", "1.0.0", json!({"ComponentDependencies": {"d": {"VersionRequirement": "*"}}}))
        .with("d", "1.0.0", json!({"ComponentConfiguration": {"DefaultConfiguration": {"k": 1}}}));
    device.deploy(json!({"a": {"version": "1.0.0"}}), 100);
    assert_eq!(device.get("/d/configuration/k"), 1);
}

#[test]
fn cfg_09_a_component_that_comes_back_starts_from_its_defaults() {
    let device = Device::new().with(
        "a",
        "1.0.0",
        json!({"ComponentConfiguration": {"DefaultConfiguration": {"k": 1}}}),
    );
    let changed = json!({"a": {"version": "1.0.0", "configurationUpdate": {"merge": {"k": 2}}}});
    device.deploy(changed, 100);
    device.deploy(json!({}), 200);
    device.deploy(json!({"a": {"version": "1.0.0"}}), 300);
    assert_eq!(device.get("/a/configuration/k"), 1);
}

#[test]
fn interpolation_of_configurations_is_done_where_the_nucleus_says_so() {
    let device = Device::new().with(
        "c",
        "1.0.0",
        json!({
            "ComponentConfiguration": {"DefaultConfiguration":
                {"topic": "devices/{iot:thingName}/x", "own": "{configuration:/topic}"}},
            "Lifecycle": {"run": "{configuration:/topic}"},
        }),
    );
    let components = json!({"c": {"version": "1.0.0"}});
    device.deploy(components.clone(), 100);
    assert_eq!(device.get("/c/configuration/topic"), "devices/{iot:thingName}/x");
    assert_eq!(device.get("/c/lifecycle/run"), "devices/{iot:thingName}/x");
    let flag = json!({"interpolateComponentConfiguration": true});
    device.config.merge(&[SERVICES, NUCLEUS, CONFIGURATION], &flag, 150).unwrap();
    device.deploy(components, 200);
    assert_eq!(device.get("/c/configuration/topic"), "devices/T/x");
    assert_eq!(device.get("/c/configuration/own"), "{configuration:/topic}");
    assert_eq!(device.get("/c/lifecycle/run"), "devices/T/x");
}

#[test]
fn what_cannot_be_composed_has_its_code() {
    let device = Device::new()
        .with("a", "1.0.0", json!({"Manifests": [{"Platform": {"os": "windows"}}]}))
        .with("b", "1.0.0", json!({"Manifests": []}))
        .with("c", "1.0.0", json!({}));
    let code = |components: Value| device.compose(components, 100).unwrap_err().error_codes();
    assert_eq!(code(json!({"a": {"version": "1.0.0"}})), [ErrorCode::LocalRecipeNotFound]);
    assert_eq!(code(json!({"b": {"version": "1.0.0"}})), [ErrorCode::RecipeMissingManifest]);
    let update = json!({"reset": ["nope"]});
    assert_eq!(
        code(json!({"c": {"version": "1.0.0", "configurationUpdate": update}})),
        [ErrorCode::ComponentConfigurationNotValid]
    );
}

#[test]
fn what_runs_is_read_back_from_the_configuration() {
    let device = Device::new()
        .with(
            "a",
            "1.0.0",
            json!({
                "ComponentDependencies": {
                    "d": {"VersionRequirement": "*", "DependencyType": "SOFT"},
                    NUCLEUS: {"VersionRequirement": "*"},
                },
                "Lifecycle": {"run": "x"},
            }),
        )
        .with("d", "1.0.0", json!({}))
        .with(NUCLEUS, "2.17.0", json!({"ComponentType": "aws.greengrass.nucleus"}));
    let run_with = json!({"posixUser": "u"});
    device.deploy(json!({"a": {"version": "1.0.0", "runWith": run_with}}), 100);
    let specs = services::service_specs(&device.config, &services::Natives::new());
    let names: Vec<&str> = specs.keys().map(ComponentName::as_str).collect();
    assert_eq!(names, ["a", "d"], "the nucleus runs already");
    let a = &specs["a"];
    assert_eq!(Value::Object(a.lifecycle.clone()), json!({"run": "x"}));
    assert_eq!(a.dependencies, [("d".parse().unwrap(), DependencyType::Soft)].into());
    assert_eq!(a.run_with.posix_user.as_deref(), Some("u"));
    assert_eq!(services::running_versions(&device.config)[NUCLEUS], Version::new(2, 17, 0));
    assert!(services::dependencies(&device.config)["a"].contains(NUCLEUS));
}

#[test]
fn platform_override_wins_over_what_the_device_is() {
    let device = Device::new();
    assert_eq!(device_attributes(&device.config)["os"], "linux");
    let overrides = json!({"platformOverride": {"architecture": "arm", "x": "y", "n": 5}});
    device.config.merge(&[SERVICES, NUCLEUS, CONFIGURATION], &overrides, 1).unwrap();
    let attributes = device_attributes(&device.config);
    assert_eq!((attributes["architecture"].as_str(), attributes["x"].as_str()), ("arm", "y"));
    assert!(!attributes.contains_key("n"));
}

#[test]
fn b5_7_only_changed_configurations_of_present_versions_are_to_be_checked() {
    let defaults = json!({"ComponentConfiguration": {"DefaultConfiguration": {"rate": 1}}});
    let device = Device::new()
        .with("a", "1.0.0", defaults.clone())
        .with("a", "2.0.0", defaults.clone())
        .with("b", "1.0.0", defaults);
    let with_rate = |version: &str, rate: u64| json!({"version": version, "configurationUpdate": {"merge": {"rate": rate}}});
    let changed = |components: Value, timestamp: i64| {
        let composition = device.compose(components, timestamp).unwrap();
        composition.changed_configurations(&device.config).unwrap()
    };
    let first = json!({"a": with_rate("1.0.0", 1), "b": with_rate("1.0.0", 1)});
    assert!(changed(first.clone(), 1_000).is_empty(), "nothing is there yet");
    let composition = device.compose(first.clone(), 1_000).unwrap();
    device.config.transaction(|tx| composition.write(tx, NOW)).unwrap();

    assert!(changed(first, 2_000).is_empty(), "the same again");
    let second = json!({"a": with_rate("1.0.0", 2), "b": with_rate("1.0.0", 1)});
    let expected = BTreeMap::from([("a".parse().unwrap(), json!({"rate": 2}))]);
    assert_eq!(changed(second.clone(), 2_000), expected);
    let another = json!({"a": with_rate("2.0.0", 2), "b": with_rate("1.0.0", 1)});
    assert!(changed(another, 2_000).is_empty(), "a new version starts anew");

    let own = json!({"rate": 7}).as_object().unwrap().clone();
    device.config.update_from_component("a", &[], &own, 3_000, NOW).unwrap();
    assert!(changed(second, 2_000).is_empty(), "the component's own value is newer");
}

#[test]
fn b5_3_the_nucleus_says_as_of_when_a_deployments_values_are_set() {
    let device = Device::new().with("a", "1.0.0", json!({}));
    let document = |source: Value| {
        let update = json!({"merge": source});
        let nucleus = json!({"version": "2.17.0", "configurationUpdate": update});
        let document = json!({"components": {NUCLEUS: nucleus}}).to_string();
        DeploymentDocument::parse(document.as_bytes()).unwrap()
    };
    let silent = document(json!({}));
    let processing = json!({"deploymentConfigurationTimeSource": "deploymentProcessingTime"});
    let creation = json!({"deploymentConfigurationTimeSource": "deploymentCreationTime"});
    assert_eq!(merge_timestamp(&device.config, &silent, 100, NOW), 100);
    assert_eq!(merge_timestamp(&device.config, &document(processing.clone()), 100, NOW), NOW);
    device.config.merge(&[SERVICES, NUCLEUS, CONFIGURATION], &processing, 1).unwrap();
    let as_of = merge_timestamp(&device.config, &silent, 100, NOW);
    assert_eq!(as_of, NOW);
    assert_eq!(merge_timestamp(&device.config, &document(creation), 100, NOW), 100);

    // What it is for: a late deployment wins over what the component wrote in between.
    device.deploy(json!({"a": {"version": "1.0.0"}}), 50);
    let own = json!({"r": 9});
    device.config.merge(&[SERVICES, "a", CONFIGURATION], &own, 200).unwrap();
    let update = json!({"a": {"version": "1.0.0", "configurationUpdate": {"merge": {"r": 5}}}});
    device.deploy(update.clone(), 100);
    assert_eq!(device.get("/a/configuration/r"), 9);
    device.deploy(update, as_of);
    assert_eq!(device.get("/a/configuration/r"), 5);
}
