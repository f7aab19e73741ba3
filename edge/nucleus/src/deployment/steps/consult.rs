//! The two steps before a deployment changes anything: components are asked whether now is a good
//! time, and then whether they can live with their new configuration (recipes and deployments,
//! B5.7, 2 and 3).

use std::time::Duration;

use marram_model::deployment::ComponentUpdateAction;
use marram_model::error_code::ErrorCode;
use tokio::time::{Instant, sleep};

use super::NucleusSteps;
use crate::deployment::current::Current;
use crate::deployment::engine::Steps;
use crate::deployment::machine::{Failure, MAX_VALIDATION};
use crate::deployment::patience::{DEFAULT_LIMIT, Next, Patience};
use crate::ipc::component_updates::Deferral;

/// Marram's own key of the nucleus: the most seconds that components may put one update off.
const MAX_DEFERRAL: &str = "componentUpdateMaxDeferralSeconds";

impl NucleusSteps {
    /// Asks until nobody puts the update off any more.
    pub(super) async fn notify_components(&self, current: &mut Current) -> Result<(), Failure> {
        let policy = current.document.component_update_policy.clone();
        let composition = self.composition(current)?;
        if policy.action == ComponentUpdateAction::SkipNotifyComponents {
            return Ok(());
        }
        let restarts = composition.restart_needs(&self.config, &self.program.version).is_restart();
        let spent = Duration::from_millis(current.deferred_ms);
        let mut patience = Patience::new(self.max_deferral(), spent);
        let limit = patience.round(seconds(policy.timeout));
        self.updates.until_subscribed(&current.asked, limit).await;
        loop {
            let began = Instant::now();
            current.asked = self.updates.subscribers();
            self.save(current).await?;
            let deferrals =
                self.updates.ask(&current.document.deployment_id, restarts, limit).await;
            let longest = deferrals.iter().map(|deferral| deferral.recheck_after).max();
            match patience.after_round(longest.unwrap_or_default()) {
                Next::GoAhead => return Ok(()),
                Next::GiveUp => return Err(put_off_too_long(&deferrals, &patience)),
                Next::AskAgainAfter(wait) => {
                    tracing::info!(?deferrals, ?wait, "the update is put off");
                    sleep(wait).await;
                }
            }
            patience.spend(began.elapsed());
            current.deferred_ms = u64::try_from(patience.spent().as_millis()).unwrap_or(u64::MAX);
        }
    }

    /// Asks the components whose configuration changes and whose version does not.
    pub(super) async fn validate_configuration(&self, current: &Current) -> Result<(), Failure> {
        let composition = self.composition(current)?;
        let proposed = composition.changed_configurations(&self.config).map_err(|error| {
            Failure::of(&error, vec![ErrorCode::ComponentConfigurationNotValid])
        })?;
        let timeout = current.document.configuration_validation_policy.timeout;
        let limit = seconds(timeout).min(MAX_VALIDATION);
        let mut refusing = self.validators.ask(current.key(), &proposed, limit).await;
        if refusing.is_empty() {
            return Ok(());
        }
        refusing.sort_by_key(|component| !component.is_rejected());
        let all: Vec<String> = refusing.iter().map(ToString::to_string).collect();
        let rejected = "Components reported that their to-be-deployed configuration is invalid ";
        let lead = if refusing[0].is_rejected() { rejected } else { "" };
        Err(Failure {
            cause: format!("{lead}{}", all.join(", ")),
            codes: vec![ErrorCode::ComponentConfigurationNotValid],
        })
    }

    fn max_deferral(&self) -> Duration {
        let configured = self.nucleus_setting(MAX_DEFERRAL);
        let configured = configured.and_then(|value| value.as_f64());
        configured
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .unwrap_or(DEFAULT_LIMIT)
    }
}

/// Less than none is none.
fn seconds(timeout: i64) -> Duration {
    Duration::from_secs(u64::try_from(timeout).unwrap_or(0))
}

fn put_off_too_long(deferrals: &[Deferral], patience: &Patience) -> Failure {
    let names: Vec<&str> = deferrals.iter().map(|d| d.component.as_str()).collect();
    Failure {
        cause: format!(
            "{} put the update off for {} s, the most that `{MAX_DEFERRAL}` of \
             aws.greengrass.Nucleus allows. Deploy with SKIP_NOTIFY_COMPONENTS to update without \
             asking, or raise the limit",
            names.join(", "),
            patience.limit().as_secs()
        ),
        codes: vec![ErrorCode::ComponentUpdateError],
    }
}
