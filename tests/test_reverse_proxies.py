"""The configurations of docs/operate/proxies.md, in the real nginx, Apache and mod_wsgi.

Each is also run without the lines that the page calls necessary, to see what it says happens.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import sysconfig
from datetime import datetime, timedelta, timezone
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from flask_jwt import hash_password
from tests.servers import AS_ROOT, NOBODY, Server, until
from tests.support import HTML, ROOT, bearer, private_pem

FILES = ROOT / "examples/operate"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
APACHE = shutil.which("apache2") or "/usr/sbin/apache2"
MODULES = Path("/usr/lib/apache2/modules")
USER = NOBODY if AS_ROOT else ""
HOST = {"Host": "shop.example"}
ORIGIN = {"Origin": "https://shop.example"}
LOGIN = {"username": "joe", "password": "pass"}
SPOOFED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "http",
}

pytestmark = [pytest.mark.slow, pytest.mark.servers]


def environment(folder, **options):
    values = {
        "SECRET_KEY": "a-secret-of-32-bytes-for-testing",
        "USERS": json.dumps({"joe": hash_password("pass")}),
        "JWT_STORAGE_URI": f"sqlite:///{folder}/sessions.db",
        "JWT_TOKEN_LOCATION": '["headers", "cookies"]',
        **options,
    }
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith("FLASK_")},
        **{f"FLASK_{key}": value for key, value in values.items()},
        "PYTHONPATH": f"{ROOT / 'src'}:{FILES}",
        "HOME": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


class Site(Server):
    """A server that listens with TLS. For root, it runs as the user nobody."""

    user = USER

    def __init__(self, **options):
        super().__init__()
        if AS_ROOT:
            os.chown(self.folder, NOBODY, NOBODY)
            self.folder.chmod(0o755)
        self.environment = environment(self.folder, **options)

    @property
    def log(self):
        return "".join(path.read_text() for path in sorted(self.folder.glob("*log")))

    def run(self, *command):
        settings = [f"{key}={value}" for key, value in self.environment.items()]
        super().run("/usr/bin/env", "-i", *settings, *command, user=self.user)

    def wait(self):
        def responds():
            assert self.process.poll() is None, self.log
            with self.client() as client:
                return client.get("/healthz").status_code < 500

        until(responds, "the server")
        return self

    def client(self, **headers):
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.port}", headers={**HOST, **headers}, verify=INSECURE,
            timeout=20,
        )  # fmt: skip

    def write(self, name, text):
        """Write a configuration that has the paths and ports of this server."""
        certificate = make_certificate(self.folder)
        for old, new in {
            "/etc/ssl/shop.pem": str(certificate),
            "/etc/ssl/shop.key": str(certificate),
            "listen 443": f"listen 127.0.0.1:{self.port}",
            "*:443": f"127.0.0.1:{self.port}",
            "/srv/venv": str(self.folder / "venv"),
            "/srv/shop/app.py": str(FILES / "app.py"),
            "/srv/shop": str(FILES),
            "/srv": str(self.folder),
        }.items():
            text = text.replace(old, new)
        path = self.folder / name
        path.write_text(text)
        return path


INSECURE = ssl.create_default_context()
INSECURE.check_hostname = False
INSECURE.verify_mode = ssl.CERT_NONE


def make_certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop.example")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    )  # fmt: skip
    path = folder / "shop.pem"
    path.write_text(private_pem(key) + certificate.public_bytes(Encoding.PEM).decode())
    return path


def without(text, line):
    """Return a configuration without a line that it has."""
    assert line in text
    return text.replace(line, "")


class Gunicorn(Site):
    user = ""

    def start(self):
        self.run(
            sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{self.port}", "--threads", "4",
            "--chdir", FILES, "--worker-tmp-dir", self.folder, "gate:app",
        )  # fmt: skip
        until(lambda: httpx.get(f"http://127.0.0.1:{self.port}/healthz"), "gunicorn")
        return self


class Uwsgi(Site):
    user = ""
    program = Path(sys.executable).with_name("uwsgi")

    def start(self):
        if not self.program.exists():
            pytest.skip("uWSGI is not installed: pip install uwsgi (it needs a C compiler)")
        self.run(
            self.program, "--socket", f"127.0.0.1:{self.port}", "--module", "app:app", "--master",
            "--threads", "4", "--need-app", "--die-on-term", "--chdir", FILES, "--home", sys.prefix,
        )  # fmt: skip
        return self


class Nginx(Site):
    def __init__(self, upstream, text):
        super().__init__()
        self.text = text.replace("127.0.0.1:8000", f"127.0.0.1:{upstream.port}")

    def start(self):
        paths = "".join(
            f"{name}_temp_path {self.folder}/{name};\n"
            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        if "uwsgi_params" in self.text:
            shutil.copy("/etc/nginx/uwsgi_params", self.folder)
        (self.folder / "files").mkdir()
        (self.folder / "files/report.txt").write_text("the report")
        path = self.write(
            "nginx.conf",
            f"daemon off;\npid {self.folder}/pid;\nerror_log stderr;\nevents {{}}\n"
            f"http {{\naccess_log off;\n{paths}{self.text}\n}}\n",
        )
        self.run(NGINX, "-c", path, "-e", "stderr")
        return self.wait()


class Apache(Site):
    def __init__(self, text, upstream=None, **options):
        super().__init__(**options)
        self.text = text
        if upstream:
            self.text = text.replace("127.0.0.1:8000", f"127.0.0.1:{upstream.port}")

    def start(self):
        if "WSGI" in self.text:
            make_venv(self.folder / "venv")
        modules = "".join(
            f"LoadModule {name}_module {MODULES}/mod_{name}.so\n"
            for name in ("mpm_event", "authz_core", "ssl", "proxy", "proxy_http", "headers", "wsgi")
            if name != "wsgi" or "WSGI" in self.text
        )
        path = self.write(
            "apache.conf",
            f"{modules}ServerName shop.example\nServerRoot {self.folder}\n"
            f"PidFile {self.folder}/pid\nErrorLog {self.folder}/errors.log\nMutex file:{self.folder}\n"
            f"ServerLimit 2\nStartServers 1\nMaxRequestWorkers 50\n"
            + (f"WSGISocketPrefix {self.folder}/wsgi\n" if "WSGI" in self.text else "")
            + f"Listen 127.0.0.1:{self.port}\n{self.text}",
        )
        self.run(APACHE, "-f", path, "-D", "FOREGROUND")
        return self.wait()


needs_nginx = pytest.mark.skipif(
    not Path(NGINX).exists(), reason="nginx is not installed: apt-get install nginx-light"
)
needs_apache = pytest.mark.skipif(
    not Path(APACHE).exists(), reason="Apache is not installed: apt-get install apache2"
)


SYSTEM_PYTHON = Path("/usr/bin/python3")


def make_venv(folder):
    """Make an environment of the Python that mod_wsgi is built for, with the tests' packages."""
    command = [SYSTEM_PYTHON, "-m", "venv", "--without-pip", folder]
    subprocess.run(command, check=True, capture_output=True)
    packages = next(folder.glob("lib/python3*/site-packages"))
    paths = [sysconfig.get_path("platlib"), ROOT / "src"]
    (packages / "tests.pth").write_text("\n".join(map(str, paths)))


def check_mod_wsgi():
    if not (MODULES / "mod_wsgi.so").exists():
        pytest.skip("mod_wsgi is not installed: apt-get install libapache2-mod-wsgi-py3")
    version = ".".join(map(str, sys.version_info[:2]))
    if not (MODULES / f"mod_wsgi.so-{version}").exists():
        pytest.skip(f"mod_wsgi is not built for Python {version}, which runs the tests")


@pytest.fixture(scope="module")
def start():
    """Start servers, and remove them at the end of the module."""
    if AS_ROOT:
        readable = subprocess.run(
            ["/bin/ls", FILES / "app.py", sysconfig.get_path("platlib")],
            user=NOBODY, group=NOBODY, extra_groups=[], check=False, capture_output=True, cwd="/",
        )  # fmt: skip
        if readable.returncode:
            pytest.skip("the user nobody, as whom the servers run, can't read this folder")
    servers = []

    def add(server):
        servers.append(server)
        return server.start()

    yield add
    for server in servers:
        server.remove()


@pytest.fixture(scope="module")
def upstream(start):
    """The application behind a proxy that it trusts."""
    return start(Gunicorn(PROXIES="1", JWT_LOGIN_VIEW="/sign-in"))


@pytest.fixture(scope="module")
def fronts(start, upstream):
    """Start a front once, however many tests use it."""
    started = {}

    def get(name, leave_out=""):
        key = (name, leave_out)
        if key not in started:
            started[key] = start(new_front(start, name, leave_out, upstream))
        return started[key]

    return get


def new_front(start, name, leave_out, upstream):
    text = (
        without((FILES / name).read_text(), leave_out) if leave_out else (FILES / name).read_text()
    )
    if name in ("nginx-files.conf", "nginx-prefix.conf"):  # which are parts of a server
        text = (FILES / "nginx.conf").read_text().rstrip().removesuffix("}") + text + "}"
    if name == "nginx-uwsgi.conf":
        return Nginx(start(Uwsgi(JWT_LOGIN_VIEW="/sign-in")), text)
    if name.startswith("nginx"):
        return Nginx(upstream, text)
    if "WSGI" in text:
        check_mod_wsgi()
        return Apache(text, JWT_LOGIN_VIEW="/sign-in")
    return Apache(text, upstream)


FRONTS = [
    pytest.param("nginx.conf", marks=needs_nginx),
    pytest.param("nginx-uwsgi.conf", marks=needs_nginx),
    pytest.param("apache-proxy.conf", marks=needs_apache),
    pytest.param("apache-wsgi.conf", marks=needs_apache),
]
every_front = pytest.mark.parametrize("name", FRONTS)


@every_front
def test_tokens_work_in_the_authorization_header(fronts, name):
    with fronts(name).client() as client:
        tokens = client.post("/auth", json=LOGIN).json()
        headers = bearer(tokens["access_token"])
        assert client.get("/me", headers=headers).json() == {"name": "joe"}
        assert client.get("/auth/sessions", headers=headers).json()["sessions"]
        renewed = client.post("/auth/refresh", headers=bearer(tokens["refresh_token"]))
        assert renewed.status_code == 200


@every_front
def test_cookies_work_and_a_page_proves_its_origin(fronts, name):
    with fronts(name).client(Accept=HTML) as client:
        page = client.post("/auth", data={**LOGIN, "next": "/me"}, headers=ORIGIN)
        assert (page.status_code, page.headers["Location"]) == (303, "/me")
        assert all("; Secure" in cookie for cookie in page.headers.get_list("Set-Cookie"))
        cookies = cookies_of(page)
        assert client.get("/me", headers=cookies).json() == {"name": "joe"}
        plain = client.post("/auth/logout", headers={**cookies, "Origin": "http://shop.example"})
        assert code_of(plain) == (403, "csrf_failed")
        other = client.post("/auth/logout", headers={**cookies, "Origin": "https://evil.example"})
        assert code_of(other) == (403, "csrf_failed")
        assert client.post("/auth/logout", headers={**cookies, **ORIGIN}).status_code == 303
    assert "over plain HTTP" not in fronts(name).log


def cookies_of(response):
    pairs = [each.split(";")[0] for each in response.headers.get_list("Set-Cookie")]
    return {"Cookie": "; ".join(pairs)}


def code_of(response):
    return response.status_code, response.json()["code"]


@every_front
def test_a_client_can_not_choose_its_address_host_or_scheme(fronts, name):
    with fronts(name).client(Accept=HTML, **SPOOFED) as client:
        page = client.post("/auth", data=LOGIN, headers=ORIGIN)
        assert page.status_code == 303
        cookies = cookies_of(page)
        evil = {**cookies, "Origin": "https://evil.example"}
        assert code_of(client.post("/auth/logout", headers=evil)) == (403, "csrf_failed")
        sessions = client.get("/auth/sessions", headers=cookies).json()["sessions"]
        assert {each["ip"] for each in sessions} == {"127.0.0.1"}


@pytest.fixture(scope="module")
def below_a_path(start):
    """The application behind a proxy that sends the prefix. An endpoint is the login page."""
    return start(Gunicorn(PROXIES="1", PREFIXES="1", JWT_LOGIN_VIEW="healthz"))


@needs_nginx
def test_below_a_path_pages_stay_below_it(start, below_a_path):
    front = start(new_front(start, "nginx-prefix.conf", "", below_a_path))
    spoofed = {**SPOOFED, "X-Forwarded-Prefix": "/evil"}
    with front.client(Accept=HTML, **spoofed) as client:
        page = client.get("/shop/me")
        assert page.headers["Location"] == "/shop/healthz?next=%2Fshop%2Fme"
        page = client.post("/shop/auth", data={**LOGIN, "next": "/shop/me"}, headers=ORIGIN)
        assert (page.status_code, page.headers["Location"]) == (303, "/shop/me")
        headers = {**cookies_of(page), **ORIGIN}
        assert client.get("/shop/me", headers=headers).json() == {"name": "joe"}
        page = client.post("/shop/auth/logout", headers=headers)
        assert page.headers["Location"] == "/shop/healthz"


# What happens without a line


@needs_nginx
def test_without_the_prefix_the_login_is_outside_of_the_application(start, below_a_path):
    line = "proxy_set_header X-Forwarded-Prefix /shop;"
    front = start(new_front(start, "nginx-prefix.conf", line, below_a_path))
    with front.client(Accept=HTML) as client:
        assert client.get("/shop/me").headers["Location"] == "/healthz?next=%2Fme"


@pytest.mark.parametrize("name", FRONTS[3:])
def test_without_wsgipassauthorization_no_token_arrives(fronts, name):
    with fronts(name, "WSGIPassAuthorization On").client() as client:
        token = client.post("/auth", json=LOGIN).json()["access_token"]
        assert code_of(client.get("/me", headers=bearer(token))) == (401, "token_missing")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        pytest.param(
            "nginx.conf",
            "proxy_set_header X-Forwarded-Proto $scheme;",
            marks=needs_nginx,
        ),
        pytest.param(
            "apache-proxy.conf", "RequestHeader set X-Forwarded-Proto https", marks=needs_apache
        ),
    ],
)
def test_without_the_scheme_the_application_sees_plain_http(fronts, upstream, name, line):
    with fronts(name, line).client(Accept=HTML) as client:
        page = client.post("/auth", data=LOGIN)
        assert page.status_code == 303
    assert "Secure cookies were set over plain HTTP" in upstream.log


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        pytest.param(
            "nginx.conf",
            ["proxy_set_header Host $host;", "proxy_set_header X-Forwarded-Host $host;"],
            marks=needs_nginx,
        ),
    ],
)
def test_without_the_host_a_page_can_not_prove_its_origin(start, upstream, name, lines):
    text = (FILES / name).read_text()
    for line in lines:
        text = without(text, line)
    with start(Nginx(upstream, text)).client(Accept=HTML) as client:
        cookies = cookies_of(client.post("/auth", data=LOGIN))
        response = client.post("/auth/logout", headers={**cookies, **ORIGIN})
        assert code_of(response) == (403, "csrf_failed")
        assert "a proxy has changed the Host header" in response.json()["hint"]


@needs_nginx
def test_without_x_forwarded_host_a_client_chooses_the_host(fronts):
    line = "proxy_set_header X-Forwarded-Host $host;"
    with fronts("nginx.conf", line).client(Accept=HTML, **SPOOFED) as client:
        evil = {"Origin": "https://evil.example"}
        assert client.post("/auth", data=LOGIN, headers=evil).status_code == 303
    with fronts("nginx.conf").client(Accept=HTML, **SPOOFED) as client:
        assert code_of(client.post("/auth", data=LOGIN, headers=evil)) == (403, "csrf_failed")


@needs_nginx
@pytest.mark.parametrize(("proxies", "address"), [("1", "127.0.0.1"), ("2", "203.0.113.9")])
def test_with_too_many_proxies_a_client_chooses_its_address(start, proxies, address):
    front = start(Nginx(start(Gunicorn(PROXIES=proxies)), (FILES / "nginx.conf").read_text()))
    with front.client(**SPOOFED) as client:
        token = client.post("/auth", json=LOGIN).json()["access_token"]
        (session,) = client.get("/auth/sessions", headers=bearer(token)).json()["sessions"]
        assert session["ip"] == address


# auth_request


@pytest.fixture
def files(fronts):
    with fronts("nginx-files.conf").client() as client:
        yield client


@needs_nginx
def test_nginx_serves_files_to_those_who_are_logged_in(files):
    path = "/files/report.txt"
    assert files.get(path).status_code == 401
    assert files.get(path, headers={"Accept": HTML}).status_code == 401
    assert files.get(path, headers=bearer("no.token.this")).status_code == 401
    tokens = files.post("/auth", json=LOGIN).json()
    assert files.get(path, headers=bearer(tokens["access_token"])).text == "the report"
    assert files.get(path, headers=bearer(tokens["refresh_token"])).status_code == 401
    cookies = cookies_of(files.post("/auth", data=LOGIN, headers={"Accept": HTML, **ORIGIN}))
    assert files.get(path, headers=cookies).text == "the report"
    assert files.get("/gate", headers=cookies).status_code == 404
    # The question to the application is a GET, so nothing has checked where this came from.
    assert files.post(path, headers=cookies).status_code == 403
    assert files.post("/auth/logout", headers={**cookies, **ORIGIN}).json() == {"revoked": 1}
    until(lambda: files.get(path, headers=cookies).status_code == 401, "the logout")


@needs_nginx
def test_the_question_of_nginx_renews_no_cookies(files):
    login = files.post("/auth", data=LOGIN, headers={"Accept": HTML, **ORIGIN})
    refresh = next(c for c in login.headers.get_list("Set-Cookie") if c.startswith("refresh_token"))
    only_refresh = {"Cookie": refresh.split(";")[0]}
    for _ in range(3):
        response = files.get("/files/report.txt", headers=only_refresh)
        assert (response.text, response.headers.get("Set-Cookie")) == ("the report", None)
    assert files.get("/me", headers=only_refresh).headers["Set-Cookie"]


@needs_nginx
def test_without_the_accept_header_a_browser_gets_500_in_place_of_401(fronts):
    with fronts("nginx-files.conf", "proxy_set_header Accept application/json;").client() as client:
        assert client.get("/files/report.txt", headers={"Accept": HTML}).status_code == 500


@needs_nginx
def test_without_limit_except_a_forged_request_gets_through(fronts):
    with fronts("nginx-files.conf", "limit_except GET { deny all; }").client() as client:
        cookies = cookies_of(client.post("/auth", data=LOGIN, headers={"Accept": HTML, **ORIGIN}))
        forged = {**cookies, "Origin": "https://evil.example"}
        # 405 is nginx's own response to a POST of a file; an upstream would get the request.
        assert client.post("/files/report.txt", headers=forged).status_code == 405
