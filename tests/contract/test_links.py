"""What every link promises: the replies of a Session, bit for bit, in order, and clean errors."""

from __future__ import annotations

import pytest

from hilbench import plugins
from hilbench.testing import LinkContract
from hilbench.testing.devices import echo

pytestmark = pytest.mark.timeout(30)


class TestLinks(LinkContract):
    """Every link that is found; hilbench's own ones have echoes."""

    def cases(self):
        return [(name, {}) for name in plugins.all_of("links")]

    def test_it_has_echoes(self, link):
        assert echo(link, 24, 5_000_000_000)
