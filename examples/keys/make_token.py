import time
from pathlib import Path

import jwt  # PyJWT, which Flask-JWT-Too uses

claims = {"sub": "joe", "exp": time.time() + 300}
key = Path("jwt.pem").read_text()
print(jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": "2026-11"}))
