use marram_os::clock::ManualClock;
use serde_json::json;

use super::*;
use crate::paths::NucleusPaths;

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn layered(inherited: &Variables, lifecycle: &Variables, step: &Variables) -> Variables {
    let none = Variables::new();
    Layers {
        inherited,
        token: "TOKEN00000000000",
        mark: "/gg#c#1",
        home: Path::new("/home/u"),
        device: &variables(&[("AWS_REGION", "eu-west-1"), (SOCKET, "/gg/ipc.socket")]),
        shared: &none,
        recipe: [lifecycle, step],
    }
    .variables()
}

#[test]
fn a7_7_step_wins_over_lifecycle() {
    let all = layered(
        &variables(&[("X", "1")]),
        &variables(&[("X", "2"), ("Y", "2")]),
        &variables(&[("X", "3")]),
    );
    assert_eq!((all["X"].as_str(), all["Y"].as_str()), ("3", "2"));
}

#[test]
fn a7_7_recipe_cannot_take_another_identity() {
    let forged = variables(&[(TOKEN, "x"), (CREDENTIALS_TOKEN, "x"), (SOCKET, "/x"), (MARK, "x")]);
    let all = layered(&Variables::new(), &forged, &forged);
    assert_eq!(all[TOKEN], "TOKEN00000000000");
    assert_eq!(all[CREDENTIALS_TOKEN], "TOKEN00000000000");
    assert_eq!(all[SOCKET], "/gg/ipc.socket");
    assert_eq!(all[MARK], "/gg#c#1");
}

#[test]
fn a7_7_credentials_of_the_nucleus_do_not_leak() {
    let own = variables(&[
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_PROFILE", "p"),
        (TOKEN, "outer"),
        ("LANG", "C"),
        ("PATH", "/opt/bin:/bin"),
        ("HOME", "/root"),
    ]);
    let all = layered(&own, &Variables::new(), &Variables::new());
    assert!(!all.contains_key("AWS_ACCESS_KEY_ID") && !all.contains_key("AWS_PROFILE"));
    assert_eq!(all["LANG"], "C");
    assert_eq!(all["PATH"], "/opt/bin:/bin:/usr/bin:/sbin:/usr/sbin");
    assert_eq!(all["HOME"], "/home/u");
}

#[test]
fn a7_7_device_and_proxy_come_from_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let paths = NucleusPaths::new(folder.path());
    let config = ConfigStore::open(&paths, None, ManualClock::at_ms(1).shared()).unwrap();
    let without = device(&config, &paths.ipc_socket());
    assert_eq!(without["GG_ROOT_CA_PATH"], "");
    assert!(!without.contains_key("HTTP_PROXY") && !without.contains_key("NO_PROXY"));
    let nucleus = json!({
        "version": "2.99.0",
        "configuration": {
            "awsRegion": "eu-west-1",
            "fipsMode": "true",
            "networkProxy": {
                "noProxyAddresses": "10.0.0.1",
                "proxy": {"url": "http://proxy:3128", "username": "u", "password": "p"},
            },
        },
    });
    let value = json!({
        "system": {"thingName": "T", "rootCaPath": "/ca.pem"},
        "services": {"aws.greengrass.Nucleus": nucleus},
    });
    config.merge(&[], &value, 1).unwrap();
    let with = device(&config, &paths.ipc_socket());
    for (name, value) in [
        ("AWS_IOT_THING_NAME", "T"),
        ("GG_ROOT_CA_PATH", "/ca.pem"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("GGC_VERSION", "2.99.0"),
        ("AWS_GG_FIPS_MODE", "true"),
        ("https_proxy", "http://u:p@proxy:3128"),
        ("NO_PROXY", "localhost,10.0.0.1"),
        (SOCKET_FOR_COMPONENT, &paths.ipc_socket().to_string_lossy()),
    ] {
        assert_eq!(with[name], value, "{name}");
    }
}
