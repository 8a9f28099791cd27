"""Everything that the cutter refuses, by reason."""


class CutterError(Exception):
    """Root of the family; ``exit_status`` is what the command line returns."""

    exit_status = 1


class ConfigError(CutterError):
    """The configuration cannot be read or says something impossible."""

    exit_status = 2


class RegistryError(CutterError):
    """The registry does not hold what the run needs."""

    exit_status = 2


class ExecutionDisabled(CutterError):
    """A live run was asked for while the switch is off."""

    exit_status = 3


class IntegrityError(CutterError):
    """Content is not what its digest says."""

    exit_status = 4


class BackupError(CutterError):
    """The dump before the write was not made, not encrypted, or is not the one that was pinned."""

    exit_status = 5


class LockedError(CutterError):
    """Another run of the target is going on, or one ended without taking its lock away."""

    exit_status = 6


class PermitError(CutterError):
    """There is no permit, or not one for this run, this host, this moment."""

    exit_status = 7


class CompensationRequired(CutterError):
    """Something was enacted: it is not taken back by deleting it."""

    exit_status = 8


class Stopped(CutterError):
    """A rehearsal ended where it was asked to."""

    exit_status = 10
