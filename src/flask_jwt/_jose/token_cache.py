"""Cache verified tokens."""

from __future__ import annotations

from threading import Lock

from .codec import TokenCodec, VerifiedToken


class TokenCache:
    """Keep the verified tokens of one application, whichever codec has verified them.

    An entry counts only for the codec that made it. A changed key or option makes a new codec, so
    entries never have to be invalidated.

    :param size: the maximum number of tokens; 0 turns the cache off
    """

    def __init__(self, size: int = 0) -> None:
        self.size = size
        self._tokens: dict[str, VerifiedToken] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        """Return the number of tokens, which includes those of codecs that are no longer used."""
        return len(self._tokens)

    def get(self, token: str, codec: TokenCodec, now: float) -> VerifiedToken | None:
        """Return *token* if *codec* has verified it, and it is valid at *now*."""
        cached = self._tokens.get(token)
        if (
            cached is not None
            and cached.codec is codec
            and cached.valid_from <= now < cached.valid_until
        ):
            return cached
        return None

    def verify(self, token: str, codec: TokenCodec, now: float) -> VerifiedToken:
        """Return *token* from the cache, or verify and cache it.

        :raises TokenInvalid: as :meth:`TokenCodec.verify` does
        """
        cached = self.get(token, codec, now)
        if cached is not None:
            return cached
        verified = codec.verify(token, now)
        if self.size > 0:
            self._add(token, verified)
        return verified

    def _add(self, token: str, verified: VerifiedToken) -> None:
        verified.share()
        with self._lock:
            # A stale entry is removed first, so that the new one counts as the newest.
            self._tokens.pop(token, None)
            while len(self._tokens) >= self.size:
                # Dicts keep the order of insertion, so this is the oldest entry. Evicting the least
                # recently used one would need a write, and the lock, at each request.
                del self._tokens[next(iter(self._tokens))]
            self._tokens[token] = verified
