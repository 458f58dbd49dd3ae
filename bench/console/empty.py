"""An application of Textual with nothing in it: what the framework itself costs."""

from __future__ import annotations

from textual.app import App

if __name__ == "__main__":
    App[None]().run()
