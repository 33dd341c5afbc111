"""The documentation site: Markdown by MyST, built by Sphinx, every warning an error (docs/adr/0013-sphinx-myst.md)."""

project = "fsm-updater"
author = "the fsm-updater authors"
project_copyright = author

extensions = ["myst_parser", "sphinxcontrib.mermaid"]
source_suffix = {".md": "markdown"}

myst_enable_extensions = ["colon_fence"]
# Fences that GitHub draws are drawn here too.
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "fsm-updater"
html_copy_source = False
html_show_sourcelink = False
