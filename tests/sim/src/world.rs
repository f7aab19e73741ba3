//! What is around the device: its cloud behind a bad network, and the scripts of its components.
//!
//! The cloud outlives the device's power cuts. It is the simulation's own, small enough to be
//! right; what the device makes of it is real.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use marram_http::StatusCode;
use marram_model::data_plane::{
    IntegrityCheck, ResolveComponentCandidatesRequest, ResolvedComponentVersion,
    ThingGroupMembership,
};
use marram_model::requirement::Requirement;
use marram_model::status::DeploymentStatus;
use marram_nucleus::cloud::data_plane::CallDataPlane;
use marram_nucleus::cloud::{Delivery, DeploymentStatusUpdate, Undelivered};
use marram_nucleus::deployment::{
    ConfigurationSource, FetchConfiguration, MembershipSource, StatusSink,
};
use marram_nucleus::packages::source::{
    ArtifactRequest, ArtifactSource, BoxFuture, FetchArtifact, OpenArtifact,
};
use marram_nucleus::resolve::negotiate::CandidateSource;
use marram_nucleus::supervisor::{Played, ScriptCall, Scripts};
use marram_os::process::Exit;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::disk::VirtualDisk;
use crate::random::Random;

/// Longer than any patience: a call that is never answered.
const SILENCE: Duration = Duration::from_secs(40);

/// How a version of a component behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// It runs.
    Good,
    /// Its install step fails.
    InstallFails,
    /// Its install step never ends.
    InstallHangs,
    /// Its startup step never ends.
    StartupHangs,
    /// It fails a moment after it has started.
    Crashes,
    /// Its shutdown step never ends, and its processes do not obey.
    Stubborn,
}

/// All of them, the good one more often.
pub const BEHAVIOURS: [Behaviour; 9] = [
    Behaviour::Good,
    Behaviour::Good,
    Behaviour::Good,
    Behaviour::Good,
    Behaviour::InstallFails,
    Behaviour::InstallHangs,
    Behaviour::StartupHangs,
    Behaviour::Crashes,
    Behaviour::Stubborn,
];

/// A deployment that the cloud has sent.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Its document.
    pub document: String,
    /// Whether somebody has cancelled it.
    pub is_canceled: bool,
    /// The terminal status that the cloud has taken, with its detail.
    pub end: Option<(DeploymentStatus, String)>,
    /// How often a terminal status came after the cloud had answered one with success.
    pub repeated: u32,
    is_acknowledged: bool,
}

/// The world; clones are the same.
#[derive(Debug, Clone)]
pub struct World(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    random: Random,
    jobs: Vec<Job>,
    behaviours: BTreeMap<(String, u64), Behaviour>,
    is_up: bool,
    forbids_groups: bool,
    stalls: bool,
    connection: watch::Sender<bool>,
    disk: VirtualDisk,
    log: Vec<String>,
    /// `None` while the device is off, and no time passes.
    began: Option<Instant>,
    /// How long the history was when the clock began.
    offset: Duration,
    forgets: bool,
}

impl World {
    /// A world with nothing in it. A cloud that forgets says that it took a status, and has not:
    /// what the simulation must notice.
    pub fn new(seed: u64, disk: VirtualDisk, forgets: bool) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: Random::new(seed ^ 0xC10D),
            jobs: Vec::new(),
            behaviours: BTreeMap::new(),
            is_up: true,
            forbids_groups: false,
            stalls: false,
            connection: watch::Sender::new(true),
            disk,
            log: Vec::new(),
            began: None,
            offset: Duration::ZERO,
            forgets,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line to the history.
    pub fn note(&self, line: impl Into<String>) {
        self.state().note(line);
    }

    /// What has happened.
    pub fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state().log)
    }

    /// The history goes on with another clock, at `elapsed` since its beginning.
    pub fn begin_at(&self, elapsed: Duration) {
        let mut state = self.state();
        (state.began, state.offset) = (Some(Instant::now()), elapsed);
    }

    /// The history stands still; how long it is.
    pub fn stop(&self) -> Duration {
        let mut state = self.state();
        (state.offset, state.began) = (state.elapsed(), None);
        state.offset
    }

    /// How long the history is.
    pub fn elapsed(&self) -> Duration {
        self.state().elapsed()
    }

    /// How a version behaves.
    pub fn set_behaviour(&self, component: &str, version: u64, behaviour: Behaviour) {
        self.state().behaviours.insert((component.to_owned(), version), behaviour);
    }

    /// How a version behaves.
    pub fn behaviour(&self, component: &str, version: u64) -> Behaviour {
        self.state().behaviour(component, version)
    }

    /// The network comes or goes.
    pub fn set_up(&self, is_up: bool) {
        let mut state = self.state();
        state.is_up = is_up;
        state.connection.send_replace(is_up);
    }

    /// Whether the cloud can be reached.
    pub fn is_up(&self) -> bool {
        self.state().is_up
    }

    /// Whether the device may list its groups.
    pub fn set_forbids_groups(&self, forbids: bool) {
        self.state().forbids_groups = forbids;
    }

    /// Whether calls of the data plane hang.
    pub fn set_stalls(&self, stalls: bool) {
        self.state().stalls = stalls;
    }

    /// A new deployment.
    pub fn add_job(&self, id: &str, document: String) {
        let id = id.to_owned();
        let job = Job {
            id,
            document,
            is_canceled: false,
            end: None,
            repeated: 0,
            is_acknowledged: false,
        };
        self.state().jobs.push(job);
    }

    /// Withdraws a deployment that the cloud has heard no end of; whether there is one.
    pub fn cancel(&self, id: &str) -> bool {
        let mut state = self.state();
        let open = state.jobs.iter_mut().find(|job| job.id == id && job.end.is_none());
        open.map(|job| job.is_canceled = true).is_some()
    }

    /// All deployments.
    pub fn jobs(&self) -> Vec<Job> {
        self.state().jobs.clone()
    }

    /// Waits as long as the network takes; whether something is lost on the way.
    async fn travel(&self, what: &str) -> bool {
        let (delay, is_lost, is_up) = {
            let mut state = self.state();
            let delay = Duration::from_millis(5 + state.random.below(400));
            (delay, state.random.percent(8), state.is_up && !state.disk.is_cut())
        };
        if !is_up {
            sleep(Duration::from_millis(20)).await;
            return true;
        }
        if is_lost {
            self.note(format!("network: lost {what}"));
            sleep(Duration::from_secs(10)).await;
            return true;
        }
        sleep(delay).await;
        let state = self.state();
        !state.is_up || state.disk.is_cut()
    }

    async fn call(&self, operation: &'static str) -> Result<(), CallDataPlane> {
        let stalls = self.state().stalls;
        if stalls {
            sleep(SILENCE).await;
        }
        if stalls || self.travel(operation).await {
            return Err(refused(operation, StatusCode::SERVICE_UNAVAILABLE));
        }
        Ok(())
    }

    fn take(&self, update: &DeploymentStatusUpdate) -> Delivery {
        let mut state = self.state();
        if state.forgets {
            return Delivery::Delivered;
        }
        let outcome = &update.outcome;
        let detail = outcome.detailed.map(|d| d.to_string()).unwrap_or_default();
        let line = format!("cloud: {} is {} {detail}", update.source.key(), outcome.status);
        let Some(job) = state.jobs.iter_mut().find(|job| job.id == update.source.key()) else {
            return Delivery::NotTold;
        };
        let is_terminal = outcome.status.is_terminal();
        if job.end.is_some() || job.is_canceled {
            job.repeated += u32::from(is_terminal && job.is_acknowledged);
            return Delivery::DroppedByCloud { reason: "InvalidStateTransition".to_owned() };
        }
        if is_terminal {
            job.end = Some((outcome.status, detail));
        }
        state.note(line);
        Delivery::Delivered
    }
}

impl State {
    fn elapsed(&self) -> Duration {
        self.offset + self.began.map_or(Duration::ZERO, |began| began.elapsed())
    }

    fn note(&mut self, line: impl Into<String>) {
        let at = self.elapsed().as_millis();
        let line = line.into();
        self.log.push(format!("{:>10}.{:03} {line}", at / 1000, at % 1000));
    }

    fn behaviour(&self, component: &str, version: u64) -> Behaviour {
        let known = self.behaviours.get(&(component.to_owned(), version));
        known.copied().unwrap_or(Behaviour::Good)
    }
}

fn refused(operation: &'static str, status: StatusCode) -> CallDataPlane {
    let (code, message) = (String::new(), "as the simulation has it".to_owned());
    CallDataPlane::Refused { operation, status, code, message }
}

impl StatusSink for World {
    fn report<'a>(
        &'a self,
        update: &'a DeploymentStatusUpdate,
    ) -> BoxFuture<'a, Result<Delivery, Undelivered>> {
        Box::pin(async move {
            let lost = || Undelivered { reason: "the network has lost it".to_owned() };
            if self.travel("a status").await {
                return Err(lost());
            }
            let delivery = self.take(update);
            if self.travel("the answer to a status").await {
                return Err(lost());
            }
            if update.outcome.status.is_terminal()
                && let Some(job) =
                    self.state().jobs.iter_mut().find(|job| job.id == update.source.key())
            {
                job.is_acknowledged = true;
            }
            Ok(delivery)
        })
    }

    fn connection(&self) -> watch::Receiver<bool> {
        self.state().connection.subscribe()
    }
}

/// No simulated deployment is too large for its channel, so that no device asks.
impl ConfigurationSource for World {
    fn whole_document<'a>(
        &'a self,
        _: &'a str,
    ) -> BoxFuture<'a, Result<(Vec<u8>, IntegrityCheck), FetchConfiguration>> {
        Box::pin(async {
            const OPERATION: &str = "GetDeploymentConfiguration";
            self.call(OPERATION).await.map_err(FetchConfiguration::Ask)?;
            Err(FetchConfiguration::Ask(refused(OPERATION, StatusCode::NOT_FOUND)))
        })
    }
}

impl MembershipSource for World {
    fn thing_groups(&self) -> BoxFuture<'_, Result<Vec<ThingGroupMembership>, CallDataPlane>> {
        Box::pin(async move {
            self.call("ListThingGroupsForCoreDevice").await?;
            if self.state().forbids_groups {
                return Err(refused("ListThingGroupsForCoreDevice", StatusCode::FORBIDDEN));
            }
            let group = |name: &str| ThingGroupMembership {
                thing_group_name: name.to_owned(),
                thing_group_arn: String::new(),
                root_to_parent_thing_groups: Vec::new(),
            };
            Ok(vec![group("G1"), group("G2")])
        })
    }
}

impl CandidateSource for World {
    fn candidates<'a>(
        &'a self,
        request: &'a ResolveComponentCandidatesRequest,
    ) -> BoxFuture<'a, Result<Vec<ResolvedComponentVersion>, CallDataPlane>> {
        Box::pin(async move {
            self.call("ResolveComponentCandidates").await?;
            let found = request.component_candidates.iter().filter_map(|candidate| {
                let wanted: Vec<Requirement> = candidate
                    .version_requirements
                    .values()
                    .filter_map(|r| r.parse().ok())
                    .collect();
                let fits = |version: &u64| {
                    let version = format!("{version}.0.0").parse();
                    version.is_ok_and(|version| wanted.iter().all(|r| r.matches(&version)))
                };
                let version = (1..=3_u64).rev().find(fits)?;
                Some(resolved(&candidate.component_name, version))
            });
            let found: Vec<_> = found.collect();
            if found.is_empty() {
                return Err(refused("ResolveComponentCandidates", StatusCode::NOT_FOUND));
            }
            Ok(found)
        })
    }
}

impl ArtifactSource for World {
    fn open<'a>(
        &'a self,
        _: &'a ArtifactRequest,
    ) -> BoxFuture<'a, Result<OpenArtifact, FetchArtifact>> {
        // A download that stalls for ever.
        Box::pin(std::future::pending())
    }
}

fn resolved(component: &str, version: u64) -> ResolvedComponentVersion {
    let recipe = recipe(component, version).to_string();
    ResolvedComponentVersion {
        arn: format!(
            "arn:aws:greengrass:us-east-1:1:components:{component}:versions:{version}.0.0"
        ),
        component_name: component.to_owned(),
        component_version: format!("{version}.0.0"),
        recipe: base64::engine::general_purpose::STANDARD.encode(recipe),
        vendor_guidance: None,
        message: None,
    }
}

/// The recipe of a version. `B` needs `A`; `S` says when it is up; `D` has an artifact that never
/// comes.
pub fn recipe(component: &str, version: u64) -> serde_json::Value {
    let mut lifecycle = json!({"install": "install", "run": "run", "shutdown": "shutdown"});
    if component == "S" {
        lifecycle = json!({"install": "install", "startup": "startup", "shutdown": "shutdown"});
    }
    let mut manifest = json!({"Platform": {"os": "linux"}, "Lifecycle": lifecycle});
    if component == "D" {
        manifest["Artifacts"] = json!([{
            "Uri": "s3://bucket/artifact", "Digest": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "Algorithm": "SHA-256",
        }]);
    }
    let mut recipe = json!({
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": component,
        "ComponentVersion": format!("{version}.0.0"),
        "ComponentConfiguration": {"DefaultConfiguration": {"rate": 0, "version": version}},
        "Manifests": [manifest],
    });
    if component == "B" {
        recipe["ComponentDependencies"] =
            json!({"A": {"VersionRequirement": ">=1.0.0", "DependencyType": "HARD"}});
    }
    recipe
}

impl Scripts for World {
    fn play(&self, call: ScriptCall) -> Played {
        let version = call.version.to_string();
        let version = version.split('.').next().and_then(|v| v.parse().ok()).unwrap_or(0);
        let behaviour = self.behaviour(call.component.as_str(), version);
        self.note(format!("script: {} of {} {version}", call.step, call.component));
        let (seconds, code) = match (behaviour, call.step) {
            (Behaviour::InstallFails, "install") => (Some(1), 1),
            (Behaviour::InstallHangs, "install") | (Behaviour::StartupHangs, "startup") => {
                (None, 0)
            }
            (Behaviour::Crashes, "run" | "startup") => (Some(0), 3),
            (Behaviour::Stubborn, "shutdown") | (_, "run") => (None, 0),
            _ => (Some(1), 0),
        };
        let exit = async move {
            match seconds {
                None => std::future::pending().await,
                Some(seconds) => sleep(Duration::from_millis(seconds * 1000 + 50)).await,
            }
            Exit::Code(code)
        };
        let obeys_after = match behaviour {
            Behaviour::Stubborn => Duration::from_secs(60),
            _ => Duration::from_millis(10),
        };
        Played { exit: Box::pin(exit), obeys_after }
    }
}
