//! One history from beginning to end, with every invariant checked on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use marram_model::component_state::ComponentState;
use marram_nucleus::cloud::LinkEvent;
use marram_nucleus::config::{ConfigSnapshot, Watcher};
use marram_nucleus::deployment::Source;
use marram_nucleus::simulation::{SimulatedDevice, SimulatedParts, switch_on_this_thread};
use marram_os::clock::Clock;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::books::Books;
use crate::disk::VirtualDisk;
use crate::plan::{Happening, Plan, Target};
use crate::random::Random;
use crate::world::{Behaviour, World};

/// When the histories begin, ms since the epoch.
const BEGIN_MS: i64 = 1_764_000_000_000;
/// How often is looked at a device that changes nothing.
const LONG_TICK: Duration = Duration::from_secs(60);
/// The same while the next deployment should begin.
const TICK: Duration = Duration::from_secs(1);
/// A cancel is honoured, and the next deployment accepted, within this.
const HONOURED: Duration = Duration::from_secs(10);
/// Longer than everything that is left to do once nothing disturbs any more: five deployments may
/// each wait twelve hours for a download that never ends.
const PATIENCE: Duration = Duration::from_secs(75 * 60 * 60);
/// Commands of the cloud that wait for the device.
const EVENTS: usize = 64;

/// What to break on purpose, to see that it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sabotage {
    /// Nothing.
    #[default]
    None,
    /// The disk says that it has synced, and has not.
    LyingDisk,
    /// The cloud says that it has taken a status, and has not.
    ForgetfulCloud,
}

/// Which promise does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// 1: every deployment ends, or shows why not yet.
    Ends,
    /// 2: a cancel is honoured, and the next deployment accepted, within 10 s.
    Honoured,
    /// 3: after a failure the device is as it was before.
    RolledBack,
    /// 4: after a power cut the device boots with what it had acknowledged.
    Durable,
    /// 4: every status is told, once.
    Told,
    /// 7: what a group brought stays.
    Kept,
}

/// How a history went.
#[derive(Debug, Clone)]
pub struct History {
    /// The seed.
    pub seed: u64,
    /// What happened, line by line.
    pub lines: Vec<String>,
    /// What does not hold, if anything.
    pub broken: Option<(Invariant, String)>,
    /// How often the power was cut.
    pub cuts: u32,
}

impl History {
    /// The same for the same history.
    pub fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.lines.hash(&mut hasher);
        hasher.finish()
    }
}

/// Plays the history of a seed.
///
/// # Errors
/// The machine that the simulation runs on is at fault.
pub fn play(seed: u64, sabotage: Sabotage) -> Result<History> {
    switch_on_this_thread();
    let memory = PathBuf::from("/dev/shm");
    let folder = match memory.is_dir() {
        true => tempfile::Builder::new().prefix("marram-sim-").tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    let folder = folder.context("making a folder for recipes")?;
    let plan = Plan::new(seed);
    let disk = VirtualDisk::new(folder.path(), sabotage == Sabotage::LyingDisk);
    let world = World::new(seed, disk.clone(), sabotage == Sabotage::ForgetfulCloud);
    for ((component, version), behaviour) in &plan.behaviours {
        world.set_behaviour(component, *version, *behaviour);
    }
    let mut player = Player {
        root: folder.path().to_owned(),
        next: 0,
        ended: vec![None; plan.deployments.len()],
        made: vec![false; plan.deployments.len()],
        plan,
        disk,
        world,
        books: Books::default(),
        random: Random::new(seed ^ 0xD15C),
        acknowledged: None,
        cancels: BTreeMap::new(),
        trouble_until: Duration::ZERO,
        in_trouble: false,
        current: None,
        offered: BTreeSet::new(),
        idle_since: None,
        cuts: 0,
        broken: None,
    };
    while player.boot()? {}
    Ok(History { seed, lines: player.world.take_log(), broken: player.broken, cuts: player.cuts })
}

struct Player {
    root: PathBuf,
    plan: Plan,
    disk: VirtualDisk,
    world: World,
    books: Books,
    random: Random,
    /// The place in the plan's happenings.
    next: usize,
    made: Vec<bool>,
    /// How each deployment has ended: status and detail.
    ended: Vec<Option<(String, String)>>,
    /// What the configuration was when the power was cut, if that is certain.
    acknowledged: Option<ConfigSnapshot>,
    /// By when the cancelled ones must be over.
    cancels: BTreeMap<String, Duration>,
    /// The disk's last trouble, or start: promises of time count from there.
    trouble_until: Duration,
    in_trouble: bool,
    current: Option<(String, String)>,
    /// What the device has been offered since its start.
    offered: BTreeSet<String>,
    /// Since when it has something to begin with.
    idle_since: Option<Duration>,
    cuts: u32,
    broken: Option<(Invariant, String)>,
}

#[derive(Debug)]
struct WorldClock {
    began: Instant,
    begin_ms: i64,
}

impl Clock for WorldClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.now_ms().unsigned_abs())
    }

    fn now_ms(&self) -> i64 {
        self.begin_ms + self.began.elapsed().as_millis() as i64
    }
}

impl Player {
    /// Starts the device and lets it run until the power is cut or the history is over; false then.
    fn boot(&mut self) -> Result<bool> {
        let elapsed = self.world.elapsed();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .context("starting a runtime")?;
        let goes_on = runtime.block_on(self.powered(elapsed));
        runtime.block_on(async { self.world.stop() });
        drop(runtime);
        if self.disk.is_cut() {
            self.cuts += 1;
            self.world.note("power: cut");
            self.disk.power_on(&mut self.random);
        }
        Ok(goes_on)
    }

    async fn powered(&mut self, elapsed: Duration) -> bool {
        self.world.begin_at(elapsed);
        self.trouble_until = elapsed;
        self.offered.clear();
        // The cloud tells them again; a person's is as lost as one that was never made.
        self.cancels.clear();
        self.idle_since = None;
        if let Some(after) = self.plan.cuts.get(self.cuts as usize) {
            self.disk.cut_after(*after);
        }
        let (events, receiver) = mpsc::channel(EVENTS);
        let clock =
            WorldClock { began: Instant::now(), begin_ms: BEGIN_MS + elapsed.as_millis() as i64 };
        let parts = SimulatedParts {
            root: self.root.clone(),
            disk: Arc::new(self.disk.clone()),
            clock: Arc::new(clock),
            scripts: Arc::new(self.world.clone()),
            statuses: Arc::new(self.world.clone()),
            data: Arc::new(self.world.clone()),
            events: receiver,
        };
        let device = match SimulatedDevice::start(parts).await {
            Ok(device) => device,
            Err(error) => return self.not_booted(&error).await,
        };
        self.world.note("device: started");
        self.compare_with_acknowledged(&device);
        self.offer(&events).await;
        let mut changes = device.config.watch(&[]);
        while self.broken.is_none() {
            if self.disk.is_cut() {
                let certain = !self.disk.is_cut_in_log();
                self.acknowledged = certain.then(|| device.config.snapshot());
                return true;
            }
            self.happen(&device, &events).await;
            let is_idle = self.look(&device);
            if is_idle && self.is_over() {
                self.check_end(&device).await;
                return self.disk.is_cut();
            }
            if self.world.elapsed() > self.plan.calm_from + PATIENCE {
                let open = format!("{:?} of {:?}", self.current, self.ended);
                self.fails(Invariant::Ends, format!("not over: {open}"));
            }
            self.pause(&mut changes).await;
        }
        false
    }

    async fn not_booted(&mut self, error: &dyn std::error::Error) -> bool {
        if self.disk.is_cut() {
            // What was acknowledged before still is.
            return true;
        }
        if self.in_trouble {
            sleep(LONG_TICK).await;
            while let Some(happening) = self.due() {
                self.take_disk(happening);
            }
            return true;
        }
        self.fails(Invariant::Durable, format!("the device does not boot: {error:?}"));
        false
    }

    fn fails(&mut self, invariant: Invariant, why: impl Into<String>) {
        let why = why.into();
        self.world.note(format!("BROKEN: {invariant:?}: {why}"));
        self.broken.get_or_insert((invariant, why));
    }

    fn compare_with_acknowledged(&mut self, device: &SimulatedDevice) {
        let Some(acknowledged) = self.acknowledged.take() else { return };
        // What the start itself writes is only about waiting local deployments.
        for path in [&["services"][..], &["system"][..]] {
            let without = |value: Option<serde_json::Value>| {
                let mut value = value.unwrap_or_default();
                if let Some(runtime) = value.pointer_mut("/DeploymentService/runtime") {
                    runtime.as_object_mut().map(|runtime| runtime.remove("local"));
                }
                value
            };
            let (before, after) =
                (without(acknowledged.get(path)), without(device.config.get(path)));
            if before != after {
                self.fails(
                    Invariant::Durable,
                    format!("acknowledged {before}, found after the power cut {after}"),
                );
            }
        }
    }

    /// The next happening whose time has come.
    fn due(&mut self) -> Option<Happening> {
        let (at, happening) = *self.plan.happenings.get(self.next)?;
        (at <= self.world.elapsed()).then(|| {
            self.next += 1;
            happening
        })
    }

    /// While the device is off, only the disk and the network change at once; all else waits.
    fn take_disk(&mut self, happening: Happening) {
        match happening {
            Happening::Disk(trouble) => {
                self.world.note(format!("disk: {trouble:?}"));
                self.disk.set_trouble(trouble);
                self.in_trouble = trouble.is_some();
                self.trouble_until = self.world.elapsed();
            }
            Happening::Network(is_up) => self.world.set_up(is_up),
            Happening::Stall(stalls) => self.world.set_stalls(stalls),
            Happening::ForbidGroups(forbids) => self.world.set_forbids_groups(forbids),
            Happening::Deploy(index) => {
                let deployment = &self.plan.deployments[index];
                self.made[index] = true;
                if matches!(deployment.target, Target::Group(_)) {
                    let created = BEGIN_MS + self.world.elapsed().as_millis() as i64;
                    let document = deployment.document(created).to_string();
                    self.world.add_job(&deployment.id, document);
                } else {
                    // Nobody could make it.
                    self.ended[index] = Some(("CANCELED".to_owned(), String::new()));
                }
            }
            Happening::Cancel(index) => {
                let id = self.plan.deployments[index].id.clone();
                self.world.cancel(&id);
            }
        }
    }

    async fn happen(&mut self, device: &SimulatedDevice, events: &mpsc::Sender<LinkEvent>) {
        while let Some(happening) = self.due() {
            self.world.note(format!("plan: {happening:?}"));
            match happening {
                Happening::Deploy(index) => self.deploy(index, device, events).await,
                Happening::Cancel(index) => self.cancel(index, device, events).await,
                Happening::Network(true) => {
                    self.world.set_up(true);
                    self.offer(events).await;
                }
                other => self.take_disk(other),
            }
        }
        if self.in_trouble {
            self.trouble_until = self.world.elapsed();
        }
    }

    async fn deploy(
        &mut self,
        index: usize,
        device: &SimulatedDevice,
        events: &mpsc::Sender<LinkEvent>,
    ) {
        let deployment = self.plan.deployments[index].clone();
        self.world
            .note(format!("{}: {:?} {:?}", deployment.id, deployment.target, deployment.roots));
        if let Target::Group(_) = deployment.target {
            self.take_disk(Happening::Deploy(index));
            return self.offer(events).await;
        }
        self.made[index] = true;
        let request = deployment.document(0).to_string();
        self.offered.insert(deployment.id.clone());
        if device.deploy_locally(&deployment.id, &request).await.is_err() {
            // The one who asked was told.
            self.ended[index] = Some(("CANCELED".to_owned(), String::new()));
        }
    }

    async fn cancel(
        &mut self,
        index: usize,
        device: &SimulatedDevice,
        events: &mpsc::Sender<LinkEvent>,
    ) {
        let deployment = self.plan.deployments[index].clone();
        if deployment.target == Target::Local {
            device.deployments.cancel(deployment.id.as_str()).await;
        } else if !self.world.cancel(&deployment.id) || !self.world.is_up() {
            return;
        } else {
            let _ = events.send(LinkEvent::Cancel { key: deployment.id.clone() }).await;
        }
        self.cancels.insert(deployment.id, self.world.elapsed() + HONOURED);
    }

    /// What the cloud tells a device that connects.
    async fn offer(&mut self, events: &mpsc::Sender<LinkEvent>) {
        if !self.world.is_up() {
            return;
        }
        for job in self.world.jobs() {
            let event = match (job.is_canceled, job.end) {
                (_, Some(_)) => continue,
                (true, None) => {
                    self.cancels.insert(job.id.clone(), self.world.elapsed() + HONOURED);
                    LinkEvent::Cancel { key: job.id }
                }
                (false, None) => {
                    self.offered.insert(job.id.clone());
                    let source = Source::Job { job_id: job.id };
                    LinkEvent::Offer { source, document: job.document }
                }
            };
            let _ = events.send(event).await;
        }
    }

    /// Looks at the device and checks what must hold always; true if nothing is going on.
    fn look(&mut self, device: &SimulatedDevice) -> bool {
        let now = self.world.elapsed();
        let current = device.state.current();
        let shown =
            current.as_ref().map(|c| (c.key().to_owned(), format!("{:?}", c.machine.step())));
        if shown != self.current {
            self.world.note(format!("device: {shown:?}"));
            self.current = shown;
        }
        self.take_ends(device);
        if let Some((key, step)) = self.current.clone()
            && let Some(by) = self.cancels.get(&key)
        {
            let by = (*by).max(self.trouble_until + HONOURED);
            if now > by && !self.disk.is_cut() {
                self.fails(Invariant::Honoured, format!("{key} is cancelled and still in {step}"));
            }
        }
        let is_idle = self.current.is_none();
        self.check_next_begins(is_idle, now);
        if is_idle
            && !self.disk.is_cut()
            && let Some(difference) = self.books.difference(&device.config)
        {
            let invariant = match self.has_local() {
                true => Invariant::Kept,
                false => Invariant::RolledBack,
            };
            self.fails(invariant, difference);
        }
        is_idle
    }

    /// The next deployment is accepted within 10 s of the end of the one before.
    fn check_next_begins(&mut self, is_idle: bool, now: Duration) {
        let mut all = self.plan.deployments.iter().zip(&self.ended).zip(&self.made);
        let waits =
            all.any(|((d, end), made)| *made && end.is_none() && self.offered.contains(&d.id));
        if !is_idle || !waits || self.disk.is_cut() || self.in_trouble {
            self.idle_since = None;
            return;
        }
        let since = *self.idle_since.get_or_insert(now);
        if now > since.max(self.trouble_until) + HONOURED {
            self.fails(Invariant::Honoured, "the next deployment does not begin");
        }
    }

    fn has_local(&self) -> bool {
        let locals = self.plan.deployments.iter().zip(&self.ended);
        locals.into_iter().any(|(d, end)| d.target == Target::Local && end.is_some())
    }

    /// Finds deployments that have ended since the last look.
    fn take_ends(&mut self, device: &SimulatedDevice) {
        let untold = device.state.outcomes();
        let local = device.state.local_deployments();
        let jobs = self.world.jobs();
        for index in 0..self.ended.len() {
            if self.ended[index].is_some() || !self.made[index] {
                continue;
            }
            let deployment = self.plan.deployments[index].clone();
            let id = deployment.id.as_str();
            let of = |outcome: &marram_model::status::DeploymentOutcome| {
                let detail = outcome.detailed.map(|d| d.to_string()).unwrap_or_default();
                outcome.status.is_terminal().then(|| (outcome.status.to_string(), detail))
            };
            let job = jobs.iter().find(|job| job.id == id);
            let at_cloud = job.and_then(|job| job.end.clone());
            let end = untold
                .iter()
                .filter(|update| update.source.key() == id)
                .find_map(|update| of(&update.outcome))
                .or_else(|| local.iter().find(|l| l.id == id).and_then(|l| of(&l.outcome)))
                .or_else(|| at_cloud.map(|(status, detail)| (status.to_string(), detail)));
            // One that is cancelled is not told, and may never have begun.
            let is_gone = job.is_some_and(|job| job.is_canceled)
                && self.current.as_ref().is_none_or(|(key, _)| key != id);
            let end = end.or_else(|| is_gone.then(|| ("CANCELED".to_owned(), String::new())));
            if let Some((status, detail)) = end {
                self.world.note(format!("device: {id} has ended: {status} {detail}"));
                self.books.ended(&deployment, &status, &detail);
                self.ended[index] = Some((status, detail));
            }
        }
    }

    fn is_over(&self) -> bool {
        self.next == self.plan.happenings.len()
            && self.ended.iter().all(Option::is_some)
            && self.world.elapsed() > self.plan.calm_from
    }

    /// Waits for the device to change, the power to be cut, or the next thing to do or to check.
    async fn pause(&self, changes: &mut Watcher) {
        let now = self.world.elapsed();
        let next = self.plan.happenings.get(self.next).map(|(at, _)| *at);
        let honoured = self.cancels.values().map(|by| *by.max(&self.trouble_until) + TICK);
        let next = next.into_iter().chain(honoured).filter(|at| *at > now).min();
        let tick = if self.idle_since.is_some() { TICK } else { LONG_TICK };
        let longest = next.map_or(tick, |at| (at - now).min(tick));
        tokio::select! {
            biased;
            () = self.disk.cut() => {}
            () = news(changes) => {}
            () = sleep(longest.max(Duration::from_millis(1))) => {}
        }
    }

    /// What must be true once nothing goes on any more.
    async fn check_end(&mut self, device: &SimulatedDevice) {
        for _ in 0..200 {
            if device.state.outcomes().is_empty() || self.disk.is_cut() {
                break;
            }
            sleep(Duration::from_secs(5)).await;
        }
        if self.disk.is_cut() {
            return;
        }
        if !device.state.outcomes().is_empty() {
            self.fails(Invariant::Told, "a status waits for ever");
        }
        for job in self.world.jobs() {
            if job.end.is_none() && !job.is_canceled {
                self.fails(Invariant::Told, format!("the cloud knows no end of {}", job.id));
            }
            // What a disk in trouble could not forget is told again, rather than lost.
            let is_calm = self.cuts == 0 && self.trouble_until.is_zero();
            if job.repeated > 0 && is_calm {
                self.fails(Invariant::Told, format!("the end of {} came twice", job.id));
            }
        }
        self.check_running(device).await;
    }

    /// All components that can run do.
    async fn check_running(&mut self, device: &SimulatedDevice) {
        sleep(Duration::from_secs(120)).await;
        if self.disk.is_cut() {
            return;
        }
        for (name, _) in self.books.components() {
            let Some(status) = device.supervisor.status_of(name) else { continue };
            let version = status.version.to_string();
            let version = version.split('.').next().and_then(|v| v.parse().ok()).unwrap_or(0);
            let is_good = |name| match name {
                "B" => false,
                name => self.world.behaviour(name, version) == Behaviour::Good,
            };
            if is_good(name) && status.state != ComponentState::Running {
                self.fails(Invariant::RolledBack, format!("{name} is {}", status.state));
            }
        }
    }
}

/// Waits for a change and takes those that came with it.
async fn news(changes: &mut Watcher) {
    if changes.changed().await.is_none() {
        std::future::pending::<()>().await;
    }
    loop {
        tokio::select! {
            biased;
            change = changes.changed() => if change.is_none() { return },
            () = std::future::ready(()) => return,
        }
    }
}

impl std::fmt::Display for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        match &self.broken {
            Some((invariant, why)) => writeln!(f, "broken: {invariant:?}: {why}"),
            None => writeln!(f, "every promise held"),
        }
    }
}
