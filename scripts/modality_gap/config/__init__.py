"""What a run may be configured to do: reading, checking and expanding the configuration."""
