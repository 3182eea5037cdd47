import secrets
import unittest

from flask_jwt.testing import JWTClient, freeze

from notes import create_app


class NotesTest(unittest.TestCase):
    def setUp(self):
        self.app = create_app(SECRET_KEY=secrets.token_hex())
        self.app.test_client_class = JWTClient
        self.client = self.app.test_client()

    def test_token_expires(self):
        with freeze(self.app) as clock:
            self.client.login("joe", "pass")
            clock.tick(309)  # a lifetime of five minutes, and ten seconds of leeway
            self.assertEqual(self.client.get("/me").status_code, 200)
            clock.tick(1)
            self.assertEqual(self.client.get("/me").status_code, 401)
