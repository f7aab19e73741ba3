use marram_recipe::{Format, Recipe, Strictness};

use super::*;

fn recipe(name: &str, version: &str) -> Recipe {
    let text = format!(
        r#"{{"RecipeFormatVersion":"2020-01-25","ComponentName":"{name}",
            "ComponentVersion":"{version}","Manifests":[{{}}]}}"#
    );
    marram_recipe::parse(text.as_bytes(), Format::Json, Strictness::Device).unwrap()
}

fn store() -> (tempfile::TempDir, PackageStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = PackageStore::open(&NucleusPaths::new(dir.path())).unwrap();
    (dir, store)
}

fn save(store: &PackageStore, name: &str, version: &str) {
    store.save_recipe(&recipe(name, version), &Metadata::default()).unwrap();
    for root in [store.paths.artifacts_root(), store.paths.unarchived_root()] {
        std::fs::create_dir_all(root.join(name).join(version)).unwrap();
    }
}

#[test]
fn engine_recipe_files_have_greengrass_names() {
    let (_dir, store) = store();
    save(&store, "com.example.HelloWorld", "1.0.0");
    let file = "PclE7q27CA-K1ExFTRKvY_TtoeElcEKjRtWHXzfEZXE@1.0.0.recipe.yaml";
    assert!(store.paths.recipes().join(file).is_file());
    let nucleus = recipes::stem(&"aws.greengrass.Nucleus".parse().unwrap(), &Version::new(2, 0, 0));
    assert_eq!(nucleus, "89r1-ak7xPauDt4O7EG03sSXVUO8ysdHTk-YdF0NAAc@2.0.0");
}

#[test]
fn platform_for_another_system_only_is_local_recipe_not_found() {
    let (_dir, store) = store();
    let text = r#"{"RecipeFormatVersion":"2020-01-25","ComponentName":"a","ComponentVersion":"1.0.0",
                   "Manifests":[{"Platform":{"os":"windows"}}]}"#;
    let recipe = marram_recipe::parse(text.as_bytes(), Format::Json, Strictness::Device).unwrap();
    store.save_recipe(&recipe, &Metadata::default()).unwrap();
    let attributes = [("os".to_owned(), "linux".to_owned())].into();
    let (name, version) = (&recipe.component_name, &recipe.component_version);
    let error = store.recipe_for_platform(name, version, &attributes).unwrap_err();
    assert_eq!(error.error_codes(), [marram_model::error_code::ErrorCode::LocalRecipeNotFound]);
    assert!(error.to_string().contains("os=linux"), "{error}");
}

#[test]
fn recipes_and_metadata_come_back() {
    let (_dir, store) = store();
    let recipe = recipe("a", "1.0.0");
    let metadata = Metadata { component_version_arn: Some("arn:x".into()) };
    store.save_recipe(&recipe, &metadata).unwrap();
    let (name, version) = (&recipe.component_name, &recipe.component_version);
    assert_eq!(store.load_recipe(name, version).unwrap(), recipe);
    assert_eq!(store.load_metadata(name, version).unwrap(), metadata);
    let missing = store.load_recipe(name, &Version::new(2, 0, 0)).unwrap_err();
    assert!(matches!(missing, LoadRecipe::NotFound { .. }));
    assert_eq!(store.load_metadata(name, &Version::new(2, 0, 0)).unwrap(), Metadata::default());
}

#[test]
fn a_damaged_recipe_is_told_from_a_missing_one() {
    let (_dir, store) = store();
    save(&store, "a", "1.0.0");
    let name: ComponentName = "a".parse().unwrap();
    let file = store
        .paths
        .recipes()
        .join(format!("{}.recipe.yaml", recipes::stem(&name, &Version::new(1, 0, 0))));
    std::fs::write(file, "ComponentName: [").unwrap();
    let error = store.load_recipe(&name, &Version::new(1, 0, 0)).unwrap_err();
    assert!(matches!(error, LoadRecipe::Damaged { .. }), "{error}");
}

#[test]
fn versions_are_listed_from_the_highest() {
    let (_dir, store) = store();
    for version in ["1.2.0", "1.10.0", "1.10.0-rc.1"] {
        save(&store, "a", version);
    }
    save(&store, "b", "9.0.0");
    let versions = store.versions_of(&"a".parse().unwrap()).unwrap();
    let texts: Vec<String> = versions.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["1.10.0", "1.10.0-rc.1", "1.2.0"]);
}

#[test]
fn engine_clean_up_keeps_only_the_versions_named() {
    let (_dir, store) = store();
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        save(&store, "a", version);
    }
    save(&store, "gone", "1.0.0");
    let keep = [Version::new(1, 1, 0), Version::new(1, 2, 0)];
    store.clean_up(&[("a".parse().unwrap(), keep.clone().into())].into()).unwrap();
    let a: ComponentName = "a".parse().unwrap();
    assert_eq!(store.versions_of(&a).unwrap(), [keep[1].clone(), keep[0].clone()]);
    for root in [store.paths.artifacts_root(), store.paths.unarchived_root()] {
        assert!(!root.join("a/1.0.0").exists());
        assert!(root.join("a/1.2.0").exists());
        assert!(!root.join("gone").exists());
    }
    assert_eq!(std::fs::read_dir(store.paths.recipes()).unwrap().count(), 4);
}
