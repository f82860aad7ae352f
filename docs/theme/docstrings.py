"""Griffe extension: what our docstrings and signatures mean, where griffe would read them otherwise."""

import ast
import re

import griffe


class OurConventions(griffe.Extension):
    """`Example:` holds a doctest, and the string in `Float[Tensor, "B T"]` is a shape."""

    def on_object(self, *, obj, **kwargs):
        """Hand `Example:` to griffe under the name that it takes for code; it parses the text later."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"^( *)Example:$", r"\1Examples:", obj.docstring.value, flags=re.M)

    def on_function_instance(self, *, node, func, **kwargs):
        """Keep annotations as written: griffe reads a string in them as code, and "B #T" as B and a comment."""
        if not isinstance(node, ast.FunctionDef):
            return
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        for argument in arguments:
            if argument.annotation:
                func.parameters[argument.arg].annotation = ast.unparse(argument.annotation)
        if node.returns:
            func.returns = ast.unparse(node.returns)
