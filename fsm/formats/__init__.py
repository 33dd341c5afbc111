"""Documents and their rules, without effects: manifests, trust, YAML, checks as data, version files, timestamps."""
