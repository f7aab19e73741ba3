//! Group membership: who joins a group gets its deployment, who leaves it loses what is pending.

use std::collections::BTreeSet;

use marram_aws::ApiError;
use marram_model::arn::Target;
use marram_store::DeploymentRow;

use crate::fleet::Fleet;
use crate::job_execution::Event;
use crate::jobs::queue;
use crate::jobs::spread::Spread;
use crate::unit::Unit;

/// How many members are read at once.
const BATCH: i64 = 500;

impl Fleet {
    /// Makes the thing's queue follow from its groups, after it was put into `joined` or taken
    /// out of some group, or deleted. Joining queues also what the thing once had done: it may
    /// have dropped the group's components while it was away.
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
            let Some(deployment) = unit.tx.latest_deployment(&arn).await? else {
                continue;
            };
            queue_missing(&mut unit, &deployment, &thing, gained.contains(group)).await?;
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
            remove_strangers(&mut unit, &deployment, &members).await?;
            queue_missing(&mut unit, &deployment, &members, false).await?;
        }
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

async fn queue_missing(
    unit: &mut Unit,
    deployment: &DeploymentRow,
    things: &BTreeSet<String>,
    again: bool,
) -> Result<(), ApiError> {
    let (Some(job_id), "ACTIVE") = (&deployment.job_id, deployment.status.as_str()) else {
        return Ok(());
    };
    let mut spread = Spread::load(unit, job_id).await?;
    for thing in things {
        let current = unit.tx.execution(job_id, thing).await?;
        let is_missing = current.is_none_or(|row| row.status == "REMOVED");
        if is_missing || again {
            queue::enqueue(unit, deployment, job_id, thing, spread.as_mut()).await?;
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
    for row in unit.tx.pending_executions(thing).await? {
        let Some(deployment) = unit.tx.deployment_of_job(&row.job_id).await? else {
            continue;
        };
        let is_left = match Target::parse_arn(&deployment.target_arn) {
            Ok(Target::ThingGroup(group)) => !groups.contains(&group),
            _ => false,
        };
        if is_left {
            // Refused only if it ended meanwhile, which is as good.
            let _ = queue::apply(unit, &deployment, &row, Event::Remove).await?;
        }
    }
    Ok(())
}

async fn remove_strangers(
    unit: &mut Unit,
    deployment: &DeploymentRow,
    members: &BTreeSet<String>,
) -> Result<(), ApiError> {
    let Some(job_id) = &deployment.job_id else {
        return Ok(());
    };
    let mut after = String::new();
    loop {
        let rows = unit.tx.pending_executions_of_job(job_id, &after, BATCH).await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after.clone_from(&last.thing);
        for row in rows.iter().filter(|row| !members.contains(&row.thing)) {
            // Refused only if it ended meanwhile, which is as good.
            let _ = queue::apply(unit, deployment, row, Event::Remove).await?;
        }
    }
}
