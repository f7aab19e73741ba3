use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use marram_aws::greengrassv2::ComponentStatus;
use marram_aws::sigv4::Credentials;
use serde_json::{Value, json};

use super::*;
use crate::testing::{TestFleet, create_request, recipe, request, wire};

const ARN: &str =
    "arn:aws:greengrass:us-east-1:123456789012:components:com.example.Hello:versions:1.0.0";
const HELLO: &str = "com.example.Hello";

/// Base64 of the SHA-256 of `hello`.
const HELLO_DIGEST: &str = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";

async fn status(fleet: &Fleet, arn: &str) -> ComponentStatus {
    fleet.describe_component(request(json!({"arn": arn}))).await.unwrap().status
}

async fn recipe_json(fleet: &Fleet, arn: &str) -> Value {
    let asked = json!({"arn": arn, "recipeOutputFormat": "JSON"});
    let answer = fleet.get_component(request(asked)).await.unwrap();
    serde_json::from_slice(&answer.recipe.0).unwrap()
}

async fn resolve(fleet: &Fleet, attributes: Value, requirements: Value) -> Result<Value, ApiError> {
    let asked = json!({
        "platform": {"attributes": attributes},
        "componentCandidates": [{"componentName": HELLO, "versionRequirements": requirements}],
    });
    fleet.resolve_component_candidates(request(asked)).await.map(|answer| wire(&answer))
}

fn linux() -> Value {
    json!({"os": "linux", "architecture": "amd64"})
}

#[tokio::test]
async fn a1_a_version_is_made_once() {
    let t = TestFleet::start().await;
    let asked = create_request(&recipe(HELLO, "1.0.0", &json!([{}])));
    let answer = wire(&t.fleet.create_component_version(asked.clone()).await.unwrap());
    assert_eq!(answer["arn"], ARN);
    assert_eq!(answer["status"]["componentState"], "REQUESTED");
    assert_eq!(answer["status"]["message"], "NONE");
    assert!(answer["creationTimestamp"].is_number());
    assert_eq!(status(&t.fleet, ARN).await.component_state, ComponentState::Deployable);

    let error = t.fleet.create_component_version(asked).await.unwrap_err();
    assert_eq!((error.code, error.status), ("ConflictException", 409));
    assert_eq!(error.members["resourceId"], ARN);
}

#[tokio::test]
async fn a2_one_client_token_makes_one_version() {
    let t = TestFleet::start().await;
    let mut asked = create_request(&recipe(HELLO, "1.0.0", &json!([{}])));
    asked.client_token = Some("token-1".into());
    let first = t.fleet.create_component_version(asked.clone()).await.unwrap();
    t.clock.advance(std::time::Duration::from_secs(3600));
    let t = t.restart().await;
    let again = t.fleet.create_component_version(asked.clone()).await.unwrap();
    assert_eq!(first, again);
    let versions =
        json!({"arn": "arn:aws:greengrass:us-east-1:123456789012:components:com.example.Hello"});
    let listed = t.fleet.list_component_versions(request(versions)).await.unwrap();
    assert_eq!(listed.component_versions.len(), 1);

    let mut other = create_request(&recipe(HELLO, "2.0.0", &json!([{}])));
    other.client_token = asked.client_token;
    let error = t.fleet.create_component_version(other).await.unwrap_err();
    assert_eq!(error.code, "ConflictException");
}

#[tokio::test]
async fn a3_exactly_one_source_is_needed() {
    let t = TestFleet::start().await;
    let mut both = create_request(&recipe(HELLO, "1.0.0", &json!([{}])));
    both.lambda_function = Some(json!({"lambdaArn": "arn:aws:lambda:r:1:function:f:1"}));
    let mut neither = both.clone();
    (neither.inline_recipe, neither.lambda_function) = (None, None);
    for asked in [both, neither] {
        let error = t.fleet.create_component_version(asked).await.unwrap_err();
        assert_eq!((error.code, error.status), ("ValidationException", 400));
    }
}

#[tokio::test]
async fn a_bad_recipe_names_its_fields() {
    let t = TestFleet::start().await;
    let error = t
        .fleet
        .create_component_version(create_request(&recipe("a/b", "1.0", &json!([{}]))))
        .await
        .unwrap_err();
    assert_eq!(error.members["reason"], "FIELD_VALIDATION_FAILED");
    let fields = error.members["fields"].as_array().unwrap();
    let names: Vec<_> = fields.iter().map(|field| field["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"ComponentName") && names.contains(&"ComponentVersion"), "{names:?}");
}

#[tokio::test]
async fn a4_a_missing_object_fails_the_version_and_it_can_be_made_again() {
    let t = TestFleet::start().await;
    let manifests = json!([{"Artifacts": [{"Uri": "s3://bkt/missing.zip"}]}]);
    let asked = create_request(&recipe(HELLO, "1.0.0", &manifests));
    t.fleet.create_component_version(asked.clone()).await.unwrap();
    let failed = status(&t.fleet, ARN).await;
    assert_eq!(failed.component_state, ComponentState::Failed);
    assert!(failed.errors.contains_key("s3://bkt/missing.zip"), "{failed:?}");
    assert!(!failed.message.is_empty());
    let error = resolve(&t.fleet, linux(), json!({"X": "*"})).await.unwrap_err();
    assert_eq!(error.status, 404);

    t.put_object("bkt", "missing.zip", b"hello").await;
    t.fleet.create_component_version(asked).await.unwrap();
    assert_eq!(status(&t.fleet, ARN).await.component_state, ComponentState::Deployable);
}

#[tokio::test]
async fn a5_artifacts_get_the_digest_of_their_bytes_whatever_the_author_wrote() {
    let t = TestFleet::start().await;
    t.put_object("bkt", "dir/a b.txt", b"hello").await;
    let artifact =
        json!({"Uri": "s3://bkt/dir/a%20b.txt", "Digest": "d3Jvbmc=", "Algorithm": "SHA-256"});
    let manifests = json!([{"Artifacts": [artifact]}]);
    let asked = create_request(&recipe(HELLO, "1.0.0", &manifests));
    t.fleet.create_component_version(asked).await.unwrap();
    let artifact = recipe_json(&t.fleet, ARN).await["Manifests"][0]["Artifacts"][0].clone();
    assert_eq!(artifact["Algorithm"], "SHA-256");
    assert_eq!(artifact["Digest"], HELLO_DIGEST);
    assert_eq!(artifact["Uri"], "s3://bkt/dir/a%20b.txt");
}

#[tokio::test]
async fn a30_devices_get_the_services_copy_by_a_presigned_url() {
    let t = TestFleet::start().await;
    t.put_object("bkt", "dir/a.zip", b"hello").await;
    let manifests = json!([{"Artifacts": [{"Uri": "s3://bkt/dir/a.zip"}]}]);
    t.fleet
        .create_component_version(create_request(&recipe(HELLO, "1.0.0", &manifests)))
        .await
        .unwrap();
    t.blobs.delete("bkt", "dir/a.zip").await.unwrap();
    let resolved = resolve(&t.fleet, linux(), json!({"X": "*"})).await.unwrap();
    let recipe =
        STANDARD.decode(resolved["resolvedComponentVersions"][0]["recipe"].as_str().unwrap());
    let recipe: Value = serde_json::from_slice(&recipe.unwrap()).unwrap();
    let artifact = &recipe["Manifests"][0]["Artifacts"][0];
    assert_eq!(artifact["Digest"], HELLO_DIGEST);
    let name = artifact["Uri"].as_str().unwrap().strip_prefix("greengrass:").unwrap().to_owned();
    assert!(name.ends_with("/a.zip"), "{name}");

    let asked = |name: &str| request(json!({"arn": ARN, "artifactName": name}));
    let starting = t.fleet.get_component_version_artifact(asked(&name)).await.unwrap_err();
    assert_eq!(starting.status, 503);
    let credentials = Credentials {
        access_key_id: "AKIDEXAMPLE".into(),
        secret_access_key: "secret".into(),
        session_token: None,
    };
    t.fleet.set_artifact_urls(ArtifactUrls {
        endpoint: "https://h:1".into(),
        credentials,
        clock: t.clock.shared(),
    });
    for name in [name.as_str(), "dir/a.zip"] {
        let url = t.fleet.get_component_version_artifact(asked(name)).await.unwrap().pre_signed_url;
        let path = url.strip_prefix("https://h:1/").unwrap().split('?').next().unwrap();
        let (bucket, key) = path.split_once('/').unwrap();
        assert_eq!(t.blobs.head(bucket, key).unwrap().size, 5, "{url}");
        assert!(url.contains("X-Amz-Signature="), "{url}");
    }
    let other = t.fleet.get_component_version_artifact(asked("b.zip")).await.unwrap_err();
    assert_eq!(other.code, "ResourceNotFoundException");

    let stolen = json!([{"Artifacts": [{"Uri": format!("s3://{ARTIFACT_BUCKET}/{name}")}]}]);
    let stolen = crate::testing::recipe("com.example.Thief", "1.0.0", &stolen);
    let asked = create_request(&stolen);
    let arn = t.fleet.create_component_version(asked).await.unwrap().arn;
    assert_eq!(status(&t.fleet, &arn).await.component_state, ComponentState::Failed);
}

#[tokio::test]
async fn a6_a_recipe_comes_in_the_form_that_is_asked_for() {
    let t = TestFleet::start().await;
    let yaml = "RecipeFormatVersion: '2020-01-25'\nComponentName: com.example.Hello\n\
                ComponentVersion: 1.0.0\nManifests:\n- Platform:\n    os: linux\n";
    let mut asked = create_request(&json!({}));
    asked.inline_recipe = Some(Blob(yaml.as_bytes().to_vec()));
    t.fleet.create_component_version(asked).await.unwrap();
    assert_eq!(recipe_json(&t.fleet, ARN).await["ComponentName"], HELLO);
    for asked in [json!({"arn": ARN, "recipeOutputFormat": "YAML"}), json!({"arn": ARN})] {
        let answer = t.fleet.get_component(request(asked)).await.unwrap();
        assert_eq!(answer.recipe_output_format, RecipeOutputFormat::Yaml);
        assert!(String::from_utf8(answer.recipe.0).unwrap().contains("ComponentName: com.example"));
    }
}

#[tokio::test]
async fn a7_the_latest_version_is_the_highest() {
    let t = TestFleet::start().await;
    for version in ["1.0.0", "1.10.0", "1.9.0"] {
        t.add_component(HELLO, version).await;
    }
    let listed = t.fleet.list_components(request(json!({}))).await.unwrap();
    assert_eq!(listed.components.len(), 1);
    assert_eq!(listed.components[0].latest_version.component_version, "1.10.0");
    let arn = &listed.components[0].arn;
    let mut token = None;
    let mut versions = Vec::new();
    loop {
        let asked = json!({"arn": arn, "maxResults": 2, "nextToken": token});
        let page = t.fleet.list_component_versions(request(asked)).await.unwrap();
        versions.extend(page.component_versions.into_iter().map(|row| row.component_version));
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(versions, ["1.10.0", "1.9.0", "1.0.0"]);
}

#[tokio::test]
async fn public_components_come_with_the_cloud() {
    let t = TestFleet::start().await;
    let listed = t.fleet.list_components(request(json!({"scope": "PUBLIC"}))).await.unwrap();
    let names: Vec<&str> =
        listed.components.iter().map(|component| component.component_name.as_str()).collect();
    assert_eq!(names, ["aws.greengrass.Nucleus", "aws.greengrass.TokenExchangeService"]);
    let row = wire(&listed.components[1]);
    assert_eq!(
        row["arn"],
        "arn:aws:greengrass:us-east-1:aws:components:aws.greengrass.TokenExchangeService"
    );
    let arn = row["latestVersion"]["arn"].as_str().unwrap();
    assert_eq!(recipe_json(&t.fleet, arn).await["ComponentType"], "aws.greengrass.plugin");
    let error = t.fleet.delete_component(request(json!({"arn": arn}))).await.unwrap_err();
    assert_eq!(error.status, 403);
    assert!(t.fleet.list_components(request(json!({}))).await.unwrap().components.is_empty());
}

#[tokio::test]
async fn a_deleted_version_is_gone_with_its_copies() {
    let t = TestFleet::start().await;
    t.put_object("bkt", "a.zip", b"hello").await;
    let manifests = json!([{"Artifacts": [{"Uri": "s3://bkt/a.zip"}]}]);
    t.fleet
        .create_component_version(create_request(&recipe(HELLO, "1.0.0", &manifests)))
        .await
        .unwrap();
    t.fleet.delete_component(request(json!({"arn": ARN}))).await.unwrap();
    let error = t.fleet.describe_component(request(json!({"arn": ARN}))).await.unwrap_err();
    assert_eq!(error.code, "ResourceNotFoundException");
    let left = t.blobs.list(ARTIFACT_BUCKET, &Default::default()).unwrap();
    assert!(left.objects.is_empty(), "{left:?}");
    assert_eq!(t.blobs.head("bkt", "a.zip").unwrap().size, 5);
}

#[tokio::test]
async fn a29_all_requirements_must_hold_and_the_message_says_which_do_not() {
    let t = TestFleet::start().await;
    for version in ["1.0.0", "1.1.0", "2.0.0"] {
        t.add_component(HELLO, version).await;
    }
    let both = json!({"X": ">=1.0.0 <2.0.0", "thinggroup/G": "==1.1.0"});
    let resolved = resolve(&t.fleet, linux(), both).await.unwrap();
    assert_eq!(resolved["resolvedComponentVersions"][0]["componentVersion"], "1.1.0");
    let error = resolve(&t.fleet, linux(), json!({"X": ">=3"})).await.unwrap_err();
    assert_eq!((error.code, error.status), ("ResourceNotFoundException", 404));
    assert!(error.message.contains("no usable version"), "{error}");

    let windows = recipe("com.example.W", "1.0.0", &json!([{"Platform": {"os": "windows"}}]));
    t.fleet.create_component_version(create_request(&windows)).await.unwrap();
    let asked = json!({
        "platform": {"attributes": linux()},
        "componentCandidates": [{"componentName": "com.example.W"}],
    });
    let error = t.fleet.resolve_component_candidates(request(asked)).await.unwrap_err();
    assert!(error.message.contains("claim platform"), "{error}");
    assert!(!error.message.contains("no usable version"), "{error}");
}

#[tokio::test]
async fn d16_the_version_that_the_device_has_is_kept_if_it_will_do() {
    let t = TestFleet::start().await;
    for version in ["1.0.0", "1.1.0"] {
        t.add_component(HELLO, version).await;
    }
    for (had, expected) in [("1.0.0", "1.0.0"), ("0.9.0", "1.1.0")] {
        let asked = json!({
            "platform": {"name": "linux", "attributes": linux()},
            "componentCandidates": [{
                "componentName": HELLO,
                "componentVersion": had,
                "versionRequirements": {"requirements": ">=1.0.0"},
            }],
        });
        let answer = wire(&t.fleet.resolve_component_candidates(request(asked)).await.unwrap());
        let resolved = &answer["resolvedComponentVersions"];
        assert_eq!(resolved.as_array().unwrap().len(), 1);
        assert_eq!(resolved[0]["componentVersion"], expected);
        assert!(answer.to_string().len() < 16_384);
    }
}

#[tokio::test]
async fn a_public_nucleus_is_given_only_to_the_device_that_runs_it() {
    let t = TestFleet::start().await;
    for (had, resolves) in [(Some("2.17.0"), true), (Some("2.12.0"), false), (None, false)] {
        let mut candidate = json!({
            "componentName": "aws.greengrass.Nucleus",
            "versionRequirements": {"X": ">=2.0.0"},
        });
        if let Some(had) = had {
            candidate["componentVersion"] = json!(had);
        }
        let asked =
            json!({"platform": {"attributes": linux()}, "componentCandidates": [candidate]});
        match t.fleet.resolve_component_candidates(request(asked)).await {
            Ok(answer) => {
                let resolved = &wire(&answer)["resolvedComponentVersions"][0];
                assert!(resolves, "{had:?}: {resolved}");
                assert_eq!(resolved["componentVersion"], "2.17.0");
            }
            Err(error) => {
                assert!(!resolves, "{had:?}: {error}");
                assert!(error.message.contains("no usable version"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn d17_an_unresolvable_component_is_named() {
    let t = TestFleet::start().await;
    let error = resolve(&t.fleet, linux(), json!({"X": ">=9"})).await.unwrap_err();
    assert_eq!(error.members["resourceId"], HELLO);
    assert!(!error.message.contains("no usable version"), "{error}");
    t.add_component(HELLO, "1.0.0").await;
    let error = resolve(&t.fleet, linux(), json!({"X": ">=9"})).await.unwrap_err();
    assert!(error.message.contains("no usable version"), "{error}");
    let error = resolve(&t.fleet, linux(), json!({"X": "one"})).await.unwrap_err();
    assert_eq!(error.code, "ValidationException");
}

#[tokio::test]
async fn d23c_nucleus_lite_needs_a_manifest_that_names_a_runtime() {
    let lite = json!({"os": "linux", "runtime": "aws_nucleus_lite"});
    let cases = [
        (json!([{"Platform": {"os": "linux", "runtime": "*"}}]), true, true),
        (json!([{"Platform": {"os": "linux", "runtime": "aws_nucleus_lite"}}]), false, true),
        (json!([{"Platform": {"os": "linux"}}]), true, false),
    ];
    for (manifests, classic_matches, lite_matches) in cases {
        let t = TestFleet::start().await;
        t.fleet
            .create_component_version(create_request(&recipe(HELLO, "1.0.0", &manifests)))
            .await
            .unwrap();
        let any = || json!({"X": "*"});
        assert_eq!(resolve(&t.fleet, linux(), any()).await.is_ok(), classic_matches, "{manifests}");
        assert_eq!(
            resolve(&t.fleet, lite.clone(), any()).await.is_ok(),
            lite_matches,
            "{manifests}"
        );
    }
}

#[tokio::test]
async fn a_component_has_one_arn_by_which_policies_can_name_it() {
    let t = TestFleet::start().await;
    t.add_component(HELLO, "1.0.0").await;
    for other in [ARN.replace(":us-east-1:", ":eu-west-1:"), ARN.replace("arn:aws:", "arn:aws-cn:")]
    {
        let error = t.fleet.delete_component(request(json!({"arn": other}))).await.unwrap_err();
        assert_eq!(error.code, "ResourceNotFoundException", "{other}");
    }
    assert_eq!(status(&t.fleet, ARN).await.component_state, ComponentState::Deployable);
}
