"""A task sees the environment variables that it declares. Values come from the environment, or from .env.

$ API_KEY=secret capsule run env.py
"""

import os

from capsule import task


@task(name="main", compute="LOW", env_variables=["API_KEY"], allowed_hosts=[])
def main() -> dict:
    key = os.environ.get("API_KEY")
    return {
        "api_key": None if key is None else f"{len(key)} characters",
        "home": os.environ.get("HOME"),
        "names": sorted(os.environ),
    }
