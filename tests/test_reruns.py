"""Only what a browser does may be repeated, and whoever reads the result sees why it was."""

from __future__ import annotations

from pathlib import Path

import browsing
import pytest

pytest_plugins = ["pytester"]

FAILS_ONCE = """
import pytest
tries = []
{mark}
def test_it():
    tries.append(1)
    assert len(tries) > 1, "the page was not there"
"""
MARKED = "@pytest.mark.browser"


def drives_chromium(item: pytest.Function) -> bool:
    """Whether the test or one of its fixtures opens a browser or a page."""
    known = item._fixtureinfo.name2fixturedefs.values()
    calls = [item.function, *(fixture.func for same_name in known for fixture in same_name)]
    ours = {"chromium": browsing.chromium, "opened": browsing.opened}
    return any(
        call.__globals__.get(name) is ours[name]
        for call in calls
        if hasattr(call, "__code__")
        for name in ours.keys() & set(call.__code__.co_names)
    )


def test_every_test_that_drives_chromium_carries_the_marker(request: pytest.FixtureRequest) -> None:
    tests = [item for item in request.session.items if isinstance(item, pytest.Function)]
    assert not [item.nodeid for item in tests if drives_chromium(item) and not item.get_closest_marker("browser")]


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with this one's conftest.py."""
    pytester.makeconftest((Path(__file__).parent / "conftest.py").read_text(encoding="utf-8"))
    pytester.makeini("[pytest]\nmarkers =\n  browser: x\n  slow: x\n")
    return pytester


def test_a_test_of_the_browser_is_repeated_and_the_summary_says_why(project: pytest.Pytester) -> None:
    project.makepyfile(FAILS_ONCE.format(mark=MARKED))
    found = project.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    found.assert_outcomes(passed=1)
    found.stdout.fnmatch_lines(["RERUN *::test_it (call): AssertionError: the page was not there"])


def test_no_other_test_is_repeated(project: pytest.Pytester) -> None:
    project.makepyfile(FAILS_ONCE.format(mark=""))
    found = project.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    found.assert_outcomes(failed=1)
    found.stdout.no_fnmatch_line("RERUN *")
