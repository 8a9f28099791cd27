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
