//! Amazon resource names: built from an account, and taken apart.
//!
//! Greengrass separates the resource type by `:`, IoT by `/`. Names of things and groups may
//! contain `:`, so a configuration's revision is what follows the *last* colon.

use std::fmt;
use std::str::FromStr;

use crate::name::ParseComponentName;
use crate::text::serde_as_text;
use crate::version::ParseVersion;
use crate::{ComponentName, Version};

/// The account, region and partition that a cloud's resources belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// `aws`, `aws-cn`, …
    pub partition: String,
    /// For example `eu-west-1`.
    pub region: String,
    /// Twelve digits.
    pub account_id: String,
}

impl Account {
    fn arn(&self, service: &str, resource: fmt::Arguments<'_>) -> String {
        let Self { partition, region, account_id } = self;
        format!("arn:{partition}:{service}:{region}:{account_id}:{resource}")
    }

    /// A thing.
    pub fn thing(&self, name: &str) -> String {
        self.arn("iot", format_args!("thing/{name}"))
    }

    /// A thing type.
    pub fn thing_type(&self, name: &str) -> String {
        self.arn("iot", format_args!("thingtype/{name}"))
    }

    /// A provisioning template.
    pub fn provisioning_template(&self, name: &str) -> String {
        self.arn("iot", format_args!("provisioningtemplate/{name}"))
    }

    /// A thing group.
    pub fn thing_group(&self, name: &str) -> String {
        self.arn("iot", format_args!("thinggroup/{name}"))
    }

    /// A certificate, by its id: the hexadecimal SHA-256 of its DER.
    pub fn certificate(&self, id: &str) -> String {
        self.arn("iot", format_args!("cert/{id}"))
    }

    /// An IoT policy.
    pub fn policy(&self, name: &str) -> String {
        self.arn("iot", format_args!("policy/{name}"))
    }

    /// An MQTT client, by its client id.
    pub fn client(&self, id: &str) -> String {
        self.arn("iot", format_args!("client/{id}"))
    }

    /// A role alias.
    pub fn role_alias(&self, name: &str) -> String {
        self.arn("iot", format_args!("rolealias/{name}"))
    }

    /// An MQTT topic.
    pub fn topic(&self, name: &str) -> String {
        self.arn("iot", format_args!("topic/{name}"))
    }

    /// An IoT job.
    pub fn job(&self, id: &str) -> String {
        self.arn("iot", format_args!("job/{id}"))
    }

    /// All versions of a component.
    pub fn component(&self, name: &ComponentName) -> String {
        self.arn("greengrass", format_args!("components:{name}"))
    }

    /// One version of a component.
    pub fn component_version(&self, name: &ComponentName, version: &Version) -> String {
        self.arn("greengrass", format_args!("components:{name}:versions:{version}"))
    }

    /// A deployment.
    pub fn deployment(&self, id: &str) -> String {
        self.arn("greengrass", format_args!("deployments:{id}"))
    }

    /// A core device.
    pub fn core_device(&self, name: &str) -> String {
        self.arn("greengrass", format_args!("coreDevices:{name}"))
    }

    /// One revision of what is deployed to a target: the `configurationArn` of a document.
    pub fn configuration(&self, target: &Target, revision: u64) -> String {
        self.arn("greengrass", format_args!("configuration:{target}:{revision}"))
    }

    /// An access key, as the service `marram` knows it.
    pub fn access_key(&self, id: &str) -> String {
        self.arn("marram", format_args!("key/{id}"))
    }

    /// An IAM role.
    pub fn role(&self, name: &str) -> String {
        self.iam(&format!("role/{name}"))
    }

    /// What IAM knows: `role/NAME`, `user/NAME`, `policy/NAME`, each also with folders before the
    /// name. IAM has no region.
    pub fn iam(&self, resource: &str) -> String {
        format!("arn:{}:iam::{}:{resource}", self.partition, self.account_id)
    }
}

/// Why a text is not the ARN that was wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseArn {
    /// Another service, resource or no ARN at all.
    #[error("`{arn}` is no ARN of this kind: use `{expected}`")]
    Shape {
        /// The text.
        arn: String,
        /// The form that was wanted.
        expected: &'static str,
    },
    /// The component name within is not valid.
    #[error("component ARN `{arn}` is not valid")]
    Name {
        /// The text.
        arn: String,
        /// What is wrong with the name.
        #[source]
        source: ParseComponentName,
    },
    /// The component version within is not valid.
    #[error("component ARN `{arn}` is not valid")]
    Version {
        /// The text.
        arn: String,
        /// What is wrong with the version.
        #[source]
        source: ParseVersion,
    },
}

/// The fields before the resource, and the resource, if `arn` is one of `service`.
fn split<'a>(arn: &'a str, service: &str) -> Option<(&'a str, &'a str)> {
    let mut fields = arn.splitn(6, ':');
    let is_arn = fields.next() == Some("arn");
    let has_partition = fields.next().is_some_and(|partition| partition.starts_with("aws"));
    let is_of_service = fields.next() == Some(service);
    let _region = fields.next()?;
    let account = fields.next()?;
    let resource = fields.next()?;
    (is_arn && has_partition && is_of_service).then_some((account, resource))
}

/// What a deployment is for: one thing, or a group of things.
///
/// Its text is the group key of the device: `thing/X` or `thinggroup/X`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// One core device.
    Thing(String),
    /// All core devices of a group and of the groups below it.
    ThingGroup(String),
}

impl Target {
    /// From an IoT ARN, for example `arn:aws:iot:eu-west-1:111122223333:thinggroup/Line7`.
    pub fn parse_arn(arn: &str) -> Result<Self, ParseArn> {
        split(arn, "iot").and_then(|(_, resource)| Self::parse_key(resource)).ok_or_else(|| {
            ParseArn::Shape {
                arn: arn.to_owned(),
                expected: "arn:aws:iot:REGION:ACCOUNT:thing/NAME or …:thinggroup/NAME",
            }
        })
    }

    /// From a group key.
    fn parse_key(key: &str) -> Option<Self> {
        let (kind, name) = key.split_once('/')?;
        match kind {
            _ if name.is_empty() => None,
            "thing" => Some(Self::Thing(name.to_owned())),
            "thinggroup" => Some(Self::ThingGroup(name.to_owned())),
            _ => None,
        }
    }

    /// The key under which the device files what this target deployed: `thing/X`,
    /// `thinggroup/X`.
    pub fn as_group_key(&self) -> String {
        self.to_string()
    }

    /// The thing's or group's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Thing(name) | Self::ThingGroup(name) => name,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thing(name) => write!(f, "thing/{name}"),
            Self::ThingGroup(name) => write!(f, "thinggroup/{name}"),
        }
    }
}

impl FromStr for Target {
    type Err = ParseArn;

    /// From a group key, `thing/X` or `thinggroup/X`.
    fn from_str(key: &str) -> Result<Self, Self::Err> {
        Self::parse_key(key).ok_or_else(|| ParseArn::Shape {
            arn: key.to_owned(),
            expected: "thing/NAME or thinggroup/NAME",
        })
    }
}

serde_as_text!(Target);

/// The ARN of a component, or of one of its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentArn {
    /// The account id, or `aws` for a public component.
    pub account_field: String,
    /// The component.
    pub name: ComponentName,
    /// The version, if the ARN names one.
    pub version: Option<Version>,
}

impl ComponentArn {
    /// From `arn:aws:greengrass:REGION:ACCOUNT:components:NAME[:versions:VERSION]`.
    pub fn parse(arn: &str) -> Result<Self, ParseArn> {
        let shape = || ParseArn::Shape {
            arn: arn.to_owned(),
            expected: "arn:aws:greengrass:REGION:ACCOUNT:components:NAME[:versions:VERSION]",
        };
        let (account, resource) = split(arn, "greengrass").ok_or_else(shape)?;
        let fields: Vec<&str> = resource.split(':').collect();
        let (name, version) = match fields[..] {
            ["components", name] => (name, None),
            ["components", name, "versions", version] => (name, Some(version)),
            _ => return Err(shape()),
        };
        let name = name.parse().map_err(|source| ParseArn::Name { arn: arn.to_owned(), source })?;
        let version = version
            .map(str::parse)
            .transpose()
            .map_err(|source| ParseArn::Version { arn: arn.to_owned(), source })?;
        Ok(Self { account_field: account.to_owned(), name, version })
    }

    /// True for a component that the cloud offers, not the account.
    pub fn is_public(&self) -> bool {
        self.account_field == "aws"
    }
}

/// The ARN of one revision of what is deployed to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationArn {
    /// The thing or group.
    pub target: Target,
    /// Counts from 1 for each target.
    pub revision: u64,
}

impl ConfigurationArn {
    /// From `arn:aws:greengrass:REGION:ACCOUNT:configuration:thinggroup/NAME:REVISION`.
    pub fn parse(arn: &str) -> Result<Self, ParseArn> {
        Self::parse_parts(arn).ok_or_else(|| ParseArn::Shape {
            arn: arn.to_owned(),
            expected: "arn:aws:greengrass:REGION:ACCOUNT:configuration:thinggroup/NAME:REVISION",
        })
    }

    fn parse_parts(arn: &str) -> Option<Self> {
        let (_, resource) = split(arn, "greengrass")?;
        let (key, revision) = resource.strip_prefix("configuration:")?.rsplit_once(':')?;
        Some(Self { target: Target::parse_key(key)?, revision: revision.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account {
            partition: "aws".into(),
            region: "eu-west-1".into(),
            account_id: "111122223333".into(),
        }
    }

    #[test]
    fn a_configuration_arn_comes_back_even_with_colons_in_the_name() {
        for target in [Target::Thing("a:b".into()), Target::ThingGroup("Line7".into())] {
            let arn = account().configuration(&target, 4);
            assert_eq!(
                ConfigurationArn::parse(&arn).unwrap(),
                ConfigurationArn { target, revision: 4 }
            );
        }
        assert_eq!(
            account().configuration(&Target::ThingGroup("G".into()), 2),
            "arn:aws:greengrass:eu-west-1:111122223333:configuration:thinggroup/G:2"
        );
        for bad in [
            "foo",
            "arn:aws:greengrass:r:1:configuration:thinggroup/G",
            "arn:aws:greengrass:r:1:configuration:thing/:1",
        ] {
            assert!(ConfigurationArn::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn component_arns_with_and_without_version() {
        let name: ComponentName = "com.example.A".parse().unwrap();
        let version: Version = "1.2.0-rc.1".parse().unwrap();
        let parsed = ComponentArn::parse(&account().component_version(&name, &version)).unwrap();
        assert_eq!((&parsed.name, parsed.version.as_ref()), (&name, Some(&version)));
        assert_eq!(ComponentArn::parse(&account().component(&name)).unwrap().version, None);
        assert!(ComponentArn::parse("arn:aws:greengrass:r:aws:components:A").unwrap().is_public());
        for bad in
            ["", "arn:aws:iot:r:1:components:A", "arn:aws:greengrass:r:1:components:A:versions:x"]
        {
            assert!(ComponentArn::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn targets_come_from_iot_arns_only() {
        let group = Target::parse_arn(&account().thing_group("a:b")).unwrap();
        assert_eq!(group.as_group_key(), "thinggroup/a:b");
        assert_eq!(group.as_group_key().parse::<Target>().unwrap(), group);
        assert!(Target::parse_arn(&account().policy("p")).is_err());
        assert!(Target::parse_arn("arn:aws:greengrass:r:1:thing/x").is_err());
    }

    #[test]
    fn iam_has_no_region() {
        assert_eq!(account().role("R"), "arn:aws:iam::111122223333:role/R");
    }
}
