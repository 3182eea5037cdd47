import json
import logging

from flask_jwt import signals

audit = logging.getLogger("audit")


def record(event, **facts):
    audit.info(json.dumps({"event": event, **facts}))


def connect(app):
    """Write a line of JSON for each thing that happens to a session of *app*."""

    @signals.session_started.connect_via(app, weak=False)
    def started(app, session):
        record("session_started", sid=session.sid, subject=session.subject, ip=session.ip)

    @signals.session_revoked.connect_via(app, weak=False)
    def revoked(app, sid):
        record("session_revoked", sid=sid)

    @signals.refresh_token_reused.connect_via(app, weak=False)
    def reused(app, session, generation):
        record("refresh_token_reused", sid=session.sid, subject=session.subject)
