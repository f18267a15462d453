"""The dashboard: pages for people, rendered here, with small scripts and styles that are files under `static`.

`frame` puts it into the app, `access` lets browsers in, `sessions` has their cookies, `page` renders a page with the
base template, `guard` checks forms; `pages` has one router a page.
"""

from .frame import add_dashboard
from .pages import ROUTERS

__all__ = ["ROUTERS", "add_dashboard"]
