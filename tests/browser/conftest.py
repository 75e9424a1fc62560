"""The browser and the visits that all of its tests share."""

from test_pages import browser, visit

__all__ = ["browser", "visit"]
