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
        self.tokens: dict[str, VerifiedToken] = {}
        """The cached tokens; an entry may have expired, or be another codec's."""
        self._lock = Lock()

    def __len__(self) -> int:
        """Return the number of tokens, which includes those of codecs that are no longer used."""
        return len(self.tokens)

    def resize(self, size: int) -> None:
        """Set the maximum number of tokens. A smaller one takes effect at the next new token.

        With 0 no token is added any more, so all are removed here.
        """
        with self._lock:
            self.size = size
            if size == 0:
                self.tokens = {}

    def get_foreign(self, token: str, now: float) -> VerifiedToken | None:
        """Return *token* from the cache if it is another issuer's, and its codec is current."""
        cached = self.tokens.get(token)
        if cached is None or not cached.valid_from <= now < cached.valid_until:
            return None
        return cached if cached.codec.is_current() else None

    def verify(self, token: str, codec: TokenCodec, now: float) -> VerifiedToken:
        """Return *token* from the cache, or verify and cache it.

        :raises TokenInvalid: as :meth:`TokenCodec.verify` does
        """
        if self.size == 0:
            return codec.verify(token, now)
        cached = self.tokens.get(token)
        if (
            cached is not None
            and cached.codec is codec
            and cached.valid_from <= now < cached.valid_until
        ):
            return cached
        verified = codec.verify(token, now)
        self._add(token, verified)
        return verified

    def _add(self, token: str, verified: VerifiedToken) -> None:
        verified.share()
        with self._lock:
            # A stale entry is removed first, so that the new one counts as the newest.
            self.tokens.pop(token, None)
            while self.tokens and len(self.tokens) >= self.size:
                # Dicts keep the order of insertion, so this is the oldest entry. Evicting the least
                # recently used one would need a write, and the lock, at each request.
                del self.tokens[next(iter(self.tokens))]
            self.tokens[token] = verified
