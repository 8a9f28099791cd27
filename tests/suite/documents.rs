//! The runbook probe.
