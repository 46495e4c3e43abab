"""How the reference is made of the docstrings: `python -m sphinx docs site`."""

import pathlib

import regjax

_ROOMS = [*regjax.__all__, "linen", "nnx"]
_PAGE = """{room}
{line}

.. automodule:: regjax.{room}
"""

project = "regjax"
version = release = regjax.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon"]
autodoc_default_options = {"members": True}
napoleon_use_ivar = True
autodoc_typehints = "none"  # the signature has them
default_role = "code"
html_theme = "furo"
html_title = f"regjax {release}"
html_show_copyright = False

_pages = pathlib.Path(__file__).parent / "rooms"
_pages.mkdir(exist_ok=True)
for _room in _ROOMS:
    (_pages / f"{_room}.rst").write_text(_PAGE.format(room=_room, line="=" * len(_room)))


def setup(app):
    """Leaves out the fields of named tuples, of which the docstrings of their classes tell."""

    def skipped(*given):
        return (getattr(given[3], "__doc__", None) or "").startswith("Alias for field number") or None

    app.connect("autodoc-skip-member", skipped)
