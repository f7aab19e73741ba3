//! What is known of a call, and how documents name it: condition keys and policy variables.

use crate::pattern::Variable;

/// Who calls, and from where.
#[derive(Debug, Clone, Copy, Default)]
pub struct Context<'a> {
    /// The caller's ARN.
    pub principal_arn: Option<&'a str>,
    /// The name of the access key's user; none for a role.
    pub user_name: Option<&'a str>,
    /// The address that the call comes from, as text.
    pub source_ip: Option<&'a str>,
    /// Whether the call came over TLS.
    pub secure_transport: bool,
    /// For a device's credentials: the thing that it named when it asked for them.
    pub thing_name: Option<&'a str>,
    /// For a device's credentials: the certificate that asked for them.
    pub certificate_id: Option<&'a str>,
}

/// A condition key, or the variable of the same name. The `credentials-iot:` ones are AWS IoT's
/// ("Authorizing direct calls to AWS services", AWS IoT developer guide).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    PrincipalArn,
    UserName,
    SourceIp,
    SecureTransport,
    ThingName,
    CertificateId,
    Unknown(String),
}

/// For messages.
pub(super) const KNOWN: &str = "aws:PrincipalArn, aws:username, aws:SourceIp, \
     aws:SecureTransport, credentials-iot:ThingName or credentials-iot:AwsCertificateId";

impl Variable for Key {
    type Values<'v> = Context<'v>;

    /// Names do not regard case.
    fn named(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "aws:principalarn" => Self::PrincipalArn,
            "aws:username" => Self::UserName,
            "aws:sourceip" => Self::SourceIp,
            "aws:securetransport" => Self::SecureTransport,
            "credentials-iot:thingname" => Self::ThingName,
            "credentials-iot:awscertificateid" => Self::CertificateId,
            _ => Self::Unknown(name.to_owned()),
        }
    }

    fn resolve<'v>(&self, context: &Self::Values<'v>) -> Option<&'v str> {
        match self {
            Self::PrincipalArn => context.principal_arn,
            Self::UserName => context.user_name,
            Self::SourceIp => context.source_ip,
            Self::SecureTransport => Some(if context.secure_transport { "true" } else { "false" }),
            Self::ThingName => context.thing_name,
            Self::CertificateId => context.certificate_id,
            Self::Unknown(_) => None,
        }
    }
}
