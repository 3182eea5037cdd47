import json
import logging
import time

from flask_jwt import signals

audit = logging.getLogger("audit")
audit.setLevel(logging.INFO)
if not audit.hasHandlers():  # your program's logging is not configured: write to stderr
    audit.addHandler(logging.StreamHandler())


def record(event, **details):
    audit.info(json.dumps({"at": round(time.time(), 3), "event": event, **details}))


def connect(app):
    """Log a line of JSON for each event of a login or a session of *app*."""

    # weak=False, because blinker would otherwise forget these inner functions at once.

    @signals.authenticated.connect_via(app, weak=False)
    def authenticated(app, username, ip):
        record("authenticated", username=username, ip=ip)

    @signals.authentication_failed.connect_via(app, weak=False)
    def failed(app, username, ip):
        record("authentication_failed", username=username, ip=ip)

    @signals.login_limited.connect_via(app, weak=False)
    def limited(app, username, ip, retry_after):
        record("login_limited", username=username, ip=ip, retry_after=retry_after)

    @signals.session_started.connect_via(app, weak=False)
    def started(app, session):
        record("session_started", sid=session.sid, subject=session.subject, ip=session.ip)

    @signals.session_refreshed.connect_via(app, weak=False)
    def refreshed(app, session):
        record("session_refreshed", sid=session.sid, subject=session.subject)

    @signals.session_revoked.connect_via(app, weak=False)
    def revoked(app, sid):
        record("session_revoked", sid=sid)

    @signals.refresh_token_repeated.connect_via(app, weak=False)
    def repeated(app, session, ip, user_agent):
        record("refresh_token_repeated", sid=session.sid, subject=session.subject, ip=ip)

    @signals.refresh_token_reused.connect_via(app, weak=False)
    def reused(app, session, generation):
        record("refresh_token_reused", sid=session.sid, subject=session.subject)
