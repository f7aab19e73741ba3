//! Components, deployments, job executions, shadows and status aggregation.
