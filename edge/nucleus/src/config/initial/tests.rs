use serde_json::json;

use super::*;

fn problem(text: &str) -> String {
    match parse(text).unwrap_err() {
        ParseInitial::Schema(problem) => problem.to_string(),
        ParseInitial::Syntax(error) => panic!("not YAML: {error}"),
    }
}

#[test]
fn c1_1_official_file_is_read() {
    let text = "
system:
  certificateFilePath: /greengrass/v2/thingCert.crt
  privateKeyPath: /greengrass/v2/privKey.key
  rootCaPath: /greengrass/v2/rootCA.pem
  rootpath: /greengrass/v2
  thingName: MyCore
services:
  aws.greengrass.Nucleus:
    componentType: NUCLEUS
    version: 2.12.0
    configuration:
      awsRegion: eu-west-1
      mqtt: {port: '443', spooler: {keepQos0WhenOffline: false}}
      networkProxy:
      platformOverride: {os: linux}
  com.example.A:
    configuration: {anything: [1, two]}
";
    let value = parse(text).unwrap();
    assert_eq!(value["system"]["thingName"], "MyCore");
    assert_eq!(value["services"]["com.example.A"]["configuration"]["anything"], json!([1, "two"]));
}

#[test]
fn file_of_lite_names_the_same_nucleus() {
    let value = parse(
        "services: {aws.greengrass.NucleusLite: {configuration: {iotDataEndpoint: data.example}}}",
    )
    .unwrap();
    let nucleus = &value["services"]["aws.greengrass.Nucleus"];
    assert_eq!(nucleus["configuration"]["iotDataEndpoint"], "data.example");
}

#[test]
fn empty_file_is_an_empty_configuration() {
    assert_eq!(parse("").unwrap(), json!({}));
    assert_eq!(parse("services:").unwrap(), json!({"services": {}}));
}

#[test]
fn unknown_keys_are_named_with_what_is_known() {
    assert_eq!(
        problem("system: {thingname: T, certificatePath: /x}"),
        "unknown key `system.certificatePath` (value \"/x\"); known here: certificateFilePath, \
         privateKeyPath, rootCaPath, rootpath, thingName, ipcSocketPath"
    );
    assert!(problem("setting: 1").starts_with("unknown key `setting`"));
}

#[test]
fn keys_of_a_newer_nucleus_are_kept() {
    let file = "services: {aws.greengrass.Nucleus: {configuration: {mqtt: {spooler: {size: 1}}}}}";
    let spooler = "/services/aws.greengrass.Nucleus/configuration/mqtt/spooler";
    assert_eq!(parse(file).unwrap().pointer(spooler), Some(&json!({"size": 1})));
}

#[test]
fn wrong_types_are_named_with_the_right_one() {
    let nucleus = |configuration: &str| {
        problem(&format!(
            "services: {{aws.greengrass.Nucleus: {{configuration: {{{configuration}}}}}}}"
        ))
    };
    assert_eq!(
        nucleus("mqtt: {port: many}"),
        "`services.aws.greengrass.Nucleus.configuration.mqtt.port` is \"many\"; give it a whole \
         number"
    );
    assert!(nucleus("awsRegion: 5").ends_with("is 5; give it a text (put it in quotes)"));
    assert!(nucleus("logging: [DEBUG]").ends_with("give it a map of keys"));
    assert!(nucleus("telemetry: {enabled: maybe}").ends_with("`true` or `false`"));
    assert!(!nucleus("networkProxy: {proxy: {password: 1234}}").contains("1234"));
}

#[test]
fn missing_file_is_no_error_but_a_broken_one_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    assert_eq!(read_if_present(&path).unwrap(), None);
    std::fs::write(&path, "a: [").unwrap();
    let error = read_if_present(&path).unwrap_err();
    assert!(matches!(error, ReadInitialConfig::Syntax { .. }), "{error}");
}

#[test]
fn c3_the_reference_lists_each_key_and_no_other() {
    let page = include_str!("../../../../../docs/reference/nucleus-configuration.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let listed: Vec<&str> = rows.map(|(key, _)| key).collect();
    let known: Vec<&str> = schema::NUCLEUS.iter().map(|(key, _)| *key).collect();
    assert_eq!(listed, known);
}
