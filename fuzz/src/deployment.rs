//! What clouds and devices tell each other as JSON: each input is read as everything.

use marram_model::arn::{ComponentArn, ConfigurationArn, Target};
use marram_model::data_plane::{
    CredentialsResponse, ListThingGroupsResponse, ResolveComponentCandidatesRequest,
    ResolveComponentCandidatesResponse,
};
use marram_model::deployment::DeploymentDocument;
use marram_model::jobs::{ExecutionReply, JobsTopic, Notify, UpdateRequest};
use marram_model::shadow_topics::ShadowTopic;
use marram_model::{ComponentName, Version};

const THING: &str = "core1";

pub(crate) fn run(data: &[u8]) {
    if let Ok(document) = DeploymentDocument::parse(data) {
        let _ = (document.group_name(), document.missing_capabilities(&[]));
        let json = serde_json::to_vec(&document).expect("a document that was read can be written");
        let again = DeploymentDocument::parse(&json).expect("what was written can be read");
        assert_eq!(again, document);
    }
    read_as_jobs(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    read_as_name(text);
}

fn read_as_jobs(data: &[u8]) {
    let _ = serde_json::from_slice::<Notify>(data);
    let _ = serde_json::from_slice::<ExecutionReply>(data);
    let _ = serde_json::from_slice::<UpdateRequest>(data);
    let _ = serde_json::from_slice::<ResolveComponentCandidatesRequest>(data);
    let _ = serde_json::from_slice::<ResolveComponentCandidatesResponse>(data);
    let _ = serde_json::from_slice::<ListThingGroupsResponse>(data);
    let _ = serde_json::from_slice::<CredentialsResponse>(data);
}

fn read_as_name(text: &str) {
    if let Some(topic) = JobsTopic::parse(THING, text) {
        assert_eq!(topic.to_topic(THING), text);
    }
    if let Some(topic) = ShadowTopic::parse(text) {
        assert_eq!(topic.to_topic(), text);
    }
    if let Ok(name) = text.parse::<ComponentName>() {
        assert_eq!(name.as_str(), text);
    }
    let _ = text.parse::<Version>();
    let _ = (Target::parse_arn(text), ComponentArn::parse(text), ConfigurationArn::parse(text));
}
