"""Python tasks for capsule."""
