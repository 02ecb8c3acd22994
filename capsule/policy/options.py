"""The names of a task's options: one list for the host and for the SDK inside the sandbox.

The Python engine is built with a copy of this module (see `capsule.frontend.sdk`): it imports nothing.
"""

OPTIONS = (
    "compute",
    "ram",
    "timeout",
    "max_retries",
    "allowed_files",
    "allowed_hosts",
    "env_variables",
    "secrets",
    "tools",
)
"""The options of a task besides its name, in the user guide's order."""
