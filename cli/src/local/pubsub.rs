//! `pubsub pub` and `pubsub sub`: messages between the components of this device.

use std::path::Path;

use anyhow::{Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Subcommand;
use marram_ipc::Operation;
use serde_json::{Value, json};

use super::client::{CallNucleus, Client};
use super::{Options, block_on, client, expand_home};
use crate::output;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Publish a message
    Pub {
        /// The topic
        #[arg(short, long)]
        topic: String,
        /// The message, or a file with it
        #[arg(short, long, allow_hyphen_values = true)]
        message: String,
    },
    /// Print messages until interrupted
    Sub {
        /// The topic; `+` and `#` are wildcards
        #[arg(short, long)]
        topic: String,
    },
}

pub(super) fn run(command: Command, options: &Options) -> Result<()> {
    block_on(async {
        match command {
            Command::Pub { topic, message } => {
                check_topic(&topic)?;
                let message = STANDARD.encode(payload(&message)?);
                let message = json!({"binaryMessage": {"message": message}});
                let request = json!({"topic": topic, "publishMessage": message});
                let mut nucleus = client::connect(options).await?;
                let answer = nucleus.call(Operation::PublishToTopic, &request).await;
                authorized(answer, "publishing", &topic).map(drop)
            }
            Command::Sub { topic } => {
                check_topic(&topic)?;
                let request = json!({"topic": topic, "receiveMode": "RECEIVE_ALL_MESSAGES"});
                let mut nucleus = client::connect(options).await?;
                let answer = nucleus.call(Operation::SubscribeToTopic, &request).await;
                authorized(answer, "subscribing", &topic)?;
                print_messages(&mut nucleus, &topic, message_text).await
            }
        }
    })
}

pub(super) fn check_topic(topic: &str) -> Result<()> {
    if topic.is_empty() {
        bail!("Topic name cannot be empty");
    }
    Ok(())
}

/// The message itself, or the content of the file of that name.
pub(super) fn payload(message: &str) -> Result<Vec<u8>> {
    let path = expand_home(Path::new(message));
    if path.is_file() { Ok(std::fs::read(path)?) } else { Ok(message.as_bytes().to_vec()) }
}

/// The official tool's words for a refusal.
pub(super) fn authorized(
    answer: Result<Value, CallNucleus>,
    doing: &str,
    topic: &str,
) -> Result<Value> {
    answer.map_err(|error| {
        let is_unauthorized = error.is_unauthorized();
        let error = anyhow::Error::new(error);
        match is_unauthorized {
            true => error.context(format!("Unauthorized error while {doing} to topic: {topic}")),
            false => error,
        }
    })
}

/// Prints what comes, a message a line, until the nucleus ends it or the user does.
pub(super) async fn print_messages(
    nucleus: &mut Client,
    topic: &str,
    text_of: fn(&Value) -> Option<String>,
) -> Result<()> {
    output::line(&format!("Successfully subscribed to topic: {topic}"))?;
    while let Some(event) = nucleus.next_event().await? {
        if let Some(text) = text_of(&event) {
            output::line(&text)?;
        }
    }
    bail!("the nucleus ended the subscription to {topic}: subscribe again")
}

fn message_text(event: &Value) -> Option<String> {
    if let Some(message) = event.pointer("/jsonMessage/message") {
        return Some(message.to_string());
    }
    decoded(event.pointer("/binaryMessage/message")?)
}

/// Base64 as text; what is no UTF-8 is marked.
pub(super) fn decoded(base64: &Value) -> Option<String> {
    let bytes = STANDARD.decode(base64.as_str()?).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::scripted_server::{Answer, ScriptedServer};
    use crate::output::Output;

    fn options(server: &ScriptedServer) -> Options {
        Options { root: Some(server.root()), output: Output::Text }
    }

    #[test]
    fn a_message_is_published_as_binary() {
        let server = ScriptedServer::start(vec![Answer::Response(json!({}))]);
        let command = Command::Pub { topic: "t".to_owned(), message: "hello".to_owned() };
        run(command, &options(&server)).unwrap();
        let message = json!({"binaryMessage": {"message": "aGVsbG8="}});
        let request = json!({"topic": "t", "publishMessage": message});
        assert_eq!(server.requests(), [(Operation::PublishToTopic, request)]);
    }

    #[test]
    fn a_refusal_and_an_empty_topic_are_told_in_the_official_words() {
        let server = ScriptedServer::start(vec![Answer::Error("UnauthorizedError", "no")]);
        let command = Command::Pub { topic: "t".to_owned(), message: String::new() };
        let error = format!("{:#}", run(command, &options(&server)).unwrap_err());
        assert!(error.contains("Unauthorized error while publishing to topic: t"), "{error}");
        let command = Command::Sub { topic: String::new() };
        let error = run(command, &options(&server)).unwrap_err();
        assert_eq!(error.to_string(), "Topic name cannot be empty");
    }

    #[test]
    fn json_is_printed_as_json_and_bytes_as_text() {
        let json = json!({"jsonMessage": {"message": {"a": 1}, "context": {"topic": "t"}}});
        assert_eq!(message_text(&json).unwrap(), r#"{"a":1}"#);
        let binary = json!({"binaryMessage": {"message": "aGVsbG8="}});
        assert_eq!(message_text(&binary).unwrap(), "hello");
    }

    #[test]
    fn a_subscription_that_the_nucleus_ends_is_a_failure() {
        let server = ScriptedServer::start(vec![Answer::Events(Vec::new())]);
        let command = Command::Sub { topic: "t".to_owned() };
        let error = run(command, &options(&server)).unwrap_err().to_string();
        assert!(error.contains("ended the subscription"), "{error}");
    }
}
