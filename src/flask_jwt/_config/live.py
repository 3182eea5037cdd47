"""Apply changes of the configuration while the application runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from copy import copy
from operator import itemgetter
from typing import Any

from .notices import Notices
from .profile import Profile
from .settings import CODEC_OPTIONS, OPTIONS, Settings, read_settings

logger = logging.getLogger("flask_jwt")

#: The value of ``_copied_secret`` if JWT_SECRET_KEY was not copied from SECRET_KEY. It is an object
#: rather than None, so that no configured value is equal to it.
_NOT_COPIED = object()


class _Watch:
    """Detect whether configuration values have changed since they were last applied.

    To apply values means to parse them, or to create objects from them. Changes in place, such as
    appending to a list, are detected too, because the values are compared with copies.
    """

    def __init__(
        self, config: MutableMapping[str, Any], keys: Iterable[str], defaults: Mapping[str, object]
    ) -> None:
        self._config = config
        self._keys = tuple(keys)
        self._defaults = defaults
        # This runs at each request, and one itemgetter call is faster than a lookup for each key.
        self._read_values: Callable[[Any], tuple[Any, ...]] = itemgetter(*self._keys)
        self._applied: tuple[object, ...] = ()

    def has_changed(self) -> bool:
        """Return whether a value differs from the one that was last applied."""
        try:
            return self._read_values(self._config) != self._applied
        except KeyError:
            return True

    def copy_values(self) -> tuple[object, ...]:
        """Return a copy of the current values; pass it to :meth:`mark_applied` afterwards."""
        for key in self._keys:
            self._config.setdefault(key, copy(self._defaults[key]))
        return tuple(
            value.copy() if isinstance(value, (list, dict, set)) else value
            for value in self._read_values(self._config)
        )

    def mark_applied(self, values: tuple[object, ...]) -> None:
        """Treat *values* as applied, so that only other values count as a change.

        Call this only after the values have been applied. Otherwise another thread would see no
        change and go on with settings made from older values.
        """
        self._applied = values


class LiveConfig:
    """Parse a configuration again whenever it changes while the application runs.

    To notice a change, the current values are compared with those that were applied. Comparing all
    options at each request would take longer than the rest of the guard. So the guard compares only
    the codec options: those on which verifying and issuing tokens depends, such as keys. Code that
    runs less often reads :attr:`settings`, which compares all options.

    :param config: the application's configuration; the defaults are added to it
    :param profile: the defaults and strictness of the extension class, ``JWT`` or ``JWTManager``
    :param notices: reports combinations that work but are probably a mistake
    :raises ConfigError: if values are invalid; the message names all of them
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
        # Options that the application has set. The defaults that are added below are not explicit.
        self._explicit = frozenset(key for key in OPTIONS if config.get(key) is not None)
        defaults = {key: option.default for key, option in OPTIONS.items()}
        for key, default in defaults.items():
            config.setdefault(key, copy(default))
        # Flask-JWT copied SECRET_KEY to JWT_SECRET_KEY, and applications may read the copy.
        self._copied_secret = _NOT_COPIED
        if not config.get("JWT_SECRET_KEY"):
            self._copied_secret = config["JWT_SECRET_KEY"] = config["SECRET_KEY"]
        # If an option is deleted from the configuration later, it gets the default again.
        defaults.update(profile.defaults)
        self._all_options = _Watch(config, OPTIONS, defaults)
        self._codec_options = _Watch(config, CODEC_OPTIONS, defaults)
        # The method itself, because the guard calls it at each request.
        self.codec_options_changed = self._codec_options.has_changed
        """Return whether an option that shapes a codec has changed since the codecs were made."""
        values = self._all_options.copy_values()
        self.latest: Settings = self._parse()
        """The settings that were parsed last. Reading them is fast, because nothing is compared.
        Once a request has used a codec, the codec options are current; others may be outdated."""
        self._all_options.mark_applied(values)
        self._start_settings = self.latest

    @property
    def settings(self) -> Settings:
        """Return the settings for the current configuration, after comparing all options.

        :raises ConfigError: if a value has become invalid
        """
        if self._all_options.has_changed():
            values = self._all_options.copy_values()
            self.latest = self._restore_start_options(self._parse())
            self._all_options.mark_applied(values)
            for follow in self._followers:
                follow(self.latest)
        return self.latest

    @property
    def is_debug_or_testing(self) -> bool:
        """Return whether the application runs in debug mode or in tests."""
        return bool(self._config.get("DEBUG") or self._config.get("TESTING"))

    def follow(self, follower: Callable[[Settings], None]) -> None:
        """Call *follower* with the settings, now and after each change."""
        self._followers.append(follower)
        follower(self.settings)

    def apply_codec_options(self, make_codecs: Callable[[Settings], None]) -> None:
        """Call *make_codecs* with the current settings.

        If *make_codecs* raises an error, the options still count as changed, so the next request
        calls it again.
        """
        values = self._codec_options.copy_values()
        make_codecs(self.settings)
        self._codec_options.mark_applied(values)

    def _parse(self) -> Settings:
        config = self._config
        # If JWT_SECRET_KEY is only a copy, it follows SECRET_KEY. Without this, an application that
        # rotates its SECRET_KEY would go on signing tokens with the old secret.
        secret = config.get("JWT_SECRET_KEY")
        if not secret or secret == self._copied_secret:
            self._copied_secret = config["JWT_SECRET_KEY"] = config.get("SECRET_KEY")
        # An option that was set after __init__ is explicit too, if its value isn't the default. A
        # value that equals the default may be the one that __init__ added.
        changed = {key for key, o in OPTIONS.items() if config.get(key) not in (None, o.default)}
        settings = read_settings(config, self._explicit | changed, self.profile)
        for sentence in settings.warnings():
            self._notices.warn(sentence)
        return settings

    def _restore_start_options(self, settings: Settings) -> Settings:
        """Undo changes of the options that only ``init_app`` reads, and log each of them once."""
        values = dict(vars(settings))
        for key, option in OPTIONS.items():
            start_value = getattr(self._start_settings, option.field)
            if not option.at_start or getattr(settings, option.field) == start_value:
                continue
            values[option.field] = start_value
            if self._notices.first_time(key):
                logger.warning(
                    "%s was changed after init_app(), which reads it only once; the change has no "
                    "effect. Set it before init_app().", key,
                )  # fmt: skip
        return Settings(values, settings.explicit, settings.profile)
