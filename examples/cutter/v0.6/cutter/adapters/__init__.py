"""The adapters of v0.5, proven in the sandbox. Each takes a DB-API connection and commits its own work."""
