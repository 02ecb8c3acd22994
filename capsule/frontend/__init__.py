"""The plugin contract (`spec`) and the one place that calls plugins (`manager`)."""
