"""The configuration as it is now: a mapping in, Settings out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from copy import copy
from operator import itemgetter
from typing import Any

from .notices import Notices
from .profile import Profile
from .settings import GUARD_OPTIONS, OPTIONS, Settings, read_settings

logger = logging.getLogger("flask_jwt")

_NOTHING: Any = object()


class _Watch:
    """Notices when the values of some keys differ from those last interpreted.

    Changes made in place, such as appending to a list, count: a copy is compared.
    """

    def __init__(
        self, config: MutableMapping[str, Any], keys: Iterable[str], defaults: Mapping[str, Any]
    ) -> None:
        self._config = config
        self._keys = tuple(keys)
        self._defaults = defaults
        self._read: Callable[[Any], tuple[Any, ...]] = itemgetter(*self._keys)
        self._interpreted: tuple[Any, ...] = ()

    def changed(self) -> bool:
        """Return whether a value differs from those last interpreted."""
        try:
            return self._read(self._config) != self._interpreted
        except KeyError:
            return True

    def take(self) -> tuple[Any, ...]:
        """Return a copy of the present values, to be passed to :meth:`keep` once interpreted."""
        for key in self._keys:
            self._config.setdefault(key, copy(self._defaults[key]))
        return tuple(
            value.copy() if isinstance(value, (list, dict, set)) else value
            for value in self._read(self._config)
        )

    def keep(self, values: tuple[Any, ...]) -> None:
        """Remember that *values* were interpreted.

        Called only after the interpretation, so that no other thread goes on with the result of
        older values in between.
        """
        self._interpreted = values


class LiveConfig:
    """Follows a configuration that may change while the application runs.

    Comparing all options at each request would cost more than the rest of the guard, so there are
    two tiers: the guard compares only the options that shape a codec
    (:meth:`codec_options_changed`), everything else reads :attr:`settings`, which compares all.

    :param config: the application's configuration; defaults are added to it
    :param profile: the defaults and strictness of the extension class
    :param notices: told of combinations that work but can't be what the developer wants
    :raises ConfigError: naming every value that can't be used
    """

    def __init__(
        self, config: MutableMapping[str, Any], profile: Profile, notices: Notices
    ) -> None:
        self._config = config
        self.profile = profile
        self._notices = notices
        self._followers: list[Callable[[Settings], None]] = []
        for key, default in profile.defaults.items():
            config.setdefault(key, copy(default))
        self._explicit = frozenset(key for key in OPTIONS if config.get(key) is not None)
        defaults = {key: option.default for key, option in OPTIONS.items()}
        for key, default in defaults.items():
            config.setdefault(key, copy(default))
        self._copied_secret = _NOTHING
        if config.get("JWT_SECRET_KEY") is None:
            self._copied_secret = config["JWT_SECRET_KEY"] = config["SECRET_KEY"]
        # A key that is removed later gets the default that it had at the start.
        defaults.update(profile.defaults)
        self._all = _Watch(config, OPTIONS, defaults)
        self._codec_options = _Watch(config, GUARD_OPTIONS, defaults)
        values = self._all.take()
        self.latest: Settings = self._interpret()
        """The settings last interpreted. After :meth:`codec_options_changed` was asked in this
        request, those that shape a codec are up to date here, and reading them costs nothing."""
        self._all.keep(values)
        self._started_with = self.latest

    @property
    def settings(self) -> Settings:
        """The configuration as it is now.

        :raises ConfigError: if it was changed into something that can't be used
        """
        if self._all.changed():
            values = self._all.take()
            self.latest = self._keep_start_values(self._interpret())
            self._all.keep(values)
            for follow in self._followers:
                follow(self.latest)
        return self.latest

    def follow(self, follower: Callable[[Settings], None]) -> None:
        """Call *follower* with the settings, now and whenever they have changed."""
        self._followers.append(follower)
        follower(self.settings)

    def codec_options_changed(self) -> bool:
        """Return whether an option that shapes a codec differs from the last
        :meth:`codec_settings`."""
        return self._codec_options.changed()

    def codec_settings(self, make: Callable[[Settings], None]) -> None:
        """Have codecs made of the present settings; until that is done they count as changed."""
        values = self._codec_options.take()
        make(self.settings)
        self._codec_options.keep(values)

    def _interpret(self) -> Settings:
        config = self._config
        # JWT_SECRET_KEY follows SECRET_KEY where it is only a copy of it, or was removed.
        if config.get("JWT_SECRET_KEY") in (None, self._copied_secret):
            self._copied_secret = config["JWT_SECRET_KEY"] = config.get("SECRET_KEY")
        # A key set after the start counts as explicit too, if its value isn't the default: that
        # can't be told from the default that this class has added to the configuration.
        changed = {key for key, o in OPTIONS.items() if config.get(key) not in (None, o.default)}
        settings = read_settings(config, self._explicit | changed, self.profile)
        for sentence in settings.warnings():
            self._notices.warn(sentence)
        return settings

    def _keep_start_values(self, settings: Settings) -> Settings:
        """Return *settings* with the options that ``init_app`` reads once as they were then, and
        log those that were changed."""
        kept = dict(vars(settings))
        for key, option in OPTIONS.items():
            first = getattr(self._started_with, option.field)
            if not option.at_start or getattr(settings, option.field) == first:
                continue
            kept[option.field] = first
            if self._notices.first_time(key):
                logger.warning(
                    "%s was changed after init_app(), which reads it once: the change has no "
                    "effect. Set it before init_app().", key,
                )  # fmt: skip
        return Settings(kept, settings.explicit, settings.profile)
