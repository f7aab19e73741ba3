"""The errors that the Device SDK's model lists for each operation, and those that cannot be."""

# What the model lists, by operation (greengrass-ipc-model: main.smithy): S ServiceError,
# R ResourceNotFoundError, A InvalidArgumentsError, U UnauthorizedError.
SHORT = {
    "S": "ServiceError",
    "R": "ResourceNotFoundError",
    "A": "InvalidArgumentsError",
    "U": "UnauthorizedError",
}
MODELLED = {
    "PublishToTopic": "S U",
    "SubscribeToTopic": "A S U",
    "PublishToIoTCore": "S U",
    "SubscribeToIoTCore": "S U",
    "SubscribeToIoTCoreConnectionStatus": "S",
    "GetConfiguration": "S R",
    "UpdateConfiguration": "S U A ConflictError FailedUpdateConditionCheckError",
    "SubscribeToConfigurationUpdate": "S R",
    "SubscribeToValidateConfigurationUpdates": "S",
    "SendConfigurationValidityReport": "A S",
    "UpdateState": "S R",
    "SubscribeToComponentUpdates": "S R",
    "DeferComponentUpdate": "S R A",
    "PauseComponent": "U S R",
    "ResumeComponent": "U S R",
    "GetComponentDetails": "S R A",
    "ListComponents": "S",
    "RestartComponent": "S A ComponentNotFoundError",
    "StopComponent": "S A ComponentNotFoundError",
    "CreateLocalDeployment": "S A InvalidRecipeDirectoryPathError"
    " InvalidArtifactsDirectoryPathError",
    "CancelLocalDeployment": "S R A",
    "GetLocalDeploymentStatus": "S R",
    "ListLocalDeployments": "S",
    "CreateDebugPassword": "U S",
    "ValidateAuthorizationToken": "InvalidTokenError U S",
    "GetSecretValue": "U R S",
    "PutComponentMetric": "U S A",
    "GetThingShadow": "A R S U",
    "UpdateThingShadow": "A ConflictError S U",
    "DeleteThingShadow": "A R S U",
    "ListNamedShadowsForThing": "A R S U",
    "VerifyClientDeviceIdentity": "U S A",
    "GetClientDeviceAuthToken": "U S A InvalidCredentialError",
    "AuthorizeClientDeviceAction": "U S A InvalidClientDeviceAuthTokenError",
    "SubscribeToCertificateUpdates": "U S A",
}

BROKEN = "only if the nucleus itself fails, for example for want of disk space"
NO_POLICY = "there is no authorization for it: each component changes only its own configuration"
AS_JAVA = "the Java nucleus answers ResourceNotFoundError instead, and so does ours"
UNREACHABLE = {
    "PublishToTopic": {"S": BROKEN},
    "SubscribeToTopic": {"S": BROKEN},
    "SubscribeToIoTCoreConnectionStatus": {"S": BROKEN},
    "GetConfiguration": {"S": BROKEN},
    "UpdateConfiguration": {"U": NO_POLICY, "ConflictError": "the Java nucleus never raises it"},
    "SubscribeToConfigurationUpdate": {"S": BROKEN},
    "SubscribeToValidateConfigurationUpdates": {"S": BROKEN},
    "SendConfigurationValidityReport": {"S": BROKEN},
    "SubscribeToComponentUpdates": {"S": BROKEN},
    "DeferComponentUpdate": {"R": "who is unknown has no subscription, and hears that first"},
    "PauseComponent": {"S": "only where control groups fail; `ipc::tests::lifecycle`"},
    "ResumeComponent": {"S": "only where control groups fail; `ipc::tests::lifecycle`"},
    "GetComponentDetails": {"S": BROKEN},
    "ListComponents": {"S": BROKEN},
    "RestartComponent": {"S": BROKEN, "ComponentNotFoundError": AS_JAVA},
    "StopComponent": {"S": BROKEN, "ComponentNotFoundError": AS_JAVA},
    "CreateLocalDeployment": {
        "S": "only with 64 deployments waiting",
        "InvalidRecipeDirectoryPathError": "a wrong folder fails the deployment when its turn"
        " comes, as in the Java nucleus",
    },
    "CancelLocalDeployment": {"S": BROKEN},
    "GetLocalDeploymentStatus": {"S": BROKEN},
    "ListLocalDeployments": {"S": BROKEN},
    "CreateDebugPassword": {"S": BROKEN},
    "ValidateAuthorizationToken": {"S": BROKEN},
    "PutComponentMetric": {"S": BROKEN},
}
# Operations whose components are not there yet answer nothing but "not supported".
for operation in [
    "GetSecretValue",
    "GetThingShadow",
    "UpdateThingShadow",
    "DeleteThingShadow",
    "ListNamedShadowsForThing",
    "VerifyClientDeviceIdentity",
    "GetClientDeviceAuthToken",
    "AuthorizeClientDeviceAction",
    "SubscribeToCertificateUpdates",
]:
    others = [name for name in MODELLED[operation].split() if name != "S"]
    UNREACHABLE[operation] = {name: "no component here brings the operation" for name in others}
