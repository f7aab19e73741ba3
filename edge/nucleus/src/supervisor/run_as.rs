//! Whom a step runs as (A7.7).

use marram_model::deployment::RunWith;
use marram_os::user::{self, ResolveUser, RunAs};

/// Why there is no user for a step.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChooseUser {
    /// Nobody named one, and the nucleus runs as root.
    #[error(
        "the deployment gives the component no posixUser and the nucleus has no \
         runWithDefault.posixUser; set one of them"
    )]
    Missing,
    /// The named one cannot be used.
    #[error(transparent)]
    Resolve(#[from] ResolveUser),
}

/// The user of a step: root with `requires_privilege`, else the deployment's choice, else the
/// nucleus's default, else, unless that is root, the nucleus's own user. `None` is the nucleus's
/// own user.
pub(super) fn choose(
    run_with: &RunWith,
    default: Option<&str>,
    requires_privilege: bool,
) -> Result<Option<RunAs>, ChooseUser> {
    let named = run_with.posix_user.as_deref().filter(|user| !user.is_empty()).or(default);
    let chosen = match named {
        // Without root there is nobody more privileged than the nucleus's own user.
        _ if requires_privilege => return Ok(None),
        Some(user) => user::resolve(user)?,
        None if user::is_root() => return Err(ChooseUser::Missing),
        None => return Ok(None),
    };
    let current = user::current()?;
    let is_current = (chosen.uid, chosen.gid) == (current.uid, current.gid);
    Ok(Some(chosen).filter(|_| !is_current))
}
