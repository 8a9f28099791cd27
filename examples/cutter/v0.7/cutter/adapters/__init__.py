"""What writes. Each adapter takes a DB-API connection and commits its own work, all of it or nothing."""
