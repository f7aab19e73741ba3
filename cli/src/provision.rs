//! `marram core provision`: makes a core device through the calls that a user would make.
//!
//! The same calls, names and files as the Java installer's `--provision true` (cloud API 5.4,
//! `easysetup/DeviceProvisioningHelper.java`), so that its documentation fits. Every call may be
//! repeated: a second run for the same thing makes a new certificate and rewrites the files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use marram_cloud::Ready;
use serde_json::{Value, json};

use crate::aws::{AwsClient, encoded};
use crate::env::read_ready;
use crate::exit::BadInput;

const ROLE_ALIAS: &str = "GreengrassV2TokenExchangeRoleAlias";
const ROLE: &str = "GreengrassV2TokenExchangeRole";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The file that the cloud wrote when it was ready
    #[arg(long, value_name = "F")]
    ready_file: PathBuf,
    /// The thing's name: 1 to 128 of `a-z A-Z 0-9 : _ -`
    #[arg(long, value_name = "NAME")]
    thing: String,
    /// A thing group to join, made if it is missing; may be repeated
    #[arg(long, value_name = "G")]
    group: Vec<String>,
    /// The device's root folder
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// Topics that the device may use beside its own reserved ones, as IoT policy patterns; may be
    /// repeated
    #[arg(long, value_name = "PATTERN", default_value = "*")]
    allow_topic: Vec<String>,
    /// The user that runs components, `user[:group]`; as root the default is `ggc_user:ggc_group`
    /// where it exists, else `nobody`; an ordinary user runs them as themselves
    #[arg(long, value_name = "USER")]
    default_user: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let ready = read_ready(&arguments.ready_file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(provision(
        &ready,
        &Device {
            thing: arguments.thing.clone(),
            groups: arguments.group.clone(),
            root: arguments.root.clone(),
            allowed_topics: arguments.allow_topic.clone(),
            default_user: arguments
                .default_user
                .clone()
                .or_else(marramd::install::default_component_user),
        },
    ))?;
    println!("{}", arguments.root.join("config/config.yaml").display());
    Ok(())
}

/// What to provision.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) thing: String,
    pub(crate) groups: Vec<String>,
    pub(crate) root: PathBuf,
    pub(crate) allowed_topics: Vec<String>,
    pub(crate) default_user: Option<String>,
}

/// Makes the device in the cloud and writes its files.
pub(crate) async fn provision(ready: &Ready, device: &Device) -> Result<()> {
    if !device.root.is_absolute() {
        return Err(BadInput(format!(
            "--root {}: give an absolute path, components get it as it is",
            device.root.display()
        ))
        .into());
    }
    let aws = AwsClient::new(ready)?;
    create_thing(&aws, device).await?;
    let keys = aws
        .call("iot", "POST", "/keys-and-certificate?setAsActive=true", &[], None)
        .await
        .context("creating the certificate")?;
    let certificate_arn = text(&keys, "/certificateArn")?;
    attach(&aws, ready, device, certificate_arn).await?;
    write_files(ready, device, &keys)
}

async fn create_thing(aws: &AwsClient, device: &Device) -> Result<()> {
    let thing = encoded(&device.thing);
    aws.call("iot", "POST", &format!("/things/{thing}"), &[], Some(json!({})))
        .await
        .with_context(|| format!("creating thing `{}`", device.thing))?;
    for group in &device.groups {
        aws.call("iot", "POST", &format!("/thing-groups/{}", encoded(group)), &[], Some(json!({})))
            .await
            .or_else(AwsClient::already_exists)
            .with_context(|| format!("creating thing group `{group}`"))?;
        let membership = json!({"thingGroupName": group, "thingName": device.thing});
        aws.call("iot", "PUT", "/thing-groups/addThingToThingGroup", &[], Some(membership))
            .await
            .with_context(|| format!("adding `{}` to thing group `{group}`", device.thing))?;
    }
    Ok(())
}

/// Policies, role alias, and the certificate's ties to them and to the thing.
async fn attach(aws: &AwsClient, ready: &Ready, device: &Device, certificate: &str) -> Result<()> {
    let core_policy = format!("MarramCore-{}", device.thing.replace(':', "."));
    create_policy(aws, &core_policy, &core_policy_document(ready, device)).await?;
    let role_arn = format!("arn:aws:iam::{}:role/{ROLE}", ready.account_id);
    aws.call(
        "iot",
        "POST",
        &format!("/role-aliases/{ROLE_ALIAS}"),
        &[],
        Some(json!({"roleArn": role_arn})),
    )
    .await
    .or_else(AwsClient::already_exists)
    .context("creating the role alias")?;
    let token_policy = format!("GreengrassTESCertificatePolicy{ROLE_ALIAS}");
    create_policy(aws, &token_policy, &token_policy_document(ready)).await?;
    for policy in [&core_policy, &token_policy] {
        let path = format!("/target-policies/{}", encoded(policy));
        aws.call("iot", "PUT", &path, &[], Some(json!({"target": certificate})))
            .await
            .with_context(|| format!("attaching policy `{policy}`"))?;
    }
    let path = format!("/things/{}/principals", encoded(&device.thing));
    aws.call("iot", "PUT", &path, &[("x-amzn-principal", certificate)], None)
        .await
        .context("attaching the certificate to the thing")?;
    Ok(())
}

async fn create_policy(aws: &AwsClient, name: &str, document: &Value) -> Result<()> {
    let path = format!("/policies/{}", encoded(name));
    aws.call("iot", "POST", &path, &[], Some(json!({"policyDocument": document.to_string()})))
        .await
        .or_else(AwsClient::already_exists)
        .with_context(|| format!("creating policy `{name}`"))?;
    Ok(())
}

/// What a core device needs, for its own names only; ordinary topics as the caller allows.
///
/// A core connects as its thing name, and as `thing#2` and so on for more connections.
fn core_policy_document(ready: &Ready, device: &Device) -> Value {
    let iot = format!("arn:aws:iot:{}:{}", ready.region, ready.account_id);
    let thing = &device.thing;
    let mut topics = vec![format!("$aws/things/{thing}/*"), format!("$aws/things/{thing}-gci/*")];
    topics.extend_from_slice(&device.allowed_topics);
    let resources = |kind: &str| -> Vec<String> {
        topics.iter().map(|topic| format!("{iot}:{kind}/{topic}")).collect()
    };
    let allow = |action: Value, resource: Value| json!({"Effect": "Allow", "Action": action, "Resource": resource});
    json!({"Version": "2012-10-17", "Statement": [
        allow(json!("iot:Connect"), json!([format!("{iot}:client/{thing}"), format!("{iot}:client/{thing}#*")])),
        allow(json!(["iot:Publish", "iot:Receive", "iot:RetainPublish"]), json!(resources("topic"))),
        allow(json!("iot:Subscribe"), json!(resources("topicfilter"))),
        allow(json!("greengrass:*"), json!("*")),
    ]})
}

fn token_policy_document(ready: &Ready) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Action": "iot:AssumeRoleWithCertificate",
        "Resource": format!("arn:aws:iot:{}:{}:rolealias/{ROLE_ALIAS}", ready.region, ready.account_id),
    }]})
}

fn write_files(ready: &Ready, device: &Device, keys: &Value) -> Result<()> {
    let root = &device.root;
    let config = root.join("config");
    fs::create_dir_all(&config).with_context(|| format!("creating {}", config.display()))?;
    fs::set_permissions(&config, fs::Permissions::from_mode(0o700))?;
    let ca = fs::read(&ready.ca_file)
        .with_context(|| format!("reading the cloud's CA {}", ready.ca_file.display()))?;
    write(&root.join("rootCA.pem"), &ca, 0o644)?;
    write(&root.join("thingCert.crt"), text(keys, "/certificatePem")?.as_bytes(), 0o644)?;
    write(&root.join("privKey.key"), text(keys, "/keyPair/PrivateKey")?.as_bytes(), 0o600)?;
    let yaml =
        serde_saphyr::to_string(&configuration(ready, device)?).context("writing config.yaml")?;
    write(&config.join("config.yaml"), yaml.as_bytes(), 0o600)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    marram_os::file::write_atomically(path, bytes, mode)
        .with_context(|| format!("writing {}", path.display()))
}

/// The official nucleus's `config.yaml` (recipes and deployments, C1.1).
fn configuration(ready: &Ready, device: &Device) -> Result<Value> {
    let (data_host, mqtt_port) = host_and_port(&ready.mqtt_endpoint)?;
    let (plane_host, plane_port) = host_and_port(&ready.device_endpoint)?;
    let path = |name: &str| device.root.join(name).display().to_string();
    let mut nucleus = json!({
        "awsRegion": ready.region,
        "iotRoleAlias": ROLE_ALIAS,
        "iotDataEndpoint": data_host,
        "iotCredEndpoint": ready.credentials_endpoint,
        "greengrassDataPlaneEndpoint": plane_host,
        "greengrassDataPlanePort": plane_port,
        "mqtt": {"port": mqtt_port},
    });
    if let Some(user) = &device.default_user {
        nucleus["runWithDefault"] = json!({"posixUser": user});
    }
    Ok(json!({
        "system": {
            "certificateFilePath": path("thingCert.crt"),
            "privateKeyPath": path("privKey.key"),
            "rootCaPath": path("rootCA.pem"),
            "rootpath": device.root.display().to_string(),
            "thingName": device.thing,
        },
        "services": {"aws.greengrass.Nucleus": {
            "componentType": "NUCLEUS",
            "version": marramd::NUCLEUS_VERSION,
            "configuration": nucleus,
        }},
    }))
}

fn host_and_port(endpoint: &str) -> Result<(&str, u16)> {
    let (host, port) = endpoint
        .rsplit_once(':')
        .with_context(|| format!("the cloud's endpoint `{endpoint}` is not host:port"))?;
    let port = port.parse().with_context(|| format!("the port of `{endpoint}`"))?;
    Ok((host, port))
}

/// A text member of a reply.
fn text<'v>(reply: &'v Value, pointer: &str) -> Result<&'v str> {
    reply
        .pointer(pointer)
        .and_then(Value::as_str)
        .with_context(|| format!("the cloud's reply has no text at `{pointer}`"))
}
