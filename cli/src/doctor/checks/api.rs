//! The control plane: it answers, and takes the access key of the ready file.

use std::sync::Arc;

use crate::aws::{AwsClient, CallCloud};
use crate::doctor::Finding;
use crate::doctor::check::{Check, Waiting};
use crate::doctor::cloud::Cloud;
use marram_telemetry::Chain;

pub(super) const CHECK: Check<Cloud> = Check::network(
    "api",
    "the AWS APIs answer a signed call with the first access key",
    |cloud| -> Waiting { Box::pin(look(cloud)) },
);

async fn look(cloud: Arc<Cloud>) -> Finding {
    let ready = match cloud.ready() {
        Ok(ready) => ready,
        Err(skipped) => return skipped,
    };
    let aws = match AwsClient::new(ready) {
        Ok(aws) => aws,
        Err(error) => {
            return Finding::failed(
                format!("{error:#}"),
                "the ready file names the cloud's CA: check that file, or restart the cloud",
            );
        }
    };
    let target = "/greengrass/v2/coreDevices?maxResults=1";
    match aws.call("greengrass", "GET", target, &[], None).await {
        Ok(_) => Finding::ok(format!("{} answers", ready.endpoint_url)),
        Err(error @ CallCloud::Send(_)) => Finding::failed(
            Chain(&error).to_string(),
            "start the cloud; a ready file outlives the cloud that wrote it",
        ),
        Err(error) => Finding::failed(
            Chain(&error).to_string(),
            "the ready file is of another cloud or of an earlier key: restart the cloud with \
             --ready-file",
        ),
    }
}
