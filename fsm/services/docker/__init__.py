"""One client of the Docker engine and of compose."""
