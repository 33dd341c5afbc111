"""Units of systemd, so that a host resumes at every boot and looks for updates: their texts, and installing them."""
