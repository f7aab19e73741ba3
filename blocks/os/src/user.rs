//! Users and groups, and whom a process runs as.

use std::ffi::CString;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

/// Everything that a process needs to become another user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunAs {
    /// The numeric user.
    pub uid: u32,
    /// The numeric primary group.
    pub gid: u32,
    /// The supplementary groups, looked up beforehand: it is not safe to do so after a fork.
    pub groups: Vec<u32>,
    /// The user's home folder; `/` for a number that names no user.
    pub home: PathBuf,
    /// The user's name, or its number when it has no name.
    pub name: String,
}

/// Why a `user[:group]` could not be resolved.
#[derive(Debug, thiserror::Error)]
pub enum ResolveUser {
    /// No user of that name.
    #[error("user `{name}` does not exist: create it, or name another")]
    UnknownUser {
        /// The name.
        name: String,
    },
    /// No group of that name.
    #[error("group `{name}` does not exist: create it, or name another")]
    UnknownGroup {
        /// The name.
        name: String,
    },
    /// A number that names no user has no primary group.
    #[error("user id {uid} has no entry in the user database: give a group too, as `{uid}:GROUP`")]
    NoPrimaryGroup {
        /// The number.
        uid: u32,
    },
    /// Nothing before the colon, or nothing at all.
    #[error("`{text}` names no user: write `user` or `user:group`")]
    Empty {
        /// What was given.
        text: String,
    },
    /// The user database cannot be read.
    #[error("could not look up `{name}` in the user database")]
    Lookup {
        /// The name.
        name: String,
        /// What the operating system said.
        #[source]
        source: Errno,
    },
}

/// Resolves `user` or `user:group`, each a name or a number; the group's default is the user's
/// primary group.
pub fn resolve(text: &str) -> Result<RunAs, ResolveUser> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (text, None),
    };
    if user.is_empty() {
        return Err(ResolveUser::Empty { text: text.to_owned() });
    }
    let gid = group.map(find_group).transpose()?;
    match find_user(user)? {
        Found::Entry(entry) => {
            let primary = gid.unwrap_or_else(|| entry.gid.as_raw());
            with_groups(entry, primary)
        }
        Found::Number(uid) => {
            let gid = gid.ok_or(ResolveUser::NoPrimaryGroup { uid })?;
            let home = PathBuf::from("/");
            Ok(RunAs { uid, gid, groups: vec![gid], home, name: uid.to_string() })
        }
    }
}

/// The id of a group, given by its name or as a number; a number needs no entry.
pub fn group(text: &str) -> Result<u32, ResolveUser> {
    find_group(text)
}

/// The user that this process runs as, with its own groups.
pub fn current() -> Result<RunAs, ResolveUser> {
    let uid = Uid::effective().as_raw();
    resolve(&format!("{uid}:{}", Gid::effective().as_raw()))
}

/// Whether this process may become any user.
pub fn is_root() -> bool {
    Uid::effective().is_root()
}

enum Found {
    Entry(User),
    Number(u32),
}

fn find_user(name: &str) -> Result<Found, ResolveUser> {
    let lookup = |source| ResolveUser::Lookup { name: name.to_owned(), source };
    if let Some(entry) = User::from_name(name).map_err(lookup)? {
        return Ok(Found::Entry(entry));
    }
    let Ok(uid) = name.parse::<u32>() else {
        return Err(ResolveUser::UnknownUser { name: name.to_owned() });
    };
    let entry = User::from_uid(Uid::from_raw(uid)).map_err(lookup)?;
    Ok(entry.map_or(Found::Number(uid), Found::Entry))
}

fn find_group(name: &str) -> Result<u32, ResolveUser> {
    let found = Group::from_name(name)
        .map_err(|source| ResolveUser::Lookup { name: name.to_owned(), source })?;
    match (found, name.parse::<u32>()) {
        (Some(group), _) => Ok(group.gid.as_raw()),
        (None, Ok(gid)) => Ok(gid),
        (None, Err(_)) => Err(ResolveUser::UnknownGroup { name: name.to_owned() }),
    }
}

fn with_groups(entry: User, gid: u32) -> Result<RunAs, ResolveUser> {
    let lookup = |source| ResolveUser::Lookup { name: entry.name.clone(), source };
    let name = CString::new(entry.name.clone()).map_err(|_| lookup(Errno::EINVAL))?;
    let groups = getgrouplist(&name, Gid::from_raw(gid)).map_err(lookup)?;
    let groups = groups.into_iter().map(Gid::as_raw).collect();
    Ok(RunAs { uid: entry.uid.as_raw(), gid, groups, home: entry.dir, name: entry.name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_resolve_to_the_same_user() {
        let by_name = resolve("root").unwrap();
        assert_eq!((by_name.uid, by_name.gid), (0, 0));
        assert_eq!(resolve("0").unwrap(), by_name);
        assert_eq!(resolve("root:").unwrap(), by_name);
    }

    #[test]
    fn group_replaces_the_primary_group() {
        let user = resolve("root:12345").unwrap();
        assert_eq!(user.gid, 12345);
        assert!(user.groups.contains(&12345));
    }

    #[test]
    fn unknown_number_needs_a_group() {
        let error = resolve("4000123").unwrap_err();
        assert!(matches!(error, ResolveUser::NoPrimaryGroup { uid: 4_000_123 }), "{error}");
        let user = resolve("4000123:7").unwrap();
        assert_eq!((user.uid, user.gid, user.groups), (4_000_123, 7, vec![7]));
    }

    #[test]
    fn unknown_names_are_refused() {
        assert!(matches!(resolve("no-such-user"), Err(ResolveUser::UnknownUser { .. })));
        assert!(matches!(resolve("root:no-such-group"), Err(ResolveUser::UnknownGroup { .. })));
        assert!(matches!(resolve(":root"), Err(ResolveUser::Empty { .. })));
    }

    #[test]
    fn current_user_is_the_one_of_this_process() {
        assert_eq!(current().unwrap().uid, Uid::effective().as_raw());
    }
}
