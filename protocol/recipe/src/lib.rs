//! Component recipes: parse, validate, choose the platform, interpolate.
//!
//! A recipe is what a component is made of (recipes and deployments, part A). The cloud reads it
//! strictly when it is created; the device reads it leniently, chooses the manifest for its
//! platform, fills in the `{…}` variables and hands the lifecycle to the supervisor. All of it is
//! pure: text in, values out.

mod canonical;
mod fields;
pub mod interpolate;
pub mod lifecycle;
mod locate;
mod parse;
pub mod platform;
mod problem;
mod recipe;
mod select;
mod yaml;

pub use locate::{Place, locate};
pub use parse::{Format, MAX_RECIPE_BYTES, ParseRecipe, Strictness, parse, parse_with_warnings};
pub use problem::Problem;
pub use recipe::{
    Artifact, Audience, ComponentType, Dependency, DependencyType, Manifest, Permission, Recipe,
    Unarchive,
};
pub use select::Selected;
