//! Where each operation lives: cloud API, section 2.

use super::Operation;
use crate::route::{Kind, Route};

type Query = &'static [(&'static str, &'static str, Kind)];

const MAX_RESULTS: (&str, &str, Kind) = ("maxResults", "maxResults", Kind::Int);
const NEXT_TOKEN: (&str, &str, Kind) = ("nextToken", "nextToken", Kind::Text);
const PAGE: Query = &[MAX_RESULTS, NEXT_TOKEN];

const fn route(
    operation: Operation,
    method: &'static str,
    template: &'static str,
    status: u16,
    query: Query,
) -> Route<Operation> {
    Route { operation, method, template, query, headers: &[], status }
}

/// All operations that Marram serves.
pub const ROUTES: &[Route<Operation>] = &[
    route(Operation::AssociateServiceRoleToAccount, "PUT", "/greengrass/servicerole", 200, &[]),
    route(
        Operation::BatchAssociateClientDeviceWithCoreDevice,
        "POST",
        "/greengrass/v2/coreDevices/{coreDeviceThingName}/associateClientDevices",
        200,
        &[],
    ),
    route(
        Operation::BatchDisassociateClientDeviceFromCoreDevice,
        "POST",
        "/greengrass/v2/coreDevices/{coreDeviceThingName}/disassociateClientDevices",
        200,
        &[],
    ),
    route(
        Operation::DisassociateServiceRoleFromAccount,
        "DELETE",
        "/greengrass/servicerole",
        200,
        &[],
    ),
    route(
        Operation::GetConnectivityInfo,
        "GET",
        "/greengrass/things/{thingName}/connectivityInfo",
        200,
        &[],
    ),
    route(Operation::GetServiceRoleForAccount, "GET", "/greengrass/servicerole", 200, &[]),
    route(
        Operation::ListClientDevicesAssociatedWithCoreDevice,
        "GET",
        "/greengrass/v2/coreDevices/{coreDeviceThingName}/associatedClientDevices",
        200,
        PAGE,
    ),
    route(
        Operation::UpdateConnectivityInfo,
        "PUT",
        "/greengrass/things/{thingName}/connectivityInfo",
        200,
        &[],
    ),
    route(
        Operation::CancelDeployment,
        "POST",
        "/greengrass/v2/deployments/{deploymentId}/cancel",
        200,
        &[],
    ),
    route(
        Operation::CreateComponentVersion,
        "POST",
        "/greengrass/v2/createComponentVersion",
        201,
        &[],
    ),
    route(Operation::CreateDeployment, "POST", "/greengrass/v2/deployments", 201, &[]),
    route(Operation::DeleteComponent, "DELETE", "/greengrass/v2/components/{arn}", 204, &[]),
    route(
        Operation::DeleteCoreDevice,
        "DELETE",
        "/greengrass/v2/coreDevices/{coreDeviceThingName}",
        204,
        &[],
    ),
    route(
        Operation::DeleteDeployment,
        "DELETE",
        "/greengrass/v2/deployments/{deploymentId}",
        204,
        &[],
    ),
    route(
        Operation::DescribeComponent,
        "GET",
        "/greengrass/v2/components/{arn}/metadata",
        200,
        &[],
    ),
    route(
        Operation::GetComponent,
        "GET",
        "/greengrass/v2/components/{arn}",
        200,
        &[("recipeOutputFormat", "recipeOutputFormat", Kind::Text)],
    ),
    Route {
        operation: Operation::GetComponentVersionArtifact,
        method: "GET",
        template: "/greengrass/v2/components/{arn}/artifacts/{artifactName+}",
        query: &[("s3EndpointType", "s3EndpointType", Kind::Text)],
        headers: &[("x-amz-iot-endpoint-type", "iotEndpointType")],
        status: 200,
    },
    route(
        Operation::GetCoreDevice,
        "GET",
        "/greengrass/v2/coreDevices/{coreDeviceThingName}",
        200,
        &[],
    ),
    route(Operation::GetDeployment, "GET", "/greengrass/v2/deployments/{deploymentId}", 200, &[]),
    route(
        Operation::ListComponentVersions,
        "GET",
        "/greengrass/v2/components/{arn}/versions",
        200,
        PAGE,
    ),
    route(
        Operation::ListComponents,
        "GET",
        "/greengrass/v2/components",
        200,
        &[("scope", "scope", Kind::Text), MAX_RESULTS, NEXT_TOKEN],
    ),
    route(
        Operation::ListCoreDevices,
        "GET",
        "/greengrass/v2/coreDevices",
        200,
        &[
            ("thingGroupArn", "thingGroupArn", Kind::Text),
            ("status", "status", Kind::Text),
            ("runtime", "runtime", Kind::Text),
            MAX_RESULTS,
            NEXT_TOKEN,
        ],
    ),
    route(
        Operation::ListDeployments,
        "GET",
        "/greengrass/v2/deployments",
        200,
        &[
            ("targetArn", "targetArn", Kind::Text),
            ("historyFilter", "historyFilter", Kind::Text),
            ("parentTargetArn", "parentTargetArn", Kind::Text),
            MAX_RESULTS,
            NEXT_TOKEN,
        ],
    ),
    route(
        Operation::ListEffectiveDeployments,
        "GET",
        "/greengrass/v2/coreDevices/{coreDeviceThingName}/effectiveDeployments",
        200,
        PAGE,
    ),
    route(
        Operation::ListInstalledComponents,
        "GET",
        "/greengrass/v2/coreDevices/{coreDeviceThingName}/installedComponents",
        200,
        &[("topologyFilter", "topologyFilter", Kind::Text), MAX_RESULTS, NEXT_TOKEN],
    ),
    route(Operation::ListTagsForResource, "GET", "/tags/{resourceArn}", 200, &[]),
    route(
        Operation::ResolveComponentCandidates,
        "POST",
        "/greengrass/v2/resolveComponentCandidates",
        200,
        &[],
    ),
    route(Operation::TagResource, "POST", "/tags/{resourceArn}", 200, &[]),
    route(
        Operation::UntagResource,
        "DELETE",
        "/tags/{resourceArn}",
        200,
        &[("tagKeys", "tagKeys", Kind::List)],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::find;

    #[test]
    fn the_four_routes_below_one_component_are_told_apart() {
        let base = "/greengrass/v2/components/arn:aws:greengrass:r:1:components:X:versions:1.0.0";
        for (suffix, operation) in [
            ("", Operation::GetComponent),
            ("/metadata", Operation::DescribeComponent),
            ("/versions", Operation::ListComponentVersions),
            ("/artifacts/d/f.zip", Operation::GetComponentVersionArtifact),
        ] {
            let (route, _) = find(ROUTES, "GET", &format!("{base}{suffix}")).unwrap();
            assert_eq!(route.operation, operation, "{suffix}");
        }
    }

    #[test]
    fn d18_raw_and_encoded_colons_bind_to_the_same_arn() {
        for arn in [
            "arn:aws:greengrass:r:1:components:X",
            "arn%3Aaws%3Agreengrass%3Ar%3A1%3Acomponents%3AX",
        ] {
            let path = format!("/greengrass/v2/components/{arn}/artifacts/d/f.zip");
            let (route, labels) = find(ROUTES, "GET", &path).unwrap();
            let members = route.bind(labels, "", |_| None, Default::default()).unwrap();
            assert_eq!(members["arn"], "arn:aws:greengrass:r:1:components:X");
            assert_eq!(members["artifactName"], "d/f.zip");
        }
    }
}
