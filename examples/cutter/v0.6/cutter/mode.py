"""How a run is meant."""

import enum


class Mode(enum.Enum):
    """The two ways to run. The names are what records and approvals use."""

    DRYRUN = "dryrun"
    LIVE = "live"
