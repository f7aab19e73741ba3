use std::sync::Mutex;

use marram_http::StatusCode;
use serde_json::json;

use super::*;
use crate::paths::NucleusPaths;

/// A cloud that answers each call with the next of its answers, the last one for ever.
#[derive(Debug)]
struct FakeCloud {
    answers: Vec<Answer>,
    asked: Mutex<Vec<ResolveComponentCandidatesRequest>>,
}

#[derive(Debug, Clone)]
enum Answer {
    Version(&'static str, &'static str),
    Status(u16, &'static str),
}

impl FakeCloud {
    fn new(answers: &[Answer]) -> Self {
        Self { answers: answers.to_vec(), asked: Mutex::default() }
    }

    fn calls(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl CandidateSource for FakeCloud {
    fn candidates<'a>(
        &'a self,
        request: &'a ResolveComponentCandidatesRequest,
    ) -> BoxFuture<'a, Result<Vec<ResolvedComponentVersion>, CallDataPlane>> {
        let mut asked = self.asked.lock().unwrap();
        let answer = self.answers[asked.len().min(self.answers.len() - 1)].clone();
        asked.push(request.clone());
        Box::pin(async move {
            match answer {
                Answer::Version(name, version) => Ok(vec![ResolvedComponentVersion {
                    arn: format!("arn:{name}"),
                    component_name: name.to_owned(),
                    component_version: version.to_owned(),
                    recipe: STANDARD.encode(text(name, version)),
                    vendor_guidance: None,
                    message: None,
                }]),
                Answer::Status(status, message) => Err(CallDataPlane::Refused {
                    operation: "ResolveComponentCandidates",
                    status: StatusCode::from_u16(status).unwrap(),
                    code: String::new(),
                    message: message.to_owned(),
                }),
            }
        })
    }
}

fn text(name: &str, version: &str) -> String {
    json!({
        "RecipeFormatVersion": "2020-01-25", "ComponentName": name, "ComponentVersion": version,
        "Manifests": [{}],
    })
    .to_string()
}

struct Device {
    _dir: tempfile::TempDir,
    store: PackageStore,
    running: BTreeMap<ComponentName, Version>,
    attributes: Attributes,
}

impl Device {
    fn with_stored(versions: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = PackageStore::open(&NucleusPaths::new(dir.path())).unwrap();
        for version in versions {
            let recipe = marram_recipe::parse(
                text("A", version).as_bytes(),
                Format::Json,
                Strictness::Device,
            );
            store.save_recipe(&recipe.unwrap(), &Metadata::default()).unwrap();
        }
        let attributes = [("os".to_owned(), "linux".to_owned())].into();
        Self { _dir: dir, store, running: BTreeMap::new(), attributes }
    }

    async fn resolve(
        &self,
        group: &str,
        version: &str,
        cloud: Option<&FakeCloud>,
    ) -> Result<Resolution, ResolveComponents> {
        self.resolve_root("A", group, version, cloud).await
    }

    async fn resolve_root(
        &self,
        root: &str,
        group: &str,
        version: &str,
        cloud: Option<&FakeCloud>,
    ) -> Result<Resolution, ResolveComponents> {
        let roots = [(root.parse().unwrap(), version.parse().unwrap())].into();
        let nucleus = Some(Version::new(2, 17, 0));
        let resolver = Resolver::new(group, [(group.to_owned(), roots)].into(), nucleus);
        let retry = RetryPolicy { network_attempts: Some(3), ..RetryPolicy::default() };
        let negotiation = Negotiation {
            store: &self.store,
            cloud: cloud.map(|cloud| cloud as &dyn CandidateSource),
            running: &self.running,
            attributes: &self.attributes,
            retry,
            prefers_local: false,
        };
        negotiation.resolve(resolver).await
    }
}

#[tokio::test]
async fn the_clouds_choice_is_kept_with_its_arn() {
    let device = Device::with_stored(&[]);
    let cloud = FakeCloud::new(&[Answer::Version("A", "1.0.0")]);
    device.resolve("thinggroup/G", "1.0.0", Some(&cloud)).await.unwrap();
    let (name, version) = ("A".parse().unwrap(), Version::new(1, 0, 0));
    let metadata = device.store.load_metadata(&name, &version).unwrap();
    assert_eq!(metadata.component_version_arn.as_deref(), Some("arn:A"));
    let asked = cloud.asked.lock().unwrap();
    let candidate = &asked[0].component_candidates[0];
    assert_eq!(candidate.version_requirements["thinggroup/G"], "=1.0.0");
    assert_eq!(candidate.component_version, None);
    assert_eq!(asked[0].platform.attributes["os"], "linux");
}

#[tokio::test]
async fn res_04_a_failing_cloud_gives_way_to_the_store() {
    let device = Device::with_stored(&["1.0.0"]);
    let cloud = FakeCloud::new(&[Answer::Status(500, "boom")]);
    device.resolve("thinggroup/G", "1.0.0", Some(&cloud)).await.unwrap();
    assert_eq!(cloud.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn res_04_without_a_stored_version_the_cloud_is_asked_again() {
    let device = Device::with_stored(&[]);
    let cloud = FakeCloud::new(&[Answer::Status(500, "boom"), Answer::Version("A", "1.0.0")]);
    device.resolve("thinggroup/G", "1.0.0", Some(&cloud)).await.unwrap();
    assert_eq!(cloud.calls(), 2);
    let cloud = FakeCloud::new(&[Answer::Status(503, "boom")]);
    let device = Device::with_stored(&[]);
    let error = device.resolve("thinggroup/G", "1.0.0", Some(&cloud)).await.unwrap_err();
    assert_eq!(cloud.calls(), 3);
    assert_eq!(error.error_codes(), [ErrorCode::CloudApiError, ErrorCode::ServerError]);
}

#[tokio::test]
async fn res_04_local_and_offline_deployments_ask_nobody() {
    let device = Device::with_stored(&["1.0.0"]);
    device.resolve("LOCAL_DEPLOYMENT", "1.0.0", None).await.unwrap();
    let cloud = FakeCloud::new(&[Answer::Status(500, "boom")]);
    device.resolve("LOCAL_DEPLOYMENT", "1.0.0", Some(&cloud)).await.unwrap();
    assert_eq!(cloud.calls(), 0);
    let error = device.resolve("LOCAL_DEPLOYMENT", "2.0.0", None).await.unwrap_err();
    assert!(error.to_string().contains("not connected to a cloud"), "{error}");
}

#[tokio::test]
async fn refusals_have_their_codes() {
    let device = Device::with_stored(&[]);
    for (answer, code) in [
        (Answer::Status(403, "no"), ErrorCode::ResolveComponentCandidatesAccessDenied),
        (
            Answer::Status(404, "A: no usable version"),
            ErrorCode::ComponentVersionRequirementsNotMet,
        ),
        (Answer::Version("A", "9.0.0"), ErrorCode::ResolveComponentCandidatesBadResponse),
        (Answer::Version("B", "1.0.0"), ErrorCode::ResolveComponentCandidatesBadResponse),
    ] {
        let cloud = FakeCloud::new(&[answer]);
        let error = device.resolve("thinggroup/G", "1.0.0", Some(&cloud)).await.unwrap_err();
        assert_eq!(error.error_codes().last(), Some(&code), "{error}");
        assert_eq!(cloud.calls(), 1);
    }
}

#[tokio::test]
async fn the_nucleus_that_runs_needs_no_cloud() {
    let device = Device::with_stored(&[]);
    let cloud = FakeCloud::new(&[Answer::Version(NUCLEUS, "2.99.0")]);
    let resolution =
        device.resolve_root(NUCLEUS, "thinggroup/G", "2.17.0", Some(&cloud)).await.unwrap();
    assert_eq!(cloud.calls(), 0);
    assert_eq!(resolution.components[NUCLEUS].component_type, ComponentType::Nucleus);
    let stored = device.store.load_recipe(&NUCLEUS.parse().unwrap(), &Version::new(2, 17, 0));
    assert_eq!(stored.unwrap().manifests.len(), 1, "it must be found when it is composed");
}
