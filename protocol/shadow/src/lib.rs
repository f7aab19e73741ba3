//! Device shadow documents: merge, delta, versions, limits.
