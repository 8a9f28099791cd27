//! The provisioning probe.
