"""Griffe extension: docstrings here say `Example:`, which griffe would read as prose rather than as a doctest."""

import re

import griffe


class ExampleSections(griffe.Extension):
    """Hand `Example:` to griffe under the name that it takes for code."""

    def on_object(self, *, obj, **kwargs):
        """Rename the heading; griffe parses the text later."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"^( *)Example:$", r"\1Examples:", obj.docstring.value, flags=re.M)
