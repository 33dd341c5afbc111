"""Component types that come with fsm-updater, found through the entry point group ``fsm.components``."""
