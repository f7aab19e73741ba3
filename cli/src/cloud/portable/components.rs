//! Component versions: recipes and the artifacts that they name.

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marram_recipe::{Format, Recipe, Strictness};
use serde_json::{Value, json};

use super::artifacts::{Object, digest, objects};
use super::folder::{Folder, segment};
use crate::aws::encoded;
use crate::cloud::access::{BY_TOKEN, CloudClient};
use crate::exit::BadInput;

/// The folder of all of them.
pub(crate) const FOLDER: &str = "components";

/// A component version of a folder.
#[derive(Debug)]
pub(crate) struct ComponentFile {
    /// Its folder.
    pub(crate) path: String,
    /// The recipe as it was written.
    text: String,
    /// With the digests of the files beside it.
    recipe: Recipe,
}

/// What became of an item.
pub(crate) enum Imported {
    Created,
    Unchanged,
    /// It is there, and differs in this.
    Conflict(String),
    /// The cloud refused it.
    Failed(String),
}

/// Writes all component versions that can be deployed; gives their number, and the ARNs of those
/// that cannot.
pub(crate) fn export(cloud: &CloudClient, folder: &Folder) -> Result<(usize, Vec<String>)> {
    let (mut count, mut left_out) = (0, Vec::new());
    let path = "/greengrass/v2/components?scope=PRIVATE";
    for component in cloud.all("greengrass", path, BY_TOKEN, "components")? {
        let arn = super::text(&component, "arn");
        let path = format!("/greengrass/v2/components/{}/versions", encoded(&arn));
        for version in cloud.all("greengrass", &path, BY_TOKEN, "componentVersions")? {
            let arn = super::text(&version, "arn");
            let exported = export_one(cloud, folder, &arn);
            match exported.with_context(|| format!("exporting {arn}"))? {
                true => count += 1,
                false => left_out.push(arn),
            }
        }
    }
    Ok((count, left_out))
}

/// Whether it can be deployed.
fn export_one(cloud: &CloudClient, folder: &Folder, arn: &str) -> Result<bool> {
    let base = format!("/greengrass/v2/components/{}", encoded(arn));
    let about = cloud.get("greengrass", &format!("{base}/metadata"))?;
    if about["status"]["componentState"] != "DEPLOYABLE" {
        return Ok(false);
    }
    let (name, version) =
        (super::text(&about, "componentName"), super::text(&about, "componentVersion"));
    let path = format!("{FOLDER}/{}/{}", segment(&name), segment(&version));
    let got = cloud.get("greengrass", &base)?;
    let (file, format) = match got["recipeOutputFormat"].as_str() {
        Some("YAML") => ("recipe.yaml", Format::Yaml),
        _ => ("recipe.json", Format::Json),
    };
    let bytes = STANDARD.decode(super::text(&got, "recipe")).context("its recipe")?;
    let recipe = marram_recipe::parse(&bytes, format, Strictness::Device).context("its recipe")?;
    folder.write(&format!("{path}/{file}"), &bytes)?;
    for object in objects(&recipe) {
        let target = format!("{base}/artifacts/{}", encoded(&object.key));
        let url = super::text(&cloud.get("greengrass", &target)?, "preSignedUrl");
        let bytes = cloud.fetch(&url).with_context(|| format!("fetching {}", object.uri))?;
        if !has_digest(&recipe, &object, &digest(&bytes)) {
            let uri = &object.uri;
            bail!("{uri}: what was fetched has not its digest: is its key in two buckets?");
        }
        folder.write(&format!("{path}/{}", object.path()), &bytes)?;
    }
    Ok(true)
}

/// Whether this is what the recipe says, where it says anything.
fn has_digest(recipe: &Recipe, object: &Object, found: &str) -> bool {
    let mut artifacts = recipe.manifests.iter().flat_map(|manifest| &manifest.artifacts);
    artifacts.all(|artifact| {
        artifact.uri != object.uri || artifact.digest.as_deref().is_none_or(|d| d == found)
    })
}

/// Reads and checks all component versions of a folder.
pub(crate) fn read(folder: &Folder) -> Result<Vec<ComponentFile>> {
    let mut files = Vec::new();
    for name in folder.names(FOLDER)? {
        for version in folder.names(&format!("{FOLDER}/{name}"))? {
            files.push(read_one(folder, &format!("{FOLDER}/{name}/{version}"))?);
        }
    }
    Ok(files)
}

fn read_one(folder: &Folder, path: &str) -> Result<ComponentFile> {
    let names = folder.names(path)?;
    let recipes: Vec<&String> = names
        .iter()
        .filter(|name| matches!(name.as_str(), "recipe.json" | "recipe.yaml"))
        .collect();
    let [file] = recipes.as_slice() else {
        let what = "must hold one of recipe.json and recipe.yaml";
        return Err(BadInput(format!("{path}: holds {}: it {what}", recipes.len())).into());
    };
    let format = if file.as_str() == "recipe.yaml" { Format::Yaml } else { Format::Json };
    let file = format!("{path}/{file}");
    let text = folder.read_text(&file)?;
    let mut recipe = marram_recipe::parse(text.as_bytes(), format, Strictness::Cloud)
        .map_err(|error| BadInput(format!("{file}: {error}")))?;
    let (name, version) = (recipe.component_name.to_string(), recipe.component_version.to_string());
    let expected = format!("{FOLDER}/{}/{}", segment(&name), segment(&version));
    if expected != path {
        let what = format!("is of {name} {version}: its folder must be {expected}");
        return Err(BadInput(format!("{file}: {what}")).into());
    }
    for object in objects(&recipe) {
        let at = format!("{path}/{}", object.path());
        let bytes = folder.read(&at).with_context(|| format!("{file}: `{}`", object.uri))?;
        let found = digest(&bytes);
        if !has_digest(&recipe, &object, &found) {
            let what = format!("`Digest` of {}: {at} has {found}", object.uri);
            let remedy = "put the right file there, or remove Digest and Algorithm";
            return Err(BadInput(format!("{file}: {what}: {remedy}")).into());
        }
        set_digest(&mut recipe, &object, &found);
    }
    Ok(ComponentFile { path: path.to_owned(), text, recipe })
}

fn set_digest(recipe: &mut Recipe, object: &Object, found: &str) {
    for artifact in recipe.manifests.iter_mut().flat_map(|manifest| &mut manifest.artifacts) {
        if artifact.uri == object.uri {
            artifact.digest = Some(found.to_owned());
            artifact.algorithm = Some("SHA-256".to_owned());
        }
    }
}

/// Makes the version where it is not, with its artifacts at their places in S3.
pub(crate) fn import(
    cloud: &CloudClient,
    folder: &Folder,
    file: &ComponentFile,
) -> Result<Imported> {
    let (region, account) = (&cloud.ready.region, &cloud.ready.account_id);
    let (name, version) = (&file.recipe.component_name, &file.recipe.component_version);
    let arn = format!("arn:aws:greengrass:{region}:{account}:components:{name}:versions:{version}");
    let base = format!("/greengrass/v2/components/{}", encoded(&arn));
    let found = cloud.find("greengrass", &format!("{base}/metadata"))?;
    if found.is_some_and(|found| found["status"]["componentState"] == "DEPLOYABLE") {
        return compare(cloud, &base, &file.recipe);
    }
    for object in objects(&file.recipe) {
        let bytes = folder.read(&format!("{}/{}", file.path, object.path()))?;
        match cloud.object(&object.target())? {
            Some(found) if found == bytes => {}
            Some(_) => {
                return Ok(Imported::Conflict(format!("{} holds something else", object.uri)));
            }
            None => cloud
                .put_object(&object.bucket, &object.target(), bytes)
                .with_context(|| format!("uploading {}", object.uri))?,
        }
    }
    let body = json!({ "inlineRecipe": STANDARD.encode(&file.text) });
    let path = "/greengrass/v2/createComponentVersion";
    cloud.call("greengrass", "POST", path, Some(body))?;
    let made = cloud.get("greengrass", &format!("{base}/metadata"))?;
    if made["status"]["componentState"] != "DEPLOYABLE" {
        bail!("the cloud could not make it: {}", made["status"]);
    }
    Ok(Imported::Created)
}

fn compare(cloud: &CloudClient, base: &str, wanted: &Recipe) -> Result<Imported> {
    let got: Value = cloud.get("greengrass", &format!("{base}?recipeOutputFormat=JSON"))?;
    let bytes = STANDARD.decode(super::text(&got, "recipe")).context("its recipe")?;
    let found =
        marram_recipe::parse(&bytes, Format::Json, Strictness::Device).context("its recipe")?;
    if found.to_json_string() == wanted.to_json_string() {
        return Ok(Imported::Unchanged);
    }
    Ok(Imported::Conflict("the recipe or an artifact differs".to_owned()))
}
