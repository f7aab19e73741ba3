//! The local tool: `marram core …`, and the same under the official name `greengrass-cli`
//! (components, 2.3). It asks the nucleus of this machine by IPC; `logs` only reads files.

mod client;
mod component;
mod credentials;
mod debug_password;
mod deployment;
mod iotcore;
mod logs;
mod pubsub;
mod root;
#[cfg(test)]
mod scripted_server;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

pub(crate) use client::Client;
pub(crate) use credentials::read as read_credentials;

use crate::exit;
use crate::output::{Output, is_closed_pipe, line};

/// The name under which this executable behaves as the official tool.
const NAME: &str = "greengrass-cli";
/// The official tool's exit code for bad arguments.
const BAD_ARGUMENTS: u8 = 2;

/// What every command takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The device's root folder; without it, GGC_ROOT_PATH
    #[arg(id = "ggcRootPath", long = "ggcRootPath", value_name = "PATH", global = true)]
    root: Option<PathBuf>,
    /// How to print results
    #[arg(long, value_enum, default_value_t, global = true)]
    output: Output,
}

impl Options {
    /// How to print results.
    pub(crate) fn output(&self) -> Output {
        self.output
    }

    /// True if any of them was used.
    pub(crate) fn is_given(&self) -> bool {
        self.root.is_some() || self.output != Output::default()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The components on this device: list, details, restart, stop
    #[command(subcommand)]
    Component(component::Command),
    /// Local deployments: create, status, list, cancel
    #[command(subcommand)]
    Deployment(deployment::Command),
    /// The device's log files: get, list-log-files, list-keywords; works without a nucleus
    #[command(subcommand)]
    Logs(logs::Command),
    /// Local publish/subscribe messages
    #[command(subcommand)]
    Pubsub(pubsub::Command),
    /// Messages to and from AWS IoT Core
    #[command(subcommand)]
    Iotcore(iotcore::Command),
    /// Make a password for the local debug console
    GetDebugPassword,
}

/// Works on the Greengrass core device of this machine.
#[derive(Debug, Parser)]
#[command(
    name = NAME,
    version,
    propagate_version = true,
    after_help = "Example:     greengrass-cli --ggcRootPath /greengrass/v2 component list\n\
                  Exit codes:  0 done, 1 failed, 2 bad arguments"
)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

/// True if the executable was called by the official tool's name.
pub(crate) fn is_called(program: Option<&OsString>) -> bool {
    program.and_then(|program| Path::new(program).file_name()) == Some(OsStr::new(NAME))
}

/// Does what the official tool does.
pub(crate) fn main(arguments: Vec<OsString>) -> ExitCode {
    match Arguments::try_parse_from(long_names(arguments)) {
        Ok(Arguments { options, command }) => exit::of_official(run(&options, command)),
        Err(error) => refuse(&error),
    }
}

/// Runs one command.
pub(crate) fn run(options: &Options, command: Command) -> Result<()> {
    match dispatch(options, command) {
        Err(error) if is_closed_pipe(&error) => Ok(()),
        result => result,
    }
}

fn dispatch(options: &Options, command: Command) -> Result<()> {
    match command {
        Command::Logs(command) => logs::run(command, options),
        Command::Component(command) => component::run(command, options),
        Command::Deployment(command) => deployment::run(command, options),
        Command::Pubsub(command) => pubsub::run(command, options),
        Command::Iotcore(command) => iotcore::run(command, options),
        Command::GetDebugPassword => debug_password::run(options),
    }
}

/// The official tool's own words for arguments that it does not understand.
fn refuse(error: &clap::Error) -> ExitCode {
    let is_top_level = || {
        let shown = error.render().to_string();
        shown.contains(&format!("Usage: {NAME} [OPTIONS] <COMMAND>"))
    };
    match error.kind() {
        ErrorKind::DisplayVersion => {
            let version = Arguments::command().get_version().unwrap_or_default().to_owned();
            // A reader that has gone does not make the version wrong.
            let _ = line(&format!("Greengrass CLI Version: {version}"));
            ExitCode::SUCCESS
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let is_top_level = is_top_level();
            eprintln!("{} is required.", if is_top_level { "A command" } else { "A subcommand" });
            let _ = error.print();
            ExitCode::from(if is_top_level { BAD_ARGUMENTS } else { 0 })
        }
        _ => {
            let _ = error.print();
            if error.use_stderr() { ExitCode::from(BAD_ARGUMENTS) } else { ExitCode::SUCCESS }
        }
    }
}

/// The official tool has short options of several letters, which are written out here. Only the
/// options of `logs get`, `logs list-log-files` and `deployment create` are such.
pub(crate) fn long_names(arguments: Vec<OsString>) -> Vec<OsString> {
    const SHORT: [(&str, &str); 5] = [
        ("-lf", "--log-file"),
        ("-ld", "--log-dir"),
        ("-fol", "--follow"),
        ("-nc", "--no-color"),
        ("-fp", "--failure-handling-policy"),
    ];
    let has_them = arguments.iter().any(|word| word == "logs" || word == "deployment");
    if !has_them {
        return arguments;
    }
    let long = |word: OsString| {
        let Some(text) = word.to_str() else { return word };
        let (name, value) = text.split_once('=').map_or((text, None), |(n, v)| (n, Some(v)));
        match SHORT.iter().find(|(short, _)| *short == name) {
            None => word,
            Some((_, long)) => {
                value.map_or_else(|| (*long).into(), |v| format!("{long}={v}").into())
            }
        }
    };
    arguments.into_iter().map(long).collect()
}

/// `~/…` is in the user's home.
fn expand_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => path.to_owned(),
    }
}

/// Runs a command that talks to the nucleus.
fn block_on<F: Future<Output = Result<()>>>(work: F) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_commands_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn short_options_of_several_letters_are_understood() {
        let long = long_names(words("greengrass-cli logs get -lf a.log -ld=/logs -fol -nc -f x"));
        let expected = words(
            "greengrass-cli logs get --log-file a.log --log-dir=/logs --follow --no-color -f x",
        );
        assert_eq!(long, expected);
        assert_eq!(long_names(words("x pubsub pub -m -lf")), words("x pubsub pub -m -lf"));
    }

    #[test]
    fn every_official_command_line_parses() {
        for text in [
            "help component",
            "component list",
            "--ggcRootPath /r component details -n a",
            "component details --name a",
            "component restart -n a,b",
            "component stop --names a&b",
            "deployment create -m a=1.0.0 --merge b=1.0.0 --remove c -g g -r /r -a /a --runWith \
             a:posixUser=u:g --systemLimits {} -c {} -fp ROLLBACK",
            "deployment create --groupId g --recipeDir /r --artifactDir /a --update-config {} \
             --failure-handling-policy DO_NOTHING",
            "deployment cancel -i 1",
            "deployment status --deploymentId 1",
            "deployment list",
            "get-debug-password",
            "pubsub pub -t a -m b",
            "pubsub sub --topic a",
            "iotcore pub -t a -m b -q 1",
            "iotcore sub --topic a --qos 0",
            "logs get -lf a -ld b -t -2h15min,-1h -f level=WARN -b 1 -a 2 -m 10 -fol -nc -v",
            "logs get --syslog --time-window 2020-01-01, --before 1 --after 1",
            "logs list-log-files -ld /l",
            "logs list-keywords -s",
        ] {
            let line = long_names(words(&format!("greengrass-cli {text}")));
            match Arguments::try_parse_from(line) {
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), ErrorKind::DisplayHelp, "{text}: {error}"),
            }
        }
    }

    #[test]
    fn the_name_decides() {
        assert!(is_called(Some(&"/greengrass/v2/bin/greengrass-cli".into())));
        assert!(!is_called(Some(&"marram".into())) && !is_called(None));
    }
}
