//! `marram quickstart`: the main job, from nothing to a running component.
//!
//! A cloud in this process, a core device as a child process, and between them only the calls
//! that a user would make. Nothing is left behind: at Ctrl-C, or after `--once`, everything that
//! was started is stopped and the data directory is removed, unless `--data` chose it.

mod core_process;
mod data_dir;
mod sample;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use marram_cloud::{Cloud, Ready, Settings};
use tokio::task::JoinHandle;

use crate::aws::AwsClient;
use crate::progress::Progress;
use crate::provision::{self, Device};
use crate::{env, wait};
use core_process::CoreProcess;
use data_dir::DataDir;

const THING: &str = "MyCore";
const GROUP: &str = "MyGroup";

/// Nothing in here takes this long unless it is stuck.
const STEP_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Stop everything and exit 0 as soon as the deployment has SUCCEEDED and the core is HEALTHY
    #[arg(long)]
    once: bool,
    /// Keep everything in this new or empty directory instead of a temporary one
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// Ends when the user or the service manager wants us to stop; listens from its making on.
type Stop = JoinHandle<io::Result<&'static str>>;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut data = DataDir::make(arguments.data.as_deref())?;
        let stop = tokio::spawn(marram_os::signal::termination());
        let outcome = stay_up(data.path(), arguments.once, stop).await;
        if outcome.is_err() {
            data.keep();
            eprintln!("everything is left for you to look at in {}", data.path().display());
        }
        outcome
    })
}

/// Starts the cloud and the device, deploys, and stays until `stop`.
async fn stay_up(data: &Path, once: bool, mut stop: Stop) -> Result<()> {
    let mut progress = Progress::start();
    let cloud =
        Cloud::start(Settings::local(data.join("cloud"))).await.context("starting the cloud")?;
    let endpoint = &cloud.ready().endpoint_url;
    progress.done(&format!("cloud at {endpoint}, with its own CA and first access key"));
    let outcome = with_core(&cloud, data, once, &mut stop, &mut progress).await;
    cloud.stop().await;
    outcome
}

async fn with_core(
    cloud: &Cloud,
    data: &Path,
    once: bool,
    stop: &mut Stop,
    progress: &mut Progress,
) -> Result<()> {
    let ready = cloud.ready();
    ready.write(&data.join("cloud.json"))?;
    let root = data.join("core");
    provision::provision(ready, &device(&root)).await.context("provisioning the core device")?;
    progress.done(&format!("core device {THING} in thing group {GROUP}, with its certificate"));

    let mut core = CoreProcess::start(&root)?;
    let outcome = tokio::select! {
        outcome = run_core(&mut core, ready, &root, once, progress) => outcome,
        _ = stop => Ok(()),
    };
    core.stop().await;
    outcome
}

/// Deploys to the device and, unless `once`, returns only when its runtime has ended.
async fn run_core(
    core: &mut CoreProcess,
    ready: &Ready,
    root: &Path,
    once: bool,
    progress: &mut Progress,
) -> Result<()> {
    core.until_ready(STEP_TIMEOUT).await?;
    progress.done(&format!("device runtime running, process {}", core.id()));
    tokio::select! {
        outcome = deploy(ready, root, progress) => outcome?,
        died = core.exited() => return Err(died),
    }
    if once {
        return Ok(());
    }
    print_what_next(ready, root);
    Err(core.exited().await)
}

fn device(root: &Path) -> Device {
    Device {
        thing: THING.to_owned(),
        groups: vec![GROUP.to_owned()],
        root: root.to_owned(),
        allowed_topics: vec!["*".to_owned()],
        default_user: marramd::install::default_component_user(),
    }
}

/// The sample component, from its files to RUNNING on the device.
async fn deploy(ready: &Ready, root: &Path, progress: &mut Progress) -> Result<()> {
    let aws = AwsClient::new(ready)?;
    sample::create(&aws, STEP_TIMEOUT).await?;
    progress.done(&format!("component {} {} created", sample::NAME, sample::VERSION));
    let deployment = sample::deploy(&aws, ready, GROUP).await?;
    progress.done(&format!("deployment {deployment} to thing group {GROUP}"));
    wait::until_succeeded(&aws, THING, &deployment, STEP_TIMEOUT).await?;
    let log = root.join("logs").join(format!("{}.log", sample::NAME));
    let line = sample::first_output(&log, STEP_TIMEOUT).await?;
    progress.said(sample::NAME, &line);
    let state = wait::until_well(ready, THING, STEP_TIMEOUT).await?;
    progress.done(&format!("{state}: {:.2} s in all", progress.total()));
    Ok(())
}

/// What the user may try now; stdout, so that it can be kept.
fn print_what_next(ready: &Ready, root: &Path) {
    let name = sample::NAME;
    println!();
    println!("Everything runs until Ctrl-C. To use it with the AWS CLI, in another terminal:");
    println!();
    for line in env::exports(ready) {
        println!("  {line}");
    }
    println!("  aws greengrassv2 list-core-devices");
    println!("  aws greengrassv2 list-installed-components --core-device-thing-name {THING}");
    println!();
    println!("The component's output:  tail -f {}/logs/{name}.log", root.display());
    println!("The device's own log:    tail -f {}/logs/greengrass.log", root.display());
}
