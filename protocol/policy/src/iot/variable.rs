//! Policy variables: what a document may say of whoever asks, known only when they ask.

use std::collections::BTreeMap;

use crate::pattern;

/// What is known about whoever asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Variables<'a> {
    /// The MQTT client id; none for HTTP.
    pub client_id: Option<&'a str>,
    /// The id of the client's certificate.
    pub certificate_id: Option<&'a str>,
    /// The common name of the certificate's subject.
    pub certificate_common_name: Option<&'a str>,
    /// The thing that the client speaks for: present only when the client id is the thing's name
    /// and the certificate is attached to that thing.
    pub thing: Option<ThingVariables<'a>>,
}

/// The thing that a client speaks for.
#[derive(Debug, Clone, Copy)]
pub struct ThingVariables<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its attributes.
    pub attributes: &'a BTreeMap<String, String>,
}

/// A variable as a document names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Variable {
    ClientId,
    CertificateId,
    CertificateCommonName,
    ThingName,
    ThingAttribute(String),
    IsAttached,
    /// A name that has no value here; AWS too accepts any name and never resolves it.
    Unknown,
}

impl pattern::Variable for Variable {
    type Values<'v> = Variables<'v>;

    /// Names do not regard case, attribute names do.
    fn named(name: &str) -> Self {
        const ATTRIBUTE: &str = "iot:connection.thing.attributes[";
        let lower = name.to_ascii_lowercase();
        if lower.starts_with(ATTRIBUTE)
            && let Some(attribute) = name[ATTRIBUTE.len()..].strip_suffix(']')
        {
            return Self::ThingAttribute(attribute.to_owned());
        }
        match lower.as_str() {
            "iot:clientid" => Self::ClientId,
            "iot:certificateid" => Self::CertificateId,
            "iot:certificate.subject.commonname" => Self::CertificateCommonName,
            "iot:connection.thing.thingname" => Self::ThingName,
            "iot:connection.thing.isattached" => Self::IsAttached,
            _ => Self::Unknown,
        }
    }

    fn resolve<'v>(&self, variables: &Self::Values<'v>) -> Option<&'v str> {
        match self {
            Self::ClientId => variables.client_id,
            Self::CertificateId => variables.certificate_id,
            Self::CertificateCommonName => variables.certificate_common_name,
            Self::ThingName => variables.thing.map(|thing| thing.name),
            Self::ThingAttribute(name) => {
                variables.thing.and_then(|thing| thing.attributes.get(name)).map(String::as_str)
            }
            Self::IsAttached => variables
                .client_id
                .map(|_| if variables.thing.is_some() { "true" } else { "false" }),
            Self::Unknown => None,
        }
    }
}
