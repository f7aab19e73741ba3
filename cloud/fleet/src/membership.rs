//! Group membership: who joins a group gets its deployment and its CONTINUOUS jobs, who leaves it
//! loses what is pending of them. A SNAPSHOT job stays with the things that it was made for, as
//! long as they exist.

use std::collections::BTreeSet;

use marram_aws::ApiError;
use marram_model::arn::Target;
use marram_store::{JobRow, Reader};

use crate::fleet::Fleet;
use crate::job_execution::Event;
use crate::jobs::job::{CONTINUOUS, Job};
use crate::jobs::queue;
use crate::jobs::spread::Spread;
use crate::unit::Unit;

/// How many members are read at once.
const BATCH: i64 = 500;

impl Fleet {
    /// Makes the thing's queue follow from its groups, after it was put into `joined` or taken
    /// out of some group, or deleted. Joining queues also what the thing once had done: it may
    /// have dropped the group's components while it was away. An ordinary job that it did is done.
    ///
    /// # Errors
    /// The store refused; the next start of the fleet makes the queue right.
    pub async fn membership_changed(
        &self,
        thing: &str,
        joined: Option<&str>,
    ) -> Result<(), ApiError> {
        let mut unit = self.unit().await?;
        let groups = groups_with_ancestors(&mut unit, thing, None).await?;
        let gained: BTreeSet<String> = match joined {
            None => BTreeSet::new(),
            Some(joined) => {
                let others = groups_with_ancestors(&mut unit, thing, Some(joined)).await?;
                groups.difference(&others).cloned().collect()
            }
        };
        remove_left(&mut unit, thing, &groups).await?;
        let thing = BTreeSet::from([thing.to_owned()]);
        for group in &groups {
            let arn = unit.inner.account.thing_group(group);
            if let Some(deployment) = unit.tx.latest_deployment(&arn).await? {
                let job = Job::Deployment(deployment);
                queue_missing(&mut unit, &job, &thing, gained.contains(group)).await?;
            }
            for row in unit.tx.continuous_jobs(&arn).await? {
                queue_missing(&mut unit, &Job::Ordinary(row), &thing, false).await?;
            }
        }
        unit.commit().await
    }

    /// Makes the queues of all groups' members right: a membership may have changed without the
    /// fleet having been told, when the process was killed in between.
    ///
    /// # Errors
    /// The store refused.
    pub async fn reconcile_all(&self) -> Result<(), ApiError> {
        let mut unit = self.unit().await?;
        for deployment in unit.tx.active_group_deployments().await? {
            let Ok(Target::ThingGroup(group)) = Target::parse_arn(&deployment.target_arn) else {
                continue;
            };
            let members = members(&mut unit, &group).await?;
            let job = Job::Deployment(deployment);
            remove_strangers(&mut unit, &job, &members).await?;
            queue_missing(&mut unit, &job, &members, false).await?;
        }
        for row in unit.tx.continuous_jobs("").await? {
            let targets = unit.tx.job_targets(&row.id).await?;
            let things = things_of(&mut unit, &targets).await?;
            let job = Job::Ordinary(row);
            remove_strangers(&mut unit, &job, &things).await?;
            queue_missing(&mut unit, &job, &things, false).await?;
        }
        remove_orphans(&mut unit).await?;
        unit.commit().await
    }
}

/// All things in the group and in the groups below it.
pub(crate) async fn members(unit: &mut Unit, group: &str) -> Result<BTreeSet<String>, ApiError> {
    let mut members = BTreeSet::new();
    let mut after = String::new();
    loop {
        let page = unit.tx.members_after(group, true, &after, BATCH).await?;
        let Some(last) = page.last() else {
            return Ok(members);
        };
        after.clone_from(last);
        members.extend(page);
    }
}

/// All things that these targets stand for now.
pub(crate) async fn things_of(
    unit: &mut Unit,
    targets: &[String],
) -> Result<BTreeSet<String>, ApiError> {
    let mut things = BTreeSet::new();
    for target in targets {
        match Target::parse_arn(target) {
            Ok(Target::Thing(thing)) if unit.tx.thing(&thing).await?.is_some() => {
                things.insert(thing);
            }
            Ok(Target::ThingGroup(group)) => things.extend(members(unit, &group).await?),
            _ => {}
        }
    }
    Ok(things)
}

/// The thing's groups, but for `without`, and all groups above them.
async fn groups_with_ancestors(
    unit: &mut Unit,
    thing: &str,
    without: Option<&str>,
) -> Result<BTreeSet<String>, ApiError> {
    let mut groups = BTreeSet::new();
    for group in unit.tx.groups_of_thing(thing).await? {
        if Some(group.as_str()) != without {
            groups.extend(unit.tx.group_ancestors(&group).await?);
            groups.insert(group);
        }
    }
    Ok(groups)
}

/// Queues the job for those of the things that have no execution of it, or, `again`, no pending
/// one.
pub(crate) async fn queue_missing(
    unit: &mut Unit,
    job: &Job,
    things: &BTreeSet<String>,
    again: bool,
) -> Result<(), ApiError> {
    if job.id().is_empty() || !job.is_in_force() {
        return Ok(());
    }
    let mut spread = Spread::load(unit, job.id()).await?;
    for thing in things {
        let current = unit.tx.execution(job.id(), thing).await?;
        let is_missing = current.is_none_or(|row| row.status == "REMOVED");
        if is_missing || again {
            queue::enqueue(unit, job, thing, spread.as_mut()).await?;
        }
    }
    match spread {
        Some(spread) => spread.release(unit).await,
        None => Ok(()),
    }
}

async fn remove_left(
    unit: &mut Unit,
    thing: &str,
    groups: &BTreeSet<String>,
) -> Result<(), ApiError> {
    let is_deleted = unit.tx.thing(thing).await?.is_none();
    for row in unit.tx.pending_executions(thing).await? {
        let Some(job) = Job::find(&mut unit.tx, &row.job_id).await? else {
            continue;
        };
        let is_left = match &job {
            Job::Deployment(deployment) => match Target::parse_arn(&deployment.target_arn) {
                Ok(Target::ThingGroup(group)) => !groups.contains(&group),
                _ => false,
            },
            Job::Ordinary(job) => {
                is_deleted || !is_still_for(&mut unit.tx, job, thing, groups).await?
            }
        };
        if is_left {
            // Refused only if it ended meanwhile, which is as good.
            let _ = queue::apply(unit, &job, &row, Event::Remove).await?;
        }
    }
    Ok(())
}

/// Whether the job is for the thing, which is in these groups.
async fn is_still_for(
    reader: &mut Reader,
    job: &JobRow,
    thing: &str,
    groups: &BTreeSet<String>,
) -> Result<bool, ApiError> {
    if job.target_selection != CONTINUOUS {
        return Ok(true);
    }
    let targets = reader.job_targets(&job.id).await?;
    Ok(targets.iter().any(|target| match Target::parse_arn(target) {
        Ok(Target::Thing(name)) => name == thing,
        Ok(Target::ThingGroup(group)) => groups.contains(&group),
        Err(_) => false,
    }))
}

async fn remove_strangers(
    unit: &mut Unit,
    job: &Job,
    members: &BTreeSet<String>,
) -> Result<(), ApiError> {
    let mut after = String::new();
    loop {
        let rows = unit.tx.pending_executions_of_job(job.id(), &after, BATCH).await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after.clone_from(&last.thing);
        for row in rows.iter().filter(|row| !members.contains(&row.thing)) {
            // Refused only if it ended meanwhile, which is as good.
            let _ = queue::apply(unit, job, row, Event::Remove).await?;
        }
    }
}

/// Removes what is pending for things that are no more.
async fn remove_orphans(unit: &mut Unit) -> Result<(), ApiError> {
    for row in unit.tx.orphaned_executions().await? {
        if let Some(job) = Job::find(&mut unit.tx, &row.job_id).await? {
            // Refused only if it ended meanwhile, which is as good.
            let _ = queue::apply(unit, &job, &row, Event::Remove).await?;
        }
    }
    Ok(())
}
