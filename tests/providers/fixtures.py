"""Fixtures: identity providers that are ready. Without what they need, they skip their tests."""

from __future__ import annotations

import pytest

from . import cognito as _cognito
from . import oidc


@pytest.fixture(scope="session")
def oidc_provider():
    """A running provider that all tests share. Don't stop it and don't rotate its keys."""
    yield from _run_oidc_provider()


@pytest.fixture
def isolated_oidc_provider():
    """A running provider for one test, which may stop, freeze or rotate it."""
    yield from _run_oidc_provider()


def _run_oidc_provider():
    if not oidc.is_installed():
        pytest.skip("oidc-provider is not installed: run scripts/providers")
    provider = oidc.OidcProvider()
    try:
        yield provider.start()
    finally:
        provider.remove()


@pytest.fixture(scope="session")
def cognito():
    """A Cognito user pool: its keys, and the tokens of a user."""
    if not _cognito.is_installed():
        pytest.skip(
            "moto is not installed: pip install -c constraints.txt 'moto[cognitoidp]' boto3"
        )
    return _cognito.sign_up()
