"""The dashboard: pages for people, rendered here, with small scripts and styles that are files under `static`.

`frame` adds the dashboard to the app, `access` decides which browsers may open a page, `sessions` makes and reads their
cookies, `page` renders a page with the base template, `guard` checks forms, and `pages` has one router per page.
"""

from .frame import add_dashboard
from .pages import ROUTERS

__all__ = ["ROUTERS", "add_dashboard"]
