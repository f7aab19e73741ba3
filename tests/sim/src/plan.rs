//! What happens in one history: all of it follows from the seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::disk::Trouble;
use crate::random::Random;
use crate::world::BEHAVIOURS;
use crate::world::Behaviour;

/// The components that deployments bring.
const COMPONENTS: [&str; 5] = ["A", "B", "C", "S", "D"];
const HOUR: u64 = 60 * 60;

/// A whole history.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Deployments in the order of their making.
    pub deployments: Vec<Deployment>,
    /// What comes over the device, by time.
    pub happenings: Vec<(Duration, Happening)>,
    /// At which write, counted from each start, the power is cut.
    pub cuts: Vec<u64>,
    /// How versions behave.
    pub behaviours: BTreeMap<(&'static str, u64), Behaviour>,
    /// When the last disturbance is over.
    pub calm_from: Duration,
}

/// Who deploys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The cloud, to a thing group.
    Group(&'static str),
    /// Somebody on the device.
    Local,
}

/// One deployment.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Its id.
    pub id: String,
    /// Who deploys.
    pub target: Target,
    /// Root components: version, and what `rate` becomes.
    pub roots: BTreeMap<&'static str, (u64, Option<u64>)>,
    /// Root components that a local deployment takes away.
    pub removed: BTreeSet<&'static str>,
    /// Whether a failure leads back.
    pub rolls_back: bool,
}

/// Something that comes over the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// The deployment of this index is made.
    Deploy(usize),
    /// It is withdrawn.
    Cancel(usize),
    /// The network comes or goes.
    Network(bool),
    /// The disk gets worse or better.
    Disk(Option<Trouble>),
    /// Calls of the data plane hang, or no longer.
    Stall(bool),
    /// The device may not list its groups, or may again.
    ForbidGroups(bool),
}

impl Plan {
    /// The history of a seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut plan = Self {
            deployments: Vec::new(),
            happenings: Vec::new(),
            cuts: Vec::new(),
            behaviours: BTreeMap::new(),
            calm_from: Duration::ZERO,
        };
        for component in COMPONENTS {
            for version in 1..=3 {
                plan.behaviours.insert((component, version), random.one_of(&BEHAVIOURS));
            }
        }
        let mut at = Duration::from_secs(5);
        for index in 0..2 + random.below(4) as usize {
            plan.deploy(index, at, &mut random);
            at += Duration::from_secs(random.below(900));
        }
        plan.disturb(at.as_secs() + 600, &mut random);
        plan.happenings.sort_by_key(|(at, _)| *at);
        plan.calm_from = plan.happenings.last().map_or(at, |(last, _)| (*last).max(at));
        plan
    }

    fn deploy(&mut self, index: usize, at: Duration, random: &mut Random) {
        let deployment = Deployment::random(index, random);
        self.happenings.push((at, Happening::Deploy(index)));
        if random.percent(30) {
            let after = Duration::from_millis(random.below(60_000));
            self.happenings.push((at + after, Happening::Cancel(index)));
        }
        self.deployments.push(deployment);
    }

    fn disturb(&mut self, until: u64, random: &mut Random) {
        for _ in 0..random.below(4) {
            self.cuts.push(1 + random.below(70));
        }
        let mut span = |share, longest: u64, begin, end| {
            if random.percent(share) {
                let from = Duration::from_secs(random.below(until));
                let length = Duration::from_secs(1 + random.below(longest));
                self.happenings.push((from, begin));
                self.happenings.push((from + length, end));
            }
        };
        span(40, 600, Happening::Network(false), Happening::Network(true));
        span(10, 72 * HOUR, Happening::Network(false), Happening::Network(true));
        span(15, 100, Happening::Disk(Some(Trouble::Full)), Happening::Disk(None));
        span(10, 400, Happening::Disk(Some(Trouble::ReadOnly)), Happening::Disk(None));
        span(20, 600, Happening::Stall(true), Happening::Stall(false));
        span(20, 600, Happening::ForbidGroups(true), Happening::ForbidGroups(false));
    }
}

impl Deployment {
    fn random(index: usize, random: &mut Random) -> Self {
        let target = random.one_of(&[
            Target::Group("G1"),
            Target::Group("G1"),
            Target::Group("G2"),
            Target::Local,
        ]);
        let mut roots = BTreeMap::new();
        let mut removed = BTreeSet::new();
        for component in COMPONENTS {
            let share = if component == "D" { 8 } else { 40 };
            if random.percent(share) {
                let rate = random.percent(50).then(|| 1 + random.below(9));
                roots.insert(component, (1 + random.below(3), rate));
            } else if target == Target::Local && random.percent(20) {
                removed.insert(component);
            }
        }
        let id = format!("d{index}");
        Self { id, target, roots, removed, rolls_back: random.percent(80) }
    }

    /// What the device gets.
    pub fn document(&self, created_ms: i64) -> Value {
        match self.target {
            Target::Group(group) => self.cloud_document(group, created_ms),
            Target::Local => self.local_request(),
        }
    }

    fn cloud_document(&self, group: &str, created_ms: i64) -> Value {
        let components = self.roots.iter().map(|(name, (version, rate))| {
            let mut component = json!({"version": format!("{version}.0.0")});
            if let Some(rate) = rate {
                component["configurationUpdate"] = json!({"merge": {"rate": rate}});
            }
            ((*name).to_owned(), component)
        });
        let components: serde_json::Map<String, Value> = components.collect();
        let target = format!("thinggroup/{group}");
        json!({
            "deploymentId": self.id,
            "configurationArn":
                format!("arn:aws:greengrass:us-east-1:1:configuration:{target}:{created_ms}"),
            "creationTimestamp": created_ms,
            "components": components,
            "failureHandlingPolicy": if self.rolls_back { "ROLLBACK" } else { "DO_NOTHING" },
        })
    }

    fn local_request(&self) -> Value {
        let roots = self.roots.iter();
        let merge: BTreeMap<&str, String> =
            roots.clone().map(|(name, (version, _))| (*name, format!("{version}.0.0"))).collect();
        let updates = roots.filter_map(|(name, (_, rate))| {
            Some(((*name).to_owned(), json!({"MERGE": {"rate": (*rate)?}})))
        });
        let updates: serde_json::Map<String, Value> = updates.collect();
        json!({
            "componentsToMerge": merge,
            "componentsToRemove": self.removed,
            "configurationUpdate": updates,
            "failureHandlingPolicy": if self.rolls_back { "ROLLBACK" } else { "DO_NOTHING" },
        })
    }
}
