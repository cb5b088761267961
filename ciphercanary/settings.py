"""All settings, in the order of Django's documentation. Values come only from the environment.

A secret may be set as ``NAME`` or as ``NAME_FILE`` (the path of a file that contains it). ``.env.example`` lists
every variable with its default; a test compares the two.
"""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.utils.csp import CSP

from accounts import roles
from accounts.sign_in.oidc.configuration import CC_OIDC  # noqa: F401 - a setting
from ciphercanary import openapi
from kernel import home, installation
from kernel.databases import options
from kernel.environment.redis_urls import caches
from kernel.environment.variables import Environment
from kernel.http import addresses
from kernel.observability import logs, tracing
from notifications.configuration import CC_NOTIFICATIONS  # noqa: F401 - a setting

BASE_DIR = installation.ROOT
env = Environment()  # noqa: CC6 - reads the settings

# --- paths and addresses
CC_HOME = Path(env.str("CC_HOME", "") or installation.default_home()).absolute()
CC_STATIC_ROOT = env.str("CC_STATIC_ROOT", "")
CC_BIND = env.str("CC_BIND", "127.0.0.1")
CC_PORT = env.number("PORT", 8000, at_least=1, at_most=65535)
CC_PUBLIC_URL = env.str("CC_PUBLIC_URL", f"http://127.0.0.1:{CC_PORT}").rstrip("/")
CC_TRUSTED_PROXIES = env.number("CC_TRUSTED_PROXIES", 0, at_least=0)
CC_PROXY_NETWORKS = tuple(env.list("CC_PROXY_NETWORKS", default=[]))
CC_WORKERS = env.number("WEB_CONCURRENCY", 1)
CC_THREADS = env.number("CC_THREADS", 8)
CC_MAX_CONNECTIONS = env.number("CC_MAX_CONNECTIONS", 10_000)
CC_KEEPALIVE_SECONDS = env.number("CC_KEEPALIVE_SECONDS", 75)
CC_LANE = env.choice("CC_LANE", "protocol", {"protocol", "asgi", "off"})
_public = urlsplit(CC_PUBLIC_URL)
CC_TLS = _public.scheme == "https"

# --- limits
CC_MAX_BODY_BYTES = env.number("CC_MAX_BODY_BYTES", 2 * 1024 * 1024)
CC_MAX_STREAM_BYTES = env.number("CC_MAX_STREAM_BYTES", 64 * 1024**3)
CC_MAX_PLAINTEXT_BYTES = env.number("CC_MAX_PLAINTEXT_BYTES", 1024 * 1024)
CC_THROTTLE_AUTH = env.str("CC_THROTTLE_AUTH", "100/minute")
CC_THROTTLE_ANONYMOUS = env.str("CC_THROTTLE_ANONYMOUS", "100/minute")
CC_THROTTLE_PRINCIPAL = env.str("CC_THROTTLE_PRINCIPAL", "6000/minute")
CC_AUDIT_LAG_LIMIT = env.number("CC_AUDIT_LAG_LIMIT", 60)  # seconds
CC_AUDIT_ADDRESSES = env.choice("CC_AUDIT_ADDRESSES", "full", {"full", "network", "none"})
CC_AUDIT_USER_AGENTS = env.choice("CC_AUDIT_USER_AGENTS", "full", {"full", "none"})
CC_LOG_VERIFICATION_HOURS = env.number("CC_LOG_VERIFICATION_HOURS", 24, at_least=0, at_most=8760)  # 0: off
CC_LOG_TARGET_FOLDER = env.str("CC_LOG_TARGET_FOLDER", "")  # "": no target is a file
CC_METRICS_PORT = env.number("CC_METRICS_PORT", 0, at_least=0, at_most=65535)  # 0: none
CC_METRICS_NETWORKS = env.list("CC_METRICS_NETWORKS", default=["127.0.0.0/8", "::1/128"])

# --- archive: where old operations of the audit log move to; after 0 days: only by the command
CC_AUDIT_ARCHIVE = env.str("CC_AUDIT_ARCHIVE", "")
CC_AUDIT_ARCHIVE_ENDPOINT = env.http_url("CC_AUDIT_ARCHIVE_ENDPOINT")
CC_AUDIT_ARCHIVE_DAYS = env.number("CC_AUDIT_ARCHIVE_DAYS", 0, at_least=0, at_most=36500)

# --- anchors and witnesses: destinations of audit log checkpoints, where an auditor reads them
CC_ANCHOR_FILE = env.str("CC_ANCHOR_FILE", "")
CC_ANCHOR_SYSLOG = env.syslog_address("CC_ANCHOR_SYSLOG")
CC_ANCHOR_SECONDS = env.number("CC_ANCHOR_SECONDS", 60)
# Witnesses cosign our checkpoints, and this installation cosigns those of other logs.
CC_WITNESSES = env.str("CC_WITNESSES", "").split()  # a URL and a vkey each
CC_WITNESS_QUORUM = env.number("CC_WITNESS_QUORUM", 0, at_least=0)  # 0: all of them
CC_WITNESS_FOR = env.str("CC_WITNESS_FOR", "").split()  # vkeys

# --- secrets
CC_KEK = env.list("CC_KEK", default=[])
CC_ADMIN_PASSWORD = env.str("CC_ADMIN_PASSWORD", "")

# --- tokens and keys
CC_ACCESS_TOKEN_MINUTES = env.number("CC_ACCESS_TOKEN_MINUTES", 30)
CC_REFRESH_TOKEN_DAYS = env.number("CC_REFRESH_TOKEN_DAYS", 7)
CC_ADMIN_USES_KEYS = env.bool("CC_ADMIN_USES_KEYS", True)
CC_REQUIRE_POLICY = env.bool("CC_REQUIRE_POLICY", False)
CC_REQUIRE_SECOND_FACTOR = env.choices("CC_REQUIRE_SECOND_FACTOR", roles.ROLES)

# --- Django, core
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[_public.hostname or "", "127.0.0.1", "localhost", "[::1]"])
APPEND_SLASH = False
DEBUG = env.bool("DEBUG", False)
INSTALLED_APPS = [
    "kernel",
    "ciphercanary.admin_apps.CipherCanaryAdminConfig",
    "accounts",  # before Django's own: its commands replace two of theirs
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",  # the templates of its widgets, for kernel.pages.forms
    "django_htmx",
    "django_otp",
    "django_otp_webauthn",
    "django_prometheus",
    "rest_framework",
    "drf_spectacular",
    "audit",
    "keys",
    "crypto_ops",
    "notifications",
    "canaries",
    "dialects",
    "backups",
    "demo",
    "console",
]
MIDDLEWARE = [
    "kernel.http.middleware.RequestContext",
    "kernel.http.middleware.SecurityHeaders",
    "canaries.hidden.middleware.HiddenRoutes",  # outside of everything that counts, records or stores
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "audit.middleware.RefusalRecorder",
    "kernel.http.middleware.Gate",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.sessions.middleware.SessionLifetime",
    "kernel.pages.problem_views.DomainErrorResponses",
    "django.contrib.messages.middleware.MessageMiddleware",
    "kernel.observability.request_metrics.RequestMetrics",
]
ROOT_URLCONF = "ciphercanary.urls"
SECRET_KEY_FROM_ENVIRONMENT = env.str("SECRET_KEY", "")
SECRET_KEY = SECRET_KEY_FROM_ENVIRONMENT or home.read_secret_key(CC_HOME)
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [installation.FILES / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "canaries.hidden.officers.shell",
            ],
            "builtins": ["django.templatetags.static", "kernel.templatetags.pages"],
        },
    }
]
TIME_ZONE = "UTC"
USE_I18N = False
FORMAT_MODULE_PATH = ["kernel.formats"]
WSGI_APPLICATION = "ciphercanary.wsgi.application"
DATA_UPLOAD_MAX_MEMORY_SIZE = CC_MAX_BODY_BYTES  # the bridge refuses larger bodies first

# --- jobs: without a broker, bin/serve runs a worker in addition to the server
CELERY_BROKER_URL = env.redis_url("CELERY_BROKER_URL")
CC_JOB_THREADS = env.number("CC_JOB_THREADS", 2)
CC_JOB_LEASE_SECONDS = env.number("CC_JOB_LEASE_SECONDS", 20)
CC_EXPORT_HOURS = env.number("CC_EXPORT_HOURS", 24)
CC_FILE_HOURS = env.number("CC_FILE_HOURS", 24)
CC_FILE_QUOTA_BYTES = env.number("CC_FILE_QUOTA_BYTES", 64 * 1024**3)

# --- database
# The 10 are for 4 loader threads of the fast path, 4 threads for streams, the audit writer, and the leases of jobs.
CC_DB_POOL_MAX = env.number("CC_DB_POOL_MAX", max(CC_THREADS, CC_JOB_THREADS) + 10)
DATABASES = {"default": env.db_url("DATABASE_URL", f"sqlite:///{CC_HOME}/db.sqlite3")}
_database = DATABASES["default"]
_database["ATOMIC_REQUESTS"] = False
CC_SQLITE = "sqlite" in _database["ENGINE"]
# All waits of one request for locks and for a connection together: see kernel.databases.lock_waits.
CC_LOCK_WAIT_SECONDS = env.seconds("CC_LOCK_WAIT_SECONDS", 5.0, at_least=0.1, at_most=60)
CC_COMMIT_POLL_SECONDS = env.seconds("CC_COMMIT_POLL_SECONDS", 0.0, at_least=0, at_most=0.01)
if CC_SQLITE:
    _database |= options.sqlite()
else:
    _database |= options.postgresql(
        _database.get("OPTIONS", {}),
        pool={
            "min_size": env.number("CC_DB_POOL_MIN", 1, at_least=0, at_most=CC_DB_POOL_MAX),
            "max_size": CC_DB_POOL_MAX,
            "timeout": env.seconds("CC_DB_POOL_TIMEOUT", 5.0, at_least=0.1, at_most=60),
            "max_lifetime": env.seconds("CC_DB_POOL_MAX_LIFETIME", 3600.0, at_least=60, at_most=86400),
        },
    )

# --- cache
REDIS_URL = env.redis_url("REDIS_URL")
CC_REDIS_PREFIX = env.str("CC_REDIS_PREFIX", "cc")
CACHES = caches(REDIS_URL, CC_REDIS_PREFIX)
# Limited because a database restored from a backup can reach the same epochs again.
CC_METADATA_CACHE_SECONDS = env.number("CC_METADATA_CACHE_SECONDS", 60, at_least=0, at_most=3600)
SILENCED_SYSTEM_CHECKS = [
    # Without Redis, each process counts alone: exact with one process; ciphercanary.W001 warns if there are more.
    "django_ratelimit.E003",
    "django_ratelimit.W001",
    # HSTS covers the host itself. The operator decides on subdomains and on the preload lists of browsers.
    "security.W005",
    "security.W021",
]

# --- authentication
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.SessionBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "accounts.passwords.MaximumLengthValidator", "OPTIONS": {"max_length": 128}},
    {"NAME": "accounts.passwords.GuessesValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["username", "email"]},
    },
]
PASSWORD_HASHERS = ["accounts.hashers.BoundedArgon2PasswordHasher"]
LOGIN_URL = "login"
_passkey_origin, OTP_WEBAUTHN_RP_ID = addresses.passkey_origin(CC_PUBLIC_URL)
OTP_WEBAUTHN_RP_NAME = "CipherCanary"
OTP_WEBAUTHN_ALLOWED_ORIGINS = [_passkey_origin]
OTP_WEBAUTHN_CREDENTIAL_MODEL = "accounts.Passkey"

# --- REST
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.tokens.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [],  # kernel.rest.views.ApiView denies methods without a rule
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "kernel.rest.schema.ApiSchema",
    "URL_FORMAT_OVERRIDE": None,  # the Accept header decides; "format" is an ordinary parameter
    "EXCEPTION_HANDLER": "kernel.rest.exceptions.handle_exception",
    "UNAUTHENTICATED_USER": "accounts.principals.AnonymousPrincipal",
}
SPECTACULAR_SETTINGS = openapi.SPECTACULAR_SETTINGS
SIMPLE_JWT = {
    "ALGORITHM": "RS256",
    "ISSUER": CC_PUBLIC_URL,
    "AUDIENCE": "ciphercanary",
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=CC_ACCESS_TOKEN_MINUTES),
    "LEEWAY": 10,
}

# --- sessions, cookies, browser
SESSION_ENGINE = "accounts.session_engine"
SESSION_COOKIE_NAME = "__Host-session" if CC_TLS else "session"
CC_SESSION_IDLE_MINUTES = env.number("CC_SESSION_IDLE_MINUTES", 30, at_least=5, at_most=24 * 60)
SESSION_COOKIE_AGE = CC_SESSION_IDLE_MINUTES * 60
SESSION_SAVE_EVERY_REQUEST = False  # the age is an idle time, which accounts.sessions.middleware renews
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CC_TLS
CC_SESSION_ABSOLUTE_HOURS = env.number("CC_SESSION_ABSOLUTE_HOURS", 12)
CSRF_COOKIE_NAME = "__Host-csrftoken" if CC_TLS else "csrftoken"
CSRF_COOKIE_SECURE = CC_TLS
CSRF_COOKIE_HTTPONLY = True
CC_CONSOLE_DECRYPT = env.bool("CC_CONSOLE_DECRYPT", True)
MESSAGE_STORAGE = "kernel.pages.shell.NewestMessages"
CSRF_FAILURE_VIEW = "kernel.pages.problem_views.csrf_failure"
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[CC_PUBLIC_URL] if CC_TLS else [])
SECURE_SSL_REDIRECT = CC_TLS
SECURE_REDIRECT_EXEMPT = [r"^(api|auth|v1)/", r"^(health|livez|readyz|metrics|version)$"]
SECURE_HSTS_SECONDS = 31_536_000 if CC_TLS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if CC_TRUSTED_PROXIES else None
# With no-referrer, browsers send "Origin: null" with every form, which the CSRF check must refuse.
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CSP = {
    "default-src": [CSP.NONE],
    **{f"{kind}-src": [CSP.SELF] for kind in ("script", "style", "img", "font", "connect")},
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
    "manifest-src": [CSP.SELF],
}

# --- static files
FILE_UPLOAD_PERMISSIONS = 0o600  # also for collectstatic: only the owner may access files of the data folder
STATIC_URL = "/static/"
STATIC_ROOT = Path(CC_STATIC_ROOT or CC_HOME / "static").absolute()
STATICFILES_DIRS = [installation.FILES / "static"]
# Outside the data folder, another account may serve them: that of a proxy, or of the container.
_modes = {"file_permissions_mode": 0o644, "directory_permissions_mode": 0o755} if CC_STATIC_ROOT else {}
WHITENOISE_ALLOW_ALL_ORIGINS = False  # by default, every site may read the static files
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "ciphercanary.server.static_files.StampedStorage", "OPTIONS": _modes},
}

# --- logs, traces and metrics
OTEL_EXPORTER_OTLP_ENDPOINT = env.http_url("OTEL_EXPORTER_OTLP_ENDPOINT")
OTEL_EXPORTER_OTLP_HEADERS = env.str("OTEL_EXPORTER_OTLP_HEADERS", "")
OTEL_TRACES_SAMPLER = env.str("OTEL_TRACES_SAMPLER", "always_on")
OTEL_SERVICE_NAME = env.str("OTEL_SERVICE_NAME", "ciphercanary")
if CC_TRACES := bool(OTEL_EXPORTER_OTLP_ENDPOINT):
    MIDDLEWARE.insert(0, "kernel.http.traced_requests.RouteOfRequest")
else:
    tracing.keep_unloaded()
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", logs.LEVELS)
LOG_FORMAT = env.choice("LOG_FORMAT", "auto", logs.FORMATS)
LOGS = {"level": LOG_LEVEL, "log_format": LOG_FORMAT, "service": OTEL_SERVICE_NAME, "has_traces": CC_TRACES}
LOGGING_CONFIG = None
logs.configure(**LOGS)
