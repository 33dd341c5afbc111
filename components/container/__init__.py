"""Compose services: an image in a compose file, a container, a registry."""
