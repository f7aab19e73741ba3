//! Things, groups, certificates, policies, role aliases, access keys.
