"""Settings, read from the environment and from `.env`; `.env.example` explains every key.

INCIDENTSCRIBE_ENV_FILE, in the environment, names another file, or none when it is empty.

Each program part reads its own class, so that it cannot see what it does not need: the web part
has no field for the service key.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from dashboard.errors import ConfigurationError

PUBLIC_WEBHOOK_KEY = "incident-webhook-key"
"""The key that the flow has in this repository, where everybody reads it."""


def settings_file() -> Path | None:
    """The file beside the environment that settings are read from; None for none."""
    name = os.environ.get("INCIDENTSCRIBE_ENV_FILE", ".env")
    return Path(name).expanduser() if name else None


def _http_url(text: str) -> str:
    text = text.strip().rstrip("/")
    if not text.startswith(("http://", "https://")):
        raise ValueError("must be an address that begins with http:// or https://")
    return text


def _tenant(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][\w-]*", text, re.ASCII):
        raise ValueError("must be the id of a tenant: letters, digits, - and _")
    return text


def _comma_separated(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Url = Annotated[str, AfterValidator(_http_url)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated)]


class Settings(BaseSettings):
    """What every class shares: where values come from, and errors that name the key."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, populate_by_name=True, env_ignore_empty=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, DotEnvSettingsSource(settings_cls, env_file=settings_file())

    @classmethod
    def load(cls, **values: object) -> Self:
        """Read the settings; keyword arguments win. Raises ConfigurationError naming the keys."""
        try:
            return cls(**values)  # type: ignore[arg-type]
        except ValidationError as error:
            raise _unusable(cls, error) from None


_S = TypeVar("_S", bound=Settings)


def load_or_ask(kind: type[_S], ask: Callable[[str, bool], str] | None) -> _S:
    """Read settings; where only secrets are missing, `ask(label, hidden)` for them.

    None asks nobody. Raises ConfigurationError as `load` does.
    """
    try:
        return kind.load()
    except ConfigurationError as error:
        names = {_environment_name(kind, name): name for name in kind.model_fields}
        fields = [names[key] for key in error.keys if key in names]
        if ask is None or len(fields) < len(error.keys):
            raise
        if any(kind.model_fields[field].annotation is not SecretStr for field in fields):
            raise
        return kind.load(**{field: SecretStr(ask(_environment_name(kind, field), True)) for field in fields})


def _unusable(cls: type[Settings], error: ValidationError) -> ConfigurationError:
    # `from None` and no input values: what stands in a setting may be a secret.
    missing: list[str] = []
    wrong: dict[str, str] = {}
    for finding in error.errors(include_url=False, include_input=False, include_context=False):
        key = _environment_name(cls, str(finding["loc"][0]))
        if finding["type"] == "missing":
            missing.append(key)
        else:
            wrong[key] = finding["msg"].removeprefix("Value error, ")
    sentences = [f"{key} {problem}." for key, problem in wrong.items()]
    if missing:
        sentences.insert(0, f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set.")
    return ConfigurationError(" ".join(sentences), keys=[*missing, *wrong])


def _environment_name(cls: type[Settings], location: str) -> str:
    field = cls.model_fields.get(location)
    alias = field.validation_alias if field else location
    return (alias if isinstance(alias, str) else location).upper()


class LogSettings(Settings):
    """How the log is written."""

    log: Literal["text", "json"] = Field(default="text", validation_alias="INCIDENTSCRIBE_LOG")


class MetricsSettings(Settings):
    """Who may read the numbers; without a token only this machine itself."""

    metrics_token: SecretStr | None = Field(
        default=None, validation_alias="INCIDENTSCRIBE_METRICS_TOKEN", min_length=16
    )


class KestraSettings(Settings):
    """How to reach Kestra, and where our flow is in it."""

    kestra_url: Url = "http://127.0.0.1:8080"
    kestra_username: str = "admin@kestra.io"
    kestra_password: SecretStr
    # Kestra's other editions have tenants, and tokens that are sent in the place of user and password.
    kestra_tenant: Annotated[str, AfterValidator(_tenant)] = "main"
    kestra_api_token: SecretStr | None = None
    # Hosts that a KESTRA_URL in system_config may name; empty: any by https.
    kestra_allowed_hosts: Names = Field(default=(), validation_alias="INCIDENTSCRIBE_KESTRA_ALLOWED_HOSTS")
    webhook_key: SecretStr = Field(
        default=SecretStr(PUBLIC_WEBHOOK_KEY), validation_alias="INCIDENTSCRIBE_WEBHOOK_KEY"
    )

    @model_validator(mode="before")
    @classmethod
    def _token_instead_of_password(cls, values: dict[str, object]) -> dict[str, object]:
        return {"kestra_password": "", **values} if values.get("kestra_api_token") else values


class AnonSettings(Settings):
    """Supabase as anybody sees it; with a person's token, as they do."""

    supabase_url: Url = "http://127.0.0.1:54321"
    supabase_anon_key: SecretStr


class WebSettings(AnonSettings, KestraSettings, MetricsSettings):
    """The web part: the anon key and the signed-in person's token are all it has."""

    kestra_ui_url: Url | None = None
    host: str = Field(default="127.0.0.1", validation_alias="INCIDENTSCRIBE_HOST")
    port: int = Field(default=8501, ge=1, le=65535, validation_alias="INCIDENTSCRIBE_PORT")
    allowed_hosts: Names = Field(
        default=("127.0.0.1", "localhost"), validation_alias="INCIDENTSCRIBE_ALLOWED_HOSTS"
    )
    sandbox_file: Path = Field(
        default=Path(".sandbox/endpoints.json"), validation_alias="INCIDENTSCRIBE_SANDBOX_FILE"
    )


class ServiceSettings(Settings):
    """Supabase with the service key, which row level security does not hold."""

    supabase_url: Url = "http://127.0.0.1:54321"
    supabase_service_role_key: SecretStr


class NoticeSettings(Settings):
    """Where notices go. What is not set is no channel; who wants what is a setting of each organization."""

    slack_webhook_url: SecretStr | None = Field(
        default=None, validation_alias="INCIDENTSCRIBE_SLACK_WEBHOOK_URL"
    )
    teams_webhook_url: SecretStr | None = Field(
        default=None, validation_alias="INCIDENTSCRIBE_TEAMS_WEBHOOK_URL"
    )
    smtp_url: SecretStr | None = Field(default=None, validation_alias="INCIDENTSCRIBE_SMTP_URL")
    mail_from: str = Field(
        default="IncidentScribe <incidentscribe@localhost>", validation_alias="INCIDENTSCRIBE_MAIL_FROM"
    )
    # Under which address people open the desk: links in notices begin with it.
    desk_url: Url = Field(default="http://127.0.0.1:8501", validation_alias="INCIDENTSCRIBE_DESK_URL")


class WorkerSettings(KestraSettings, ServiceSettings, NoticeSettings):
    """The worker: it stands between Supabase and Kestra."""

    # Whether the desk's process runs a worker of its own.
    in_desk: Literal["on", "off"] = Field(default="on", validation_alias="INCIDENTSCRIBE_WORKER")


class DeploySettings(KestraSettings, ServiceSettings):
    """What `deploy` writes into Kestra's KV store."""

    # Kestra may see Supabase under another address than this machine does.
    flow_supabase_url: Url | None = Field(default=None, validation_alias="INCIDENTSCRIBE_FLOW_SUPABASE_URL")
    gemini_api_key: SecretStr
    gemini_base_url: Url = "https://generativelanguage.googleapis.com"
    gemini_model: str = "gemini-2.5-flash"


class AdminSettings(AnonSettings):
    """Who administers by command line; what is not set is asked for."""

    admin_email: str | None = Field(default=None, validation_alias="INCIDENTSCRIBE_ADMIN_EMAIL")
    admin_password: SecretStr | None = Field(default=None, validation_alias="INCIDENTSCRIBE_ADMIN_PASSWORD")


class SeedSettings(ServiceSettings, AnonSettings):
    """What `seed` needs for the demo's organization: its first admin does the most of it."""

    demo_password: SecretStr = Field(validation_alias="INCIDENTSCRIBE_DEMO_PASSWORD")
    demo_service_url: Url = Field(
        default="http://127.0.0.1:8091", validation_alias="INCIDENTSCRIBE_DEMO_SERVICE_URL"
    )


class MigrateSettings(Settings):
    """What `migrate` needs: a Postgres address of the migrations' owner."""

    database_url: SecretStr = Field(validation_alias="INCIDENTSCRIBE_DATABASE_URL")
