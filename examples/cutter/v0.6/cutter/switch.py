"""The kill-switch. It rests at ``False``; turning it on is a decision of its own, apart from approving a run."""

from cutter.errors import ExecutionDisabled

__execution_enabled__ = False


def execution_enabled():
    """Whether a live run may start at all."""
    return __execution_enabled__ is True


def require_execution_enabled(run_id):
    """Stops a live run while the switch is off."""
    if not execution_enabled():
        raise ExecutionDisabled(
            f"run {run_id} was asked for as LIVE, and the execution switch is off: nothing was started"
        )
