//! Component recipes: parse, validate, choose the platform, interpolate.
