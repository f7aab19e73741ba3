//! Why a request's signature is refused, and how each family of services says so.

use crate::ApiError;

/// The families of AWS protocols, which name the same refusal differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// JSON bodies: greengrass, iot, iotdata, …
    Json,
    /// XML bodies of S3.
    S3,
    /// Form bodies answered with XML: sts, iam.
    Query,
}

impl Family {
    /// The family of a SigV4 service name.
    pub fn of(service: &str) -> Self {
        match service {
            "s3" => Self::S3,
            "sts" | "iam" => Self::Query,
            _ => Self::Json,
        }
    }
}

/// A request that is not let in. No variant holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Neither an `Authorization` header nor a presigned query.
    #[error("the request is not signed: sign it with Signature Version 4 or use a presigned URL")]
    Missing,
    /// Signed in a way that is not Signature Version 4.
    #[error(
        "`{0}` is not supported: sign with AWS4-HMAC-SHA256 (boto3: signature_version=\"s3v4\")"
    )]
    Algorithm(String),
    /// A part of the signature is absent or cannot be read.
    #[error("`{part}` of the signature is missing or malformed: {detail}")]
    Incomplete {
        /// The header, parameter or field.
        part: &'static str,
        /// What was expected.
        detail: String,
    },
    /// The access key does not exist, or is inactive.
    #[error("the access key `{0}` does not exist here or is disabled: check AWS_ACCESS_KEY_ID")]
    UnknownAccessKey(String),
    /// A temporary key came without its session token.
    #[error("the access key `{0}` is temporary: send its session token (AWS_SESSION_TOKEN)")]
    TokenMissing(String),
    /// The session token is not the one issued with the access key.
    #[error("the session token is not the one issued with the access key `{0}`")]
    TokenWrong(String),
    /// The temporary key's time is over.
    #[error("the security token of the access key `{0}` is expired: ask for new credentials")]
    TokenExpired(String),
    /// The caller's clock and ours are too far apart.
    #[error("Signature expired: signed at {signed_at}, but it is {now} here; set the clock")]
    Skewed {
        /// The request's own date.
        signed_at: String,
        /// Our date.
        now: String,
    },
    /// The presigned URL's time is over.
    #[error("Request has expired: signed at {signed_at} for {expires_s} s; get a new URL")]
    UrlExpired {
        /// The URL's date.
        signed_at: String,
        /// Its life in seconds.
        expires_s: u32,
    },
    /// A header that must be signed is not.
    #[error("the header `{0}` was sent but is not among the signed headers")]
    Unsigned(String),
    /// The signature is not that of this request under this key.
    #[error(
        "The request signature we calculated does not match the signature you provided. \
         Check your AWS Secret Access Key and signing method."
    )]
    Mismatch,
    /// The body is not the one whose digest was signed.
    #[error("the body's SHA-256 is {actual}, but {claimed} was signed")]
    Payload {
        /// The digest in the request.
        claimed: String,
        /// The digest of what arrived.
        actual: String,
    },
}

impl Rejection {
    /// The error as the services of `family` word it. Sources: AWS's "Common Errors" pages of
    /// IoT, STS and S3 (S3's `ExpiredToken` and malformed headers are 400, the rest 403).
    pub fn to_api_error(&self, family: Family) -> ApiError {
        let [json, s3, query] = self.codes();
        let (code, status) = match family {
            Family::Json => json,
            Family::S3 => s3,
            Family::Query => query,
        };
        ApiError::new(code, status, self.to_string())
    }

    fn codes(&self) -> [(&'static str, u16); 3] {
        match self {
            Self::Missing => [
                ("MissingAuthenticationTokenException", 403),
                ("AccessDenied", 403),
                ("MissingAuthenticationToken", 403),
            ],
            Self::Algorithm(_) => [
                ("IncompleteSignatureException", 400),
                ("InvalidRequest", 400),
                ("IncompleteSignature", 400),
            ],
            Self::Incomplete { .. } => [
                ("IncompleteSignatureException", 400),
                ("AuthorizationHeaderMalformed", 400),
                ("IncompleteSignature", 400),
            ],
            Self::UnknownAccessKey(_) | Self::TokenMissing(_) => [
                ("UnrecognizedClientException", 403),
                ("InvalidAccessKeyId", 403),
                ("InvalidClientTokenId", 403),
            ],
            Self::TokenWrong(_) => [
                ("UnrecognizedClientException", 403),
                ("InvalidToken", 400),
                ("InvalidClientTokenId", 403),
            ],
            Self::TokenExpired(_) => {
                [("ExpiredTokenException", 403), ("ExpiredToken", 400), ("ExpiredToken", 403)]
            }
            Self::Skewed { .. } => [
                ("InvalidSignatureException", 403),
                ("RequestTimeTooSkewed", 403),
                ("SignatureDoesNotMatch", 403),
            ],
            Self::UrlExpired { .. } | Self::Unsigned(_) => [
                ("InvalidSignatureException", 403),
                ("AccessDenied", 403),
                ("SignatureDoesNotMatch", 403),
            ],
            Self::Mismatch => [
                ("InvalidSignatureException", 403),
                ("SignatureDoesNotMatch", 403),
                ("SignatureDoesNotMatch", 403),
            ],
            Self::Payload { .. } => [
                ("InvalidSignatureException", 403),
                ("XAmzContentSHA256Mismatch", 400),
                ("SignatureDoesNotMatch", 403),
            ],
        }
    }
}
