"""What can be set, and what the settings are put together to."""
