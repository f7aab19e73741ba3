//! Which version of which component: the groups' roots, and all that they need.
//!
//! The pure part is [`marram_resolve`], which the cloud explains deployments by; [`negotiate`] is
//! the shell that finds the answers in the store and in the cloud.

pub mod negotiate;

pub use marram_resolve::{
    Candidate, NUCLEUS, Next, Query, Requirements, Resolution, Resolve, ResolvedComponent, Resolver,
};
