"""The version of fsm-updater. The build reads it from here; reading it from the package's metadata costs 25 ms."""

__version__ = "0.1.0"
