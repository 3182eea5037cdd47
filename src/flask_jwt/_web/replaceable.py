"""Give access to the names of the package that test suites replace.

Test suites written for Flask-JWT patch ``flask_jwt._jwt_required`` and
``flask_jwt._request_ctx_stack``. So these two names are read from the package when they are used.
"""

import sys
from typing import Any

# Not imported: the package imports this folder, and is in sys.modules before it has finished.
package: Any = sys.modules["flask_jwt"]
