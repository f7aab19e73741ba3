//! Error codes and types of deployments (recipes and deployments, B7.2 and B7.3).
//!
//! The list grows with each nucleus, so a code that we do not know is kept as it was sent.

use std::fmt;
use std::str::FromStr;

use crate::text::{serde_as_text, words};

words! {
    /// Whose fault a failed deployment is.
    ErrorType {
        /// The code says nothing about the cause; never reported.
        None = "NONE",
        /// Not classified.
        UnknownError = "UNKNOWN_ERROR",
        /// A server answered with an error of its own.
        ServerError = "SERVER_ERROR",
        /// The nucleus.
        NucleusError = "NUCLEUS_ERROR",
        /// The fleet service sent something unusable.
        CloudServiceError = "CLOUD_SERVICE_ERROR",
        /// A component whose origin is not known.
        ComponentError = "COMPONENT_ERROR",
        /// A public component.
        AwsComponentError = "AWS_COMPONENT_ERROR",
        /// A component of the account, or local.
        UserComponentError = "USER_COMPONENT_ERROR",
        /// Missing rights.
        PermissionError = "PERMISSION_ERROR",
        /// The device: disk, files.
        DeviceError = "DEVICE_ERROR",
        /// No connection.
        NetworkError = "NETWORK_ERROR",
        /// Something the component depends on outside Greengrass.
        DependencyError = "DEPENDENCY_ERROR",
        /// The deployment asks for what cannot be.
        RequestError = "REQUEST_ERROR",
        /// An HTTP call failed.
        HttpError = "HTTP_ERROR",
        /// The recipe.
        ComponentRecipeError = "COMPONENT_RECIPE_ERROR",
    }
}

macro_rules! error_codes {
    ($( $type:ident { $( $variant:ident = $word:literal, )* } )*) => {
        /// One entry of a deployment's error stack.
        ///
        /// The variants are the wire's words; their meaning is in their names and in
        /// [`ErrorCode::error_type`].
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $( $( $variant, )* )*
            /// A code of a newer nucleus.
            Other(String),
        }

        impl ErrorCode {
            /// Every code that has a name here.
            pub const KNOWN: &'static [Self] = &[$( $( Self::$variant, )* )*];

            /// The word on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $( $( Self::$variant => $word, )* )*
                    Self::Other(word) => word,
                }
            }

            /// Whose fault the code tells of.
            pub fn error_type(&self) -> ErrorType {
                match self {
                    $( $( Self::$variant )|* => ErrorType::$type, )*
                    Self::Other(_) => ErrorType::UnknownError,
                }
            }
        }

        impl From<&str> for ErrorCode {
            fn from(word: &str) -> Self {
                match word {
                    $( $( $word => Self::$variant, )* )*
                    other => Self::Other(other.to_owned()),
                }
            }
        }
    };
}

error_codes! {
    None {
        DeploymentFailure = "DEPLOYMENT_FAILURE",
        DeploymentRejected = "DEPLOYMENT_REJECTED",
        DeploymentInterrupted = "DEPLOYMENT_INTERRUPTED",
        ArtifactDownloadError = "ARTIFACT_DOWNLOAD_ERROR",
        NoAvailableComponentVersion = "NO_AVAILABLE_COMPONENT_VERSION",
        ComponentPackageLoadingError = "COMPONENT_PACKAGE_LOADING_ERROR",
        RejectedStaleDeployment = "REJECTED_STALE_DEPLOYMENT",
        CloudApiError = "CLOUD_API_ERROR",
        IoError = "IO_ERROR",
        IoMappingError = "IO_MAPPING_ERROR",
        DeploymentDocumentNotValid = "DEPLOYMENT_DOCUMENT_NOT_VALID",
        EmptyDeploymentRequest = "EMPTY_DEPLOYMENT_REQUEST",
        DeploymentDocumentParseError = "DEPLOYMENT_DOCUMENT_PARSE_ERROR",
        ComponentMetadataNotValidInDeployment = "COMPONENT_METADATA_NOT_VALID_IN_DEPLOYMENT",
        ComponentUpdateError = "COMPONENT_UPDATE_ERROR",
        ComponentBroken = "COMPONENT_BROKEN",
        RemoveComponentError = "REMOVE_COMPONENT_ERROR",
        ComponentBootstrapTimeout = "COMPONENT_BOOTSTRAP_TIMEOUT",
        ComponentBootstrapError = "COMPONENT_BOOTSTRAP_ERROR",
        ComponentConfigurationNotValid = "COMPONENT_CONFIGURATION_NOT_VALID",
    }
    RequestError {
        NucleusMissingRequiredCapabilities = "NUCLEUS_MISSING_REQUIRED_CAPABILITIES",
        ComponentCircularDependencyError = "COMPONENT_CIRCULAR_DEPENDENCY_ERROR",
        UnauthorizedNucleusMinorVersionUpdate = "UNAUTHORIZED_NUCLEUS_MINOR_VERSION_UPDATE",
        MissingDockerApplicationManager = "MISSING_DOCKER_APPLICATION_MANAGER",
        MissingTokenExchangeService = "MISSING_TOKEN_EXCHANGE_SERVICE",
        ComponentVersionRequirementsNotMet = "COMPONENT_VERSION_REQUIREMENTS_NOT_MET",
        MultipleNucleusResolvedError = "MULTIPLE_NUCLEUS_RESOLVED_ERROR",
        ThrottlingError = "THROTTLING_ERROR",
        ConflictedRequest = "CONFLICTED_REQUEST",
        ResourceNotFound = "RESOURCE_NOT_FOUND",
        RunWithConfigNotValid = "RUN_WITH_CONFIG_NOT_VALID",
        UnsupportedRegion = "UNSUPPORTED_REGION",
        IotCredEndpointFormatNotValid = "IOT_CRED_ENDPOINT_FORMAT_NOT_VALID",
        IotDataEndpointFormatNotValid = "IOT_DATA_ENDPOINT_FORMAT_NOT_VALID",
        S3HeadObjectResourceNotFound = "S3_HEAD_OBJECT_RESOURCE_NOT_FOUND",
        S3GetBucketLocationResourceNotFound = "S3_GET_BUCKET_LOCATION_RESOURCE_NOT_FOUND",
        S3GetObjectResourceNotFound = "S3_GET_OBJECT_RESOURCE_NOT_FOUND",
    }
    PermissionError {
        AccessDenied = "ACCESS_DENIED",
        GetDeploymentConfigurationAccessDenied = "GET_DEPLOYMENT_CONFIGURATION_ACCESS_DENIED",
        GetComponentVersionArtifactAccessDenied = "GET_COMPONENT_VERSION_ARTIFACT_ACCESS_DENIED",
        ResolveComponentCandidatesAccessDenied = "RESOLVE_COMPONENT_CANDIDATES_ACCESS_DENIED",
        MissingMqttConnectPolicy = "MISSING_MQTT_CONNECT_POLICY",
        CredentialEndpointAuthFailure = "CREDENTIAL_ENDPOINT_AUTH_FAILURE",
        GetEcrCredentialError = "GET_ECR_CREDENTIAL_ERROR",
        UserNotAuthorizedForDocker = "USER_NOT_AUTHORIZED_FOR_DOCKER",
        S3AccessDenied = "S3_ACCESS_DENIED",
        S3HeadObjectAccessDenied = "S3_HEAD_OBJECT_ACCESS_DENIED",
        S3GetBucketLocationAccessDenied = "S3_GET_BUCKET_LOCATION_ACCESS_DENIED",
        S3GetObjectAccessDenied = "S3_GET_OBJECT_ACCESS_DENIED",
    }
    NetworkError {
        NetworkError = "NETWORK_ERROR",
        MqttConnectionFailed = "MQTT_CONNECTION_FAILED",
        TlsHandshakeFailure = "TLS_HANDSHAKE_FAILURE",
    }
    ServerError {
        ServerError = "SERVER_ERROR",
        CredentialEndpointServerError = "CREDENTIAL_ENDPOINT_SERVER_ERROR",
        S3ServerError = "S3_SERVER_ERROR",
    }
    HttpError {
        HttpRequestError = "HTTP_REQUEST_ERROR",
        DownloadDeploymentDocumentError = "DOWNLOAD_DEPLOYMENT_DOCUMENT_ERROR",
        GetGreengrassArtifactSizeError = "GET_GREENGRASS_ARTIFACT_SIZE_ERROR",
        DownloadGreengrassArtifactError = "DOWNLOAD_GREENGRASS_ARTIFACT_ERROR",
    }
    DeviceError {
        IoWriteError = "IO_WRITE_ERROR",
        IoReadError = "IO_READ_ERROR",
        DiskSpaceCritical = "DISK_SPACE_CRITICAL",
        IoFileAttributeError = "IO_FILE_ATTRIBUTE_ERROR",
        SetPermissionError = "SET_PERMISSION_ERROR",
        IoUnzipError = "IO_UNZIP_ERROR",
        LocalRecipeNotFound = "LOCAL_RECIPE_NOT_FOUND",
        LocalRecipeCorrupted = "LOCAL_RECIPE_CORRUPTED",
        LocalRecipeMetadataNotFound = "LOCAL_RECIPE_METADATA_NOT_FOUND",
        HashingAlgorithmUnavailable = "HASHING_ALGORITHM_UNAVAILABLE",
        LaunchDirectoryCorrupted = "LAUNCH_DIRECTORY_CORRUPTED",
        DeviceConfigNotValidForArtifactDownload = "DEVICE_CONFIG_NOT_VALID_FOR_ARTIFACT_DOWNLOAD",
    }
    ComponentRecipeError {
        RecipeParseError = "RECIPE_PARSE_ERROR",
        RecipeMetadataParseError = "RECIPE_METADATA_PARSE_ERROR",
        ArtifactUriNotValid = "ARTIFACT_URI_NOT_VALID",
        S3ArtifactUriNotValid = "S3_ARTIFACT_URI_NOT_VALID",
        DockerArtifactUriNotValid = "DOCKER_ARTIFACT_URI_NOT_VALID",
        EmptyArtifactUri = "EMPTY_ARTIFACT_URI",
        EmptyArtifactScheme = "EMPTY_ARTIFACT_SCHEME",
        UnsupportedArtifactScheme = "UNSUPPORTED_ARTIFACT_SCHEME",
        RecipeMissingManifest = "RECIPE_MISSING_MANIFEST",
        RecipeMissingArtifactHashAlgorithm = "RECIPE_MISSING_ARTIFACT_HASH_ALGORITHM",
        ArtifactChecksumMismatch = "ARTIFACT_CHECKSUM_MISMATCH",
        ComponentDependencyNotValid = "COMPONENT_DEPENDENCY_NOT_VALID",
        ConfigInterpolateError = "CONFIG_INTERPOLATE_ERROR",
        ComponentVersionNotValid = "COMPONENT_VERSION_NOT_VALID",
    }
    DependencyError {
        DockerError = "DOCKER_ERROR",
        DockerServiceUnavailable = "DOCKER_SERVICE_UNAVAILABLE",
        DockerImageQueryError = "DOCKER_IMAGE_QUERY_ERROR",
        DockerLoginError = "DOCKER_LOGIN_ERROR",
        DockerPullError = "DOCKER_PULL_ERROR",
        DockerImageNotValid = "DOCKER_IMAGE_NOT_VALID",
        S3Error = "S3_ERROR",
        S3ResourceNotFound = "S3_RESOURCE_NOT_FOUND",
        S3BadRequest = "S3_BAD_REQUEST",
    }
    CloudServiceError {
        ResolveComponentCandidatesBadResponse = "RESOLVE_COMPONENT_CANDIDATES_BAD_RESPONSE",
        DeploymentDocumentSizeExceeded = "DEPLOYMENT_DOCUMENT_SIZE_EXCEEDED",
        GreengrassArtifactSizeNotFound = "GREENGRASS_ARTIFACT_SIZE_NOT_FOUND",
    }
    NucleusError {
        BadRequest = "BAD_REQUEST",
        NucleusVersionNotFound = "NUCLEUS_VERSION_NOT_FOUND",
        NucleusRestartFailure = "NUCLEUS_RESTART_FAILURE",
        ComponentLoadFailure = "COMPONENT_LOAD_FAILURE",
    }
    UserComponentError {
        CustomPluginNotSupported = "CUSTOM_PLUGIN_NOT_SUPPORTED",
    }
    UnknownError {
        DeploymentTypeNotValid = "DEPLOYMENT_TYPE_NOT_VALID",
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ErrorCode {
    type Err = std::convert::Infallible;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Ok(Self::from(word))
    }
}

serde_as_text!(ErrorCode);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back_and_unknown_ones_are_kept() {
        for code in ErrorCode::KNOWN {
            assert_eq!(ErrorCode::from(code.as_str()), *code);
        }
        let newer = ErrorCode::from("FROM_THE_FUTURE");
        assert_eq!(newer.as_str(), "FROM_THE_FUTURE");
        assert_eq!(newer.error_type(), ErrorType::UnknownError);
    }

    #[test]
    fn codes_have_the_types_of_the_table() {
        assert_eq!(
            ErrorCode::ArtifactChecksumMismatch.error_type(),
            ErrorType::ComponentRecipeError
        );
        assert_eq!(ErrorCode::DeploymentFailure.error_type(), ErrorType::None);
        assert_eq!(
            ErrorCode::ComponentVersionRequirementsNotMet.error_type(),
            ErrorType::RequestError
        );
    }
}
