"""Connect the package to Flask: requests, responses, views and the extension class."""
