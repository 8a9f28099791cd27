//! What the repository offers to pipelines.
