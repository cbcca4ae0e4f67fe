"""How Sphinx makes the site: `make docs`. Its source is the whole checkout, so that links between pages work as they do
in the repository: those to other folders too, and those to files, which the site offers for download.
"""

from __future__ import annotations

import sys
from dataclasses import is_dataclass
from inspect import Parameter, Signature, signature
from pathlib import Path
from types import GenericAlias
from typing import Any

import numpy.typing

HERE = Path(__file__).parent

# Sphinx would write out in full what these are short for.
numpy.typing.ArrayLike = type("ArrayLike", (), {"__module__": "numpy.typing"})
numpy.typing.NDArray = type(
    "NDArray", (), {"__module__": "numpy.typing", "__class_getitem__": classmethod(GenericAlias)}
)

import hilbench  # noqa: E402

sys.path.append(str(HERE / "scripts"))
from python_names import public  # noqa: E402

project = "hilbench"
author = "The hilbench authors"
copyright = "The hilbench authors. Apache-2.0"
version = release = hilbench.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"]
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/*.md",
    "docs/api/*",
    "docs/scenarios/*.md",
    "examples/**/README.md",
]
exclude_patterns = ["docs/_build"]

myst_heading_anchors = 4
myst_enable_extensions = ["fieldlist"]

autodoc_default_options = {"members": True, "undoc-members": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
python_display_short_literal_types = True
numpydoc_show_class_members = False
# What stands between single backquotes in a docstring: a link where the pages have such a name, else code.
default_role = "py:obj"

# Sphinx keeps no copy of a function, and says so.
suppress_warnings = ["config.cache"]
nitpicky = True
nitpick_ignore_regex = [
    ("py:obj", ".*"),
    # Types of other packages: their sites are not asked, so that this one is made without a network.
    ("py:class", r"(ast|collections|contextlib|importlib|numpy|np|msgspec|pandas|pathlib)\..*"),
    ("py:class", r"(_?pytest|scipy|struct|typing)\..*"),
    # Types that a module imports for type checkers alone, and those that a reader meets but does not make.
    ("py:class", r"[A-Z]\w+|hilbench\..*"),
    # Numbers in Annotated[float, Meta(...)].
    ("py:class", r"[\d.e+-]+"),
]

templates_path = [str(HERE / "templates")]
html_theme = "furo"
html_title = "hilbench"
html_static_path = ["static"]
html_css_files = ["hilbench.css"]
html_copy_source = False
html_additional_pages = {"index": "to-first-page.html"}


def short_signature(app: Any, what: str, name: str, value: Any, *_: Any) -> tuple[str, str] | None:
    """Of a class with fields: their names and defaults, as their types stand beside what is said of each.

    Parameters
    ----------
    app, what, name, value
        As autodoc's event `autodoc-process-signature` has them.
    """
    if what != "class" or not (hasattr(value, "__struct_fields__") or is_dataclass(value) or hasattr(value, "_fields")):
        return None
    found = signature(value)
    bare = [one.replace(annotation=Parameter.empty) for one in found.parameters.values()]
    return str(found.replace(parameters=bare, return_annotation=Signature.empty)), ""


def setup(app: Any) -> None:
    app.connect("autodoc-process-signature", short_signature, priority=100)  # before numpydoc
    app.config.autosummary_context["public"] = public
