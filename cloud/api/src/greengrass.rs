//! The `greengrass` service: operations on the fleet.

use hyper::http::request::Parts;
use marram_aws::ApiError;
use marram_aws::greengrassv2::{Operation, ROUTES};

use crate::api::Services;
use crate::audit::Deed;
use crate::authority::Authority;
use crate::bind::{Bound, Dialect, bind};
use crate::envelope::Answer;
use crate::iot::run;
use crate::resources;

/// Answers one call.
pub(crate) async fn answer(
    services: &Services,
    parts: &Parts,
    body: &[u8],
    authority: &Authority,
    deed: &mut Deed,
) -> Result<Answer, ApiError> {
    use Operation as O;
    let Bound { operation, status, members: m } = bind(ROUTES, Dialect::Greengrass, parts, body)?;
    deed.begin(authority, &resources::of_greengrass(operation, &m, services.registry.account()))?;
    let f = &services.fleet;
    let running = match operation {
        O::AssociateServiceRoleToAccount => {
            run(m, status, |q| f.associate_service_role_to_account(q))
        }
        O::BatchAssociateClientDeviceWithCoreDevice => {
            run(m, status, |q| f.associate_client_devices(q))
        }
        O::BatchDisassociateClientDeviceFromCoreDevice => {
            run(m, status, |q| f.disassociate_client_devices(q))
        }
        O::CancelDeployment => run(m, status, |q| f.cancel_deployment(q)),
        O::CreateComponentVersion => run(m, status, |q| f.create_component_version(q)),
        O::CreateDeployment => run(m, status, |q| f.create_deployment(q)),
        O::DeleteComponent => run(m, status, |q| f.delete_component(q)),
        O::DeleteCoreDevice => run(m, status, |q| f.delete_core_device(q)),
        O::DeleteDeployment => run(m, status, |q| f.delete_deployment(q)),
        O::DescribeComponent => run(m, status, |q| f.describe_component(q)),
        O::DisassociateServiceRoleFromAccount => {
            run(m, status, |q| f.disassociate_service_role_from_account(q))
        }
        O::GetComponent => run(m, status, |q| f.get_component(q)),
        O::GetComponentVersionArtifact => run(m, status, |q| f.get_component_version_artifact(q)),
        O::GetConnectivityInfo => run(m, status, |q| f.get_connectivity_info(q)),
        O::GetCoreDevice => run(m, status, |q| f.get_core_device(q)),
        O::GetDeployment => run(m, status, |q| f.get_deployment(q)),
        O::GetServiceRoleForAccount => run(m, status, |q| f.get_service_role_for_account(q)),
        O::ListClientDevicesAssociatedWithCoreDevice => {
            run(m, status, |q| f.list_client_devices(q))
        }
        O::ListComponentVersions => run(m, status, |q| f.list_component_versions(q)),
        O::ListComponents => run(m, status, |q| f.list_components(q)),
        O::ListCoreDevices => run(m, status, |q| f.list_core_devices(q)),
        O::ListDeployments => run(m, status, |q| f.list_deployments(q)),
        O::ListEffectiveDeployments => run(m, status, |q| f.list_effective_deployments(q)),
        O::ListInstalledComponents => run(m, status, |q| f.list_installed_components(q)),
        O::ListTagsForResource => run(m, status, |q| f.list_tags_for_resource(q)),
        O::ResolveComponentCandidates => run(m, status, |q| f.resolve_component_candidates(q)),
        O::TagResource => run(m, status, |q| f.tag_resource(q)),
        O::UntagResource => run(m, status, |q| f.untag_resource(q)),
        O::UpdateConnectivityInfo => run(m, status, |q| f.update_connectivity_info(q)),
    };
    running.await
}
